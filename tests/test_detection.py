"""The detector as a whole: in blocks, scaled, turned over, on several channels, in bounded memory, and what it tells."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from plateaus import overloaded

from declipper.clipping.levels import clip, mask_of
from declipper.detection.detector import LevelDetector, find_levels
from declipper.detection.network import HOP

DATA = Path(__file__).parent / "data"


def test_a_really_clipped_recording():
    y, _ = soundfile.read(DATA / "loop_amen_full.flac", always_2d=True)
    mask = mask_of(y, find_levels(y))
    assert mask[np.abs(y) == np.abs(y).max()].all()
    assert np.quantile(np.abs(y[mask]), 0.02) > 0.5
    assert mask.mean() < 0.03


def test_one_channel_of_two():
    x, _ = overloaded(0.5, channels=2)
    levels = find_levels(np.stack([clip(x[:, 0], 0.5, -0.5), 0.2 * x[:, 1]], axis=1))
    np.testing.assert_array_equal(levels.positive[0], [0.5, np.inf])
    np.testing.assert_array_equal(levels.negative[0], [-0.5, -np.inf])
    assert not len(levels.runs)


@pytest.mark.parametrize("sizes", [[1000], [HOP], [HOP - 1, 1, 17], [7, 40000, 0, 333], [1 << 20]])
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
    for found, expected in zip(levels.between(0, len(y)), whole.between(0, len(y)), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("gain", [2.0**-30, 0.25, 4.0, 2.0**40])
@pytest.mark.parametrize("blur", [0.0, 0.003])
def test_scaling_the_input_scales_the_levels(gain, blur):
    x, _ = overloaded(0.5)
    y = clip(x, 0.5, -0.4) + np.random.default_rng(0).normal(0, blur, x.shape)
    for plain, scaled in zip(find_levels(y).between(0, len(y)), find_levels(gain * y).between(0, len(y)), strict=True):
        np.testing.assert_array_equal(scaled, gain * plain)


@pytest.mark.parametrize("blur", [0.0, 0.003])
def test_flipping_the_polarity_hardly_changes_the_mask(blur):
    x, _ = overloaded(0.5)
    y = clip(x, 0.5, -0.4) + np.random.default_rng(0).normal(0, blur, x.shape)
    plain, flipped = mask_of(y, find_levels(y)), mask_of(-y, find_levels(-y))
    assert (plain != flipped).mean() <= (0.01 if blur else 0.0)


def test_what_was_found_is_told():
    x, _ = overloaded(0.5)
    detector = LevelDetector(1)
    detector.push(clip(x, 0.5, -3.0).astype(np.float32))
    detection = detector.finish()
    up, down = detection.found[0].positive, detection.found[0].negative
    assert detection.levels.positive[0, 0] == 0.5
    assert up.kind == "exact"
    assert up.confidence > 0.9
    assert (down.kind, down.confidence) == ("", 0.0)


def test_samples_that_are_not_numbers_are_passed_over():
    x, _ = overloaded(0.5)
    y = clip(x, 0.5, -0.5)
    y[[100, 50000], 0] = np.nan, np.inf
    assert find_levels(y).positive[0, 0] == 0.5


def test_memory_grows_by_a_few_bytes_for_each_run_and_by_nothing_else():
    """A minute of one channel, clipped and filtered: of two hours it would be so many times as much."""
    y = soxr.resample(clip(overloaded(seed=5)[0], 1.0, -1.0), 44100, 8000).astype(np.float32)
    detector, held = LevelDetector(1), []
    tracemalloc.start()
    try:
        for _ in range(12):
            detector.push(y)
            held.append(tracemalloc.get_traced_memory()[0])
        detection = detector.finish()
    finally:
        tracemalloc.stop()
    runs = len(detection.levels.runs)
    assert runs > 1000
    assert held[-1] - held[3] < 32 * runs + (1 << 19)
