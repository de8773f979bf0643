"""Autoregressive interpolation under several models at once, from short windows to long ones, averaged by how sure each is.

No one length suits all: a voice changes within 50 ms, a held chord is the clearer the longer it is looked at. Each model knows the
standard deviation of its results. The mean weighted with the inverse squares of these is the combination of least variance of
estimates whose errors are independent (Bates and Granger, "The combination of forecasts", Operational Research Quarterly 1969).
"""

from __future__ import annotations

import numpy as np

from declipper.arrays import Array
from declipper.autoregressive import WINDOW, predicted
from declipper.clipping import Curve, clipped_mask
from declipper.truncated import bounded

Model = tuple[int, tuple[int, ...]]
"""Window, and the order of each round, in frames at 44.1 kHz."""
SUREST = 1e-6
"""Least deviation that counts, relative to the sample."""
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
    is the harmonic mean of the models' variances: their errors being alike, the mean is hardly surer than they are.
    """
    clipped = clipped_mask(y, positive, negative)
    first, total, weight = np.zeros((3, np.count_nonzero(clipped)))
    for window, orders in models:
        work = most_work * window / WINDOW
        result = predicted(y, positive, negative, sample_rate, orders, window, work, start, overlap)
        found, spread = (v[clipped] for v in result)
        sure = np.square(1 / np.maximum(spread, SUREST * np.abs(found) + TINY))
        first += found / len(models)
        total += sure * found
        weight += sure
    mean, deviation = np.zeros((2, *y.shape))
    fits = weight > 0
    mean[clipped] = np.where(fits, np.divide(total, weight, where=fits, out=total), first)
    deviation[clipped] = np.sqrt(np.divide(len(models), weight, where=fits, out=np.full(len(weight), np.inf)))
    return bounded(y, mean, deviation, positive, negative)
