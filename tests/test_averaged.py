"""Averaging over autoregressive models: what the weights make of them, and where it helps."""

from __future__ import annotations

import numpy as np
from conftest import clipped_to, tones
from scipy.signal import lfilter
from scipy.stats import norm

from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.methods.autoregressive import autoregressive, predicted
from declipper.methods.model_averaging import averaged
from declipper.methods.truncated_normal import bounded
from declipper.training.data.degrade import sdr

UP, DOWN = np.array([[0.5]]), np.array([[-0.5]])
RATE = 44100
WORK = 1e8
LONG, SHORT = (8192, (128, 128)), (1024, (32, 32))


def test_one_model_is_the_autoregressive_method() -> None:
    _, y = clipped_to(tones(20000))
    found, deviation = autoregressive(y, UP, DOWN, RATE, LONG[1], LONG[0], WORK)
    estimate, combined = averaged(y, UP, DOWN, RATE, (LONG,), WORK, y)
    assert np.allclose(estimate, found, rtol=1e-12)
    assert np.allclose(combined, deviation, rtol=1e-9)


def test_two_models_are_weighted_with_the_inverse_of_their_variance_and_how_likely_they_hold_the_levels() -> None:
    """In a recording no longer than what is round about, all clipped samples are witnesses to each, and the weights of a model are one."""
    _, y = clipped_to(tones(240) + 0.1 * np.random.default_rng(2).normal(size=(240, 1)))
    models = LONG, (1024, (4, 4))
    each = [predicted(y, UP, DOWN, RATE, orders, window, WORK * window / 8192, y) for window, orders in models]
    estimate, combined = averaged(y, UP, DOWN, RATE, models, WORK, y)
    clipped = np.abs(y) >= 0.5
    (a, s), (b, t) = (tuple(v[clipped] for v in pair) for pair in each)
    k, m = (np.exp(12 * norm.logcdf((found * np.sign(y[clipped]) - 0.5) / spread).mean()) for found, spread in ((a, s), (b, t)))
    assert not 0.7 < k / m < 1.5
    mean, deviation = np.zeros((2, *y.shape))
    weight = k / s**2 + m / t**2
    mean[clipped], deviation[clipped] = (k * a / s**2 + m * b / t**2) / weight, np.sqrt((k + m) / weight)
    expected = bounded(y, mean, deviation, UP, DOWN)
    assert np.allclose(estimate, expected[0], rtol=1e-12)
    assert np.allclose(combined, expected[1], rtol=1e-9)
    assert not combined[~clipped].any()


def chord(frames: int) -> Array:
    """Forty steady partials in a little noise, (frames, 1)."""
    rng = np.random.default_rng(3)
    partials = np.sin(np.outer(np.arange(frames), rng.uniform(0.02, 1.5, 40)) + rng.uniform(0, 6, 40))
    return (partials.sum(axis=1) + 0.02 * rng.normal(size=frames))[:, None]


def voice(frames: int, syllable: int = 1500) -> Array:
    """Noise through a resonance that jumps from syllable to syllable, (frames, 1)."""
    rng = np.random.default_rng(4)
    parts = [
        lfilter([1.0], [1, -1.996 * np.cos(rng.uniform(0.02, 0.3)), 0.996], rng.normal(size=syllable)) for _ in range(0, frames, syllable)
    ]
    return np.concatenate([part / part.std() for part in parts])[:frames, None]


def test_each_kind_of_signal_is_left_to_the_model_that_fits_it() -> None:
    """A chord to the long window, a voice to the short one: the mean is nearer to the better of the two by far."""
    for x in (chord(30000), voice(30000)):
        level = float(np.quantile(np.abs(x), 0.97))
        y, levels = clip(x, level, -level), (np.array([[level]]), np.array([[-level]]))
        gains = [sdr(x, averaged(y, *levels, RATE, models, WORK, y)[0]) for models in ((LONG,), (SHORT,), (LONG, SHORT))]
        worse, better = sorted(gains[:2])
        assert gains[2] > better - 1
        assert gains[2] > worse + 1


def test_a_level_of_zero_is_no_division_by_zero() -> None:
    y = np.minimum(tones(9000), 0)
    estimate, deviation = averaged(y, np.array([[0.0]]), np.array([[-np.inf]]), RATE, (LONG, SHORT), WORK, y)
    assert np.all(np.isfinite(deviation))
    assert np.all(np.isfinite(estimate))
    assert not averaged(np.zeros((9000, 1)), np.array([[0.0]]), DOWN, RATE, (LONG,), WORK, None)[0].any()
