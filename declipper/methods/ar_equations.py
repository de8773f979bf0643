"""The equations of autoregressive models: for the error filter of a window, and for the samples that are missing in it.

An autoregressive (AR) model predicts each sample from so many before it, its order. The error filter 1, a_1 .. a_order gives the errors of
the predictions. Its coefficients follow from the autocorrelation (the Yule-Walker equations, solved here by Levinson's recursion). The
missing samples are those that make the errors least: a linear system, which is set up and factored here and solved in
`declipper.methods.autoregressive`.

Source: Janssen, Veldhuis, Vries, "Adaptive interpolation of discrete-time signals that can be modeled as autoregressive processes",
IEEE Trans. ASSP 1986, with prediction in both directions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import LinAlgError, solve_toeplitz
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpbtrf

from declipper.clipping.arrays import Array, Positions

Samples = npt.NDArray[np.float64]
Distances = npt.NDArray[np.intp]

NOISE_FLOOR = 1e-9
"""White noise added to the model at least, relative to the power of the window (-90 dB, below the noise of 16 bits): keeps the equations
solvable."""
MOST_NOISE = 1e-4
"""And at most, where plateaus show noise: more costs weak partials of the signal, and so more than it saves. Chosen by trial; no study of
it is kept."""
TINY = 1e-200
"""Least power of the prediction error, against division by zero."""


def autocorrelation(x: Samples, order: int) -> Samples:
    """Lags 0..order of the autocorrelation, summed over the rows of x."""
    frames = scipy.fft.next_fast_len(x.shape[1] + order, real=True)
    spectrum = scipy.fft.rfft(x, frames)
    power = np.sum(spectrum.real**2 + spectrum.imag**2, axis=0)
    correlation: Samples = scipy.fft.irfft(power, frames)[: order + 1]
    return correlation


def error_filter(correlation: Samples) -> Samples:
    """The filter 1, a_1 .. a_order of a process with these autocorrelations: Yule-Walker equations, Levinson's recursion."""
    return np.concatenate([[1.0], solve_toeplitz(correlation[:-1], -correlation[1:], check_finite=False)])


def fitted(x: Samples, order: int, *, weights: Samples, spread: Samples, true_share: float, noise: float) -> tuple[Samples, float]:
    """The error filter of a window x (frames,), and the power of the prediction error.

    weights: (frames,), how much each frame counts. spread: (0 or 1, frames), a draw of what x may differ by. true_share: the share of the
    predictions that no unknown sample made exact. noise: the deviation of noise in x that is not to be predicted. Raises LinAlgError where
    there is no filter.
    """
    correlation = autocorrelation(np.vstack([x, spread]) * np.sqrt(weights), order)
    if correlation[0] <= 0:
        raise LinAlgError("silence")
    correlation[0] += np.clip(noise**2 * weights.sum(), NOISE_FLOOR * correlation[0], MOST_NOISE * correlation[0])
    filter_ = error_filter(correlation)
    return filter_, float(max(filter_ @ correlation / weights.sum() / true_share, TINY))


def couplings(unknown: Positions, order: int, *, most_work: float) -> tuple[int, Distances]:
    """The order that can be afforded, and (unknowns, bandwidth + 1) distances from each unknown to itself and those after it.

    The order is halved until unknowns * bandwidth^2, the multiplications of a solution, are `most_work` or less. Unknowns further apart
    than the order do not meet in one equation: they are at distance order + 1, whatever it is.
    """
    while True:
        bandwidth = int((np.searchsorted(unknown, unknown + order, side="right") - np.arange(len(unknown))).max()) - 1
        if len(unknown) * bandwidth**2 <= most_work:
            break
        order //= 2
    those = np.full(len(unknown) + bandwidth, unknown[-1] + order + 1)
    those[: len(unknown)] = unknown
    distance = sliding_window_view(those, bandwidth + 1) - unknown[:, None]
    return order, np.minimum(distance, order + 1, out=distance)


def normal_equations(
    known: Samples,
    unknown: Positions,
    *,
    filter_: Samples,
    distance: Distances,
    precision: Array | float = 0.0,
    pull: Array | float = 0.0,
) -> tuple[Samples, Samples]:
    """Cholesky factor (bandwidth + 1, unknowns), from the diagonal on, and right side of the equations that the unknown samples solve.

    With the known ones (0 where unknown), their solution leaves the least power behind the error filter, run both ways. With b the
    autocorrelation of the filter, they are sum_j b(u_i - u_j) x(u_j) = -(b * known)(u_i): a positive definite band
    matrix, because only unknowns within the order of each other couple (distance: see `couplings`). They hold for a signal that is 0
    beyond the window; the errors that reach beyond it are taken out again, so nothing is assumed there. What else is known of the
    unknowns, a precision relative to that of the predictions and its product with the mean (pull), is added. Raises LinAlgError where
    rounding has left no positive definite matrix.
    """
    frames = scipy.fft.next_fast_len(len(known) + len(filter_), real=True)
    response = scipy.fft.rfft(filter_, frames)
    power = response.real**2 + response.imag**2
    lags = np.append(np.correlate(filter_, filter_, "full")[len(filter_) - 1 :], 0.0)
    right = -scipy.fft.irfft(power * scipy.fft.rfft(known, frames), frames)[unknown]
    band = lags[distance]
    _take_out_overhang(band, right, known=known, unknown=unknown, filter_=filter_)
    band[:, 0] += precision
    factor, problem = dpbtrf(band.T, lower=1, overwrite_ab=1)
    if problem:
        raise LinAlgError("not positive definite")
    return factor, right + pull


def _take_out_overhang(band: Samples, right: Samples, *, known: Samples, unknown: Positions, filter_: Samples) -> None:
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
