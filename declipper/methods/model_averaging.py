"""Autoregressive interpolation under several models at once, from short windows to long ones, averaged by how sure each is.

No one length suits all: a voice changes within 50 ms, a held chord is the clearer the longer it is looked at. Each model knows the
standard deviation of its results. The mean weighted with the inverse squares of these is the combination of least variance of
estimates whose errors are independent (Bates and Granger, "The combination of forecasts", Operational Research Quarterly 1969).

How sure a model is it may get wrong. That every clipped sample lies beyond its level it had no part in saying: a model to which this is
unlikely, in the samples round about, counts for less (Hoeting et al., "Bayesian model averaging", Statistical Science 1999).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.special import log_ndtr

from declipper.clipping.arrays import Array
from declipper.clipping.signal import ClippedSignal
from declipper.clipping.windows import at_rate
from declipper.methods.autoregressive import ARModel, predicted
from declipper.methods.truncated_normal import Estimate, bounded

VERSION = 2
"""Raised by one with every change of this module that changes an estimate, or of what `predicted` gives with draws: models are bound to
it."""
SUREST = 1e-6
"""Least deviation that counts, relative to the sample: -120 dB, where rounding in single precision ends all certainty."""
NEARBY = 512
"""Frames at 44.1 kHz, 12 ms, of the neighbourhood whose clipped samples judge a model: shorter than the shortest window, so that what a
model gets wrong is charged to it where it does."""
WITNESSES = 12.0
"""How much the levels nearby count against a model. Clipped samples that follow each other are not independent: if one lies where the model
put it, so does the next. Their mean log-probability is therefore taken as often as if this many independent samples had been seen,
however many there are. Chosen by trial together with NEARBY and LEAST_LIKELY; no study of it is kept."""
LEAST_LIKELY = -20.0
"""Least logarithm of the probability of one sample that a model is held to: beyond, one sample that fits badly would decide alone."""
TINY = 1e-100
"""Least deviation, against division by zero."""


def averaged(signal: ClippedSignal, models: tuple[ARModel, ...], *, start: Array | None = None) -> Estimate:
    """The restored signal and its standard deviation, both of the shape and type of the samples. start: as with `predicted`."""
    return combined(signal, [predicted(signal, model, start=start) for model in models])


def combined(signal: ClippedSignal, results: Sequence[Estimate]) -> Estimate:
    """The restored signal and its standard deviation, from what `predicted` gives for each of several models.

    What the models expect is averaged, then each sample's distribution is cut off at its level. Its variance before that is the harmonic
    mean of the models' variances, weighted by how likely the models are: their errors being alike, the mean is hardly surer than they are.
    """
    signal = signal.finite
    clipped = signal.mask
    first, total, weight, belief = np.zeros((4, np.count_nonzero(clipped)))
    for result in results:
        found, spread = result.mean[clipped], result.deviation[clipped]
        likely = _likelihood(signal, result)[clipped]
        sure = likely * np.square(1 / np.maximum(spread, SUREST * np.abs(found) + TINY))
        first += found / len(results)
        total += sure * found
        weight += sure
        belief += likely * np.isfinite(spread)
    mean, deviation = np.zeros((2, *clipped.shape))
    fits = weight > 0
    mean[clipped] = np.where(fits, np.divide(total, weight, where=fits, out=total), first)
    deviation[clipped] = np.sqrt(np.divide(belief, weight, where=fits, out=np.full(len(weight), np.inf)))
    return bounded(signal, Estimate(mean, deviation))


def _likelihood(signal: ClippedSignal, found: Estimate) -> Array:
    """How likely it is to a model that the clipped samples nearby lie beyond their levels, of the shape of the signal."""
    nearby, shape = at_rate(NEARBY, signal.sample_rate), signal.samples.shape
    known = signal.mask & (found.deviation > 0) & np.isfinite(found.deviation)
    beyond = np.divide(signal.side * found.mean - signal.level, found.deviation, where=known, out=np.zeros(shape))
    chances = np.where(known, np.maximum(log_ndtr(beyond), LEAST_LIKELY), 0.0)
    sums, counts = (uniform_filter1d(v, nearby, axis=0, mode="constant") for v in (chances, known.astype(np.float64)))
    likely: Array = np.exp(WITNESSES * np.divide(sums, counts, where=counts > 0.5 / nearby, out=np.zeros(shape)))
    return likely
