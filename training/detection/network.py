"""The detector's network: for every sample of one channel, how likely it was cut off. Nothing in it depends on the signal's scale.

It sees each sample in proportion to the peaks around it, near and far, and of its own polarity: a clipped recording's crests pile up
under one height, whatever gain came later. A stem at full rate keeps the exact place; the rest is a U-Net at an eighth of the rate and
below, as in `declipper.training.network`, with biases.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

MULTIPLE = 1024
"""Of which the number of frames must be: the step of the farthest peaks."""
CELL, CELLS = 32, 33
"""Peaks are taken over CELLS cells of CELL frames (the nearest 1,056 frames), and twice over cells eight and 32 times as long."""
FARTHER = (1, 8, 32)
FEATURES = 8
TINY = 1e-9
"""Peak at or below which all is silence."""
SHAPE: dict[str, Any] = {
    "stem": 16,
    "channels": [48, 64, 96],
    "strides": [8, 4, 4],
    "dilations": [[1], [1, 3], [1, 4, 16, 32]],
    "after": [1, 1],
}
"""17,000 multiplications per sample; sees 0.4 s to either side at 44.1 kHz."""


def squash(v: Tensor) -> Tensor:
    """sign(v) log(1 + 1000 |v|) / 4: what differs by a thousandth is told apart, and a large value stays near 1."""
    return torch.sign(v) * torch.log1p(1000 * torch.abs(v)) / 4


def features(y: Tensor) -> Tensor:
    """(batch, 1, frames) to (batch, FEATURES, frames): y over the far and the near peak, |y| over the middle one, first and second
    difference over the near peak, and how far y lies below each peak of its own polarity.
    """
    batch, _, frames = y.shape
    sides = torch.cat([torch.relu(y), torch.relu(-y)], dim=1)
    cells = nn.functional.max_pool1d(sides, CELL)
    up = y >= 0
    both, own = [], []
    coarse, span = cells, 1
    for times in FARTHER:
        coarse = nn.functional.max_pool1d(coarse, times // span) if times > span else coarse
        span = times
        peaks = nn.functional.max_pool1d(coarse, CELLS, 1, CELLS // 2)
        peaks = peaks[..., None].expand(-1, -1, -1, CELL * times).reshape(batch, 2, frames)
        of_both = torch.maximum(peaks[:, :1], peaks[:, 1:]) + TINY
        both.append(of_both)
        # a polarity that hardly swings must not be blown up
        own.append(torch.maximum(torch.where(up, peaks[:, :1], peaks[:, 1:]), 0.03 * of_both))
    near, middle, far = both
    first = y - nn.functional.pad(y, (1, 0))[..., :-1]
    second = nn.functional.pad(first, (0, 1))[..., 1:] - first
    height = torch.abs(y)
    below = squash(1 - height / torch.cat(own, dim=1))
    return torch.cat([y / far, y / near, height / middle, squash(torch.cat([first, second], dim=1) / near), below], dim=1)


class Residual(nn.Module):
    """Two convolutions around a rectifier, added to their input."""

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels, channels, kernel, padding=dilation * (kernel // 2), dilation=dilation)
        self.second = nn.Conv1d(channels, channels, kernel, padding=kernel // 2)
        with torch.no_grad():
            self.second.weight.mul_(0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) to the same shape."""
        y: Tensor = self.second(torch.relu(self.first(torch.relu(x))))
        return x + y


class Detector(nn.Module):
    """(batch, 1, frames) of any scale to (batch, 1, frames): the log-odds that a sample was cut off. frames: a multiple of MULTIPLE."""

    def __init__(self, stem: int, channels: list[int], strides: list[int], dilations: list[list[int]], after: list[int]) -> None:
        """dilations: of the residual blocks on the way down, level by level; after: how many there are at each level on the way up."""
        super().__init__()
        self.shape: dict[str, Any] = {"stem": stem, "channels": channels, "strides": strides, "dilations": dilations, "after": after}
        self.stem = nn.Conv1d(FEATURES, stem, 5, padding=2)
        self.downs, self.encoders, self.ups, self.decoders = (nn.ModuleList() for _ in range(4))
        before = stem
        for level, (width, stride) in enumerate(zip(channels, strides, strict=True)):
            self.downs.append(nn.Conv1d(before, width, 2 * stride, stride, padding=stride // 2))
            kernel = 3 if level == 0 else 5
            self.encoders.append(nn.Sequential(*(Residual(width, kernel, d) for d in dilations[level])))
            before = width
        for level in reversed(range(len(channels) - 1)):
            stride, width = strides[level + 1], channels[level]
            self.ups.append(nn.ConvTranspose1d(channels[level + 1], width, 2 * stride, stride, padding=stride // 2))
            kernel = 3 if level == 0 else 5
            self.decoders.append(nn.Sequential(*(Residual(width, kernel, 1) for _ in range(after[level]))))
        self.last = nn.ConvTranspose1d(channels[0], stem, strides[0], strides[0])
        self.head = nn.Conv1d(stem, stem, 3, padding=1)
        self.out = nn.Conv1d(stem, 1, 1)
        with torch.no_grad():
            self.out.bias.fill_(-3.0)  # most samples are not clipped

    def forward(self, y: Tensor) -> Tensor:
        """The log-odds."""
        with torch.autocast("cpu", enabled=False):  # where training is in bfloat16, the exact heights are not
            stem = self.stem(features(y))
        x = torch.relu(stem)
        skips = []
        for down, encoder in zip(self.downs, self.encoders, strict=True):
            x = encoder(down(x))
            skips.append(x)
        skips.pop()
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(up(torch.relu(x)) + skips.pop())
        x = torch.relu(self.last(torch.relu(x)) + stem)
        found: Tensor = self.out(torch.relu(self.head(x)))
        return found
