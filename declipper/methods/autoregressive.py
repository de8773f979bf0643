"""Restores clipped samples by autoregressive interpolation: the signal is its own best predictor, window by window.

Each window is modelled as an autoregressive (AR) process of high order. In turn, the coefficients are estimated from the window as
restored so far, and the clipped samples are set to the values of least prediction error under these coefficients. The low orders of
the first rounds find the rough shape at little cost, the last ones the partials.

Source: Janssen, Veldhuis, Vries, "Adaptive interpolation of discrete-time signals that can be modeled as autoregressive processes",
IEEE Trans. ASSP 1986, with prediction in both directions.

Under the model, the clipped samples have a normal distribution, cut off below their levels (`declipper.methods.truncated_normal`). Drawing
from it tells how much the result can be relied on, what the levels say of it, and what the coefficients have to allow for beside the mean:
they are those of the expectation-maximization algorithm (Dempster, Laird, Rubin, J. R. Stat. Soc. B 1977). What came after the clipping
shows in its plateaus: their scatter is that of the noise in all samples, and the coefficients are kept from predicting it. Without draws it
is Janssen's method.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import LinAlgError, solve_toeplitz
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpbtrf, dpbtrs, dtbtrs

from declipper.clipping.arrays import Array, Positions, finite
from declipper.clipping.levels import Curve, clipped_mask, sided
from declipper.clipping.windows import at_rate, hump, spaced
from declipper.methods.truncated_normal import bounded, others, site

WINDOW = 8192
"""Frames at 44.1 kHz; neighbouring windows overlap by half or more."""
ORDERS = (32, 64, 128, 256, 512, 512)
"""The order in each round, at 44.1 kHz."""
MOST_WORK = 4e8
"""Bound on unknowns * bandwidth^2, the cost of one round in multiplications: the order is halved until it holds."""
NOISE_FLOOR = 1e-9
"""White noise added to the model at least, relative to the power of the window (-90 dB): keeps the equations solvable."""
MOST_NOISE = 1e-4
"""And at most: more costs weak partials of the signal, and so more than it saves."""
NORMAL = 1.4826
"""Standard deviations to one median of the size, where the distribution is normal."""
CAUTION = 3
"""A window in which nearly all is clipped is trusted the less, the more of the whole signal is clipped: the power of this share."""
DRAWS = 8
"""Of the clipped samples, from which their deviation is estimated: it comes out right to within a quarter."""

TINY = 1e-200
"""Least power of the prediction error."""

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
    draws: int = DRAWS,
) -> tuple[Array, Array]:
    """The restored signal and its standard deviation, both of the shape and type of y.

    Reliable samples are those of y, clipped ones at least their level. The deviation is that of each clipped sample, given the reliable
    ones and the levels, under the model of the last round; 0 for reliable samples. Where no model fits, it is the size of the sample
    itself. The other arguments are those of `predicted`.
    """
    mean, deviation = predicted(y, positive, negative, sample_rate, orders, window, most_work, start, overlap, draws)
    return bounded(y, mean, deviation, positive, negative)


def predicted(
    y: Array,
    positive: Curve,
    negative: Curve,
    sample_rate: float,
    orders: tuple[int, ...],
    window: int,
    most_work: float,
    start: Array | None,
    overlap: float = 0.5,
    draws: int = DRAWS,
) -> tuple[Array, Array]:
    """What is to be expected of each clipped sample before its own level is looked at, mean and deviation, float64 of the shape of y.

    y: (frames, channels). positive, negative: levels, broadcast against y, infinite where a polarity is not clipped. `orders` (one per
    round) and `window` are in frames at 44.1 kHz; `most_work` bounds the cost of a round and window; `start` is a first guess, of the
    shape of y, None for y itself; `overlap` is the least share of a window that it has in common with the next; of the clipped samples
    there are so many random `draws`, 0 where only the mean is wanted and levels play no part. Samples that are not numbers count as 0. The
    windows are spread evenly from the first frame to the last, the signal being one window where it is no longer than that: a result
    depends on at_rate(window) frames on either side. The deviation is infinite where no model fits, which leaves the first guess.
    """
    y = finite(y)
    clipped = clipped_mask(y, positive, negative)
    length = min(at_rate(window, sample_rate), len(y))
    orders = tuple(at_rate(order, sample_rate) for order in orders)
    sides = sided(y, positive, negative)
    estimate = np.array(y if start is None else start, np.float64)
    deviation = np.zeros(y.shape)
    share = hump(length)
    for channel in np.flatnonzero(clipped.any(axis=0)):
        before, unknown = estimate[:, channel].copy(), np.flatnonzero(clipped[:, channel])
        least_true = (1 - len(unknown) / len(y)) ** CAUTION
        side, level = (v[unknown, channel] for v in sides)
        added = _scatter(side * y[unknown, channel] - level, side) if draws else 0.0
        change, spread, weight = np.zeros((3, len(y)))
        for here in spaced(len(y), length, overlap):
            first, last = np.searchsorted(unknown, [here.start, here.stop])
            inside = unknown[first:last] - here.start
            weight[here] += share
            if len(inside):
                known = side[first:last], level[first:last]
                found, uncertain = _interpolated(before[here], inside, *known, orders, most_work, draws, least_true, added)
                change[here.start + inside] += share[inside] * (found - before[here][inside])
                spread[here.start + inside] += share[inside] * uncertain
        estimate[:, channel] += change / weight
        deviation[:, channel] = spread / weight
    return estimate, deviation


def _scatter(over: Array, side: Samples) -> float:
    """The deviation of the noise that came after the clipping, a codec's or dither, since clipping leaves all samples of a side alike.

    over: how far each clipped sample is beyond its level. Medians, because levels that lie too low take in samples that are not clipped.
    """
    apart = [np.abs(v - np.median(v)) for v in (over[side > 0], over[side < 0]) if len(v)]
    return NORMAL * float(np.median(np.concatenate(apart)))


def _interpolated(
    x: Samples,
    unknown: Positions,
    side: Samples,
    level: Samples,
    orders: tuple[int, ...],
    most_work: float,
    draws: int,
    least_true: float,
    added: float,
) -> tuple[Array, Array | float]:
    """The unknown samples of one window, where x holds a first guess of them, and their deviation, each without its own level.

    side: the sign of each; level: the least that its size can be; least_true: the least share of predictions that is taken for true ones,
    which no unknown made exact; added: the deviation of the noise that the known ones have had since the clipping. Fewer rounds where no
    model fits, and none where nothing is known.
    """
    x = x.copy()
    known = x.copy()
    known[unknown] = 0
    if not known.any():
        return x[unknown], np.inf
    true = max(1 - len(unknown) / len(x), least_true)
    white = np.random.default_rng(0).choice([-1.0, 1.0], (len(unknown), draws))
    noise: Samples = np.zeros((min(draws, 1), len(x)))
    precision: Array = np.zeros(len(unknown))
    pull: Array = np.zeros(len(unknown))
    result: tuple[Array, Array | float] = x[unknown], 0.0
    for wanted, rounds in groupby(orders):
        order, distance = _couplings(unknown, min(wanted, len(x) // 2), most_work)
        for _ in rounds:
            try:
                filter_, power = _fitted(x, noise, order, true, added)
                factor, right = least_error(known, unknown, filter_, distance, power * precision, power * side * pull)
            except LinAlgError:
                return x[unknown], np.inf
            x[unknown] = dpbtrs(factor, right, lower=1, overwrite_b=1)[0]
            result = x[unknown], 0.0
            if draws:
                # with L L^T the equations of `least_error`, L^-T z is drawn from the distribution that they leave
                spread: Samples = np.sqrt(power) * dtbtrs(factor, white, uplo="L", trans="T")[0]
                noise[0, unknown] = spread[:, 0]
                mean, variance = others(side * x[unknown], np.mean(np.square(spread), axis=1), precision, pull)
                precision, pull = site(mean, variance, level)
                result = side * mean, np.sqrt(variance)
    return result


def _fitted(x: Samples, noise: Samples, order: int, true: float, added: float) -> tuple[Samples, float]:
    """The error filter for a window and a draw of what it may differ by (0 or 1, frames), and the power of the error.

    true: share of the predictions that no unknown made exact; added: deviation of noise that is not to be predicted. Raises LinAlgError
    where there is no filter.
    """
    weights = hump(len(x))
    correlation = _autocorrelation(np.vstack([x, noise]) * np.sqrt(weights), order)
    if correlation[0] <= 0:
        raise LinAlgError("silence")
    correlation[0] += np.clip(added**2 * weights.sum(), NOISE_FLOOR * correlation[0], MOST_NOISE * correlation[0])
    filter_ = predictor(correlation)
    return filter_, float(max(filter_ @ correlation / weights.sum() / true, TINY))


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
    """Lags 0..order of the autocorrelation, summed over the rows of x."""
    frames = scipy.fft.next_fast_len(x.shape[1] + order, real=True)
    spectrum = scipy.fft.rfft(x, frames)
    power = np.sum(spectrum.real**2 + spectrum.imag**2, axis=0)
    correlation: Samples = scipy.fft.irfft(power, frames)[: order + 1]
    return correlation


def predictor(correlation: Samples) -> Samples:
    """The error filter 1, a_1 .. a_order of a process with these autocorrelations (Yule-Walker equations, Levinson's recursion)."""
    return np.concatenate([[1.0], solve_toeplitz(correlation[:-1], -correlation[1:], check_finite=False)])


def least_error(
    known: Samples,
    unknown: Positions,
    filter_: Samples,
    distance: npt.NDArray[np.int32],
    precision: Array | float = 0.0,
    pull: Array | float = 0.0,
) -> tuple[Samples, Samples]:
    """Cholesky factor (bandwidth + 1, unknowns), from the diagonal on, and right side of the equations that the unknown samples solve.

    With the known ones (0 where unknown), their solution leaves the least power behind the error filter, run both ways. With b the
    autocorrelation of the filter, they are sum_j b(u_i - u_j) x(u_j) = -(b * known)(u_i): a positive definite band
    matrix, because only unknowns within the order of each other couple. They hold for a signal that is 0 beyond the window; the errors
    that reach beyond it are taken out again, so nothing is assumed there. What else is known of the unknowns, a precision relative to that
    of the predictions and its product with the mean, is added. Raises LinAlgError where rounding has left no positive
    definite matrix.
    """
    frames = scipy.fft.next_fast_len(len(known) + len(filter_), real=True)
    response = scipy.fft.rfft(filter_, frames)
    power = response.real**2 + response.imag**2
    couplings = np.append(np.correlate(filter_, filter_, "full")[len(filter_) - 1 :], 0.0)
    right = -scipy.fft.irfft(power * scipy.fft.rfft(known, frames), frames)[unknown]
    band = couplings[distance]
    _take_out_overhang(band, right, known, unknown, filter_)
    band[:, 0] += precision
    factor, problem = dpbtrf(band.T, lower=1, overwrite_ab=1)
    if problem:
        raise LinAlgError("not positive definite")
    return factor, right + pull


def _take_out_overhang(band: Samples, right: Samples, known: Samples, unknown: Positions, filter_: Samples) -> None:
    """Take the errors that reach beyond either end of the window, forward and back, out of the equations of the unknowns near it."""
    order, index = len(filter_) - 1, np.arange(len(unknown))
    for near, which, samples in (unknown, index, known), (len(known) - 1 - unknown[::-1], index[::-1], known[::-1]):
        near = near[: np.searchsorted(near, order)]
        if not len(near):
            continue
        both = (filter_[:-1], filter_[:0:-1])
        beyond = np.hstack([sliding_window_view(np.concatenate([np.zeros(order), errors]), order)[order - near] for errors in both])
        i, j = np.nonzero(near[:, None] <= near)
        band[np.minimum(which[i], which[j]), j - i] -= dsyrk(0.5, beyond.T, trans=1)[i, j]
        right[which[: len(near)]] += beyond @ np.concatenate([np.convolve(errors, samples[:order])[:order] for errors in both]) / 2
