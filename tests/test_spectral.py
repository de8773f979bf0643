"""The spectral restoration: sines come back, and what holds for any signal: scaling, polarity, consistency."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clipped_to, tones

from declipper.spectral import Iteration, falling, spectral
from declipper.training.degrade import sdr

UP, DOWN = np.array([[0.5]]), np.array([[-0.5]])
RATE = 44100
FEW = falling(6, 0.2, 0.001, 0.9, 1.2)


@pytest.mark.parametrize("rate", [8000, 48000, 192000])
def test_restores_tones_at_any_rate(rate: int) -> None:
    x, y = clipped_to(tones(int(0.6 * rate) + 1, rate))
    assert sdr(x, spectral(y, UP, DOWN, rate)) > 25


def test_nothing_is_weakened_at_level_zero() -> None:
    """Without gain, spectrum and back is the identity: the clipped samples stay where they started."""
    x, y = clipped_to(tones())
    assert np.allclose(spectral(y, UP, DOWN, RATE, start=x, iterations=(Iteration(0.0, 0.9, 1.2),) * 4), x, atol=1e-5)


def test_starts_from_an_estimate() -> None:
    """A start at the truth stays closer to it than one from the clipped signal comes in so few iterations."""
    x, y = clipped_to(tones())
    late = tuple(Iteration(0.001, 0.9, 1.2) for _ in range(4))
    assert sdr(x, spectral(y, UP, DOWN, RATE, start=x, iterations=late)) > sdr(x, spectral(y, UP, DOWN, RATE, iterations=late)) + 6


def test_scaling_scales_and_polarity_flips() -> None:
    _, y = clipped_to(tones())
    restored = spectral(y, UP, 0.8 * DOWN, RATE, iterations=FEW)
    assert np.array_equal(spectral(y * 4, UP * 4, 3.2 * DOWN, RATE, iterations=FEW), restored * 4)
    assert np.allclose(spectral(y * 0.3, UP * 0.3, 0.24 * DOWN, RATE, iterations=FEW), restored * 0.3, atol=1e-5)
    assert np.allclose(spectral(-y, -0.8 * DOWN, -UP, RATE, iterations=FEW), -restored, atol=1e-6)


def test_channels_are_restored_each_by_itself() -> None:
    _, y = clipped_to(np.concatenate([tones(seed=1), tones(seed=2), 0.1 * tones(seed=3)], axis=1))
    up, down = np.array([[0.5, 0.4, 0.5]]), np.array([[-0.5, -np.inf, -0.5]])
    each = [spectral(y[:, [c]], up[:, [c]], down[:, [c]], RATE, iterations=FEW) for c in range(3)]
    assert np.array_equal(spectral(y, up, down, RATE, iterations=FEW), np.concatenate(each, axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reliable_samples_stay_and_clipped_ones_keep_their_level(dtype: type) -> None:
    y = clipped_to(tones())[1].astype(dtype)
    level = np.linspace(0.3, 0.5, len(y))[:, None]
    restored = spectral(y, level, DOWN, RATE, iterations=FEW)
    up, down = y >= level, y <= DOWN
    assert restored.dtype == dtype
    assert np.array_equal(restored[~(up | down)], y[~(up | down)])
    assert np.all(restored[up] >= np.broadcast_to(level, y.shape)[up])
    assert np.all(restored[down] <= -0.5)


def test_stretches_without_clipping_part_the_work_and_change_nothing() -> None:
    """Two clipped stretches far apart come out as they do when the signal is cut between them at a multiple of the window."""
    _, y = clipped_to(tones(160000))
    y[20000:130000] *= 0.2
    whole = spectral(y, UP, DOWN, RATE, iterations=FEW)
    cut = 8 * 8192
    parts = [spectral(part, UP, DOWN, RATE, iterations=FEW) for part in (y[:cut], y[cut:])]
    assert np.array_equal(whole, np.concatenate(parts))
    assert not np.array_equal(whole[130000:], y[130000:])


@pytest.mark.parametrize("frames", [0, 1, 2, 100, 8193])
def test_short_signals(frames: int) -> None:
    y = np.clip(tones(frames) * 3, -0.5, 0.5)
    restored = spectral(y, UP, DOWN, RATE, iterations=FEW)
    assert restored.shape == y.shape
    assert np.all(np.isfinite(restored))


def test_silence_a_wholly_clipped_signal_and_broken_samples() -> None:
    assert not spectral(np.zeros((9000, 2)), UP, DOWN, RATE).any()
    full = np.full((20000, 1), 0.5)
    restored = spectral(full, UP, DOWN, RATE, iterations=FEW)
    assert np.all((restored >= 0.5) & (restored < 5))
    _, y = clipped_to(tones() + 0.4)
    y[3000], y[5000], y[7000] = np.nan, np.inf, -np.inf
    restored = spectral(y, UP, DOWN, RATE, iterations=FEW)
    assert np.all(np.isfinite(restored))
    assert np.all(restored[[3000, 5000, 7000]] == 0)
