"""Social sparsity of a signal that is still coming: restores its newest clipped samples by their spectrum, all before them being known.

It is the method of `declipper.methods.social_sparsity`, with windows of its own. Nothing before the newest samples is to be restored, so
windows need not share it out among each other: the long one lies over the end, once, and leans towards it. That takes half the time of two
windows that overlap by half, of which one saw little but unknown samples, and restores better (`python -m
declipper.training.studies.live.levers`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft

from declipper.clipping.arrays import Array
from declipper.clipping.blend import blend
from declipper.clipping.signal import ClippedSignal
from declipper.clipping.windows import at_rate, leaning
from declipper.methods.social_sparsity import LEAST_RELIABLE, SHORTER, FallingThreshold, Samples, Stretch, iterated, power, weaken

VERSION = 1
"""Raised by one with every change of this module that changes an estimate: models are bound to it."""
SHORT_EVERY = 6
"""Every so many iterations work on short windows, as in `social_sparsity`, the others on the long one."""
BINS = 5
"""The neighbourhood whose mean power decides on a bin: so many bins, of one frame of the spectrum alone where windows are long, since there
is no other like it, and of three where they are short."""
LONG_FALL, SHORT_FALL = 8, 4
"""The long window at the end of the signal falls within its last eighth, the short one within its last fourth. Together with SHORT_EVERY
and BINS chosen by trial on ten pieces of the validation split, at 7 and 10 dB input SDR."""
LEAST_WEIGHT = 1e-3
"""What the weights that windows give a sample are divided by, at least: at the very end they fall to nothing."""


def newest_sparsity(signal: ClippedSignal, threshold: FallingThreshold, *, window: int, beyond: int) -> Array:
    """The restored samples, of the shape and type of those of the signal; reliable ones stay, clipped ones are at least their level.

    window: the long window, in frames at 44.1 kHz; the short one is SHORTER times as short. beyond: how many frames at 44.1 kHz after the
    end are unknown, and estimated with it; the windows fall within them. What is clipped should lie within the last half of a window.
    """
    signal = signal.finite
    y = signal.samples
    levels = np.where(signal.above, signal.positive, signal.negative)
    lengths = at_rate(window, signal.sample_rate), at_rate(window // SHORTER, signal.sample_rate)
    estimate = y.astype(np.float64)
    for channel in np.flatnonzero(signal.mask.any(axis=0)):
        clipped = np.flatnonzero(signal.mask[:, channel])
        scale = np.abs(levels[clipped, channel]).max()
        known, level = ((v / scale).astype(np.float32) for v in (y[:, channel], levels[clipped, channel]))
        stretch = Stretch(known, clipped, known[clipped], level, signal.above[clipped, channel])
        stretch = stretch.before(at_rate(beyond, signal.sample_rate))
        spectra = _Spectrum(stretch, lengths[0], short=False), _Spectrum(stretch, lengths[1], short=True)
        found = iterated(stretch, threshold, spectra=spectra, short_every=SHORT_EVERY)
        estimate[clipped, channel] = scale * found[: len(clipped)]
    return blend(signal, estimate)


class _Spectrum:
    """The spectrum of the end of a stretch, as its clipped samples move: one frame of it, or as many as reach the first clipped sample."""

    def __init__(self, stretch: Stretch, window: int, *, short: bool) -> None:
        """short: windows overlap by half, and powers are averaged over neighbours."""
        hop, end, first = window // 2, len(stretch.samples), int(stretch.clipped[0])
        count = -(-(end - first) // hop) if short else 1
        ahead = max(0, (count + 1) * hop + window - end)  # zeros before the stretch
        self._samples = np.concatenate([np.zeros(ahead, np.float32), stretch.samples])
        self._clipped = stretch.clipped + ahead
        # of short ones, the first is the one before all that moves
        begins = ahead + end - window - hop * np.arange(count if short else 0, -1, -1)
        places = begins[:, None] + np.arange(window)
        fades = np.stack([_half_sine(window)] * (len(begins) - 1) + [_leaning(window, window // (SHORT_FALL if short else LONG_FALL))])
        self._neighbours = short
        mask, weights = np.zeros((2, len(self._samples)), np.float32)
        mask[self._clipped[np.isfinite(stretch.level)]] = 1
        for begin, fade in zip(begins, fades, strict=True):
            weights[begin : begin + window] += np.square(fade)
        self._weights = np.maximum(weights[self._clipped], np.float32(LEAST_WEIGHT))
        sums = fades.sum(axis=1, keepdims=True)
        share = self._around(np.sum(mask[places] * fades, axis=1, keepdims=True) / sums)
        counted = self._around(np.ones((len(begins), 1), np.float32))
        ratio = share / np.maximum(counted - share, LEAST_RELIABLE * counted)
        # a sine of amplitude a has a bin of a / 2 * sum(fade); the sum of so many bins and frames is compared with it
        scale = (ratio * sums / 2 * np.sqrt(BINS * counted)).astype(np.float32)
        moving = slice(int(short), None)
        self._begins, self._places, self._fades, self._scale = begins[moving], places[moving], fades[moving], scale[moving]
        self._known = power(scipy.fft.rfft(self._samples[places[: int(short)]] * fades[: int(short)]))

    def _around(self, rows: Samples) -> Samples:
        """The sums of neighbouring rows."""
        if not self._neighbours:
            return rows
        total = rows.copy()
        total[1:] += rows[:-1]
        total[:-1] += rows[1:]
        return total

    def shrunk(self, clipped: Samples, amplitude: float) -> Samples:
        """As `social_sparsity` does it: the clipped samples of the signal whose weak bins are weakened, given what they were before."""
        self._samples[self._clipped] = clipped
        spectrum = scipy.fft.rfft(self._samples[self._places] * self._fades)
        around = self._around(np.concatenate([self._known, power(spectrum)]))[len(self._known) :]
        weaken(spectrum, around, level=self._scale * np.float32(amplitude), bins=BINS)
        found = scipy.fft.irfft(spectrum, self._fades.shape[1], overwrite_x=True) * self._fades
        total = np.zeros_like(self._samples)
        for begin, part in zip(self._begins, found, strict=True):
            total[begin : begin + len(part)] += part
        return (total[self._clipped] / self._weights).astype(np.float32)


@lru_cache(8)
def _half_sine(window: int) -> Samples:
    """Not to be written to: the squares of two that overlap by half add to 1."""
    fade: Samples = np.sin(np.pi * (np.arange(window) + 0.5) / window).astype(np.float32)
    fade.flags.writeable = False
    return fade


@lru_cache(8)
def _leaning(window: int, fall: int) -> Samples:
    """A quarter of a sine that rises, and one that falls; not to be written to."""
    fade: Samples = np.sqrt(leaning(window, fall)).astype(np.float32)
    fade.flags.writeable = False
    return fade
