"""Normal distributions cut off at a level: that a clipped sample is at least its level says much about it, and of its neighbours too.

A method that knows a mean and a deviation for every clipped sample puts much below the levels. What is left above them has a mean
of its own, in closed form, and a sample whose mean moves draws those along that hang together with it. Where thousands of samples do,
this is expectation propagation: to each belongs a normal factor, its site, that moves mean and variance as its level does. The cavity is
the distribution of a sample without its own site: what all others say of it.

Source: Minka, "Expectation propagation for approximate Bayesian inference", UAI 2001; for many normal variables at once, Cunningham,
Hennig and Lacoste-Julien, "Gaussian probabilities and expectation propagation", arXiv:1111.6832.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx

from declipper.clipping.arrays import Array
from declipper.clipping.blend import blend
from declipper.clipping.signal import ClippedSignal

FAR = 30.0
"""Deviations between mean and level from which a series takes the place of the closed form: there, rounding eats up the difference of two
nearly equal numbers, while the series is exact to six digits."""
TINY = 1e-200
"""Least variance, against division by zero; far below the square of any sample."""
LEAST_SHARE = 0.2
"""Of a sample's precision, the least that the cavity keeps. The variances are estimated from few draws and out by a quarter, so that the
difference of two precisions may come out near 0 or below it; the bound was set for that spread, not tuned."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a method makes of a signal: the mean of every sample's distribution, and its standard deviation; both of the signal's shape.

    The deviation is 0 where a sample is known, and infinite where nothing is known of it.
    """

    mean: Array
    deviation: Array


def above(mean: Array, variance: Array, *, level: Array) -> tuple[Array, Array]:
    """Mean and variance of normal distributions, each cut off below its level; all of one shape."""
    deviation = np.sqrt(np.maximum(variance, TINY))
    distance = np.maximum((level - mean) / deviation, -FAR)
    hazard = np.sqrt(2 / np.pi) / erfcx(distance / np.sqrt(2))
    left = np.where(distance > FAR, 1 / (np.square(distance) + 6), 1 - hazard * (hazard - distance))
    return np.maximum(mean + deviation * hazard, level), variance * np.clip(left, 0, 1)


def cavity(mean: Array, variance: Array, *, precision: Array, pull: Array) -> tuple[Array, Array]:
    """Mean and variance of each sample without its own site, which has that precision and that product of precision and mean (`pull`)."""
    spread = 1 / np.maximum(1 / variance - precision, LEAST_SHARE / variance)
    return mean + spread * (precision * mean - pull), spread


def site_update(mean: Array, variance: Array, *, level: Array) -> tuple[Array, Array]:
    """The site (precision, pull) of a sample whose cavity has this mean and variance: with it, the sample has the mean and the variance
    that the cavity has above the level.
    """
    cut, left = above(mean, variance, level=level)
    precision = np.maximum(1 / np.maximum(left, TINY) - 1 / variance, 0)
    return precision, precision * cut + (cut - mean) / variance


def bounded(signal: ClippedSignal, cavities: Estimate) -> Estimate:
    """The restored signal and its deviation, of the shape and type of the samples, given the cavities of its clipped samples.

    Each clipped sample's distribution is cut off at its level. Where the deviation is infinite nothing is known of the sample: it stays
    where it is, held at its level, and its size is the deviation. A deviation of 0 is a mean that is sure. What is not a number counts
    as 0.
    """
    signal = signal.finite
    side, level, mean, deviation = signal.side, signal.level, cavities.mean, cavities.deviation
    estimate, left = np.array(mean, np.float64), np.zeros(side.shape)
    known, unknown = signal.mask & np.isfinite(deviation), signal.mask & ~np.isfinite(deviation)
    cut, variance = above((side * mean)[known], np.square(deviation[known]), level=level[known])
    estimate[known], left[known] = side[known] * cut, np.sqrt(variance)
    left[unknown] = np.abs(mean[unknown])
    return Estimate(blend(signal, estimate), left.astype(signal.samples.dtype))
