"""Exact and dithered plateaus are found at any height, in either polarity, and the mask is right."""

import numpy as np
import pytest
from plateaus import RATE, bells, check_levels, notes, overloaded

from declipper.clipping.levels import clip, mask_of
from declipper.detection.detector import find_levels
from declipper.training.studies.cases import quantise


@pytest.mark.parametrize("bits", [16, 24])
def test_full_scale(bits):
    x, truth = overloaded()
    check_levels(quantise(x, bits), truth, 1.0)


@pytest.mark.parametrize("bits", [16, None])
@pytest.mark.parametrize("dbfs", [6.0, 0.0, -0.07, -1.0, -6.0, -20.0])
def test_any_height(dbfs, bits):
    level = 10 ** (dbfs / 20)
    if bits and dbfs > 0:
        pytest.skip("no integers above full scale")
    x, truth = overloaded(level)
    y = clip(x, level, -level)
    check_levels(quantise(y, bits) if bits else y.astype(np.float32), truth, level)


def test_samples_scaled_like_integers():
    x, truth = overloaded(32767.0)
    check_levels(clip(x, 32767.0, -32767.0).astype(np.float32), truth, 32767.0)


def test_little_clipping_is_found():
    x = notes()
    level = np.sort(np.abs(x[:, 0]))[-60]
    check_levels(quantise(clip(x, level, -level), 16), np.abs(x) > level, level, precision=0.85)


def test_one_sided():
    x, _ = overloaded(0.25)
    levels = find_levels(quantise(clip(x, 0.25, -2.0), 16))
    assert levels.positive[0, 0] == pytest.approx(0.25, rel=1e-3)
    assert levels.negative[0, 0] == -np.inf


def test_asymmetric():
    x, _ = overloaded(0.5)
    levels = find_levels(quantise(clip(x, 0.9, -0.4), 16))
    assert levels.positive[0, 0] == pytest.approx(0.9, rel=1e-3)
    assert levels.negative[0, 0] == pytest.approx(-0.4, rel=1e-3)


@pytest.mark.parametrize("offset", [0.03, 0.3])
def test_direct_current_after_clipping(offset):
    x, truth = overloaded(0.5)
    y = quantise(clip(x, 0.5, -0.5) + offset, 16)
    levels = find_levels(y)
    assert levels.positive[0, 0] == pytest.approx(0.5 + offset, rel=1e-3)
    assert levels.negative[0, 0] == pytest.approx(offset - 0.5, rel=1e-3)
    assert (mask_of(y, levels) & truth).sum() >= 0.999 * truth.sum()


@pytest.mark.parametrize("level", [0.9661, 0.96607, 0.1, 0.10002])
def test_dither(level):
    x, truth = overloaded(level)
    rng = np.random.default_rng(1)
    dither = (rng.random(x.shape) - rng.random(x.shape)) / 32768
    check_levels(quantise(clip(x, level, -level) + dither, 16), truth, level, 0.99, 0.9, 0.05)


@pytest.mark.parametrize("bits", [16, None])
@pytest.mark.parametrize("clipped", [40, 400])
def test_high_notes_that_are_above_the_level_for_a_sample_or_two(clipped, bits):
    x = bells()
    level = np.sort(np.abs(x[:, 0]))[-clipped]
    y = clip(x, level, -level)
    check_levels(quantise(y, bits) if bits else y.astype(np.float32), np.abs(x) > level, level, precision=0.85)


@pytest.mark.parametrize("bits", [16, None])
def test_high_notes_clipped_and_then_played_again_and_again(bits):
    x = np.tile(bells()[: 4 * RATE], (5, 1))
    level = np.sort(np.abs(x[:, 0]))[-400]
    y = clip(x, level, -level)
    check_levels(quantise(y, bits) if bits else y.astype(np.float32), np.abs(x) > level, level, precision=0.85)


@pytest.mark.parametrize("bits", [16, None])
@pytest.mark.parametrize("polarity", [1, -1])
def test_a_polarity_that_hardly_reaches_the_level_of_the_other(bits, polarity):
    x, _ = overloaded(0.25)
    few = 0.25 / np.sort(-x[:, 0])[-2]  # which brings one sample below the level, and one to it
    y = polarity * clip(np.where(x < 0, few * x, x), 0.25, -0.25)
    y = quantise(y, bits) if bits else y
    levels = find_levels(y)
    for found in levels.positive[0, 0], -levels.negative[0, 0]:
        assert found == pytest.approx(0.25, rel=1e-3)
    higher = find_levels(np.where(polarity * y < 0, 0.99 * y, y))  # the same shape, but not at the same height
    assert np.isinf([higher.positive[0, 0], higher.negative[0, 0]]).sum() == 1


@pytest.mark.parametrize("kind", ["a step of 8 bits", "clicks"])
def test_a_channel_of_a_value_or_two_beside_an_exact_plateau_is_left_alone(kind):
    x, _ = overloaded(1.0)
    left = quantise(clip(x[:, 0], 1.0, -1.0), 8)
    right = np.random.default_rng(0).integers(-1, 2, len(x)) / 128
    if kind == "clicks":
        right = np.where(np.arange(len(x)) % 5000 == 77, 0.5, 0.0)
    levels = find_levels(np.stack([left, right], axis=1))
    assert np.isfinite(levels.positive[:, 0]).all()
    assert np.isinf(levels.positive[:, 1]).all()
    assert np.isinf(levels.negative[:, 1]).all()
