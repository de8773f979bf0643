"""The losses, one small pure function each. Tensors are (batch, 1, time), divided by the clip level."""

from __future__ import annotations

import torch
from torch import Tensor


def supervised_db(estimate: Tensor, x: Tensor, y: Tensor, clipped: Tensor) -> Tensor:
    """Mean over items of -dSDR in dB, from the clipped samples alone: the survey's own figure, so every clipping level weighs the same.

    The floor of 1e-4 keeps an item that is already restored by 40 dB from ruling the gradient.
    """
    axes = tuple(range(1, x.ndim))
    error = ((estimate - x).square() * clipped).sum(axes)
    damage = ((y - x).square() * clipped).sum(axes)
    return 10 * torch.log10(error / (damage + 1e-12) + 1e-4).mean()
