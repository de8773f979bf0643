"""The bias-free 1-D U-Net of the paper, built only from operators that keep f(a y) = a f(y) and that a small C++ core can run.

Operators: convolution, strided convolution, transposed convolution, leaky ReLU, addition, concatenation. The first convolution
takes patches of eight samples, so all further work is done at an eighth of the sample rate and below, with many channels:
the shape that CPUs run fastest, and a receptive field of tens of thousands of samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

SLOPE = 0.1
REACH = 32
"""Steps of the network over which the estimates' differences are averaged."""
OVERSURE = 3.0
"""How many times larger than a deviation that the model gives the true error often is."""
MOST_TRUST = 1000.0
"""So many times smaller than the unit a deviation counts as at most."""
TINY = 1e-20
SIZES: dict[str, dict[str, Any]] = {
    "small": {"channels": (32, 64, 128), "strides": (8, 4, 4), "blocks": (1, 1, 2)},
    "slim": {"channels": (64, 128, 160, 160), "strides": (8, 4, 4, 4), "blocks": (1, 0, 0, 1)},
    "medium": {"channels": (64, 128, 160, 160), "strides": (8, 4, 4, 4), "blocks": (1, 1, 1, 1)},
    "large": {"channels": (64, 128, 160, 160), "strides": (8, 4, 4, 4), "blocks": (2, 2, 2, 1)},
}
"""Shapes of networks: 11,000, 22,000, 36,000 and 61,000 multiplications per sample. `live` is small, `fast` slim, `best` large."""


class Residual(nn.Module):
    """Two convolutions around a leaky ReLU, added to their input."""

    def __init__(self, channels: int, kernel: int, dilation: int, bias: bool) -> None:
        super().__init__()
        reach = dilation * (kernel // 2)
        self.first = nn.Conv1d(channels, channels, kernel, padding=reach, dilation=dilation, bias=bias)
        self.second = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, bias=bias)
        self.rectify = nn.LeakyReLU(SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) to the same shape."""
        y: Tensor = self.second(self.rectify(self.first(self.rectify(x))))
        return x + y


class UNet(nn.Module):
    """f of the paper, on a signal divided by its clip level: (batch, inputs, time) to (batch, 1, time).

    The first two inputs are y * reliable and y * clipped; a raw 0/1 mask would be a bias in disguise. Further ones, at least two, are
    estimates of x by other means, which the network weighs; with `deviation`, the last input is the standard deviation of the first of
    them. The output estimates x. `time` must be a multiple of `stride`. With
    `bias=True` it becomes the paper's counter-example.
    """

    def __init__(
        self,
        channels: Sequence[int] = SIZES["large"]["channels"],
        strides: Sequence[int] = SIZES["large"]["strides"],
        blocks: Sequence[int] = SIZES["large"]["blocks"],
        kernel: int = 5,
        inputs: int = 2,
        bias: bool = False,
        doubt: float = 0.1,
        sharpness: int = 1,
        deviation: bool = False,
    ) -> None:
        """doubt, sharpness: see `Panel`."""
        super().__init__()
        self.shape: dict[str, Any] = {
            "channels": list(channels),
            "strides": list(strides),
            "blocks": list(blocks),
            "kernel": kernel,
            "inputs": inputs,
            "bias": bias,
            "doubt": doubt,
            "sharpness": sharpness,
            "deviation": deviation,
        }
        self.stride = 1
        self.encoders, self.downs, self.ups, self.merges, self.decoders = (nn.ModuleList() for _ in range(5))
        before = inputs
        for width, stride, depth in zip(channels, strides, blocks, strict=True):
            self.stride *= stride
            self.downs.append(nn.Conv1d(before, width, 2 * stride, stride, padding=stride // 2, bias=bias))
            self.encoders.append(nn.Sequential(*(Residual(width, kernel, 1 + 2 * (i % 2), bias) for i in range(depth))))
            before = width
        for level in reversed(range(1, len(channels))):
            width, above, stride = channels[level], channels[level - 1], strides[level]
            self.ups.append(nn.ConvTranspose1d(width, above, 2 * stride, stride, padding=stride // 2, bias=bias))
            self.merges.append(nn.Conv1d(2 * above, above, 1, bias=bias))
            self.decoders.append(nn.Sequential(*(Residual(above, kernel, 1 + 2 * (i % 2), bias) for i in range(blocks[level - 1]))))
        outputs = inputs - 1 - deviation
        self.out = nn.ConvTranspose1d(channels[0], outputs, 2 * strides[0], strides[0], padding=strides[0] // 2, bias=bias)
        self.start()

    def start(self) -> None:
        """Begin as a small perturbation of the identity: every residual branch and the output start small."""
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
                nn.init.kaiming_normal_(module.weight, a=SLOPE, nonlinearity="leaky_relu")
        for module in self.modules():
            if isinstance(module, Residual):
                with torch.no_grad():
                    module.second.weight.mul_(0.3)
        for up in self.ups:
            assert isinstance(up, nn.ConvTranspose1d)
            nn.init.normal_(up.weight, std=(2 * up.in_channels) ** -0.5)
        nn.init.normal_(self.out.weight, std=0.1 * (2 * self.out.in_channels) ** -0.5)

    def forward(self, y: Tensor) -> Tensor:
        """Add the predicted correction to y = y * reliable + y * clipped, or weigh the estimates (`Panel`)."""
        panel = Panel(y, self.stride, *(self.shape[key] for key in ("doubt", "sharpness", "deviation"))) if y.shape[1] > 2 else None
        x = y if panel is None else panel.inputs
        skips = []
        for down, encoder in zip(self.downs, self.encoders, strict=True):
            x = encoder(down(x))
            skips.append(x)
        skips.pop()
        for up, merge, decoder in zip(self.ups, self.merges, self.decoders, strict=True):
            x = decoder(merge(torch.cat([up(x), skips.pop()], dim=1)))
        maps: Tensor = self.out(x)
        return maps + y[:, :1] + y[:, 1:] if panel is None else panel.verdict(maps.float())


class Panel:
    """What several estimates of one signal say, for a network that weighs them. All is of degree 0 or 1 in y, so f(a y) = a f(y) holds.

    unit: the error to be expected around each sample, which grows with how far the estimates are apart, and from the clipped signal, and
    with how much of the signal is clipped. The network sees and gives differences in this unit: where the estimates are nearly right, the
    harm it can do is small, and where they fail, so much is clipped that what it gives is large.

    Where the first estimate comes with a standard deviation that is small for such a unit, it weighs more, and less is added to it.
    """

    def __init__(self, y: Tensor, step: int, doubt: float, sharpness: int, deviation: bool) -> None:
        """y: (batch, 2 + estimates, time), with `deviation` one more. The unit is taken over REACH steps, anew at every `step` samples.

        doubt: share of what the estimates add to the clipped signal that counts as doubt, however well they agree. sharpness: power of
        their weights, for a verdict that can leave out all but one.
        """
        self.sharpness = sharpness
        clipped, found = y[:, 1:2], y[:, 2:-1] if deviation else y[:, 2:]
        self.mean = found.mean(dim=1, keepdim=True)
        self.apart = found - self.mean
        where = clipped.sign().abs()
        apart, added = self.apart * where, (self.mean - clipped) * where
        error = apart.abs().mean(dim=1, keepdim=True) + doubt * added.abs()
        likely = [y[:, -1:]] if deviation else []
        error, damaged, sound, *likely = _around(torch.cat([error, clipped.abs(), y[:, :1].abs(), *likely], dim=1), step).split(1, dim=1)
        self.unit = error / (damaged + TINY) + (damaged / (damaged + sound + TINY)).square()
        scaled = [v / (self.unit + TINY) for v in (apart[:, 1:], *([y[:, -1:]] if deviation else []))]
        self.inputs = torch.cat([y[:, :2], added, *scaled], dim=1)
        """Of y's shape: y * reliable, y * clipped, what the mean of the estimates adds, how they differ from it, and the deviation."""
        self.trust: Tensor | None = None
        """How many times smaller the deviation is than the unit, where there is one."""
        if deviation:
            self.trust = self.unit / (OVERSURE * likely[0] / (damaged + TINY) + self.unit / MOST_TRUST + TINY)

    def verdict(self, maps: Tensor) -> Tensor:
        """A mean of the estimates, weighted by a power of the squares of maps[:, 1:], and maps[:, :1] units more.

        The first weighs more, and less than a unit is added, the more it is to be trusted.
        """
        weights, unit = maps[:, 1:].square(), self.unit
        if self.trust is not None:
            weights = torch.cat([weights[:, :1] * (1 + self.trust**2), weights[:, 1:]], dim=1)
            unit = unit / (1 + self.trust)
        if self.sharpness > 1:
            weights = (weights / (weights.mean(dim=1, keepdim=True) + TINY)) ** self.sharpness
        chosen = (weights * self.apart).sum(dim=1, keepdim=True) / (weights.sum(dim=1, keepdim=True) + TINY)
        return self.mean + chosen + unit * maps[:, :1]


def _around(v: Tensor, step: int) -> Tensor:
    """The mean of v (batch, channels, time) over REACH steps around each, constant along it."""
    steps = nn.functional.avg_pool1d(v, step)
    means = nn.functional.avg_pool1d(steps, REACH, 1, padding=REACH // 2)[..., :-1]
    return nn.functional.interpolate(means, scale_factor=float(step), mode="nearest")


def with_estimates(net: UNet, count: int, doubt: float, sharpness: int, deviation: bool = False) -> UNet:
    """`net` with `count` estimates as inputs, of which it may know fewer or none: the new ones it weighs at random, and little.

    A network that knew none does not correct them yet. deviation: one input more; doubt, sharpness: see `Panel`.
    """
    grown = UNet(**net.shape | {"inputs": 2 + count + deviation, "doubt": doubt, "sharpness": sharpness, "deviation": deviation})
    weights = net.state_dict()
    first, last = weights["downs.0.weight"], weights.pop("out.weight")
    blind = first.new_zeros(len(first), grown.shape["inputs"] - first.shape[1], first.shape[2])
    signals = first.shape[1] - net.shape["deviation"]  # a deviation stays the last input
    weights["downs.0.weight"] = torch.cat([first[:, :signals], blind, first[:, signals:]], dim=1)
    grown.load_state_dict(weights, strict=False)
    with torch.no_grad():
        grown.out.weight[:, : last.shape[1]] = last if net.shape["inputs"] > 2 else 0
    return grown


def without_blocks(net: UNet, blocks: Sequence[int]) -> UNet:
    """`net` with only so many residual blocks at each level: what is left out added little, since it was added to its input."""
    fewer = UNet(**net.shape | {"blocks": list(blocks)})
    weights = net.state_dict()
    fewer.load_state_dict({name: weights[name] for name in fewer.state_dict()})
    return fewer
