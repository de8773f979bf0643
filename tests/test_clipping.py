import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from declipper.clipping.levels import ClipLevels, clip, clipped_mask, mask_of

SIGNALS = hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-4, 4))
LEVELS = st.floats(0.01, 3.0)


@settings(deadline=None)
@given(SIGNALS, LEVELS, LEVELS)
def test_clip_saturates_once_and_leaves_the_rest(x, up, down):
    y = clip(x, up, -down)
    assert y.max() <= up
    assert y.min() >= -down
    inside = (x > -down) & (x < up)
    np.testing.assert_array_equal(y[inside], x[inside])
    np.testing.assert_array_equal(clip(y, up, -down), y)


@settings(deadline=None)
@given(SIGNALS, LEVELS, LEVELS)
def test_mask_is_where_the_clipped_signal_lies_on_a_level(x, up, down):
    y = clip(x, up, -down)
    mask = clipped_mask(y, up, -down)
    np.testing.assert_array_equal(mask, (x >= up) | (x <= -down))
    np.testing.assert_array_equal(mask, clipped_mask(-y, down, -up))
    np.testing.assert_array_equal(mask, clipped_mask(4 * y, 4 * up, -4 * down))


def test_clip_keeps_the_type():
    assert clip(np.zeros(3, np.float32), 1.0, -1.0).dtype == np.float32


def test_nan_and_infinite_levels_are_never_clipped():
    np.testing.assert_array_equal(clipped_mask(np.array([np.nan, 1e30, -1e30]), np.inf, -np.inf), [False] * 3)


@pytest.mark.parametrize(("up", "down"), [(0.0, -1.0), (1.0, 0.0), (-1.0, -1.0), (1.0, 1.0), (np.nan, -1.0)])
def test_levels_on_the_wrong_side_of_zero_are_refused(up, down):
    with pytest.raises(ValueError, match="above and below zero"):
        ClipLevels.constant(up, down)


def test_levels_per_channel():
    levels = ClipLevels.constant(np.array([1.0, np.inf]), -0.5, channels=2)
    assert levels.channels == 2
    assert levels.any
    audio = np.array([[1.0, 1.0], [-0.5, -0.4], [0.9, -0.6]])
    np.testing.assert_array_equal(mask_of(audio, levels), [[True, False], [True, False], [False, True]])
    assert not ClipLevels.constant(np.inf, -np.inf, 2).any
    assert ClipLevels.constant(np.inf, -1.0).any


def levels_at(times, positive, negative=None):
    positive = np.asarray(positive, float)[:, None]
    negative = -positive if negative is None else np.asarray(negative, float)[:, None]
    return ClipLevels(np.asarray(times, np.int64), positive, negative)


def test_levels_between_knots_lie_on_a_line():
    levels = levels_at([10, 20, 40], [1.0, 2.0, 1.0])
    positive, negative = levels.between(0, 60)
    expected = np.interp(np.arange(60), [10, 20, 40], [1.0, 2.0, 1.0])
    np.testing.assert_allclose(np.broadcast_to(positive, (60, 1))[:, 0], expected)
    np.testing.assert_allclose(negative, -positive)


@pytest.mark.parametrize("block", [1, 3, 7, 10, 25])
def test_levels_do_not_depend_on_the_division_into_blocks(block):
    levels = levels_at([10, 20, 21, 40], [1.0, 2.0, 0.5, np.inf], [-1.0, -np.inf, -2.0, -3.0])
    whole = [np.broadcast_to(v, (60, 1)) for v in levels.between(0, 60)]
    for polarity in (0, 1):
        parts = [np.broadcast_to(levels.between(s, min(s + block, 60))[polarity], (min(block, 60 - s), 1)) for s in range(0, 60, block)]
        np.testing.assert_array_equal(np.concatenate(parts), whole[polarity])


def test_levels_are_constant_before_the_first_knot_and_after_the_last():
    levels = levels_at([10, 20], [1.0, 2.0])
    assert [v.shape for v in levels.between(0, 10)] == [(1, 1)] * 2
    assert levels.between(0, 10)[0][0, 0] == 1.0
    assert levels.between(20, 90)[0][0, 0] == 2.0


def test_no_line_runs_to_an_infinite_level():
    positive, _ = levels_at([0, 10, 20], [1.0, np.inf, 2.0]).between(0, 21)
    np.testing.assert_array_equal(positive[:, 0], [1.0] * 10 + [np.inf] * 10 + [2.0])


def test_mask_of_a_block_uses_the_levels_of_its_place():
    levels = levels_at([0, 100], [1.0, 0.0001])
    audio = np.full((100, 1), 0.5)
    whole = mask_of(audio, levels)
    np.testing.assert_array_equal(whole[:, 0], np.arange(100) >= 51)
    np.testing.assert_array_equal(mask_of(audio[40:60], levels, 40), whole[40:60])


@settings(deadline=None)
@given(
    hnp.arrays(np.int64, 50, elements=st.integers(-128, 127)),
    st.lists(st.floats(0.02, 1.2), min_size=1, max_size=4),
    st.floats(0.02, 1.2),
)
@example(np.full(50, 65), [64.1 / 128, 66 / 128], 1.0)
@example(np.full(50, 127), [1.0, 1.002], 1.0)
def test_on_a_grid_the_mask_stays_and_levels_are_samples(samples, ups, down):
    levels = levels_at(np.arange(len(ups)) * 13, ups, np.linspace(-down, -0.5 * down, len(ups)))
    audio = samples[:, None] / 128
    stepped = levels.on_grid(8)
    np.testing.assert_array_equal(mask_of(audio, stepped), mask_of(np.where(audio == 127 / 128, 1.0, audio), levels))
    for level in stepped.between(0, len(audio)):
        inside = np.abs(level) <= 1
        np.testing.assert_array_equal((level * 128)[inside] % 1, 0)
