"""The published baselines restore what they should and keep the product's promises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.training.data.degrade import sdr, threshold_for_sdr
from declipper.training.judging.baselines import a_spade, cubic, ss_pew

RATE = 8000
Baseline = Callable[[Array, float], Array]
BASELINES = [
    pytest.param(cubic, id="cubic"),
    pytest.param(lambda y, level: ss_pew(y, level, RATE, iterations=100), id="ss_pew"),
    pytest.param(lambda y, level: a_spade(y, level, RATE, sparsity_step=4), id="a_spade"),
]
each_baseline = pytest.mark.parametrize("baseline", BASELINES)


def chord(frames: int = 4000) -> Array:
    """Three low sines of random amplitude and phase: slow enough for a spline across a clipped run."""
    rng = np.random.default_rng(0)
    t = np.arange(frames)[:, None] / RATE
    return np.sum(rng.uniform(0.5, 1, 3) * np.sin(2 * np.pi * np.array([110, 137, 164]) * t + rng.uniform(0, 6, 3)), axis=1)


@pytest.fixture(scope="module")
def clipped() -> tuple[Array, Array, float]:
    """The chord, the chord clipped to an input SDR of 10 dB, and the level."""
    x = chord()
    level = threshold_for_sdr(x, 10)
    return x, clip(x, level, -level), level


@each_baseline
def test_a_clipped_sum_of_sines_is_restored(baseline: Baseline, clipped: tuple[Array, Array, float]) -> None:
    x, y, level = clipped
    assert sdr(x, baseline(y, level)) - sdr(x, y) > 15


@each_baseline
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reliable_samples_stay_and_clipped_ones_reach_the_level(baseline: Baseline, dtype: type) -> None:
    x = np.random.default_rng(1).standard_normal(1001)
    level = 0.7
    y = clip(x, level, -level).astype(dtype)
    restored = baseline(y, level)
    reliable = np.abs(x) < level
    assert restored.dtype == dtype
    assert np.array_equal(restored[reliable], y[reliable])
    assert np.all(restored[~reliable] * np.sign(y[~reliable]) >= np.abs(y[~reliable]))


@each_baseline
def test_a_gain_on_the_input_is_a_gain_on_the_output(baseline: Baseline, clipped: tuple[Array, Array, float]) -> None:
    _, y, level = clipped
    assert np.array_equal(baseline(y / 8, level / 8), baseline(y, level) / 8)
    assert np.allclose(baseline(-y, level), -baseline(y, level))


@each_baseline
@pytest.mark.parametrize("y", [np.zeros(1000), 0.1 * chord(1000), np.zeros(0)], ids=["silence", "unclipped", "empty"])
def test_what_is_not_clipped_comes_back_as_it_was(baseline: Baseline, y: Array) -> None:
    assert np.array_equal(baseline(y, 0.5), y)


@each_baseline
@pytest.mark.parametrize("frames", [1, 7, 500])
def test_a_signal_clipped_throughout_stays_finite(baseline: Baseline, frames: int) -> None:
    y = np.full(frames, 0.5)
    restored = baseline(y, 0.5)
    assert restored.shape == y.shape
    assert np.all(np.isfinite(restored) & (restored >= y))
