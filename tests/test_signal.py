"""A clipped signal: what follows from its levels, and the signals that are made of it."""

from __future__ import annotations

import numpy as np
import pytest

from declipper.clipping.signal import ClippedSignal

SAMPLES = np.array([[0.5, -0.7], [0.2, 0.1], [-0.4, np.nan], [np.inf, -0.2]])
SIGNAL = ClippedSignal(SAMPLES, np.array([0.5, np.inf]), np.array([-0.4, -0.6]), 44100)


def test_mask_side_and_level_follow_from_the_levels() -> None:
    assert np.array_equal(SIGNAL.mask, [[True, True], [False, False], [True, False], [True, False]])
    assert np.array_equal(SIGNAL.side, [[1, -1], [0, 0], [-1, 0], [1, 0]])
    assert np.array_equal(SIGNAL.level[SIGNAL.mask], [0.5, 0.6, 0.4, 0.5])
    assert SIGNAL.share == 0.5
    assert SIGNAL.highest_level == 0.6


def test_what_was_worked_out_is_kept() -> None:
    assert SIGNAL.mask is SIGNAL.mask
    assert SIGNAL.finite is SIGNAL.finite
    assert SIGNAL.channels is SIGNAL.channels


def test_samples_that_are_no_numbers_become_zero_and_are_not_clipped() -> None:
    assert np.array_equal(SIGNAL.finite.samples, [[0.5, -0.7], [0.2, 0.1], [-0.4, 0], [0, -0.2]])
    assert not SIGNAL.finite.mask[3, 0]
    assert SIGNAL.finite.finite is SIGNAL.finite


def test_channels_and_parts_keep_their_levels() -> None:
    left, right = SIGNAL.channels
    assert left.samples.shape == right.samples.shape == (4, 1)
    assert np.array_equal(np.concatenate([left.mask, right.mask], axis=1), SIGNAL.mask)
    assert np.array_equal(SIGNAL.part(slice(1, 3)).mask, SIGNAL.mask[1:3])
    assert left.channels == (left,)


def test_taking_a_part_out_moves_the_levels_with_the_samples() -> None:
    left = SIGNAL.channels[0].minus(np.full((4, 1), 0.125))
    assert np.array_equal(left.samples, SAMPLES[:, :1] - 0.125)
    assert np.array_equal(left.mask, SIGNAL.mask[:, :1])


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(frames, channels\)"):
        ClippedSignal(np.zeros(5), np.array(0.5), np.array(-0.5), 44100)
    with pytest.raises(ValueError, match="broadcast"):
        ClippedSignal(np.zeros((5, 2)), np.ones(3), -np.ones(3), 44100)
