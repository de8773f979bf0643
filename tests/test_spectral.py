"""The spectral restoration: what its iterations do, from where they start, and what they leave out."""

from __future__ import annotations

import numpy as np
from conftest import clipped_to, tones

from declipper.methods.social_sparsity import Iteration, falling, spectral
from declipper.training.data.degrade import sdr

UP, DOWN = np.array([[0.5]]), np.array([[-0.5]])
RATE = 44100
FEW = falling(6, 0.2, 0.001, 0.9, 1.2)


def test_nothing_is_weakened_at_level_zero() -> None:
    """Without gain, spectrum and back is the identity: the clipped samples stay where they started."""
    x, y = clipped_to(tones())
    assert np.allclose(spectral(y, UP, DOWN, RATE, start=x, iterations=(Iteration(0.0, 0.9, 1.2),) * 4), x, atol=1e-5)


def test_starts_from_an_estimate() -> None:
    """A start at the truth stays closer to it than one from the clipped signal comes in so few iterations."""
    x, y = clipped_to(tones())
    late = tuple(Iteration(0.001, 0.9, 1.2) for _ in range(4))
    assert sdr(x, spectral(y, UP, DOWN, RATE, start=x, iterations=late)) > sdr(x, spectral(y, UP, DOWN, RATE, iterations=late)) + 6


def test_stretches_without_clipping_part_the_work_and_change_nothing() -> None:
    """Two clipped stretches far apart come out as they do when the signal is cut between them at a multiple of the window."""
    _, y = clipped_to(tones(160000))
    y[20000:130000] *= 0.2
    whole = spectral(y, UP, DOWN, RATE, iterations=FEW)
    cut = 8 * 8192
    parts = [spectral(part, UP, DOWN, RATE, iterations=FEW) for part in (y[:cut], y[cut:])]
    assert np.array_equal(whole, np.concatenate(parts))
    assert not np.array_equal(whole[130000:], y[130000:])
