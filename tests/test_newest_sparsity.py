"""Social sparsity of a signal that is still coming: what is known stays, and its end is better restored than by windows for recordings."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clipped_to, tones

from declipper.clipping.arrays import Array
from declipper.clipping.signal import ClippedSignal
from declipper.engine.recipes import LIVE_RECIPE, drawn_together
from declipper.methods.newest_sparsity import newest_sparsity
from declipper.methods.social_sparsity import FallingThreshold, social_sparsity
from declipper.methods.truncated_normal import Estimate
from declipper.training.data.made import plucked_strings

LEVEL = 0.25
NEW = 2000
"""Frames that are not restored yet."""


def newest(truth: Array) -> ClippedSignal:
    """All but the last frames known, those clipped."""
    new = np.arange(len(truth))[:, None] >= len(truth) - NEW
    levels = np.where(new, LEVEL, np.inf)
    return ClippedSignal(np.where(new, truth.clip(-LEVEL, LEVEL), truth), levels, -levels, 44100)


@pytest.mark.parametrize("frames", [NEW + 1, 5000, 20000])
def test_nothing_is_weakened_where_nothing_is_faint_enough(frames: int) -> None:
    """Without gain, spectrum and back is the identity, for both windows, and where less of the past is known than they see."""
    x, y = clipped_to(tones(frames))
    new = np.arange(frames)[:, None] >= frames - NEW
    levels = np.where(new, 0.5, np.inf)
    signal = ClippedSignal(np.where(new, y, x), levels, -levels, 44100)
    found = newest_sparsity(signal, FallingThreshold(12, 1e-30, 1e-30, 0.9, 1.2), window=8192, beyond=1024)
    assert np.allclose(found, signal.samples, atol=1e-5)


def test_restores_the_end_better_than_the_windows_of_recordings() -> None:
    """To those, what comes after the end is silence."""
    x = plucked_strings(44100, 1.0)[:, None].astype(np.float64)
    errors = {"newest": 0.0, "whole": 0.0}
    recipe = LIVE_RECIPE
    for end in range(30000, 40000, 1777):
        signal = newest(x[:end])
        found = {
            "newest": newest_sparsity(signal, recipe.threshold, window=recipe.window, beyond=recipe.beyond),
            "whole": social_sparsity(signal, recipe.threshold),
        }
        for name, estimate in found.items():
            assert np.array_equal(estimate[:-NEW], x[: end - NEW])
            assert np.all(np.abs(estimate)[signal.mask] >= LEVEL)
            errors[name] += float(np.square(estimate - x[:end]).sum())
    assert errors["newest"] < 0.8 * errors["whole"]


def test_the_mean_of_estimates_drawn_together_is_weighted_by_how_sure_they_are() -> None:
    social, mean = np.array([[1.0], [1.0], [1.0], [5.0]]), np.array([[2.0], [2.0], [2.0], [5.0]])
    deviation, clipped = np.array([[0.0], [1.0], [1e9], [0.0]]), np.array([[True], [True], [True], [False]])
    first, second = drawn_together(social, Estimate(mean, deviation), clipped)
    assert np.allclose((first + second) / 2, [[2], [1.5], [1], [5]])
    assert np.all((first >= social) & (first <= mean) & (second >= social) & (second <= mean))
