"""The estimators that a model may ask for as further inputs: slow, exact methods of signal processing, each by its name in model files."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from declipper.arrays import Array
from declipper.autoregressive import autoregressive
from declipper.clipping import Curve
from declipper.spectral import spectral

Expert = Callable[[Array, Curve, Curve, float], Array]
"""(y, positive, negative, sample rate) to an estimate of y's shape."""

EXPERTS: dict[str, Expert] = {"autoregressive": autoregressive, "spectral": spectral}


def estimates(names: tuple[str, ...], y: Array, positive: Curve, negative: Curve, sample_rate: float, scale: float) -> Array:
    """What the experts of these names make of one channel y (frames,), divided by `scale`: (experts, frames) float32."""
    columns = y[:, None], positive.reshape(-1, 1), negative.reshape(-1, 1)
    found = [EXPERTS[name](*columns, sample_rate)[:, 0] / scale for name in names]
    return np.stack(found).astype(np.float32) if found else np.zeros((0, len(y)), np.float32)
