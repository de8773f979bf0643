"""Gains over time that recordings are put through: automatic gain control, compressor, limiter, fades and steps."""

from __future__ import annotations

import numpy as np
import scipy.ndimage

from declipper.clipping.arrays import Array

TICK = 0.002
"""Seconds from one value of a gain curve to the next; between them it runs on a line."""


def _spread(curve_db: Array, frames: int) -> Array:
    """A gain curve in dB at ticks, as factors for each frame."""
    places = np.linspace(0, frames - 1, len(curve_db))
    return np.asarray(10 ** (np.interp(np.arange(frames), places, curve_db) / 20))


def _ticks(y: Array, rate: int) -> Array:
    """y cut into ticks, (ticks, frames per tick)."""
    step = max(1, int(TICK * rate))
    return y[: len(y) // step * step].reshape(-1, step)


def ride(frames: int, rate: int, rng: np.random.Generator) -> Array:
    """A gain by hand: knots a fraction of a second apart, 1 to 20 dB a second, or one step; gains of at most 1."""
    if rng.random() < 0.3:
        place = int(rng.uniform(0.2, 0.8) * frames)
        step = 10 ** (rng.uniform(-12, -1) / 20)
        pair = (1.0, step) if rng.random() < 0.5 else (step, 1.0)
        return np.where(np.arange(frames) < place, *pair)
    knots = int(rng.integers(2, 6))
    slope = np.exp(rng.uniform(np.log(1), np.log(20)))
    db = np.cumsum(rng.choice([-1, 1], knots) * slope * frames / rate / (knots - 1))
    return _spread(db - db.max(), frames)


def agc(y: Array, rate: int, db_per_second: float, rng: np.random.Generator) -> Array:
    """Automatic gain control: the gain runs toward a steady loudness at so many dB a second, and starts anywhere near it."""
    blocks = _ticks(y, rate)
    loud = 10 * np.log10(np.square(blocks).mean(axis=1) + 1e-8)
    loud = scipy.ndimage.uniform_filter1d(loud, max(1, int(rng.uniform(0.02, 0.3) / TICK)))
    wanted = np.percentile(loud, 80) - np.maximum(loud, np.percentile(loud, 40))
    step = db_per_second * TICK
    curve, now = np.empty(len(wanted)), float(wanted[0] + rng.uniform(-6, 6))
    for index, target in enumerate(wanted):
        now += float(np.clip(target - now, -step, step))
        curve[index] = now
    return _spread(curve, len(y))


def compressor(y: Array, rate: int, rng: np.random.Generator, ratio: float | None = None) -> Array:
    """A compressor with attack and release, its threshold 3 to 20 dB below the peak."""
    blocks = _ticks(y, rate)
    level = 20 * np.log10(np.abs(blocks).max(axis=1) + 1e-8)
    threshold = level.max() - rng.uniform(3, 20)
    slope = 1 - 1 / (ratio or rng.uniform(1.5, 8))
    attack, release = (np.exp(-TICK / np.exp(rng.uniform(*np.log(span)))) for span in ((0.001, 0.05), (0.03, 0.5)))
    curve, now = np.empty(len(level)), 0.0
    for index, wanted in enumerate(-slope * np.maximum(level - threshold, 0)):
        keep = attack if wanted < now else release
        now = keep * now + (1 - keep) * float(wanted)
        curve[index] = now
    return _spread(curve, len(y))


def limiter(y: Array, rate: int, ceiling: float, rng: np.random.Generator) -> Array:
    """A look-ahead limiter: no sample exceeds the ceiling, and its gain moves over 1 to 40 ms."""
    width = 2 * int(np.exp(rng.uniform(*np.log((0.001, 0.04)))) * rate / 2) + 1
    needed = np.minimum(1.0, ceiling / np.maximum(np.abs(y), 1e-9))
    return np.asarray(scipy.ndimage.uniform_filter1d(scipy.ndimage.minimum_filter1d(needed, width), width))
