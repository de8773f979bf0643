"""SPADE, the restoration by few partials, where most is clipped and where little is."""

from __future__ import annotations

import numpy as np
from conftest import clipped_to, tones

from declipper.clipping.arrays import Array
from declipper.clipping.signal import ClippedSignal
from declipper.methods.social_sparsity import social_sparsity
from declipper.methods.spade import spade
from declipper.training.data.degrade import sdr


def at(y: Array) -> ClippedSignal:
    """Samples that were clipped at one half."""
    return ClippedSignal(y, np.array(0.5), np.array(-0.5), 44100)


def test_surpasses_social_sparsity_where_most_is_clipped() -> None:
    x, y = clipped_to(tones(30000), 3)
    assert np.mean(np.abs(y) >= 0.5) > 0.6
    assert sdr(x, spade(at(y))) > sdr(x, social_sparsity(at(y))) + 3


def test_windows_without_clipping_are_left_out_and_change_nothing() -> None:
    """Where two clipped stretches are more than a window apart, each comes out as if it were alone."""
    _, y = clipped_to(tones(80000))
    y[20000:60000] *= 0.2
    alone = np.concatenate([y[:40960], np.zeros((80000 - 40960, 1))])
    assert np.array_equal(spade(at(alone))[:20000], spade(at(y))[:20000])
    assert not np.array_equal(spade(at(y))[60000:], y[60000:])
