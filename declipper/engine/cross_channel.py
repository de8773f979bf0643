"""What a clipped channel has in common with another one that is not clipped at the same time.

The other channel goes through a short filter that brings it as near to this one as it gets, by least squares over reliable samples. What
is left of this channel is then all that has to be interpolated. Where the other channel is clipped at other times, the brisk experts
restore it first.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import solve

from declipper.clipping.arrays import Array, Mask, finite
from declipper.clipping.levels import Curve, clipped_mask
from declipper.clipping.windows import at_rate, hump, spaced
from declipper.engine.experts import BRISK, estimates

TAPS = 32
"""Frames at 44.1 kHz that the filter reaches over, half of them into the future: loudspeakers and microphones stand apart."""
WINDOW = 16384
"""Frames at 44.1 kHz for which one filter serves; neighbouring windows overlap by half."""
TOGETHER = 0.1
"""Share of the clipped samples at which the other channel is clipped as well: with more it has nothing to tell."""
ALIKE = 0.3
"""Least correlation of the channels."""
LEFT = 0.2
"""Most of the power of the reliable samples that may be left over: with more, what only the other channel plays comes in, and does harm."""
RIDGE = 1e-6
"""Added to the power of the filter's input, relative to it: keeps the equations solvable."""
SILENT = 1e-30
"""Power of the filter's input below which it counts as silence, which keeps the division safe."""


def common_part(y: Array, positive: Curve, negative: Curve, channel: int, sample_rate: float) -> Array | None:
    """The part of one channel (frames,) that the most similar other channel of y (frames, channels) has too, None where that tells nothing.

    positive, negative: levels (frames, channels).
    """
    y = finite(y).astype(np.float64)
    clipped = clipped_mask(y, positive, negative)
    other = _most_similar(y, channel, clipped)
    if other is None or np.mean(clipped[clipped[:, channel], other]) > TOGETHER:
        return None
    beside = y[:, other]
    if clipped[:, other].any():
        beside = estimates(BRISK, beside, positive[:, other], negative[:, other], sample_rate, 1.0)[BRISK.index("brief")].astype(np.float64)
    reliable = ~(clipped[:, channel] | clipped[:, other])
    common = _filtered(y[:, channel], beside, reliable, at_rate(TAPS, sample_rate), at_rate(WINDOW, sample_rate))
    own = y[reliable, channel]
    left = own - common[reliable]
    return common if np.dot(left, left) <= LEFT * np.dot(own, own) else None


def _most_similar(y: Array, channel: int, clipped: Mask) -> int | None:
    """The other channel of highest correlation where both are reliable, if that is ALIKE or more."""
    best, found = ALIKE, None
    for other in range(y.shape[1]):
        both = ~(clipped[:, channel] | clipped[:, other])
        a, b = y[both, channel], y[both, other]
        power = np.sqrt(np.dot(a, a) * np.dot(b, b))
        if other != channel and power > 0 and abs(np.dot(a, b)) / power >= best:
            best, found = abs(np.dot(a, b)) / power, other
    return found


def _filtered(wanted: Array, source: Array, reliable: Mask, taps: int, length: int) -> Array:
    """`source` through the filters that bring it nearest to `wanted` where that is reliable, in least squares."""
    length = min(length, len(wanted))
    around = sliding_window_view(np.pad(source, (taps // 2, (taps - 1) // 2)), taps)
    share = hump(length)
    total, weight = np.zeros(len(wanted)), np.zeros(len(wanted))
    for here in spaced(len(wanted), length):
        known = around[here][reliable[here]]
        power = known.T @ known
        weight[here] += share
        if power.trace() > SILENT:
            power[np.diag_indices(taps)] += RIDGE * power.trace() / taps
            total[here] += share * (around[here] @ solve(power, known.T @ wanted[here][reliable[here]], assume_a="pos"))
    return total / weight
