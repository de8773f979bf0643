"""Normal distributions cut off at a level: against closed forms, against numbers, and as the promises want it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import truncnorm

from declipper.clipping.arrays import Array
from declipper.clipping.signal import ClippedSignal
from declipper.methods.truncated_normal import Estimate, above, bounded, cavity, site_update


def at(y: Array) -> ClippedSignal:
    """Samples that were clipped at one half."""
    return ClippedSignal(y, np.array(0.5), np.array(-0.5), 44100)


def test_the_moments_are_those_of_the_cut_off_distribution() -> None:
    mean, level = np.array([0.0, 1.0, -2.0, 0.3]), np.array([0.0, -1.0, 1.0, 0.5])
    variance = np.array([1.0, 0.25, 4.0, 0.01])
    expected = truncnorm((level - mean) / np.sqrt(variance), np.inf, loc=mean, scale=np.sqrt(variance))
    found = above(mean, variance, level=level)
    assert np.allclose(found[0], expected.mean(), rtol=1e-12)
    assert np.allclose(found[1], expected.var(), rtol=1e-9)


@pytest.mark.parametrize("distance", [-1e9, -40.0, 29.9999, 30.0001, 1e4, 1e9])
def test_they_hold_however_far_the_level_is(distance: float) -> None:
    """Far below the mean nothing is cut off; far above it, what is left is an exponential distribution."""
    mean, variance = above(np.zeros(1), np.ones(1), level=np.array([distance]))
    assert mean == pytest.approx(distance + (1 / distance if distance > 0 else -distance), rel=1e-3)
    assert variance == pytest.approx(1 / distance**2 if distance > 0 else 1.0, rel=1e-2)
    assert mean >= distance


def test_what_is_sure_stays_and_is_held_at_the_level() -> None:
    mean, variance = above(np.array([0.7, 0.2]), np.zeros(2), level=np.array([0.5, 0.5]))
    assert np.allclose(mean, [0.7, 0.5], rtol=1e-12)
    assert not variance.any()


def test_a_site_gives_a_lone_sample_the_moments_above_its_level() -> None:
    mean, variance, level = np.array([0.2, 0.9]), np.array([0.3, 0.04]), np.array([0.5, 0.5])
    precision, pull = site_update(mean, variance, level=level)
    cut, left = above(mean, variance, level=level)
    assert np.allclose(1 / (1 / variance + precision), left)
    assert np.allclose((mean / variance + pull) * left, cut)
    assert np.allclose(cavity(cut, left, precision=precision, pull=pull), (mean, variance))


def test_two_samples_that_hang_together_agree_with_integration() -> None:
    """Expectation propagation in turns: the mean of a cut off normal distribution of two variables, by counting on a grid."""
    mean, covariance, level = np.array([0.0, 0.3]), np.array([[1.0, 0.8], [0.8, 1.0]]), np.array([1.0, 0.5])
    inverse = np.linalg.inv(covariance)
    precision, pull = np.zeros(2), np.zeros(2)
    for _ in range(20):
        joint = np.linalg.inv(inverse + np.diag(precision))
        found = joint @ (inverse @ mean + pull)
        precision, pull = site_update(*cavity(found, np.diag(joint), precision=precision, pull=pull), level=level)
    a, b = np.meshgrid(*(np.linspace(v, v + 8, 2001) for v in level), indexing="ij")
    apart = np.stack([a - mean[0], b - mean[1]])
    weight = np.exp(-np.einsum("iab,ij,jab->ab", apart, inverse, apart) / 2)
    expected = np.array([np.sum(a * weight), np.sum(b * weight)]) / weight.sum()
    alone = above(mean, np.ones(2), level=level)[0]
    assert np.abs(found - expected).max() < 0.02
    assert np.abs(alone - expected).max() > 0.1


def test_reliable_samples_stay_and_clipped_ones_are_moved_beyond_their_level() -> None:
    y = np.array([[0.5], [-0.5], [0.1], [np.nan]])
    found = bounded(at(y), Estimate(np.array([[0.4], [-0.45], [9.0], [9.0]]), np.full((4, 1), 0.1)))
    restored, deviation = found.mean, found.deviation
    assert restored[0, 0] > 0.5
    assert restored[1, 0] < -0.5
    assert restored[2, 0] == 0.1
    assert np.all(deviation[:2] > 0)
    assert not deviation[2:].any()


def test_where_nothing_is_known_the_guess_stands() -> None:
    y = np.full((2, 1), 0.5)
    found = bounded(at(y), Estimate(np.array([[0.8], [0.3]]), np.full((2, 1), np.inf)))
    assert np.array_equal(found.mean, [[0.8], [0.5]])
    assert np.array_equal(found.deviation, [[0.8], [0.3]])


def test_the_negative_polarity_mirrors_the_positive_one() -> None:
    rng = np.random.default_rng(1)
    mean, deviation = rng.normal(size=(50, 1)), rng.uniform(0.01, 1, (50, 1))
    y = np.full((50, 1), 0.5)
    one, other = bounded(at(y), Estimate(mean, deviation)), bounded(at(-y), Estimate(-mean, deviation))
    assert np.array_equal(one.mean, -other.mean)
    assert np.array_equal(one.deviation, other.deviation)
