"""What a model may ask for as further inputs: the estimates of slow, exact methods of signal processing."""

from __future__ import annotations

import numpy as np

from declipper.arrays import Array
from declipper.autoregressive import autoregressive
from declipper.clipping import Curve
from declipper.spectral import spectral

EXPERTS = ("autoregressive", "spectral", "refined")
"""Their names, in the order of `estimates`. The last is the spectral method begun at the autoregressive estimate."""


def estimates(y: Array, positive: Curve, negative: Curve, sample_rate: float, scale: float) -> Array:
    """What each of EXPERTS makes of one channel y (frames,), divided by `scale`: (experts, frames) float32. Levels broadcast against y."""
    column, up, down = y[:, None], positive.reshape(-1, 1), negative.reshape(-1, 1)
    predicted = autoregressive(column, up, down, sample_rate)
    found = predicted, spectral(column, up, down, sample_rate), spectral(column, up, down, sample_rate, predicted)
    return (np.concatenate(found, axis=1).T / scale).astype(np.float32)
