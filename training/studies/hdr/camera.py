"""A camera: exposure, saturation, its curve and eight bits (Sechaud et al., section 5.4)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from declipper.clipping.arrays import Array
from declipper.training.data.batches import Levels

LEVELS = Levels(torch.tensor(1.0), torch.tensor(float("-inf")))
"""Light at which the sensor saturates; nothing is cut off below."""
EXPONENT, SIGMA = 0.9, 0.6
"""n and s of the curve f(H) = (1 + s) H^n / (H^n + s): the paper's."""
STEPS = 255
"""Of the coded image: eight bits."""
SATURATED = (0.05, 0.15)
"""Least and greatest share of an image's values that an exposure saturates: the paper's."""
BRIGHTEST = 10.0
"""Light beyond so many times the level is set to that: the discs of the sun are thousands of times brighter, and would be all that is
measured. Chosen by hand."""


def exposed(light: Array, share: float) -> Array:
    """Images (count, 3, height, width), each exposed so that `share` of its values exceeds 1, none by more than BRIGHTEST."""
    level = np.quantile(light.reshape(len(light), -1), 1 - share, axis=1).astype(np.float32)
    return np.minimum(light / np.maximum(level, np.float32(1e-6))[:, None, None, None], np.float32(BRIGHTEST))


def curve(light: Tensor) -> Tensor:
    """f: light from 0 to 1 to code values from 0 to 1."""
    power = light**EXPONENT
    return (1 + SIGMA) * power / (power + SIGMA)


def linear(code: Tensor) -> Tensor:
    """The inverse of `curve`."""
    return (SIGMA * code / (1 + SIGMA - code)) ** (1 / EXPONENT)


def photographed(light: Tensor) -> Tensor:
    """What one exposure tells of the light, made linear again: clipped at 1, and rounded to eight bits along the curve."""
    return linear((curve(light.clamp(0, 1)) * STEPS).round() / STEPS)
