"""Joins the network's estimate and the recording: reliable samples stay, clipped ones never come out below their level."""

from __future__ import annotations

import numpy as np

from declipper.clipping.arrays import Array, finite
from declipper.clipping.levels import Curve, clipped_mask


def blend(y: Array, estimate: Array, positive: Curve, negative: Curve) -> Array:
    """The restored block, of the shape and type of y; reliable samples are bit for bit those of y.

    y, estimate: (frames, channels). positive, negative: levels, broadcast against y. A clipped sample is at least its level in size
    (consistency); where the estimate is not a number it stays as it was.
    """
    up, down = y >= positive, y <= negative
    bounded = np.where(up, np.maximum(estimate, positive), np.where(down, np.minimum(estimate, negative), y))
    restored = np.where((up | down) & np.isfinite(bounded), bounded, y).astype(y.dtype)
    # rounding to the type of y must not take a sample below its level
    low = (up & (restored < positive)) | (down & (restored > negative))
    return np.where(low, y, restored)


def network_input(y: Array, positive: Curve, negative: Curve) -> tuple[Array, float]:
    """The network's two inputs, (2, frames) float32 y * reliable and y * clipped over the level, and that level.

    y: (frames,); positive, negative: levels that broadcast against it. The division makes the whole homogeneous,
    f(a y; a mu) = a f(y; mu), whatever the network. Samples that are not numbers count as 0.
    """
    levels = np.concatenate([np.ravel(positive), -np.ravel(negative)])
    scale = float(levels[np.isfinite(levels)].max())
    clipped = clipped_mask(y, positive, negative)
    safe = finite(y) / scale
    return np.stack([np.where(clipped, 0, safe), np.where(clipped, safe, 0)]).astype(np.float32), scale
