"""Averaging over autoregressive models: what the weights make of them, and where it helps."""

from __future__ import annotations

import numpy as np
from conftest import clipped_to, tones
from scipy.signal import lfilter
from scipy.stats import norm

from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.clipping.signal import ClippedSignal
from declipper.methods.autoregressive import ARModel, autoregressive, predicted
from declipper.methods.model_averaging import averaged
from declipper.methods.truncated_normal import Estimate, bounded
from declipper.training.data.degrade import sdr

WORK = 1e8
LONG, SHORT = ARModel(8192, (128, 128), WORK), ARModel(1024, (32, 32), WORK)


def at(y: Array, positive: float = 0.5, negative: float = -0.5) -> ClippedSignal:
    """Samples that were clipped at these levels."""
    return ClippedSignal(y, np.array(positive), np.array(negative), 44100)


def test_one_model_is_the_autoregressive_method() -> None:
    _, y = clipped_to(tones(20000))
    alone, combined = autoregressive(at(y), LONG), averaged(at(y), (LONG,), start=y)
    assert np.allclose(combined.mean, alone.mean, rtol=1e-12)
    assert np.allclose(combined.deviation, alone.deviation, rtol=1e-9)


def test_two_models_are_weighted_with_the_inverse_of_their_variance_and_how_likely_they_hold_the_levels() -> None:
    """In a recording no longer than what is round about, all clipped samples are witnesses to each, and the weights of a model are one."""
    _, y = clipped_to(tones(240) + 0.1 * np.random.default_rng(2).normal(size=(240, 1)))
    models = LONG, ARModel(1024, (4, 4), WORK)
    each = [predicted(at(y), model, start=y) for model in models]
    combined = averaged(at(y), models, start=y)
    clipped = np.abs(y) >= 0.5
    (a, s), (b, t) = ((found.mean[clipped], found.deviation[clipped]) for found in each)
    k, m = (np.exp(12 * norm.logcdf((found * np.sign(y[clipped]) - 0.5) / spread).mean()) for found, spread in ((a, s), (b, t)))
    assert not 0.7 < k / m < 1.5
    mean, deviation = np.zeros((2, *y.shape))
    weight = k / s**2 + m / t**2
    mean[clipped], deviation[clipped] = (k * a / s**2 + m * b / t**2) / weight, np.sqrt((k + m) / weight)
    expected = bounded(at(y), Estimate(mean, deviation))
    assert np.allclose(combined.mean, expected.mean, rtol=1e-12)
    assert np.allclose(combined.deviation, expected.deviation, rtol=1e-9)
    assert not combined.deviation[~clipped].any()


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
        signal = at(clip(x, level, -level), level, -level)
        gains = [sdr(x, averaged(signal, models).mean) for models in ((LONG,), (SHORT,), (LONG, SHORT))]
        worse, better = sorted(gains[:2])
        assert gains[2] > better - 1
        assert gains[2] > worse + 1


def test_a_level_of_zero_is_no_division_by_zero() -> None:
    y = np.minimum(tones(9000), 0)
    found = averaged(at(y, 0.0, -np.inf), (LONG, SHORT))
    assert np.all(np.isfinite(found.deviation))
    assert np.all(np.isfinite(found.mean))
    assert not averaged(at(np.zeros((9000, 1)), 0.0), (LONG,)).mean.any()
