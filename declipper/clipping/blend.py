"""Joins the network's estimate and the recording: reliable samples stay, clipped ones never come out below their level."""

from __future__ import annotations

import numpy as np

from declipper.clipping.arrays import Array
from declipper.clipping.signal import ClippedSignal


def blend(signal: ClippedSignal, estimate: Array) -> Array:
    """The restored samples, of the shape and type of those of the signal; reliable samples are bit for bit what they were.

    estimate: (frames, channels). A clipped sample is at least its level in size (consistency); where the estimate is not a number it
    stays as it was.
    """
    y, up, down = signal.samples, signal.above, signal.below
    bounded = np.where(up, np.maximum(estimate, signal.positive), np.where(down, np.minimum(estimate, signal.negative), y))
    restored = np.where(signal.mask & np.isfinite(bounded), bounded, y).astype(y.dtype)
    # rounding to the type of y must not take a sample below its level
    low = (up & (restored < signal.positive)) | (down & (restored > signal.negative))
    return np.where(low, y, restored)


def network_input(signal: ClippedSignal) -> Array:
    """The network's two inputs for a signal of one channel: (2, frames) float32, y * reliable and y * clipped over the highest level.

    The division makes the whole homogeneous, f(a y; a mu) = a f(y; mu), whatever the network. Samples that are not numbers count as 0.
    """
    safe = signal.finite.samples[:, 0] / signal.highest_level
    clipped = signal.mask[:, 0]
    return np.stack([np.where(clipped, 0, safe), np.where(clipped, safe, 0)]).astype(np.float32)
