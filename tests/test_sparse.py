"""The restoration by few partials, where most is clipped and where little is."""

from __future__ import annotations

import numpy as np
from conftest import clipped_to, tones

from declipper.methods.social_sparsity import spectral
from declipper.methods.spade import sparse
from declipper.training.data.degrade import sdr

UP, DOWN = np.array([[0.5]]), np.array([[-0.5]])
RATE = 44100


def test_surpasses_the_spectral_method_where_most_is_clipped() -> None:
    x, y = clipped_to(tones(30000), 3)
    assert np.mean(np.abs(y) >= 0.5) > 0.6
    assert sdr(x, sparse(y, UP, DOWN, RATE)) > sdr(x, spectral(y, UP, DOWN, RATE)) + 3


def test_windows_without_clipping_are_left_out_and_change_nothing() -> None:
    """Where two clipped stretches are more than a window apart, each comes out as if it were alone."""
    _, y = clipped_to(tones(80000))
    y[20000:60000] *= 0.2
    alone = np.concatenate([y[:40960], np.zeros((80000 - 40960, 1))])
    assert np.array_equal(sparse(alone, UP, DOWN, RATE)[:20000], sparse(y, UP, DOWN, RATE)[:20000])
    assert not np.array_equal(sparse(y, UP, DOWN, RATE)[60000:], y[60000:])
