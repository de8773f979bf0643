"""Published declippers to compare with, written from their papers.

Each restores a mono signal y (frames,) that is clipped to [-level, level] and returns (frames,) of the type of y: reliable samples bit
for bit those of y, clipped ones at least the level in size (consistency). All are homogeneous: f(a y, a level) = a f(y, level).

"The survey" is Zaviska, Rajmic, Ozerov, Rencker, "A Survey and an Extensive Evaluation of Popular Audio Declipping Methods", IEEE JSTSP
2021. Its setting for the two sparse methods is a Hann window of 8192 samples at 44.1 kHz with a hop of a quarter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.interpolate import CubicSpline
from scipy.ndimage import uniform_filter

from declipper.clipping.arrays import Array
from declipper.clipping.blend import blend
from declipper.clipping.levels import clipped_mask
from declipper.clipping.signal import ClippedSignal

Spectra = npt.NDArray[np.complexfloating[Any, Any]]
"""One-sided unitary spectra of overlapping windows: (windows, bins)."""

OVERLAP = 4
"""Windows over each sample; it and the length are the survey's."""
WINDOW_SECONDS = 8192 / 44100
NEIGHBOURS = (7, 3)
"""Windows and bins over which persistent empirical Wiener shrinkage adds up power."""
LAMBDAS = np.geomspace(10, 3e-3, 20)
"""Shrinkage levels of social sparsity relative to the clip level; each starts from the result of the one before."""
MOMENTUM = 0.9
"""Share of the last step that the next one begins with, near 1 as is usual."""
REDUNDANCY = 2
"""Length of the DFT over that of the window in A-SPADE: the survey's setting."""
TOLERANCE = 0.5
"""Norm of the residual of a window of 8192 samples, relative to the clip level, at which A-SPADE is done with it."""


def cubic(y: Array, level: float) -> Array:
    """A cubic spline through the reliable samples; before the first and after the last of them y stays as it is."""
    clipped = clipped_mask(y, level, -level)
    known = np.flatnonzero(~clipped)
    estimate = y.copy()
    if len(known) > 1:
        gaps = known[0] + np.flatnonzero(clipped[known[0] : known[-1]])
        estimate[gaps] = CubicSpline(known, y[known])(gaps)
    return _consistent(y, estimate, level)


def ss_pew(y: Array, level: float, sample_rate: int, *, iterations: int = 400) -> Array:
    """Social sparsity with persistent empirical Wiener shrinkage (PEW).

    Siedenburg, Kowalski, Doerfler, "Audio declipping with social sparsity", ICASSP 2014: iterative shrinkage with momentum on the
    coefficients of a tight Gabor frame. The data term is the squared error at the reliable samples plus the squared hinge at the
    clipped ones, that is, half the squared distance to the nearest consistent signal. `iterations` are shared out evenly among
    LAMBDAS, at least one to each; more bring a little more, see the survey.
    """
    if not clipped_mask(y, level, -level).any():
        return y.copy()
    taper = _tight_hann(sample_rate)
    lowest, highest = _bounds(y, level, len(taper))
    kept = extrapolated = np.zeros_like(_spectra(_windows(np.zeros_like(lowest), taper)))
    for shrinkage in np.repeat(LAMBDAS, max(1, iterations // len(LAMBDAS))):
        x = _overlap_add(_signals(extrapolated, len(taper)) * taper, len(taper) // OVERLAP)
        moved = extrapolated + _spectra(_windows(np.clip(x, lowest, highest) - x, taper))
        moved *= _pew_gain(moved, float(shrinkage))
        extrapolated = moved + np.float32(MOMENTUM) * (moved - kept)
        kept = moved
    return _restored(y, level, _signals(kept, len(taper)), taper)


def a_spade(y: Array, level: float, sample_rate: int, *, sparsity_step: int = 1) -> Array:
    """Sparse audio declipper, analysis version.

    Kitic, Bertin, Gribonval, "Sparsity and cosparsity for audio declipping: a flexible non-convex approach", LVA/ICA 2015: in each
    window ADMM between spectra of k components and consistent signals, k larger by `sparsity_step` after each iteration, until the
    two agree. The windows that do not agree yet are worked on together. The published step is 1.
    """
    if not clipped_mask(y, level, -level).any():
        return y.copy()
    taper = _tight_hann(sample_rate)
    length = REDUNDANCY * len(taper)
    lowest, highest = (_windows(bound, taper) for bound in _bounds(y, level, len(taper)))
    done = np.clip(np.float32(0), lowest, highest)
    open_ = np.flatnonzero(np.any(np.isinf(lowest) != np.isinf(highest), axis=1))
    lowest, highest = lowest[open_], highest[open_]
    analysed = _spectra(done[open_], length)
    dual = np.zeros_like(analysed)
    sparsity, tolerance = sparsity_step, TOLERANCE * np.sqrt(len(taper) / 8192)
    while len(open_) and sparsity <= length:
        sparse = _largest(analysed + dual, sparsity)
        x = np.clip(_signals(sparse - dual, length)[:, : len(taper)], lowest, highest)
        analysed = _spectra(x, length)
        residual = analysed - sparse
        dual += residual
        sparsity += sparsity_step
        disagree = 2 * np.sum(_power(residual), axis=1) > tolerance**2
        done[open_] = x
        open_, lowest, highest = open_[disagree], lowest[disagree], highest[disagree]
        analysed, dual = analysed[disagree], dual[disagree]
    return _restored(y, level, done, taper)


def _tight_hann(sample_rate: int) -> Array:
    """A Hann window whose squares, hop by hop, add up to one: windowing it twice and adding up gives the signal back."""
    window = OVERLAP * int(scipy.fft.next_fast_len(round(WINDOW_SECONDS * sample_rate / OVERLAP), real=True))
    hann = np.sin(np.pi * (np.arange(window) + 0.5) / window) ** 2
    return (hann / np.sqrt(3 / 8 * OVERLAP)).astype(np.float32)


def _bounds(y: Array, level: float, window: int) -> tuple[Array, Array]:
    """The lowest and the highest consistent signal, float32 over the level, padded to whole windows; beyond y anything is consistent."""
    hop = window // OVERLAP
    scaled = (y / level).astype(np.float32)
    around = (window - hop, window - hop + -len(y) % hop)
    lowest = np.pad(np.where(y <= -level, -np.inf, scaled), around, constant_values=-np.inf)
    highest = np.pad(np.where(y >= level, np.inf, scaled), around, constant_values=np.inf)
    return lowest, highest


def _windows(x: Array, taper: Array) -> Array:
    """Overlapping windows of x, tapered: (windows, window)."""
    return sliding_window_view(x, len(taper))[:: len(taper) // OVERLAP] * taper


def _spectra(windows: Array, length: int | None = None) -> Spectra:
    spectra: Spectra = scipy.fft.rfft(windows, length, norm="ortho")
    return spectra


def _signals(spectra: Spectra, length: int) -> Array:
    signals: Array = scipy.fft.irfft(spectra, length, norm="ortho")
    return signals


def _power(spectra: Spectra) -> Array:
    return spectra.real**2 + spectra.imag**2


def _pew_gain(spectra: Spectra, shrinkage: float) -> Array:
    """1 - lambda^2 / (power of the neighbourhood), not below 0: the PEW operator of Siedenburg et al. 2014."""
    power = uniform_filter(_power(spectra), NEIGHBOURS, mode="constant") * np.float32(np.prod(NEIGHBOURS))
    return np.maximum(0, 1 - np.float32(shrinkage**2) / np.maximum(power, np.finfo(np.float32).tiny))


def _largest(spectra: Spectra, count: int) -> Spectra:
    """The `count` largest components of each row, zero elsewhere."""
    power = _power(spectra)
    rank = max(0, power.shape[1] - count)
    return np.where(power >= np.partition(power, rank, axis=1)[:, rank : rank + 1], spectra, np.complex64(0))


def _restored(y: Array, level: float, windows: Array, taper: Array) -> Array:
    """The consistent signal nearest to the one whose tapered windows, scaled and padded as by `_bounds`, these are."""
    before = len(taper) - len(taper) // OVERLAP
    return _consistent(y, level * _overlap_add(windows * taper, len(taper) // OVERLAP)[before : before + len(y)], level)


def _overlap_add(frames: Array, hop: int) -> Array:
    """Adds up windows (windows, window) that begin every `hop` samples, of which the window holds a whole number."""
    count, window = frames.shape
    parts = frames.reshape(count, window // hop, hop)
    total = np.zeros((count + window // hop - 1, hop), frames.dtype)
    for index in range(window // hop):
        total[index : index + count] += parts[:, index]
    return total.reshape(-1)


def _consistent(y: Array, estimate: Array, level: float) -> Array:
    bound = np.asarray(level, y.dtype)
    # the rate plays no part in a blend
    return blend(ClippedSignal(y[:, None], bound, -bound, 44100), estimate[:, None])[:, 0]
