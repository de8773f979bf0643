"""Exact plateaus are found at any height, in either polarity, and the mask is right to the sample."""

import numpy as np
import pytest
from plateaus import RATE, bells, check_mask, notes, overloaded

from declipper.clipping.levels import clip
from declipper.detection.detector import find_levels
from declipper.training.studies.detection.cases import quantise


@pytest.mark.parametrize("bits", [16, 24])
def test_full_scale(bits):
    x, truth = overloaded()
    check_mask(quantise(x, bits), truth, precision=0.999)


@pytest.mark.parametrize("bits", [16, None])
@pytest.mark.parametrize("dbfs", [6.0, 0.0, -0.07, -1.0, -6.0, -20.0])
def test_any_height(dbfs, bits):
    level = 10 ** (dbfs / 20)
    if bits and dbfs > 0:
        pytest.skip("no integers above full scale")
    x, truth = overloaded(level)
    y = clip(x, level, -level)
    check_mask(quantise(y, bits) if bits else y.astype(np.float32), truth, precision=0.999 if bits else 1.0)


def test_samples_scaled_like_integers():
    x, truth = overloaded(32767.0)
    check_mask(clip(x, 32767.0, -32767.0).astype(np.float32), truth)


def test_little_clipping_is_found():
    x = notes()
    level = np.sort(np.abs(x[:, 0]))[-60]
    check_mask(quantise(clip(x, level, -level), 16), np.abs(x) > level, recall=0.97, precision=0.9)


@pytest.mark.parametrize("bits", [16, None])
def test_what_is_clipped_nearly_everywhere_is_found(bits):
    x = 9 * notes()
    assert 0.6 < np.mean(np.abs(x) > 0.5) < 0.85
    y = clip(x, 0.5, -0.5)
    check_mask(quantise(y, bits) if bits else y.astype(np.float32), np.abs(x) > 0.5, precision=0.999)


def test_one_sided():
    x, _ = overloaded(0.25)
    levels = find_levels(quantise(clip(x, 0.25, -2.0), 16))
    assert levels.positive[0, 0] == pytest.approx(0.25, abs=2.0**-16)
    assert levels.negative[0, 0] == -np.inf


def test_asymmetric():
    x, _ = overloaded(0.5)
    levels = find_levels(quantise(clip(x, 0.9, -0.4), 16))
    assert levels.positive[0, 0] == pytest.approx(0.9, abs=2.0**-16)
    assert levels.negative[0, 0] == pytest.approx(-0.4, abs=2.0**-16)


@pytest.mark.parametrize("offset", [0.03, 0.3])
def test_direct_current_after_clipping(offset):
    x, truth = overloaded(0.5)
    y = quantise(clip(x, 0.5, -0.5) + offset, 16)
    check_mask(y, truth, precision=0.999)


@pytest.mark.parametrize("level", [0.9661, 0.96607, 0.1, 0.10002])
def test_dither(level):
    x, truth = overloaded(level)
    rng = np.random.default_rng(1)
    dither = (rng.random(x.shape) - rng.random(x.shape)) / 32768
    check_mask(quantise(clip(x, level, -level) + dither, 16), truth, 0.98, 0.85)


@pytest.mark.parametrize("bits", [16, None])
def test_high_notes_that_are_above_the_level_for_a_sample_or_two(bits):
    x = bells()
    level = np.sort(np.abs(x[:, 0]))[-400]
    y = clip(x, level, -level)
    check_mask(quantise(y, bits) if bits else y.astype(np.float32), np.abs(x) > level, recall=0.97, precision=0.9)


@pytest.mark.parametrize("bits", [16, None])
def test_high_notes_clipped_and_then_played_again_and_again(bits):
    x = np.tile(bells()[: 4 * RATE], (5, 1))
    level = np.sort(np.abs(x[:, 0]))[-400]
    y = clip(x, level, -level)
    check_mask(quantise(y, bits) if bits else y.astype(np.float32), np.abs(x) > level, recall=0.97, precision=0.9)


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
