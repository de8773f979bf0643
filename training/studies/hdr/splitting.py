"""Unfolded half-quadratic splitting with a bias-free U-Net, as in section 5.4 of the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from declipper.training.data.batches import Levels
from declipper.training.learning.losses import clipped_in
from declipper.training.model.planar import PlanarUNet

ROUNDS = 3
"""Of network and proximal operator; it and CHANNELS are what a few minutes can train."""
CHANNELS = (8, 16, 32)
"""Of the network, the same in all rounds."""


def proximal(z: Tensor, y: Tensor, *, weight: Tensor | float, levels: Levels) -> Tensor:
    """Argmin over x of |x - z|^2 + weight phi(x, y)^2, phi being eq. 7's: y counts where it is reliable, the level where x lacks."""
    pulled = (z + weight * y) / (1 + weight)
    return torch.where(clipped_in(y, levels), torch.maximum(z, pulled), pulled)


class Splitting(nn.Module):
    """f: images y (batch, 3, height, width), saturated at the level, to light; f(a y, a levels) = a f(y, levels)."""

    def __init__(self) -> None:
        super().__init__()
        self.prior = PlanarUNet(CHANNELS, inputs=6, outputs=3)
        self.weights = nn.Parameter(torch.zeros(ROUNDS))
        """Of the measurement in each round, as logarithms."""

    def forward(self, y: Tensor, levels: Levels) -> Tensor:
        """Each round the network adds to the estimate, of which it sees the saturated part apart."""
        saturated = clipped_in(y, levels)
        x = y
        for weight in self.weights:
            z = x + self.prior(torch.cat([x * ~saturated, x * saturated], dim=1))
            x = proximal(z, y, weight=weight.exp(), levels=levels)
        return x
