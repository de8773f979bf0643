"""Signals for the tests of detection, clipped at known levels, and what must be found in them."""

from functools import lru_cache

import numpy as np

from declipper.clipping.levels import mask_of
from declipper.detection.detector import find_levels

RATE = 44100


@lru_cache
def notes(seed=0, seconds=5.0, channels=1):
    """Notes that die away, with harmonics, and some noise: (frames, channels), peak about 1."""
    rng = np.random.default_rng(seed)
    frames = int(seconds * RATE)
    out = rng.normal(0, 0.02, (frames, channels))
    for begin in range(0, frames, RATE // 5):
        t = np.arange(min(RATE, frames - begin)) / RATE
        for _ in range(2):
            hertz, decay = 55 * 2 ** (rng.integers(0, 36) / 12), rng.uniform(3, 12)
            for harmonic in range(1, 8):
                shape = np.sin(2 * np.pi * harmonic * hertz * t + rng.uniform(0, 6.28)) * np.exp(-decay * t) / harmonic
                out[begin : begin + len(t)] += rng.uniform(0.2, 1) * shape[:, None] * rng.uniform(0.7, 1, channels)
    return out / np.abs(out).max()


def overloaded(level=1.0, seed=0, channels=1):
    """A signal whose peaks reach four times `level`, and where they exceed it."""
    x = 4 * level * notes(seed, channels=channels)
    return x, np.abs(x) > level


@lru_cache
def bells():
    """High notes struck at random, of which a crest takes a few samples: (frames, 1), peak 1."""
    rng = np.random.default_rng(3)
    out = rng.normal(0, 1e-3, 20 * RATE)
    t = np.arange(RATE) / RATE
    for begin in rng.integers(0, len(out) - RATE, 60):
        hertz = rng.uniform(5000, 7000)
        out[begin : begin + RATE] += rng.uniform(0.3, 1) * np.exp(-rng.uniform(5, 15) * t) * np.sin(2 * np.pi * hertz * t)
    return (out / np.abs(out).max())[:, None]


def check_levels(y, truth, level, recall=0.999, precision=0.97, tolerance_db=0.02):
    """Both polarities found, from `tolerance_db` below `level` to hardly above it, and the mask right."""
    levels = find_levels(y)
    up, down = levels.positive.min(), levels.negative.max()
    for found in (up, -down):
        assert np.isfinite(found)
        assert -tolerance_db <= 20 * np.log10(found / level) <= 0.01
    mask = mask_of(y, levels)
    assert (mask & truth).sum() >= recall * truth.sum()
    assert (mask & truth).sum() >= precision * mask.sum()
    return levels


def nothing_in(y):
    levels = find_levels(np.asarray(y, np.float32))
    assert not levels.any, (levels.positive, levels.negative)
