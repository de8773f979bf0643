"""Autoregressive interpolation under several models at once, from short windows to long ones, averaged by how sure each is.

No one length suits all: a voice changes within 50 ms, a held chord is the clearer the longer it is looked at. Each model knows the
standard deviation of its results. The mean weighted with the inverse squares of these is the combination of least variance of
estimates whose errors are independent (Bates and Granger, "The combination of forecasts", Operational Research Quarterly 1969).

How sure a model is it may get wrong. That every clipped sample lies beyond its level it had no part in saying: a model to which this is
unlikely, in the samples round about, counts for less (Hoeting et al., "Bayesian model averaging", Statistical Science 1999).
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.special import log_ndtr

from declipper.clipping.arrays import Array
from declipper.clipping.levels import Curve, clipped_mask, sided
from declipper.clipping.windows import at_rate
from declipper.methods.autoregressive import WINDOW, predicted
from declipper.methods.truncated_normal import bounded

Model = tuple[int, tuple[int, ...]]
"""Window, and the order of each round, in frames at 44.1 kHz."""
SUREST = 1e-6
"""Least deviation that counts, relative to the sample."""
NEARBY = 512
"""Frames at 44.1 kHz of the samples round about."""
WITNESSES = 12.0
"""As many independent ones their clipped samples count for, however many they are."""
LEAST_LIKELY = -20.0
"""Logarithm of the least probability that a model is held to."""
TINY = 1e-100


def averaged(
    y: Array,
    positive: Curve,
    negative: Curve,
    sample_rate: float,
    models: tuple[Model, ...],
    most_work: float,
    start: Array | None = None,
    overlap: float = 0.5,
) -> tuple[Array, Array]:
    """The restored signal and its standard deviation, both of the shape and type of y.

    `most_work` bounds the cost of a round in a window of WINDOW frames, and in others in proportion to their length; all else is as with
    `autoregressive`. What the models expect is averaged, then each sample's distribution is cut off at its level. Its variance before that
    is the harmonic mean of the models' variances, weighted by how likely the models are: their errors being alike, the mean is hardly surer
    than they are.
    """
    clipped = clipped_mask(y, positive, negative)
    first, total, weight, belief = np.zeros((4, np.count_nonzero(clipped)))
    for window, orders in models:
        work = most_work * window / WINDOW
        result = predicted(y, positive, negative, sample_rate, orders, window, work, start, overlap)
        found, spread = (v[clipped] for v in result)
        likely = _likely(y, *result, positive, negative, at_rate(NEARBY, sample_rate))[clipped]
        sure = likely * np.square(1 / np.maximum(spread, SUREST * np.abs(found) + TINY))
        first += found / len(models)
        total += sure * found
        weight += sure
        belief += likely * np.isfinite(spread)
    mean, deviation = np.zeros((2, *y.shape))
    fits = weight > 0
    mean[clipped] = np.where(fits, np.divide(total, weight, where=fits, out=total), first)
    deviation[clipped] = np.sqrt(np.divide(belief, weight, where=fits, out=np.full(len(weight), np.inf)))
    return bounded(y, mean, deviation, positive, negative)


def _likely(y: Array, mean: Array, deviation: Array, positive: Curve, negative: Curve, nearby: int) -> Array:
    """How likely it is to this model that the clipped samples nearby lie beyond their levels, of the shape of y."""
    side, level = sided(y, positive, negative)
    known = (side != 0) & (deviation > 0) & np.isfinite(deviation)
    chances = log_ndtr(np.divide(side * mean - level, deviation, where=known, out=np.zeros(y.shape)))
    chances = np.where(known, np.maximum(chances, LEAST_LIKELY), 0.0)
    sums, counts = (uniform_filter1d(v, nearby, axis=0, mode="constant") for v in (chances, known.astype(np.float64)))
    likely: Array = np.exp(WITNESSES * np.divide(sums, counts, where=counts > 0.5 / nearby, out=np.zeros(y.shape)))
    return likely
