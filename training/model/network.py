"""The bias-free 1-D U-Net of the paper, built only from operators that keep f(a y) = a f(y) and that a small C++ core can run.

Operators: convolution, strided convolution, transposed convolution, leaky ReLU, addition, concatenation. The first convolution
takes patches of eight samples, so all further work is done at an eighth of the sample rate and below, with many channels:
the shape that CPUs run fastest, and a receptive field of tens of thousands of samples.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn

from declipper.training.model import shapes

SLOPE = 0.1
"""Of the leaky ReLUs below zero. Chosen by hand; so were the other numbers here, where nothing else is said."""
QUIET_BRANCH = 0.3
"""Factor on the weights that a residual branch ends in at the start: the network begins near the identity."""
QUIET_OUTPUT = 0.1
"""Likewise of the output."""
REACH = 32
"""Coarsest steps of the network over which the estimates' differences are averaged: 0.1 s for `live`, 0.4 s for `fast` and `best`."""
OVERSURE = 3.0
"""How many times larger than the standard deviation that the autoregressive model gives the true error often is."""
MOST_TRUST = 1000.0
"""So many times smaller than the unit a deviation counts as at most: beyond that, float32 has nothing left to tell."""
TINY = 1e-20
"""Keeps ratios finite in silence; its square root is far below the smallest sample of any format."""


SHAPE_BOUNDS: shapes.Bounds = {
    "channels": ((int,), 1, 256),
    "strides": ((int,), 1, 16),
    "blocks": ((int,), 0, 4),
    "kernel": ((int,), 1, 15),
    "inputs": ((int,), 2, 16),
    "bias": ((bool,), False, True),
    "doubt": ((int, float), 0.0, 1e6),
    "sharpness": ((int,), 1, 16),
    "deviation": ((bool,), False, True),
}
"""What the shape in a model file may hold: the types, the least and the largest value of each hyperparameter. They leave room around those
of the shipped models, and no network within them has more than 200 MB of weights."""


@dataclass(frozen=True)
class Shape:
    """The hyperparameters of a network, which a model file records.

    channels, strides, blocks: of each level, the outermost first: its width, by how much it is coarser than the one above, and its residual
    blocks, each of two convolutions of length `kernel`. inputs: see `UNet`. bias: the paper's counter-example. doubt, sharpness, deviation:
    see `EstimateMixer`.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    blocks: tuple[int, ...]
    kernel: int = 5
    inputs: int = 2
    bias: bool = False
    doubt: float = 0.1
    sharpness: int = 1
    deviation: bool = False

    @classmethod
    def read(cls, text: str) -> Shape:
        """From the JSON of a model file. Raises ValueError for anything else, and for networks larger than anybody trains."""
        values = shapes.read(text, SHAPE_BOUNDS, levels=("channels", "strides", "blocks"))
        if values["kernel"] % 2 == 0:
            raise ValueError(f"kernel {values['kernel']}, which is not odd")
        return cls(**values)

    def written(self) -> str:
        """As JSON, which `kinds.built` reads."""
        return json.dumps(asdict(self))


SIZES = {
    "small": Shape((32, 64, 128), (8, 4, 4), (1, 1, 2)),
    "slim": Shape((64, 128, 160, 160), (8, 4, 4, 4), (1, 0, 0, 1)),
    "medium": Shape((64, 128, 160, 160), (8, 4, 4, 4), (1, 1, 1, 1)),
    "large": Shape((64, 128, 160, 160), (8, 4, 4, 4), (2, 2, 2, 1)),
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
    estimates of x by other means, which the network mixes (`EstimateMixer`); with `deviation`, the last input is the standard deviation of
    the first of them. The output estimates x. `time` must be a multiple of `stride`.
    """

    def __init__(self, shape: Shape = SIZES["large"]) -> None:
        super().__init__()
        self.shape = shape
        bias, kernel, channels, strides, blocks = shape.bias, shape.kernel, shape.channels, shape.strides, shape.blocks
        self.stride = 1
        self.encoders, self.downs, self.ups, self.merges, self.decoders = (nn.ModuleList() for _ in range(5))
        before = shape.inputs
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
        outputs = shape.inputs - 1 - shape.deviation
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
                    module.second.weight.mul_(QUIET_BRANCH)
        for up in self.ups:
            assert isinstance(up, nn.ConvTranspose1d)
            nn.init.normal_(up.weight, std=(2 * up.in_channels) ** -0.5)
        nn.init.normal_(self.out.weight, std=QUIET_OUTPUT * (2 * self.out.in_channels) ** -0.5)

    def forward(self, y: Tensor) -> Tensor:
        """Add the predicted correction to y = y * reliable + y * clipped, or mix the estimates."""
        shape, mixer = self.shape, None
        if y.shape[1] > 2:
            mixer = EstimateMixer(y, self.stride, doubt=shape.doubt, sharpness=shape.sharpness, deviation=shape.deviation)
        x = y if mixer is None else mixer.inputs
        skips = []
        for down, encoder in zip(self.downs, self.encoders, strict=True):
            x = encoder(down(x))
            skips.append(x)
        skips.pop()
        for up, merge, decoder in zip(self.ups, self.merges, self.decoders, strict=True):
            x = decoder(merge(torch.cat([up(x), skips.pop()], dim=1)))
        maps: Tensor = self.out(x)
        return maps + y[:, :1] + y[:, 1:] if mixer is None else mixer.mixed(maps.float())


class EstimateMixer:
    """Turns several estimates of one signal into inputs of the network, and the network's output into a mean of them.

    All of it is of degree 0 or 1 in y, so f(a y) = a f(y) holds.

    unit: (batch, 1, time), how large an error is to be expected around each sample, relative to the clip level. It is the sum of two parts,
    both constant over a step of the network. The first is the mean distance of the estimates from their mean at the clipped samples nearby,
    and with it a share of what they add to the clipped signal, over the mean height of those samples. The second is the square of the
    clipped samples' share in the size of the signal nearby. The network sees how the estimates differ, and gives its correction, in this
    unit: where the estimates are nearly right it is small, and so is the harm that a correction can do; where they fail, much is clipped,
    the unit is large, and a correction reaches far.

    Where the first estimate comes with a standard deviation that is small against the unit, it weighs more, and less is added to it.
    """

    def __init__(self, y: Tensor, step: int, *, doubt: float, sharpness: int, deviation: bool) -> None:
        """y: (batch, 2 + estimates, time), with `deviation` one more. The unit is taken over REACH steps, anew at every `step` samples.

        doubt: share of what the estimates add to the clipped signal that counts as their error, however well they agree. sharpness: power
        of their weights; with more than 1 the mean can leave out all but one of them.
        """
        self._sharpness = sharpness
        clipped, found = y[:, 1:2], y[:, 2:-1] if deviation else y[:, 2:]
        self._mean = found.mean(dim=1, keepdim=True)
        self._apart = found - self._mean
        where = clipped.sign().abs()
        apart, added = self._apart * where, (self._mean - clipped) * where
        error = apart.abs().mean(dim=1, keepdim=True) + doubt * added.abs()
        likely = [y[:, -1:]] if deviation else []
        error, damaged, sound, *likely = _around(torch.cat([error, clipped.abs(), y[:, :1].abs(), *likely], dim=1), step).split(1, dim=1)
        self.unit = error / (damaged + TINY) + (damaged / (damaged + sound + TINY)).square()
        scaled = [v / (self.unit + TINY) for v in (apart[:, 1:], *([y[:, -1:]] if deviation else []))]
        self.inputs = torch.cat([y[:, :2], added, *scaled], dim=1)
        """Of y's shape: y * reliable, y * clipped, what the mean of the estimates adds, how they differ from it, and the deviation."""
        self._trust: Tensor | None = None
        """How many times smaller the deviation is than the unit, where there is one."""
        if deviation:
            self._trust = self.unit / (OVERSURE * likely[0] / (damaged + TINY) + self.unit / MOST_TRUST + TINY)

    def mixed(self, maps: Tensor) -> Tensor:
        """A mean of the estimates, weighted by a power of the squares of maps[:, 1:], and maps[:, :1] units more.

        The first weighs more, and less than a unit is added, the more it is to be trusted.
        """
        weights, unit = maps[:, 1:].square(), self.unit
        if self._trust is not None:
            weights = torch.cat([weights[:, :1] * (1 + self._trust**2), weights[:, 1:]], dim=1)
            unit = unit / (1 + self._trust)
        if self._sharpness > 1:
            weights = (weights / (weights.mean(dim=1, keepdim=True) + TINY)) ** self._sharpness
        chosen = (weights * self._apart).sum(dim=1, keepdim=True) / (weights.sum(dim=1, keepdim=True) + TINY)
        return self._mean + chosen + unit * maps[:, :1]


def _around(v: Tensor, step: int) -> Tensor:
    """The mean of v (batch, channels, time) over REACH steps around each, constant along it."""
    steps = nn.functional.avg_pool1d(v, step)
    means = nn.functional.avg_pool1d(steps, REACH, 1, padding=REACH // 2)[..., :-1]
    return nn.functional.interpolate(means, scale_factor=float(step), mode="nearest")


def with_estimates(net: UNet, count: int, *, doubt: float, sharpness: int, deviation: bool = False) -> UNet:
    """`net` with `count` estimates as inputs, of which it may know fewer or none: the new ones it weighs at random, and little.

    A network that knew none begins as their plain mean. deviation: one input more; doubt, sharpness: see `EstimateMixer`.
    """
    shape = replace(net.shape, inputs=2 + count + deviation, doubt=doubt, sharpness=sharpness, deviation=deviation)
    grown = UNet(shape)
    weights = net.state_dict()
    first, last = weights["downs.0.weight"], weights.pop("out.weight")
    blind = first.new_zeros(len(first), shape.inputs - first.shape[1], first.shape[2])
    signals = first.shape[1] - net.shape.deviation  # a deviation stays the last input
    weights["downs.0.weight"] = torch.cat([first[:, :signals], blind, first[:, signals:]], dim=1)
    grown.load_state_dict(weights, strict=False)
    with torch.no_grad():
        if net.shape.inputs > 2:
            grown.out.weight[:, : last.shape[1]] = last
        else:  # the weights are all the same, and nothing is added
            grown.out.weight[:, 1:] = grown.out.weight[:, 1:2]
            grown.out.weight[:, :1] = 0
    return grown


def without_blocks(net: UNet, blocks: tuple[int, ...]) -> UNet:
    """`net` with only so many residual blocks at each level: what is left out added little, since it was added to its input."""
    fewer = UNet(replace(net.shape, blocks=blocks))
    weights = net.state_dict()
    fewer.load_state_dict({name: weights[name] for name in fewer.state_dict()})
    return fewer
