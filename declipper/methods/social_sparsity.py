"""Restores clipped samples by their spectrum: what is steady over neighbouring bins and frames stays, the distortion fades away.

Each iteration takes the short-time spectrum of the signal as restored so far, weakens every bin whose neighbourhood has little power,
goes back to samples and moves the clipped ones there; reliable samples stay and clipped ones keep their level. The power that counts
as little falls from iteration to iteration: first the loudest partials form, in the end the detail.

Source: Siedenburg, Kowalski, Doerfler, "Audio declipping with social sparsity", ICASSP 2014, here with a fixed number of
iterations and with momentum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import uniform_filter1d

from declipper.clipping.arrays import Array, Mask, Positions
from declipper.clipping.blend import blend
from declipper.clipping.signal import ClippedSignal
from declipper.clipping.windows import at_rate

VERSION = 1
"""Raised by one with every change of this module that changes an estimate: models are bound to it."""
WINDOW = 8192
"""Frames at 44.1 kHz of the long window, which parts the partials of chords; windows follow each other by half of their length."""
SHORTER = 4
"""How many times as short the window for transients is."""
SHORT_EVERY = 4
"""Every so many iterations work on short windows, the others on long ones. Chosen by trial, as the windows are; no study of it is kept."""
BINS, FRAMES = 3, 3
"""The neighbourhood whose mean power decides on a bin, the paper's idea of persistence: three bins by three frames, smaller than theirs."""
LEAST_RELIABLE = np.float32(0.1)
"""The least share of reliable samples that thresholds are divided by: without a bound they would be infinite where all is clipped."""

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FallingThreshold:
    """How many iterations there are, and the threshold, momentum and step of each.

    first, last: the amplitude of the sine below which a bin is removed, relative to the clip level and times the ratio of clipped to
    reliable samples, which is about what clipping removed; it falls geometrically. momentum: share of the last step that is taken again.
    step: 1 moves clipped samples to where the spectrum has them, more goes beyond (over-relaxation).
    """

    iterations: int
    first: float
    last: float
    momentum: float
    step: float

    @property
    def thresholds(self) -> list[float]:
        """The amplitude for each iteration."""
        values: list[float] = np.geomspace(self.first, self.last, self.iterations).tolist()
        return values


FROM_CLIPPED = FallingThreshold(120, 0.16, 0.0004, 0.9, 1.4)
"""For a start at the clipped signal: begins above all distortion and ends at the detail."""
FROM_ESTIMATE = FallingThreshold(100, 0.016, 0.00016, 0.85, 1.6)
"""For a start at an estimate of which the best is to be made: begins a tenth as high. All five of these were chosen by trial, each for
its number of iterations; no study of it is kept."""
SMOOTHING = FallingThreshold(40, 0.0016, 0.00008, 0.9, 1.2)
"""For a start at an estimate that is nearly right and only to be smoothed."""
FROM_CLIPPED_FAST = FallingThreshold(32, 0.14, 0.0005, 0.85, 1.6)
"""FROM_CLIPPED in a quarter of its iterations and in larger steps."""
FROM_ESTIMATE_FAST = FallingThreshold(12, 0.03, 0.0015, 0.7, 1.6)
"""FROM_ESTIMATE in an eighth of its iterations: it ends before the finest detail."""


def social_sparsity(
    signal: ClippedSignal,
    threshold: FallingThreshold = FROM_CLIPPED,
    *,
    start: Array | None = None,
) -> Array:
    """The restored samples, of the shape and type of those of the signal; reliable ones stay, clipped ones are at least their level.

    start: an estimate of the signal's shape to begin from instead of the signal. Samples that are not numbers count as 0. The windows lie
    on a grid that begins at frame 0; a result depends on the signal as far as five windows away, though hardly.
    """
    signal = signal.finite
    y = signal.samples
    begin = y if start is None else blend(signal, start)
    levels = np.where(signal.above, signal.positive, signal.negative)
    windows = at_rate(WINDOW, signal.sample_rate), at_rate(WINDOW // SHORTER, signal.sample_rate)
    estimate = y.astype(np.float64)
    for channel in np.flatnonzero(signal.mask.any(axis=0)):
        for island in _islands(np.flatnonzero(signal.mask[:, channel]), windows[0]):
            first = max(0, (island[0] - _reach(windows[0])) // windows[0] * windows[0])
            around = y[first : island[-1] + _reach(windows[0]), channel]
            scale = np.abs(levels[island, channel]).max()
            known, guess, level = ((v / scale).astype(np.float32) for v in (around, begin[island, channel], levels[island, channel]))
            stretch = Stretch(known, island - first, guess, level, signal.above[island, channel])
            spectra = tuple(_Spectrum(stretch, window, beyond=max(windows)) for window in windows)
            estimate[island, channel] = scale * iterated(stretch, threshold, spectra=spectra, short_every=SHORT_EVERY)
    return blend(signal, estimate)


def _reach(window: int) -> int:
    """Frames on either side of a sample that share a neighbourhood with it."""
    return window + FRAMES // 2 * (window // 2)


def _islands(clipped: Positions, window: int) -> list[Positions]:
    """Clipped samples in groups that do not influence each other: what lies between them needs no work."""
    return np.split(clipped, np.flatnonzero(np.diff(clipped) > 2 * _reach(window) + window) + 1)


@dataclass(frozen=True, eq=False)
class Stretch:
    """Part of one channel, relative to its clip level.

    samples: (frames,). clipped: frames of those that are. guess: what they begin at; level: what bounds each from below where `above` is
    true, else from above; -inf where nothing is known of it.
    """

    samples: Samples
    clipped: Positions
    guess: Samples
    level: Samples
    above: Mask

    def before(self, frames: int) -> Stretch:
        """The same with so many frames more of which nothing is known."""
        more, ahead = np.zeros(frames, np.float32), len(self.samples) + np.arange(frames)
        samples, guess = (np.concatenate([v, more]) for v in (self.samples, self.guess))
        clipped, level = np.concatenate([self.clipped, ahead]), np.concatenate([self.level, more - np.float32(np.inf)])
        return Stretch(samples, clipped, guess, level, np.concatenate([self.above, np.ones(frames, bool)]))


class Spectrum(Protocol):
    """The short-time spectrum of a stretch, as its clipped samples move."""

    def shrunk(self, clipped: Samples, amplitude: float) -> Samples:
        """The clipped samples of the signal whose weak bins are weakened, given what they were before."""
        ...


def iterated(stretch: Stretch, threshold: FallingThreshold, *, spectra: Sequence[Spectrum], short_every: int) -> Samples:
    """The clipped samples of a stretch; spectra: of long windows, and of short ones, whose turn it is every so many times."""
    momentum, step = np.float32(threshold.momentum), np.float32(threshold.step)
    before = now = stretch.guess
    for index, amplitude in enumerate(threshold.thresholds, 1):
        ahead = now + momentum * (now - before)
        moved = spectra[index % short_every == 0].shrunk(ahead, amplitude)
        moved -= ahead
        moved *= step
        moved += ahead
        before, now = now, np.where(stretch.above, np.maximum(moved, stretch.level), np.minimum(moved, stretch.level))
    return now


class _Spectrum:
    """The short-time spectrum of a stretch, as its clipped samples move.

    Only frames of the spectrum with a clipped sample in them are worked on. The others keep their power, which counts where they are
    neighbours.
    """

    def __init__(self, stretch: Stretch, window: int, *, beyond: int) -> None:
        """beyond: zeros on either side of the stretch, a window or more."""
        hop, fade = window // 2, _fade(window)
        size = (-(-len(stretch.samples) // beyond) + 2) * beyond + hop
        x, mask = np.zeros((2, size), np.float32)
        x[beyond : beyond + len(stretch.samples)] = stretch.samples
        clipped = stretch.clipped + beyond
        mask[clipped[np.isfinite(stretch.level)]] = 1
        second, offset = np.divmod(clipped, hop)
        moving = np.unique([second - 1, second])
        rows = np.unique([moving - 1, moving, moving + 1])
        self._frames = _frames(x, window)[moving] * fade
        self._power = power(scipy.fft.rfft(_frames(x, window)[rows] * fade))
        self._row = np.searchsorted(rows, moving)
        # each clipped sample lies in the second half of one frame, and in the first half of the next one
        halves = (second - 1, offset + hop), (second, offset)
        self._places = tuple((np.searchsorted(moving, frame) * window + place, fade[place]) for frame, place in halves)
        # a sine of amplitude a has a bin of a / 2 * sum(fade) = a * window / pi; the sum of so many bins and frames is compared with it
        self._scale = _removed(mask, window)[moving] * np.float32(window / np.pi * np.sqrt(BINS * FRAMES))

    def shrunk(self, clipped: Samples, amplitude: float) -> Samples:
        """The clipped samples of the signal whose weak bins are weakened, given what they were before: gain 1 - level^2 / power, or 0.

        The power is the mean of the neighbourhood (empirical Wiener). amplitude: the level as that of a sine, for a ratio of 1 of clipped
        to reliable samples.
        """
        flat = self._frames.reshape(-1)
        (before, falling), (after, rising) = self._places
        flat[before], flat[after] = clipped * falling, clipped * rising
        spectrum = scipy.fft.rfft(self._frames)
        self._power[self._row] = power(spectrum)
        around: Samples = self._power[self._row]
        for distance in range(1, FRAMES // 2 + 1):
            around += self._power[self._row - distance]
            around += self._power[self._row + distance]
        weaken(spectrum, around, level=self._scale * np.float32(amplitude), bins=BINS)
        found = scipy.fft.irfft(spectrum, self._frames.shape[1], overwrite_x=True).reshape(-1)
        total: Samples = found[before] * falling
        total += found[after] * rising
        return total


def _removed(mask: Samples, window: int) -> Samples:
    """(frames of the spectrum, 1) ratio of clipped to reliable samples round each of them, 1 / LEAST_RELIABLE at most.

    mask: (frames,) 1 where clipped, else 0.
    """
    fade = _fade(window)[:, None]
    share = uniform_filter1d(_frames(mask, window) @ fade / fade.sum(), FRAMES, axis=0, mode="constant")
    ratio: Samples = share / np.maximum(np.float32(1) - share, LEAST_RELIABLE)
    return ratio


def weaken(spectrum: npt.NDArray[np.complex64], around: Samples, *, level: Samples, bins: int) -> None:
    """Multiply each bin by 1 - level^2 / power, or 0, in place. The power is the sum of `around` over so many bins."""
    gain: Samples = around + np.finfo(np.float32).tiny
    for distance in range(1, bins // 2 + 1):
        gain[:, distance:] += around[:, :-distance]
        gain[:, :-distance] += around[:, distance:]
    np.divide(-np.square(level), gain, out=gain)
    gain += 1
    spectrum *= np.maximum(gain, 0, out=gain)


def power(spectrum: npt.NDArray[np.complex64]) -> Samples:
    """The squared size of each bin."""
    squares: Samples = spectrum.real**2 + spectrum.imag**2
    return squares


@lru_cache(8)
def _fade(window: int) -> Samples:
    """A half sine, not to be written to: the squares of two that overlap by half add to 1."""
    fade: Samples = np.sin(np.pi * (np.arange(window) + 0.5) / window).astype(np.float32)
    fade.flags.writeable = False
    return fade


def _frames(x: Samples, window: int) -> Samples:
    """(frames of the spectrum, window): overlapping stretches of x, a view."""
    return sliding_window_view(x, window)[:: window // 2]
