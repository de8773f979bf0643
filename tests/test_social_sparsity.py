"""Social sparsity: what its iterations do, from where they start, and what they leave out."""

from __future__ import annotations

import numpy as np
from conftest import clipped_to, tones

from declipper.clipping.arrays import Array
from declipper.clipping.signal import ClippedSignal
from declipper.methods.social_sparsity import FallingThreshold, social_sparsity
from declipper.training.data.degrade import sdr

FEW = FallingThreshold(6, 0.2, 0.001, 0.9, 1.2)


def at(y: Array) -> ClippedSignal:
    """Samples that were clipped at one half."""
    return ClippedSignal(y, np.array(0.5), np.array(-0.5), 44100)


def test_nothing_is_weakened_where_nothing_is_faint_enough() -> None:
    """Without gain, spectrum and back is the identity: the clipped samples stay where they started."""
    x, y = clipped_to(tones())
    assert np.allclose(social_sparsity(at(y), FallingThreshold(4, 1e-30, 1e-30, 0.9, 1.2), start=x), x, atol=1e-5)


def test_starts_from_an_estimate() -> None:
    """A start at the truth stays closer to it than one from the clipped signal comes in so few iterations."""
    x, y = clipped_to(tones())
    late = FallingThreshold(4, 0.001, 0.001, 0.9, 1.2)
    assert sdr(x, social_sparsity(at(y), late, start=x)) > sdr(x, social_sparsity(at(y), late)) + 6


def test_stretches_without_clipping_part_the_work_and_change_nothing() -> None:
    """Two clipped stretches far apart come out as they do when the signal is cut between them at a multiple of the window."""
    _, y = clipped_to(tones(160000))
    y[20000:130000] *= 0.2
    whole = social_sparsity(at(y), FEW)
    cut = 8 * 8192
    parts = [social_sparsity(at(part), FEW) for part in (y[:cut], y[cut:])]
    assert np.array_equal(whole, np.concatenate(parts))
    assert not np.array_equal(whole[130000:], y[130000:])
