"""The bias-free U-Net for images: two-dimensional convolutions, f(a y) = a f(y) for every a > 0."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from declipper.training.model.network import SLOPE


class PlanarUNet(nn.Module):
    """(batch, inputs, height, width) to (batch, outputs, height, width); both sides are multiples of `stride`.

    channels: width of each level, the finest first; each is half as fine as the one before and has two convolutions on either way.
    """

    def __init__(self, channels: Sequence[int], *, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride = 2 ** (len(channels) - 1)
        self.first = nn.Conv2d(inputs, channels[0], 3, padding=1, bias=False)
        self.encoders = nn.ModuleList(_twice(width) for width in channels)
        pairs = list(pairwise(channels))
        self.downs = nn.ModuleList(nn.Conv2d(fine, coarse, 2, 2, bias=False) for fine, coarse in pairs)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, 2, bias=False) for fine, coarse in reversed(pairs))
        self.merges = nn.ModuleList(nn.Conv2d(2 * fine, fine, 1, bias=False) for fine, _ in reversed(pairs))
        self.decoders = nn.ModuleList(_twice(fine) for fine, _ in reversed(pairs))
        self.last = nn.Conv2d(channels[0], outputs, 3, padding=1, bias=False)

    def forward(self, y: Tensor) -> Tensor:
        """f(y)."""
        x = self.encoders[0](self.first(y))
        skips = []
        for down, encoder in zip(self.downs, list(self.encoders)[1:], strict=True):
            skips.append(x)
            x = encoder(down(x))
        for up, merge, decoder in zip(self.ups, self.merges, self.decoders, strict=True):
            x = decoder(merge(torch.cat([up(x), skips.pop()], dim=1)))
        result: Tensor = self.last(x)
        return result


def _twice(width: int) -> nn.Module:
    convolutions = [nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2)]
    return nn.Sequential(nn.LeakyReLU(SLOPE), convolutions[0], nn.LeakyReLU(SLOPE), convolutions[1], nn.LeakyReLU(SLOPE))
