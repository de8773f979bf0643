"""What a model may ask for as further inputs: the estimates of exact methods of signal processing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from declipper.arrays import Array
from declipper.autoregressive import autoregressive
from declipper.clipping import Curve
from declipper.spectral import BRIEF, FROM_CLIPPED, FROM_ESTIMATE, GENTLE, spectral

THOROUGH = ("autoregressive", "spectral", "polished", "refined")
"""The best there is, whatever it costs. The last two are the spectral method begun at the autoregressive estimate: one only smooths it,
which is right where that is nearly exact."""
BRISK = ("predicted", "brief")
"""A tenth of that: autoregressive interpolation of low order, and the spectral method begun at it, with few iterations."""
QUICK = ("rough", "predicted")
"""What a listener can wait for: autoregressive interpolation of low order, before and after its last round."""
SETS = ((), QUICK, BRISK, THOROUGH)
"""The sets of experts that a model may ask for."""
QUICK_ORDERS = (32, 64), (128,)
QUICK_WINDOW = 4096
QUICK_WORK = 1e6


def estimates(names: Sequence[str], y: Array, positive: Curve, negative: Curve, sample_rate: float, scale: float) -> Array:
    """What each of the experts makes of one channel y (frames,), divided by `scale`: (experts, frames) float32.

    names: one of SETS. Levels broadcast against y.
    """
    column, up, down = y[:, None], positive.reshape(-1, 1), negative.reshape(-1, 1)
    found: list[Array] = [np.zeros((len(y), 0))]
    if tuple(names) in (QUICK, BRISK):
        rough = autoregressive(column, up, down, sample_rate, QUICK_ORDERS[0], QUICK_WINDOW, QUICK_WORK)
        predicted = autoregressive(column, up, down, sample_rate, QUICK_ORDERS[1], QUICK_WINDOW, QUICK_WORK, rough)
        found = [rough, predicted]
    if tuple(names) == BRISK:
        found = [predicted, spectral(column, up, down, sample_rate, BRIEF, predicted)]
    if tuple(names) == THOROUGH:
        predicted = autoregressive(column, up, down, sample_rate)
        found = [predicted, spectral(column, up, down, sample_rate, FROM_CLIPPED)]
        found += [spectral(column, up, down, sample_rate, iterations, predicted) for iterations in (GENTLE, FROM_ESTIMATE)]
    return (np.concatenate(found, axis=1).T / scale).astype(np.float32)
