"""Restores clipped samples by autoregressive interpolation: the signal is its own best predictor, window by window.

Each window is modelled as an autoregressive (AR) process of high order. In turn, the coefficients are estimated from the window as
restored so far, and the clipped samples are set to the values of least prediction error under these coefficients. The low orders of
the first rounds find the rough shape at little cost, the last ones the partials.

Source: Janssen, Veldhuis, Vries, "Adaptive interpolation of discrete-time signals that can be modeled as autoregressive processes",
IEEE Trans. ASSP 1986, with prediction in both directions. The levels play no part in the rounds and bound the result at the end.

Under the model, an interpolated sample has a normal distribution; its standard deviation tells how much the result can be relied on.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import LinAlgError, solve_toeplitz
from scipy.linalg.lapack import dpbtrf, dpbtrs, dtbtrs

from declipper.arrays import Array, Positions
from declipper.blend import blend
from declipper.clipping import Curve, clipped_mask
from declipper.grid import at_rate, hump, spaced

WINDOW = 8192
"""Frames at 44.1 kHz; neighbouring windows overlap by half or more."""
ORDERS = (32, 64, 128, 256, 512, 512)
"""The order in each round, at 44.1 kHz."""
MOST_WORK = 4e8
"""Bound on unknowns * bandwidth^2, the cost of one round in multiplications: the order is halved until it holds."""
NOISE_FLOOR = 1e-9
"""White noise added to the model, relative to the power of the window (-90 dB): keeps the equations solvable."""
PROBES = 8
"""Random vectors from which the deviation is estimated: it comes out right to within a quarter."""

Samples = npt.NDArray[np.float64]


def autoregressive(
    y: Array,
    positive: Curve,
    negative: Curve,
    sample_rate: float,
    orders: tuple[int, ...] = ORDERS,
    window: int = WINDOW,
    most_work: float = MOST_WORK,
    start: Array | None = None,
    overlap: float = 0.5,
    probes: int = PROBES,
) -> tuple[Array, Array]:
    """The restored signal and its standard deviation, both of the shape and type of y.

    Reliable samples are those of y, clipped ones at least their level. The deviation is that of each clipped sample, given the reliable
    ones, under the model of the last round; 0 for reliable samples. Where no model fits, it is the size of the sample itself.

    y: (frames, channels). positive, negative: levels, broadcast against y, infinite where a polarity is not clipped. `orders` (one per
    round) and `window` are in frames at 44.1 kHz; `most_work` bounds the cost of a round and window; `start` is a first guess, of the
    shape of y, None for y itself; `overlap` is the least share of a window that it has in common with the next; from so many random
    `probes` the deviation is estimated, 0 where it is not wanted. Samples that are not numbers count as 0. The windows are spread evenly
    from the first frame to the last, the signal being one window where it is no longer than that: a result depends on at_rate(window)
    frames on either side.
    """
    y = np.where(np.isfinite(y), y, y.dtype.type(0))
    clipped = clipped_mask(y, positive, negative)
    length = min(at_rate(window, sample_rate), len(y))
    orders = tuple(at_rate(order, sample_rate) for order in orders)
    estimate = np.array(y if start is None else start, np.float64)
    deviation = np.zeros(y.shape)
    share = hump(length)
    for channel in np.flatnonzero(clipped.any(axis=0)):
        before, unknown = estimate[:, channel].copy(), np.flatnonzero(clipped[:, channel])
        change, spread, weight = np.zeros((3, len(y)))
        for here in spaced(len(y), length, overlap):
            first, last = np.searchsorted(unknown, [here.start, here.stop])
            inside = unknown[first:last] - here.start
            weight[here] += share
            if len(inside):
                found, uncertain = _interpolated(before[here], inside, orders, most_work, probes)
                change[here.start + inside] += share[inside] * (found - before[here][inside])
                spread[here.start + inside] += share[inside] * uncertain
        estimate[:, channel] += change / weight
        deviation[:, channel] = spread / weight
    return blend(y, estimate, positive, negative), deviation.astype(y.dtype)


def _interpolated(
    x: Samples, unknown: Positions, orders: tuple[int, ...], most_work: float, probes: int
) -> tuple[Samples, Samples | float]:
    """The unknown samples of one window, where x holds a first guess of them, and their deviation.

    Fewer rounds where no model fits, and none where nothing is known.
    """
    x = x.copy()
    known = x.copy()
    known[unknown] = 0
    if not known.any():
        return x[unknown], np.abs(x[unknown])
    for wanted, rounds in groupby(orders):
        order, distance = _couplings(unknown, min(wanted, len(x) // 2), most_work)
        for _ in rounds:
            before = x.copy()
            try:
                filter_ = _fitted(x, order)
                factor, right = least_error(known, unknown, filter_, distance)
            except LinAlgError:
                return x[unknown], np.abs(x[unknown])
            x[unknown] = dpbtrs(factor, right, lower=1, overwrite_b=1)[0]
    return x[unknown], _uncertain(before, unknown, filter_, factor, probes) if probes else 0.0


def _uncertain(x: Samples, unknown: Positions, filter_: Samples, factor: Samples, probes: int) -> Samples:
    """The standard deviation of the unknown samples of one window, under the model fitted to x.

    It is that of L^-T z, with L L^T the equations of `least_error` and z white, times the deviation of the prediction error. Of the
    predictions, as many are as good as exact as there are unknowns to make them so. They are those of x, not of what the model makes of
    it, which it predicts better than the truth.
    """
    white = np.random.default_rng(0).choice([-1.0, 1.0], (len(unknown), probes))
    spread, _ = dtbtrs(factor, white, uplo="L", trans="T", overwrite_b=True)
    order, frames = len(filter_) - 1, _transform(x, filter_)
    errors = scipy.fft.irfft(scipy.fft.rfft(filter_, frames) * scipy.fft.rfft(x, frames), frames)[order : len(x)]
    power = errors @ errors / max(len(errors) - len(unknown), order)
    result: Samples = np.sqrt(power * np.mean(np.square(spread), axis=1))
    return result


def _transform(x: Samples, filter_: Samples) -> int:
    """Length of the Fourier transforms in which x may be filtered."""
    return int(scipy.fft.next_fast_len(len(x) + len(filter_), real=True))


def _fitted(x: Samples, order: int) -> Samples:
    """The error filter that fits a window. Raises LinAlgError where there is none."""
    correlation = _autocorrelation(x * np.sqrt(hump(len(x))), order)
    if correlation[0] <= 0:
        raise LinAlgError("silence")
    return predictor(correlation)


def _couplings(unknown: Positions, order: int, most_work: float) -> tuple[int, npt.NDArray[np.int32]]:
    """The order that can be afforded, and (unknowns, bandwidth + 1) distances from each unknown to itself and those after it.

    Unknowns further apart than the order do not meet in one equation: they are at distance order + 1, whatever it is.
    """
    while True:
        bandwidth = int((np.searchsorted(unknown, unknown + order, side="right") - np.arange(len(unknown))).max()) - 1
        if len(unknown) * bandwidth**2 <= most_work:
            break
        order //= 2
    those = np.full(len(unknown) + bandwidth, unknown[-1] + order + 1, np.int32)
    those[: len(unknown)] = unknown
    ahead = sliding_window_view(those, bandwidth + 1)
    return order, np.minimum(ahead - ahead[:, :1], np.int32(order + 1))


def _autocorrelation(x: Samples, order: int) -> Samples:
    """Lags 0..order of the autocorrelation of x, with the noise floor added."""
    frames = scipy.fft.next_fast_len(len(x) + order, real=True)
    spectrum = scipy.fft.rfft(x, frames)
    correlation: Samples = scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2, frames)[: order + 1]
    correlation[0] *= 1 + NOISE_FLOOR
    return correlation


def predictor(correlation: Samples) -> Samples:
    """The error filter 1, a_1 .. a_order of a process with these autocorrelations (Yule-Walker equations, Levinson's recursion)."""
    return np.concatenate([[1.0], solve_toeplitz(correlation[:-1], -correlation[1:], check_finite=False)])


def least_error(known: Samples, unknown: Positions, filter_: Samples, distance: npt.NDArray[np.int32]) -> tuple[Samples, Samples]:
    """Cholesky factor (bandwidth + 1, unknowns), from the diagonal on, and right side of the equations that the unknown samples solve.

    With the known ones (0 where unknown), their solution leaves the least power behind the error filter, run both ways. With b the
    autocorrelation of the filter, they are sum_j b(u_i - u_j) x(u_j) = -(b * known)(u_i): a positive definite band
    matrix, because only unknowns within the order of each other couple. They hold for a signal that is 0 beyond the window; the errors
    that reach beyond it are taken out again, so nothing is assumed there. Raises LinAlgError where rounding has left no positive
    definite matrix.
    """
    frames = _transform(known, filter_)
    response = scipy.fft.rfft(filter_, frames)
    power = response.real**2 + response.imag**2
    couplings = np.append(np.correlate(filter_, filter_, "full")[len(filter_) - 1 :], 0.0)
    right = -scipy.fft.irfft(power * scipy.fft.rfft(known, frames), frames)[unknown]
    band = couplings[distance]
    _take_out_overhang(band, right, known, unknown, filter_)
    factor, problem = dpbtrf(band.T, lower=1, overwrite_ab=1)
    if problem:
        raise LinAlgError("not positive definite")
    return factor, right


def _take_out_overhang(band: Samples, right: Samples, known: Samples, unknown: Positions, filter_: Samples) -> None:
    """Take the errors that reach beyond either end of the window, forward and back, out of the equations of the unknowns near it."""
    order, index = len(filter_) - 1, np.arange(len(unknown))
    for near, which, samples in (unknown, index, known), (len(known) - 1 - unknown[::-1], index[::-1], known[::-1]):
        near = near[: np.searchsorted(near, order)]
        if not len(near):
            continue
        i, j = np.nonzero(near[:, None] <= near)
        shifts = order - near[:, None] + np.arange(order)
        for errors in (filter_[:-1], filter_[:0:-1]):
            beyond = np.concatenate([np.zeros(order), errors])[shifts]
            band[np.minimum(which[i], which[j]), j - i] -= (beyond @ beyond.T)[i, j] / 2
            right[which[: len(near)]] += beyond @ np.convolve(errors, samples[:order])[:order] / 2
