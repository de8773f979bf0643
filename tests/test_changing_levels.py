"""Levels that change with time are followed, and end where something louder begins."""

import numpy as np
from plateaus import notes, overloaded

from declipper.clipping.levels import clip, mask_of
from declipper.detection.detector import find_levels
from declipper.detection.evidence import CHUNK
from declipper.training.studies.cases import quantise


def test_fade_after_clipping():
    x, truth = overloaded(0.9)
    gain = np.linspace(1.0, 0.2, len(x))[:, None]
    y = quantise(gain * clip(x, 0.9, -0.9), 16)
    levels = find_levels(y)
    mask = mask_of(y, levels)
    assert len(levels.times) > 10
    assert (mask & truth).sum() >= 0.95 * truth.sum()
    assert (mask & truth).sum() >= 0.9 * mask.sum()


def test_gain_step_after_clipping():
    x, truth = overloaded(0.9)
    gain = np.where(np.arange(len(x)) < len(x) // 2, 1.0, 0.6)[:, None]
    y = quantise(gain * clip(x, 0.9, -0.9), 16)
    mask = mask_of(y, find_levels(y))
    assert (mask & truth).sum() >= 0.95 * truth.sum()
    assert (mask & truth).sum() >= 0.9 * mask.sum()


def test_a_changing_level_ends_where_something_louder_begins():
    """A gain step after clipping, then a passage that never clipped, with peaks above both levels."""
    x, _ = overloaded(0.9)
    loud = 0.95 * notes() / np.abs(notes()).max()
    y = np.concatenate([clip(x, 0.9, -0.9), 0.6 * clip(x, 0.9, -0.9), loud])
    mask = mask_of(y, find_levels(y))
    assert mask[: 2 * len(x)].mean() > 0.9 * np.mean(np.abs(np.concatenate([x, x])) >= 0.9)
    assert not mask[2 * len(x) + CHUNK :].any()
    back = mask_of(y[::-1], find_levels(y[::-1]))
    assert not back[: len(loud) - CHUNK].any()
