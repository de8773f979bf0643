"""The restoration by few partials: sines come back, and what holds for any signal: scaling, polarity, consistency."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clipped_to, tones

from declipper.sparse import sparse
from declipper.spectral import spectral
from declipper.training.degrade import sdr

UP, DOWN = np.array([[0.5]]), np.array([[-0.5]])
RATE = 44100


@pytest.mark.parametrize("rate", [8000, 48000, 192000])
def test_restores_tones_at_any_rate(rate: int) -> None:
    x, y = clipped_to(tones(int(0.6 * rate) + 1, rate))
    assert sdr(x, sparse(y, UP, DOWN, rate)) > 25


def test_surpasses_the_spectral_method_where_most_is_clipped() -> None:
    x, y = clipped_to(tones(30000), 3)
    assert np.mean(np.abs(y) >= 0.5) > 0.6
    assert sdr(x, sparse(y, UP, DOWN, RATE)) > sdr(x, spectral(y, UP, DOWN, RATE)) + 3


def test_scaling_scales_and_polarity_flips() -> None:
    _, y = clipped_to(tones(20000))
    restored = sparse(y, UP, 0.8 * DOWN, RATE)
    assert np.array_equal(sparse(y * 4, UP * 4, 3.2 * DOWN, RATE), restored * 4)
    assert np.array_equal(sparse(-y, -0.8 * DOWN, -UP, RATE), -restored)


def test_channels_are_restored_each_by_itself() -> None:
    _, y = clipped_to(np.concatenate([tones(20000, seed=1), tones(20000, seed=2), 0.1 * tones(20000, seed=3)], axis=1))
    up, down = np.array([[0.5, 0.4, 0.5]]), np.array([[-0.5, -np.inf, -0.5]])
    each = [sparse(y[:, [c]], up[:, [c]], down[:, [c]], RATE) for c in range(3)]
    assert np.array_equal(sparse(y, up, down, RATE), np.concatenate(each, axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reliable_samples_stay_and_clipped_ones_keep_their_level(dtype: type) -> None:
    y = clipped_to(tones(20000))[1].astype(dtype)
    level = np.linspace(0.3, 0.5, len(y))[:, None]
    restored = sparse(y, level, DOWN, RATE)
    up, down = y >= level, y <= DOWN
    assert restored.dtype == dtype
    assert np.array_equal(restored[~(up | down)], y[~(up | down)])
    assert np.all(restored[up] >= np.broadcast_to(level, y.shape)[up])
    assert np.all(restored[down] <= -0.5)


def test_windows_without_clipping_are_left_out_and_change_nothing() -> None:
    """Where two clipped stretches are more than a window apart, each comes out as if it were alone."""
    _, y = clipped_to(tones(80000))
    y[20000:60000] *= 0.2
    alone = np.concatenate([y[:40960], np.zeros((80000 - 40960, 1))])
    assert np.array_equal(sparse(alone, UP, DOWN, RATE)[:20000], sparse(y, UP, DOWN, RATE)[:20000])
    assert not np.array_equal(sparse(y, UP, DOWN, RATE)[60000:], y[60000:])


@pytest.mark.parametrize("frames", [0, 1, 2, 100, 8193])
def test_short_signals(frames: int) -> None:
    y = np.clip(tones(frames) * 3, -0.5, 0.5)
    restored = sparse(y, UP, DOWN, RATE)
    assert restored.shape == y.shape
    assert np.all(np.isfinite(restored))


def test_silence_a_wholly_clipped_signal_and_broken_samples() -> None:
    assert not sparse(np.zeros((9000, 2)), UP, DOWN, RATE).any()
    full = np.full((20000, 1), 0.5)
    restored = sparse(full, UP, DOWN, RATE)
    assert np.all((restored >= 0.5) & (restored < 5))
    _, y = clipped_to(tones(20000) + 0.4)
    y[3000], y[5000], y[7000] = np.nan, np.inf, -np.inf
    restored = sparse(y, UP, DOWN, RATE)
    assert np.all(np.isfinite(restored))
    assert np.all(restored[[3000, 5000, 7000]] == 0)
