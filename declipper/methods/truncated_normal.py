"""Normal distributions cut off at a level: that a clipped sample is at least its level says much about it, and of its neighbours too.

A method that knows a mean and a deviation for every clipped sample puts much below the levels. What is left above them has a mean
of its own, in closed form, and a sample whose mean moves draws those along that hang together with it. Where thousands of samples do,
this is expectation propagation: to each belongs a normal factor, its site, that moves mean and variance as its level does.

Source: Minka, "Expectation propagation for approximate Bayesian inference", UAI 2001; for many normal variables at once, Cunningham,
Hennig and Lacoste-Julien, "Gaussian probabilities and expectation propagation", arXiv:1111.6832.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erfcx

from declipper.clipping.arrays import Array, finite
from declipper.clipping.blend import blend
from declipper.clipping.levels import Curve, sided

FAR = 30.0
"""Deviations between mean and level from which series take the place of differences that rounding would eat up."""
TINY = 1e-200
LEAST_SHARE = 0.2
"""Of a sample's precision, the least that is left when its own site is taken out: estimated variances are out by a quarter."""


def above(mean: Array, variance: Array, level: Array) -> tuple[Array, Array]:
    """Mean and variance of normal distributions, each cut off below its level; all of one shape."""
    deviation = np.sqrt(np.maximum(variance, TINY))
    distance = np.maximum((level - mean) / deviation, -FAR)
    hazard = np.sqrt(2 / np.pi) / erfcx(distance / np.sqrt(2))
    left = np.where(distance > FAR, 1 / (np.square(distance) + 6), 1 - hazard * (hazard - distance))
    return np.maximum(mean + deviation * hazard, level), variance * np.clip(left, 0, 1)


def others(mean: Array, variance: Array, precision: Array, pull: Array) -> tuple[Array, Array]:
    """Mean and variance of each sample without its own site, which has that precision and that product of precision and mean (`pull`)."""
    spread = 1 / np.maximum(1 / variance - precision, LEAST_SHARE / variance)
    return mean + spread * (precision * mean - pull), spread


def site(mean: Array, variance: Array, level: Array) -> tuple[Array, Array]:
    """The site, precision and pull, that gives samples of this mean and variance without it those that they have above their level."""
    cut, left = above(mean, variance, level)
    precision = np.maximum(1 / np.maximum(left, TINY) - 1 / variance, 0)
    return precision, precision * cut + (cut - mean) / variance


def bounded(y: Array, mean: Array, deviation: Array, positive: Curve, negative: Curve) -> tuple[Array, Array]:
    """The restored signal and its deviation, of the shape and type of y, given those of its clipped samples without their own levels.

    y, mean, deviation: (frames, channels). Levels broadcast against y. Where the deviation is infinite nothing is known of the
    sample: it stays where it is, held at its level, and its size is the deviation. A deviation of 0 is a mean that is sure. What is not
    a number in y counts as 0.
    """
    y = finite(y)
    side, level = sided(y, positive, negative)
    estimate, left = np.array(mean, np.float64), np.zeros(y.shape)
    known, unknown = (side != 0) & np.isfinite(deviation), (side != 0) & ~np.isfinite(deviation)
    cut, variance = above((side * mean)[known], np.square(deviation[known]), level[known])
    estimate[known], left[known] = side[known] * cut, np.sqrt(variance)
    left[unknown] = np.abs(mean[unknown])
    return blend(y, estimate, positive, negative), left.astype(y.dtype)
