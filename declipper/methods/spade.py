"""Restores clipped samples by what few partials explain each window: more and more of them, until they agree with the recording.

Where most of a signal is clipped, a level that tells partials from distortion is hard to give (`declipper.methods.social_sparsity`). Here
their number grows instead, whatever their level, and each window finds its own.

Source: Kitic, Bertin, Gribonval, "Sparsity and cosparsity for audio declipping: a flexible non-convex approach", LVA/ICA 2015, their
A-SPADE: here with an orthogonal transform, numbers that grow the faster the larger they are, and over-relaxation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from declipper.clipping.arrays import Array
from declipper.clipping.blend import blend
from declipper.clipping.signal import ClippedSignal
from declipper.clipping.windows import at_rate

VERSION = 1
"""Raised by one with every change of this module that changes an estimate: models are bound to it."""
WINDOW = 8192
"""Frames at 44.1 kHz."""
OVERLAP = 4
"""Windows follow each other by this part of their length; at 4, as in the paper, the squares of Hann windows add to a constant."""
STEP, GROWTH = 6, 1.04
"""Partials that come in with an iteration: so many, or as many as make them this many times as many. The paper's number grows by a
constant; growing in proportion saves most of the iterations of windows that need many partials. Chosen by trial; no study of it is kept."""
LOOK_EVERY = 4
"""Iterations between two looks at how large the partials are, and which windows are done; looking costs as much as a transform."""
RELAXATION = np.float32(1.3)
"""By how much each iteration goes beyond the partials (over-relaxation); 1 for the published method. Chosen by trial; no study of it is
kept."""
TOLERANCE = 1.0
"""Norm of what a window of 8192 samples and its partials differ by, relative to the clip level, at which it is done: about 1 % of the level
per sample."""
TOGETHER = 8
"""Windows worked on together: what the processor's cache holds. It changes no result."""

Samples = npt.NDArray[np.float32]


def spade(signal: ClippedSignal) -> Array:
    """The restored samples, of the shape and type of those of the signal; reliable ones stay, clipped ones are at least their level.

    Samples that are not numbers count as 0. The windows lie on a grid that begins at frame 0; a result depends on a window on either side.
    """
    signal = signal.finite
    y, up, down = signal.samples, signal.above, signal.below
    lowest = np.where(up, signal.positive, np.where(down, -np.inf, y))
    highest = np.where(down, signal.negative, np.where(up, np.inf, y))
    estimate = y.astype(np.float64)
    for channel in np.flatnonzero(signal.mask.any(axis=0)):
        low, high = lowest[:, channel], highest[:, channel]
        scale = np.abs(np.where(np.isfinite(low), low, high)[low != high]).max()
        low, high = ((bound / scale).astype(np.float32) for bound in (low, high))
        estimate[:, channel] = scale * _restored(low, high, window=at_rate(WINDOW, signal.sample_rate))
    return blend(signal, estimate)


def _restored(lowest: Samples, highest: Samples, *, window: int) -> Samples:
    """One channel, relative to its level, between its bounds (frames,): right in all windows that hold a clipped sample."""
    hop, frames = window // OVERLAP, len(lowest)
    taper = (np.sin(np.pi * (np.arange(window) + 0.5) / window) ** 2 / np.sqrt(3 / 8 * OVERLAP)).astype(np.float32)
    around = window - hop, window - hop + -frames % hop
    # beyond the signal anything is possible
    low, high = (np.pad(bound, around, constant_values=beyond) for bound, beyond in ((lowest, -np.inf), (highest, np.inf)))
    clipped = np.pad(lowest != highest, around)
    starts = np.flatnonzero(np.add.reduceat(clipped, np.arange(0, len(clipped), hop)))
    starts = np.unique(starts[:, None] - np.arange(OVERLAP))
    starts = hop * starts[(starts >= 0) & (starts <= (len(low) - window) // hop)]
    total = np.zeros(len(low), np.float32)
    for first in range(0, len(starts), TOGETHER):
        some = starts[first : first + TOGETHER]
        bounds = (sliding_window_view(bound, window)[some] * taper for bound in (low, high))
        for start, found in zip(some, _explained(*bounds), strict=True):
            total[start : start + window] += found * taper
    return total[around[0] : around[0] + frames]


def _explained(lowest: Samples, highest: Samples) -> Samples:
    """Windows (windows, window) between these bounds that few partials explain: alternating directions (ADMM), see the paper."""
    window = lowest.shape[1]
    result: Samples = np.clip(np.zeros_like(lowest), lowest, highest)
    tolerance = TOLERANCE**2 * window / 8192
    left = np.arange(len(result))
    spectra = scipy.fft.rfft(result, norm="ortho")
    bins = spectra.shape[1]
    dual = np.zeros_like(spectra)
    for iteration, partials in enumerate(_numbers(bins)):
        wanted = spectra + dual
        power = _power(wanted)
        look = iteration % LOOK_EVERY == 0
        if look:
            least = np.partition(power, bins - partials, axis=1)[:, bins - partials, None]
        wanted *= power >= least
        beyond = spectra + RELAXATION * (wanted - spectra)
        found = np.clip(scipy.fft.irfft(beyond - dual, window, norm="ortho", overwrite_x=True), lowest, highest)
        spectra = scipy.fft.rfft(found, norm="ortho")
        dual += spectra - beyond
        result[left] = found
        if look:
            disagree = 2 * _power(spectra - wanted).sum(axis=1) > tolerance
            if not disagree.any():
                break
            left, lowest, highest, spectra, dual, least = (v[disagree] for v in (left, lowest, highest, spectra, dual, least))
    return result


def _numbers(most: int) -> Iterator[int]:
    """How many partials each iteration takes, `most` at most."""
    partials = STEP
    while partials <= most:
        yield partials
        partials = max(partials + STEP, int(partials * GROWTH))


def _power(spectra: npt.NDArray[np.complex64]) -> Samples:
    power: Samples = spectra.real**2 + spectra.imag**2
    return power
