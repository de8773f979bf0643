"""What the studies on synthetic signals have in common."""

from __future__ import annotations

import torch
from torch import Tensor

from declipper.training.data.batches import Levels

LEVELS = Levels(torch.tensor(1.0), torch.tensor(-1.0))
"""Of the clipping."""
LONGEST = 1.0
"""Norm that a gradient is cut to: amplitudes, and so absolute errors, differ by a factor of a hundred. Chosen by hand."""


def sdr_db(x: Tensor, estimate: Tensor) -> Tensor:
    """SDR in dB of each signal, (batch,)."""
    axes = tuple(range(1, x.ndim))
    return 10 * torch.log10(x.square().sum(axes) / (x - estimate).square().sum(axes).clamp(min=1e-12))
