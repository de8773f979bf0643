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
from declipper.clipping.windows import at_rate, hann, window_slices
from declipper.methods.ar_equations import Samples, couplings, fitted, normal_equations
from declipper.methods.truncated_normal import Estimate, bounded, cavity, site_update

VERSION = 1
"""Raised by one with every change of this module or of its equations that changes an estimate: models are bound to it."""
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
LEAST_KNOWN = 32
"""Known samples that a window needs before levels are counted on. From fewer, a model with any noise is told, and the levels then push what
is unknown as far as such noise allows: 100 frames of music came out up to 24 dB worse than they went in. Of 16, 32 and 64, this one was
best on 60 to 300 frames. Windows of usual lengths hold more unless 97 % and more of them are clipped."""
FADE, OUTER = 0.125, 0.0625
"""Shares of a window. What a window finds passes into what the next one finds within FADE; beyond that, near its ends, it is not asked for,
because the model is that of its middle. The rounds before the last leave OUTER at either end as they are: the taper of the window hardly
lets the filter see them."""
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


def autoregressive(signal: ClippedSignal, model: ARModel = DEFAULT_MODEL, *, start: Array | None = None, draws: int = DRAWS) -> Estimate:
    """The restored signal and its standard deviation, both of the shape and type of the samples.

    Reliable samples stay, clipped ones are at least their level. The deviation is that of each clipped sample, given the reliable ones
    and the levels, under the model of the last round; 0 for reliable samples. Where no model fits, it is the size of the sample itself.
    The other arguments are those of `predicted`.
    """
    return bounded(signal, predicted(signal, model, start=start, draws=draws))


def predicted(signal: ClippedSignal, model: ARModel, *, start: Array | None = None, draws: int = DRAWS) -> Estimate:
    """What is to be expected of each clipped sample before its own level is looked at (the cavities), float64 of the signal's shape.

    start: a first guess of the signal's shape, None for the signal itself. draws: how many random draws of the clipped samples there
    are, 0 where only the mean is wanted and levels play no part. Samples that are not numbers count as 0. The windows are spread evenly
    from the first frame to the last, the signal being one window where it is no longer than that: a result depends on
    at_rate(model.window) frames on either side. The deviation is infinite where no model fits, which leaves the first guess.
    """
    signal = signal.finite
    samples, rate = signal.samples, signal.sample_rate
    length = min(at_rate(model.window, rate), len(samples))
    orders = tuple(at_rate(order, rate) for order in model.orders)
    estimate = np.array(samples if start is None else start, np.float64)
    deviation = np.zeros(samples.shape)
    margin = max(orders) if draws else 0
    windows = _windows(len(samples), length, overlap=model.overlap, whole=not draws)
    for channel in np.flatnonzero(signal.mask.any(axis=0)):
        before, unknown = estimate[:, channel].copy(), np.flatnonzero(signal.mask[:, channel])
        least_true = (1 - len(unknown) / len(samples)) ** CAUTION
        side, level = (v[unknown, channel] for v in (signal.side, signal.level))
        noise = _scatter(side * samples[unknown, channel] - level, side) if draws else 0.0
        change, spread, weight = np.zeros((3, len(samples)))
        for window in windows:
            clipped, inner, core = (_within(unknown, part) for part in (window.frames, window.inner, window.core))
            weight[window.core] += window.weights
            if core.start == core.stop:
                continue
            begin = max(0, window.frames.start - margin)
            gaps = _Gaps(
                samples=before[begin : window.frames.stop + margin],
                window=slice(window.frames.start - begin, window.frames.stop - begin),
                unknown=unknown[inner] - begin,
                wanted=slice(core.start - inner.start, core.stop - inner.start),
                side=side[inner],
                level=level[inner],
                true_share=max(1 - (clipped.stop - clipped.start) / length, least_true),
                noise=noise,
            )
            found, uncertain = _interpolated(gaps, orders, most_work=model.most_work, draws=draws)
            those = unknown[core]
            weights = window.weights[those - window.core.start]
            change[those] += weights * (found - before[those])
            spread[those] += weights * uncertain
        estimate[:, channel] += change / weight
        deviation[:, channel] = spread / weight
    return Estimate(estimate, deviation)


@dataclass(frozen=True, eq=False)
class _Window:
    """Frames that one model holds for, and what is asked of it.

    frames: those that the filter is fitted to. inner: those in which clipped samples are restored before the last round; core: in the last
    one. weights: how much the result counts, for each frame of the core.
    """

    frames: slice
    inner: slice
    core: slice
    weights: Array


def _windows(frames: int, length: int, *, overlap: float, whole: bool) -> list[_Window]:
    """The windows of a signal of so many frames. whole: each restores all of its frames. An end of the signal is in the core."""
    fade, outer = (0.5, 0.0) if whole else (FADE, OUTER)
    cut = int(length * max(0.0, overlap - fade) / 2)
    ramp = int(length * overlap) - 2 * cut
    rise, fall = np.split(hann(2 * ramp), 2)
    found = []
    for window in window_slices(frames, length, overlap=overlap):
        first, last = window.start == 0, window.stop == frames
        inner, core = (
            slice(window.start + (0 if first else less), window.stop - (0 if last else less)) for less in (int(length * outer), cut)
        )
        weights = np.ones(core.stop - core.start)
        if not first:
            weights[:ramp] *= rise
        if not last:
            weights[len(weights) - ramp :] *= fall
        found.append(_Window(window, inner, core, weights))
    return found


def _within(unknown: Positions, frames: slice) -> slice:
    """Which of the unknown samples lie within some frames."""
    first, last = np.searchsorted(unknown, [frames.start, frames.stop])
    return slice(int(first), int(last))


def _scatter(over: Array, side: Array) -> float:
    """The deviation of the noise that came after the clipping, a codec's or dither, since clipping leaves all samples of a side alike.

    over: how far each clipped sample is beyond its level. Medians, because levels that lie too low take in samples that are not clipped.
    """
    apart = [np.abs(v - np.median(v)) for v in (over[side > 0], over[side < 0]) if len(v)]
    return NORMAL * float(np.median(np.concatenate(apart)))


@dataclass(frozen=True, eq=False)
class _Gaps:
    """One window of one channel, and which of its samples are unknown.

    samples: (frames,), with a first guess of the unknown ones, and with what lies on either side of the window. window: where it lies
    among them. unknown: the frames of its unknown samples. wanted: which of them are asked for; the others only serve the filter. side: the
    sign of each; level: the least that its size can be. true_share: the share of the predictions whose errors say something of the model,
    because no unknown sample made them small. noise: the deviation of the noise that the known samples have had since the clipping.
    """

    samples: Samples
    window: slice
    unknown: Positions
    wanted: slice
    side: Array
    level: Array
    true_share: float
    noise: float


def _interpolated(gaps: _Gaps, orders: tuple[int, ...], *, most_work: float, draws: int) -> tuple[Array, Array | float]:
    """The unknown samples of a window that are wanted, and their deviation, each without its own level.

    Fewer rounds where no model fits, and none where nothing is known, or too little for the levels' help. The last round has only the
    samples that are wanted for unknown, the others being as the rounds before left them.
    """
    x, frames = gaps.samples.copy(), gaps.window.stop - gaps.window.start
    known = x.copy()
    known[gaps.unknown] = 0
    nothing = x[gaps.unknown[gaps.wanted]], np.inf
    if not known[gaps.window].any() or (draws and frames - len(gaps.unknown) < LEAST_KNOWN):
        return nothing
    signs = _signs(len(gaps.unknown), draws)
    drawn: Samples = np.zeros((min(draws, 1), len(x)))
    precision, pull = np.zeros((2, len(gaps.unknown)))
    result: tuple[Array, Array | float] = nothing[0], 0.0
    rounds = [(order, slice(None)) for order in orders[:-1]] + [(orders[-1], gaps.wanted)]
    for (wanted, part), same in groupby(rounds):
        unknown, side = gaps.unknown[part], gaps.side[part]
        order, distance = couplings(unknown, min(wanted, frames // 2), most_work=most_work)
        known = x.copy()
        known[unknown] = 0
        for _ in same:
            try:
                filter_, power = fitted(x[gaps.window], order, spread=drawn[:, gaps.window], true_share=gaps.true_share, noise=gaps.noise)
                told = {"precision": power * precision[part], "pull": power * side * pull[part]}
                factor, right = normal_equations(known, unknown, filter_=filter_, distance=distance, **told)
            except LinAlgError:
                return nothing
            x[unknown] = dpbtrs(factor, right, lower=1, overwrite_b=1)[0]
            result = x[unknown], 0.0
            if draws:
                # with L L^T the equations, L^-T z is drawn from the distribution that they leave
                spread: Samples = np.sqrt(power) * dtbtrs(factor, signs[part], uplo="L", trans="T")[0]
                drawn[0, unknown] = spread[:, 0]
                mean, variance = cavity(side * x[unknown], np.mean(np.square(spread), axis=1), precision=precision[part], pull=pull[part])
                precision[part], pull[part] = site_update(mean, variance, level=gaps.level[part])
                result = side * mean, np.sqrt(variance)
    return result


@lru_cache(8)
def _signs(count: int, draws: int) -> Samples:
    """(count, draws) random signs, always the same; not to be written to."""
    signs: Samples = np.random.default_rng(0).choice([-1.0, 1.0], (count, draws))
    signs.flags.writeable = False
    return signs
