"""The detector as a whole: in blocks, scaled, turned over, on several channels, in bounded memory, and what it tells."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from plateaus import overloaded

from declipper.clipping.levels import clip, mask_of
from declipper.detection.detector import LevelDetector, find_levels
from declipper.detection.evidence import CHUNK

DATA = Path(__file__).parent / "data"


def test_a_really_clipped_recording():
    y, _ = soundfile.read(DATA / "loop_amen_full.flac", always_2d=True)
    levels = find_levels(y)
    assert np.all(levels.positive[0] == pytest.approx(1.0, abs=1e-3))
    assert np.all(levels.negative[0] == pytest.approx(-1.0, abs=1e-3))
    mask = mask_of(y, levels)
    assert np.all(mask[np.abs(y) >= 32766 / 32768])
    assert mask.mean() < 0.02


def test_one_channel_of_two():
    x, _ = overloaded(0.5, channels=2)
    levels = find_levels(np.stack([clip(x[:, 0], 0.5, -0.5), 0.2 * x[:, 1]], axis=1))
    np.testing.assert_allclose(levels.positive[0], [0.5, np.inf], rtol=1e-3)
    np.testing.assert_allclose(levels.negative[0], [-0.5, -np.inf], rtol=1e-3)


@pytest.mark.parametrize("sizes", [[1000], [CHUNK], [CHUNK - 1, 1, 17], [7, 40000, 0, 333], [1 << 20]])
@pytest.mark.parametrize("blurred", [False, True])
def test_any_division_into_blocks_gives_the_same_levels(sizes, blurred):
    x, _ = overloaded(0.7, channels=2)
    y = clip(x, 0.7, -0.6)
    if blurred:
        y += np.random.default_rng(0).normal(0, 0.003, y.shape)
    detector = LevelDetector(2)
    start, turn = 0, 0
    while start < len(y):
        detector.push(y[start : start + sizes[turn % len(sizes)]])
        start, turn = start + sizes[turn % len(sizes)], turn + 1
    levels = detector.finish().levels
    whole = find_levels(y)
    assert whole.any
    for name in ("times", "positive", "negative"):
        np.testing.assert_array_equal(getattr(levels, name), getattr(whole, name))


@pytest.mark.parametrize("gain", [0.25, 4.0])
@pytest.mark.parametrize("blur", [0.0, 0.003])
def test_scaling_the_input_scales_the_level(gain, blur):
    x, _ = overloaded(0.5)
    y = clip(x, 0.5, -0.4) + np.random.default_rng(0).normal(0, blur, x.shape)
    plain, scaled = find_levels(y), find_levels(gain * y)
    np.testing.assert_allclose(scaled.positive, gain * plain.positive, rtol=2e-3)
    np.testing.assert_allclose(scaled.negative, gain * plain.negative, rtol=2e-3)


@pytest.mark.parametrize("blur", [0.0, 0.003])
def test_flipping_the_polarity_swaps_the_levels(blur):
    x, _ = overloaded(0.5)
    y = clip(x, 0.5, -0.4) + np.random.default_rng(0).normal(0, blur, x.shape)
    plain, flipped = find_levels(y), find_levels(-y)
    np.testing.assert_array_equal(flipped.positive, -plain.negative)
    np.testing.assert_array_equal(flipped.negative, -plain.positive)


def test_what_was_found_is_told():
    x, _ = overloaded(0.5)
    detector = LevelDetector(1)
    detector.push(clip(x, 0.5, -3.0).astype(np.float32))
    detection = detector.finish()
    up, down = detection.found[0].positive, detection.found[0].negative
    assert up.level == detection.levels.positive[0, 0] <= up.plateau == pytest.approx(0.5, rel=1e-6)
    assert up.blur == "exact"
    assert up.confidence > 0.9
    assert (down.level, down.confidence, down.blur, down.varies) == (np.inf, 0.0, "", False)


def test_samples_that_are_not_numbers_are_passed_over():
    x, _ = overloaded(0.5)
    y = clip(x, 0.5, -0.5)
    y[[100, 50000], 0] = np.nan, np.inf
    assert find_levels(y).positive[0, 0] == pytest.approx(0.5, rel=1e-3)
