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

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import numpy as np
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dpbtrs, dtbtrs

from declipper.clipping.arrays import Array, Positions
from declipper.clipping.signal import ClippedSignal
from declipper.clipping.windows import at_rate, hann, leaning, window_slices
from declipper.methods.ar_equations import Samples, couplings, fitted, normal_equations
from declipper.methods.truncated_normal import Estimate, bounded, cavity, site_update

VERSION = 1
"""Raised by one with every change of this module or of its equations that changes an estimate without draws: models are bound to it. Those
with draws are bound to the version of `declipper.methods.model_averaging`."""
BASE_WINDOW = 8192
"""Frames at 44.1 kHz, a fifth of a second: the window that `ARModel.work` is counted for."""
NORMAL = 1.4826
"""Standard deviations to one median of the absolute size, where the distribution is normal (Rousseeuw and Croux, JASA 1993)."""
CAUTION = 3
"""How fast trust in predictions falls as more of a recording is clipped. The power of the prediction error is a mean over all samples of a
window, but where an unknown sample was set to its prediction the error is 0 and says nothing: the mean must be divided by the share of the
others. That share is taken as that of the reliable samples in the window, but never as less than the share of the reliable samples in the
whole recording to the power of CAUTION: in a window nearly all of which is clipped, the quotient would be far too large. 3 was
chosen by trial; no study of it is kept."""
SHORT, KNOWN_PER_COEFFICIENT = 256, {True: 8, False: 4}
"""Known samples that there must be for each coefficient of a model, with the levels' help (True) and without it, in signals of fewer frames
than SHORT. Fewer, and the coefficients fit what is known so well that the model believes itself several times surer than it is, and
outweighs the other estimates; without the levels' help it goes astray by up to 40 dB. On 100 frames it gains 1 to 2 dB in the mean, and
excerpts that end worse than they began are half as many; from 400 frames on it would cost as much where all is tones (20 excerpts of the
music in `tests/test_short_signals.py` at each length; 4, of 1, 2, 4 and 8, was best on 45 recordings of the validation split at each of six
lengths)."""
ONE_SINE = 2
"""Coefficients that it takes to predict one sine: with fewer no model fits."""
LEAST_KNOWN = 32
"""Known samples that a window needs before levels are counted on. From fewer, a model with any noise is told, and the levels then push what
is unknown as far as such noise allows: 100 frames of music came out up to 24 dB worse than they went in. Of 16, 32 and 64, this one was
best on 60 to 300 frames. Windows of usual lengths hold more unless 97 % and more of them are clipped."""
FALL = 256
"""Frames at 44.1 kHz, 6 ms, over which the window of a signal that is still coming falls: 64 and 1024 were no better
(`python -m declipper.training.studies.live.levers`)."""
DRAWS = 8
"""Random draws of the clipped samples from which their deviation is estimated: it comes out right to within a quarter, the standard
deviation of a standard deviation of 8 values, 1 / sqrt(2 * 8)."""


@dataclass(frozen=True)
class ARModel:
    """An autoregressive model of a recording: the window over which it holds, and how it is estimated.

    window: frames at 44.1 kHz. orders: how many past samples predict the next one, in each round of the estimation, at 44.1 kHz. work: the
    most multiplications that solving the equations of a round may take in a window of BASE_WINDOW frames, in proportion in others; the
    order is halved until it holds. overlap: the least share of a window that it has in common with the next.
    """

    window: int = BASE_WINDOW
    orders: tuple[int, ...] = (32, 64, 128, 256, 512, 512)
    work: float = 4e8
    overlap: float = 0.5

    @property
    def most_work(self) -> float:
        """The most multiplications of a round in one window."""
        return self.work * self.window / BASE_WINDOW


DEFAULT_MODEL = ARModel()
"""The method alone, as `python -m declipper.training.judging.evaluate` judges it: low orders first, which find the rough shape at little
cost, then those that tell the partials of music apart. Chosen by trial; no study of it is kept."""


def autoregressive(
    signal: ClippedSignal, model: ARModel = DEFAULT_MODEL, *, start: Array | None = None, draws: int = DRAWS, newest: int = 0
) -> Estimate:
    """The restored signal and its standard deviation, both of the shape and type of the samples.

    Reliable samples stay, clipped ones are at least their level. The deviation is that of each clipped sample, given the reliable ones
    and the levels, under the model of the last round; 0 for reliable samples. Where no model fits, it is the size of the sample itself.
    The other arguments are those of `predicted`.
    """
    return bounded(signal, predicted(signal, model, start=start, draws=draws, newest=newest))


def predicted(signal: ClippedSignal, model: ARModel, *, start: Array | None = None, draws: int = DRAWS, newest: int = 0) -> Estimate:
    """What is to be expected of each clipped sample before its own level is looked at (the cavities), float64 of the signal's shape.

    start: a first guess of the signal's shape, None for the signal itself. draws: how many random draws of the clipped samples there
    are, 0 where only the mean is wanted and levels play no part. Samples that are not numbers count as 0. The windows are spread evenly
    from the first frame to the last, the signal being one window where it is no longer than that: a result depends on
    at_rate(model.window) frames on either side, and the highest order more with draws: then a window sees what lies beyond its ends, as the
    first guess has it. The deviation is infinite where no model fits, which leaves the first guess.

    newest: for a signal that is still coming, its last frames, so many, before which all is known. One window lies there, and leans towards
    the end; of what is before it, only the share that is clipped counts (CAUTION). 0 where all of the signal is there.
    """
    signal = signal.finite
    samples, rate = signal.samples, signal.sample_rate
    length = min(at_rate(model.window, rate), len(samples))
    orders = tuple(at_rate(order, rate) for order in model.orders)
    estimate = np.array(samples if start is None else start, np.float64)
    deviation = np.zeros(samples.shape)
    weights = leaning(length, min(at_rate(FALL, rate), length // 2)) if newest else hann(length)
    margin = max(orders) if draws and not newest else 0
    windows = [slice(len(samples) - length, len(samples))] if newest else window_slices(len(samples), length, overlap=model.overlap)
    judged = max(0, length - newest) if newest else 0
    for channel in np.flatnonzero(signal.mask.any(axis=0)):
        before, unknown = estimate[:, channel].copy(), np.flatnonzero(signal.mask[:, channel])
        least_true = (1 - len(unknown) / len(samples)) ** CAUTION
        side, level = (v[unknown, channel] for v in (signal.side, signal.level))
        noise = _scatter(side * samples[unknown, channel] - level, side) if draws else 0.0
        change, spread, weight = np.zeros((3, len(samples)))
        for here in windows:
            first, last = np.searchsorted(unknown, [here.start, here.stop])
            inside = unknown[first:last]
            weight[here] += weights
            if len(inside):
                begin = max(0, here.start - margin)
                window = slice(here.start - begin, here.stop - begin)
                around = before[begin : here.stop + margin]
                gaps = _Gaps(around, window, inside - begin, side[first:last], level[first:last], weights, judged, least_true, noise)
                highest = (length - len(inside)) // KNOWN_PER_COEFFICIENT[bool(draws)] if length < SHORT else length // 2
                found, uncertain = _interpolated(
                    gaps, tuple(min(order, highest) for order in orders), most_work=model.most_work, draws=draws
                )
                count = weights[inside - here.start]
                change[inside] += count * (found - before[inside])
                spread[inside] += count * uncertain
        weight[weight == 0] = 1
        estimate[:, channel] += change / weight
        deviation[:, channel] = spread / weight
    return Estimate(estimate, deviation)


def _scatter(over: Array, side: Array) -> float:
    """The deviation of the noise that came after the clipping, a codec's or dither, since clipping leaves all samples of a side alike.

    over: how far each clipped sample is beyond its level. Medians, because levels that lie too low take in samples that are not clipped.
    """
    apart = [np.abs(v - np.median(v)) for v in (over[side > 0], over[side < 0]) if len(v)]
    return NORMAL * float(np.median(np.concatenate(apart)))


@dataclass(frozen=True, eq=False)
class _Gaps:
    """One window of one channel, and which of its samples are unknown.

    samples: (frames,), with a first guess of the unknown ones, and with what lies on either side of the window. window: where it lies among
    them. unknown: the frames of its unknown samples. side: the sign of each; level: the least that its size can be. weights: how much each
    frame of the window counts for its model. judged: the frame of the window from which on the unknown samples are counted: what was
    restored before it counts as known, and its predictions are as exact. least_true: the least share of predictions that is taken for true
    ones, which no unknown made exact (CAUTION). noise: the deviation of the noise that the known samples have had since the clipping.
    """

    samples: Samples
    window: slice
    unknown: Positions
    side: Array
    level: Array
    weights: Samples
    judged: int
    least_true: float
    noise: float

    @property
    def true_share(self) -> float:
        """The share of the predictions whose errors say something of the model."""
        return max(1 - len(self.unknown) / (self.frames - self.judged), self.least_true)

    @property
    def frames(self) -> int:
        """The length of the window."""
        return int(self.window.stop - self.window.start)


def _interpolated(gaps: _Gaps, orders: tuple[int, ...], *, most_work: float, draws: int) -> tuple[Array, Array | float]:
    """The unknown samples of a window and their deviation, each without its own level.

    Fewer rounds where no model fits, and none where nothing is known, or too little for the levels' help.
    """
    x, unknown, side = gaps.samples.copy(), gaps.unknown, gaps.side
    known = x.copy()
    known[unknown] = 0
    if not known[gaps.window].any() or max(orders) < ONE_SINE or (draws and gaps.frames - len(unknown) < LEAST_KNOWN):
        return x[unknown], np.inf
    signs = _signs(len(unknown), draws)
    drawn: Samples = np.zeros((min(draws, 1), len(x)))
    precision: Array = np.zeros(len(unknown))
    pull: Array = np.zeros(len(unknown))
    result: tuple[Array, Array | float] = x[unknown], 0.0
    for wanted, rounds in groupby(orders):
        order, distance = couplings(unknown, wanted, most_work=most_work)
        for _ in rounds:
            try:
                seen = {"weights": gaps.weights, "spread": drawn[:, gaps.window]}
                filter_, power = fitted(x[gaps.window], order, **seen, true_share=gaps.true_share, noise=gaps.noise)
                told = {"precision": power * precision, "pull": power * side * pull}
                factor, right = normal_equations(known, unknown, filter_=filter_, distance=distance, **told)
            except LinAlgError:
                return x[unknown], np.inf
            x[unknown] = dpbtrs(factor, right, lower=1, overwrite_b=1)[0]
            result = x[unknown], 0.0
            if draws:
                # with L L^T the equations, L^-T z is drawn from the distribution that they leave
                spread: Samples = np.sqrt(power) * dtbtrs(factor, signs, uplo="L", trans="T")[0]
                drawn[0, unknown] = spread[:, 0]
                mean, variance = cavity(side * x[unknown], np.mean(np.square(spread), axis=1), precision=precision, pull=pull)
                precision, pull = site_update(mean, variance, level=gaps.level)
                result = side * mean, np.sqrt(variance)
    return result


@lru_cache(8)
def _signs(count: int, draws: int) -> Samples:
    """(count, draws) random signs, always the same; not to be written to."""
    signs: Samples = np.random.default_rng(0).choice([-1.0, 1.0], (count, draws))
    signs.flags.writeable = False
    return signs
