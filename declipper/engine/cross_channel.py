"""What a clipped channel has in common with another one that is not clipped at the same time.

The other channel goes through a short filter that brings it as near to this one as it gets, by least squares over reliable samples (a
Wiener filter). What is left of this channel is then all that has to be interpolated. Where the other channel is clipped at other times, the
fast experts restore it first.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import solve

from declipper.clipping.arrays import Array, Mask
from declipper.clipping.signal import ClippedSignal
from declipper.clipping.windows import at_rate, hann, window_slices
from declipper.engine.recipes import FAST_RECIPE

TAPS = 32
"""Frames at 44.1 kHz that the filter reaches over, 0.7 ms, half of them into the future: loudspeakers and microphones stand apart."""
WINDOW = 16384
"""Frames at 44.1 kHz for which one filter serves; neighbouring windows overlap by half."""
TOGETHER = 0.1
"""Share of the clipped samples at which the other channel is clipped as well: with more it has nothing to tell. Chosen by trial; what the
other channel is worth is measured by `python -m declipper.training.studies.stereo`."""
ALIKE = 0.3
"""Least correlation of the channels. It only spares work: what is worth taking is decided by LEFT."""
LEFT = 0.2
"""Most of the power of the reliable samples that may be left over: with more, what only the other channel plays comes in, and does harm.
Chosen by `python -m declipper.training.studies.stereo`."""
RIDGE = 1e-6
"""Added to the power of the filter's input, relative to it: keeps the equations solvable."""
SILENT = 1e-30
"""Power of the filter's input below which it counts as silence, which keeps the division safe."""


def common_part(signal: ClippedSignal, channel: int) -> Array | None:
    """The part of one channel (frames,) that the most similar other channel of the signal has too, None where that tells nothing."""
    signal = signal.finite
    y, clipped = signal.samples.astype(np.float64), signal.mask
    other = _most_similar(y, channel, clipped=clipped)
    if other is None or np.mean(clipped[clipped[:, channel], other]) > TOGETHER:
        return None
    beside = y[:, other]
    if clipped[:, other].any():
        alone = ClippedSignal(y, signal.positive, signal.negative, signal.sample_rate).channels[other]
        beside = FAST_RECIPE(alone)["refined"][:, 0].astype(np.float32).astype(np.float64)
    reliable = ~(clipped[:, channel] | clipped[:, other])
    taps, length = (at_rate(frames, signal.sample_rate) for frames in (TAPS, WINDOW))
    common = _filtered(y[:, channel], beside, reliable=reliable, taps=taps, length=length)
    own = y[reliable, channel]
    left = own - common[reliable]
    return common if np.dot(left, left) <= LEFT * np.dot(own, own) else None


def _most_similar(y: Array, channel: int, *, clipped: Mask) -> int | None:
    """The other channel of highest correlation where both are reliable, if that is ALIKE or more."""
    best, found = ALIKE, None
    for other in range(y.shape[1]):
        both = ~(clipped[:, channel] | clipped[:, other])
        a, b = y[both, channel], y[both, other]
        power = np.sqrt(np.dot(a, a) * np.dot(b, b))
        if other != channel and power > 0 and abs(np.dot(a, b)) / power >= best:
            best, found = abs(np.dot(a, b)) / power, other
    return found


def _filtered(wanted: Array, source: Array, *, reliable: Mask, taps: int, length: int) -> Array:
    """`source` through the filters that bring it nearest to `wanted` where that is reliable, in least squares."""
    length = min(length, len(wanted))
    around = sliding_window_view(np.pad(source, (taps // 2, (taps - 1) // 2)), taps)
    share = hann(length)
    total, weight = np.zeros(len(wanted)), np.zeros(len(wanted))
    for here in window_slices(len(wanted), length):
        known = around[here][reliable[here]]
        power = known.T @ known
        weight[here] += share
        if power.trace() > SILENT:
            power[np.diag_indices(taps)] += RIDGE * power.trace() / taps
            total[here] += share * (around[here] @ solve(power, known.T @ wanted[here][reliable[here]], assume_a="pos"))
    return total / weight
