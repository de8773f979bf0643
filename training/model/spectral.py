"""The network of the models for recordings: it weighs estimates where they differ, in time and frequency.

It looks at the short-time spectra of the estimates' differences and gives each bin gains, of any sign, for these differences and for what
the estimates add to the recording. All that it looks at is a ratio, free of scale, sign and phase, and all that it gives are gains, so
f(a y) = a f(y) holds for every a, whatever its weights; biases do no harm here. It begins as a mean of the estimates.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, avg_pool2d, interpolate

from declipper.training.model import shapes
from declipper.training.model.spectrum import BINS, HOP, ShortTime, along, power

NAME = "spectral"
"""Of this kind of network, in the shapes that model files record."""
SLOPE = 0.1
"""Of the leaky ReLUs below zero. Chosen by hand; so were the other numbers here, where nothing else is said."""
QUIET_BRANCH = 0.3
"""Factor on the weights that a residual branch ends in at the start: the network begins near the identity."""
BAND = 8
"""Bins of a band, in which the trunk of the network works: 340 Hz at 44.1 kHz. Single bins are told apart by the heads alone."""
COARSER = 4
"""Bands of a level of the trunk that make one of the next."""
OVERSURE = 2.0
"""How many times larger than the deviation that the first estimate comes with its error is taken to be. The mean so weighed restored the
validation examples best, among 1, 2 and 3, from 5 to 20 dB input SDR."""
NEARBY = 4
"""Half windows over which it is judged how far the estimates are apart: 46 ms at 44.1 kHz, no worse than 370."""
DOUBT = 0.02
"""Share of what the estimates add to the clipped signal that counts as their error, however well they agree."""
FAINT = 1e-3
"""Ratio of powers below which logarithms bend: -30 dB."""
TINY = 1e-20
"""Keeps ratios finite in silence; its square root is far below the smallest sample of any format."""


SHAPE_BOUNDS: shapes.Bounds = {
    "estimates": ((int,), 2, 8),
    "channels": ((int,), 1, 256),
    "blocks": ((int,), 0, 4),
    "dilations": ((int,), 1, 64),
    "detail": ((int,), 1, 64),
    "rounds": ((int,), 1, 4),
}
"""What the shape in a model file may hold; see `network.SHAPE_BOUNDS`."""


@dataclass(frozen=True)
class SpectralShape:
    """The hyperparameters of a network, which a model file records.

    estimates: how many it weighs; the deviation of the first comes on top. channels, blocks, dilations: of each level of the trunk, the
    finest first: its width, its residual blocks, and how many windows apart the first of them looks. detail: channels in which single bins
    are looked at. rounds: how often estimates are corrected and made consistent.
    """

    estimates: int
    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    dilations: tuple[int, ...]
    detail: int = 16
    rounds: int = 2

    @property
    def inputs(self) -> int:
        """Signals that it sees: y in two parts, the estimates, and a deviation."""
        return 2 + self.estimates + 1

    @classmethod
    def read(cls, text: str) -> SpectralShape:
        """From the JSON of a model file. Raises ValueError for anything else, and for networks larger than anybody trains."""
        return cls(**shapes.read(text, SHAPE_BOUNDS, levels=("channels", "blocks", "dilations")))

    def written(self) -> str:
        """As JSON, which `kinds.built` reads."""
        return json.dumps({"network": NAME, **asdict(self)})


SIZES = {
    "fast": SpectralShape(3, (32, 64, 96), (1, 1, 2), (1, 3, 6)),
    "best": SpectralShape(5, (80, 112, 128), (2, 2, 2), (1, 2, 4)),
}
"""Shapes of the shipped models: they cost what the 1-D U-Nets before them did."""


class Block(nn.Module):
    """A convolution over bands and one over windows, with leaky ReLUs, added to their input."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.across = nn.Conv2d(channels, channels, (1, 3), padding=(0, 1))
        self.along = nn.Conv2d(channels, channels, (3, 1), padding=(dilation, 0), dilation=(dilation, 1))
        self.rectify = nn.LeakyReLU(SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, windows, bands) to the same shape."""
        y: Tensor = self.along(self.rectify(self.across(self.rectify(x))))
        return x + y


class Trunk(nn.Module):
    """A U-Net over bands: what is looked at, (batch, features, windows, bands), to its context, (batch, channels[0], windows, bands)."""

    def __init__(self, shape: SpectralShape, features: int) -> None:
        super().__init__()
        widths, stages = shape.channels, [self._stage(shape, level) for level in range(len(shape.channels))]
        self.first = nn.Conv2d(features, widths[0], 1)
        self.place = nn.Parameter(torch.zeros(1, widths[0], 1, BINS // BAND))
        pairs = list(pairwise(widths))
        self.encoders = nn.ModuleList(stages)
        self.downs = nn.ModuleList(nn.Conv2d(fine, coarse, (1, COARSER), (1, COARSER)) for fine, coarse in pairs)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, (1, COARSER), (1, COARSER)) for fine, coarse in reversed(pairs))
        self.merges = nn.ModuleList(nn.Conv2d(2 * fine, fine, 1) for fine, _ in reversed(pairs))
        self.decoders = nn.ModuleList(self._stage(shape, level) for level in reversed(range(len(pairs))))

    @staticmethod
    def _stage(shape: SpectralShape, level: int) -> nn.Sequential:
        first = shape.dilations[level]
        return nn.Sequential(*(Block(shape.channels[level], first * (1 + index)) for index in range(shape.blocks[level])))

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        x = self.encoders[0](self.first(features) + self.place)
        skips = []
        for down, encoder in zip(self.downs, self.encoders[1:], strict=True):
            skips.append(x)
            x = encoder(down(x))
        for up, merge, decoder in zip(self.ups, self.merges, self.decoders, strict=True):
            x = decoder(merge(torch.cat([up(x), skips.pop()], dim=1)))
        return x


class Head(nn.Module):
    """Gains for `bases` spectra in each bin, from its own features and the context of its band."""

    def __init__(self, shape: SpectralShape, features: int, bases: int) -> None:
        super().__init__()
        self.context = nn.Conv2d(shape.channels[0], shape.detail, 1)
        self.own = nn.Conv2d(features, shape.detail, 1)
        self.mix = nn.Conv2d(shape.detail, shape.detail, (1, 3), padding=(0, 1))
        self.gains = nn.Conv2d(shape.detail, bases, 1)
        self.rectify = nn.LeakyReLU(SLOPE)

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """(batch, features, windows, bins) and (batch, channels, windows, bands) to (batch, bases, windows, bins)."""
        x = self.rectify(_bins(self.context(context)) + self.own(features))
        gains: Tensor = self.gains(x + self.rectify(self.mix(x)))
        return gains


class SpectralNet(nn.Module):
    """f: (batch, 2 + estimates + 1, time) to (batch, 1, time); `time` must be a multiple of `stride`.

    The inputs are y * reliable and y * clipped, the estimates, and the deviation of the first of them, all divided by the clip level. The
    output estimates x at the clipped samples, and is y elsewhere.
    """

    def __init__(self, shape: SpectralShape) -> None:
        super().__init__()
        self.shape = shape
        self.stride = HOP
        others = shape.estimates - 1
        self.transform = ShortTime()
        self.trunk = Trunk(shape, (others + 2) + 2 + (others + 1) + others * (others - 1) // 2)
        self.heads = nn.ModuleList(Head(shape, 2 * bases - 1, bases) for bases in (others + 2, *[3] * (shape.rounds - 1)))
        self.start()

    def start(self) -> None:
        """Begin as the mean of the estimates: random weights, but all gains 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                module.reset_parameters()
        for module in self.modules():
            if isinstance(module, Block):
                module.along.weight.data.mul_(QUIET_BRANCH)
            elif isinstance(module, Head):
                nn.init.zeros_(module.gains.weight)
                nn.init.zeros_(module.gains.bias)
        nn.init.zeros_(self.trunk.place)

    def forward(self, y: Tensor) -> Tensor:
        """See the class."""
        reliable, clipped, found, deviation = y[:, :1], y[:, 1:2], y[:, 2:-1], y[:, -1:]
        side = clipped.sign()
        where = side.abs()
        doubt = deviation.square() * where
        start, differences = _weighed(found, where, doubt)
        added = start - clipped
        bases = self.transform(torch.cat([differences, added, reliable + start], dim=1))
        apart, beyond, guess = bases[:, :-2], bases[:, -2:-1], bases[:, -1:]
        spread, damaged, sound = _windows(torch.cat([doubt, clipped.abs(), reliable.abs()], dim=1)).split(1, dim=1)
        features, unit = _seen(apart, beyond, guess, spread=spread, heavy=(damaged / (damaged + sound + TINY)).square())
        context, unit = self.trunk(features), _bins(unit)
        for index, head in enumerate(self.heads):
            if index:
                added = side * (side * added).relu()
                now = self.transform(added)
                moved = now - beyond
                beyond, guess = now, guess + moved
                bases = torch.cat([moved, beyond, guess], dim=1)
            looked, share = _looked_at(bases, unit)
            gains = _within(head(looked, context).float(), share)
            added = added + self.transform.back((bases * gains[:, :, None]).sum(1, keepdim=True)) * where
        return reliable + clipped + added


def _weighed(found: Tensor, where: Tensor, doubt: Tensor) -> tuple[Tensor, Tensor]:
    """A mean of the estimates at the clipped samples, and how all but the first of them differ from it there.

    found: (batch, estimates, time). where: 1 at clipped samples, 0 elsewhere. doubt: the square of the first estimate's deviation there.
    The less that is than the mean square of the others' distance from it nearby, the more weighs the first, and the less the others count.
    """
    first, mean = found[:, :1], found.mean(dim=1, keepdim=True)
    distance = (found[:, 1:] - first).square().mean(dim=1, keepdim=True) * where
    steps = avg_pool1d(torch.cat([distance, doubt], dim=1), HOP)
    nearby = avg_pool1d(steps, NEARBY, 1, padding=NEARBY // 2)[..., :-1]
    apart, own = interpolate(nearby, scale_factor=float(HOP), mode="nearest").split(1, dim=1)
    trust = apart / (apart + OVERSURE**2 * own + TINY)
    start = mean + trust * (first - mean)
    return start * where, (found[:, 1:] - start) * ((1 - trust).sqrt() * where)


def _windows(v: Tensor) -> Tensor:
    """The means of v, (batch, signals, time), in the windows of the transform: (batch, signals, windows, 1)."""
    return avg_pool1d(avg_pool1d(v, HOP), 2, 1, padding=1)[..., None]


def _seen(apart: Tensor, beyond: Tensor, guess: Tensor, *, spread: Tensor, heavy: Tensor) -> tuple[Tensor, Tensor]:
    """What the trunk looks at in each band, and the unit: the power of the error to be expected in it.

    The first three are spectra: of how the estimates differ from their mean, of what that mean adds to the recording, and of the mean
    itself. spread: the mean square of the first estimate's deviation in each window. heavy: how much of the signal is damaged there, from 0
    to 1.
    """
    others = torch.cat([beyond, apart], dim=1)
    own, powers = _bands(power(guess)), _bands(power(others))
    added, differences = powers[:, :1], powers[:, 1:]
    unit = differences.mean(dim=1, keepdim=True) + (DOUBT + heavy).square() * added + spread
    unit = avg_pool2d(unit, (3, 1), 1, padding=(1, 0))
    logs = [_log_ratio(torch.cat([own, powers, spread + TINY * own], dim=1), unit), _log_ratio(own, own.mean(dim=3, keepdim=True))]
    products, squares = [along(others, guess)], [own * powers]
    for index in range(1, int(apart.shape[1])):
        products.append(along(apart[:, index:], apart[:, index - 1 : index]))
        squares.append(differences[:, index - 1 : index] * differences[:, index:])
    cosines = _bands(torch.cat(products, dim=1)) / (torch.cat(squares, dim=1) + TINY**2).sqrt()
    return torch.cat([*logs, cosines], dim=1), unit


def _bands(v: Tensor) -> Tensor:
    """The means over the bins of each band."""
    return avg_pool2d(v, (1, BAND), (1, BAND))


def _bins(v: Tensor) -> Tensor:
    """The value of a band for each of its bins."""
    return interpolate(v, scale_factor=(1.0, float(BAND)), mode="nearest")


def _log_ratio(power: Tensor, unit: Tensor) -> Tensor:
    """Half the logarithm of a ratio of powers: about from -3 to 10."""
    return 0.5 * torch.log(power / (unit + TINY) + FAINT)


def _looked_at(bases: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
    """What a head looks at in each bin, and the first part of it, the share of the error to be expected in the sum of it and each basis.

    bases: spectra of the differences of the estimates or of what the last round moved, of what is added to the recording, and of the
    estimate itself; how they lie to that is the second part.
    """
    sizes, expected = (power(bases) + TINY).sqrt(), (unit + TINY).sqrt()
    share = expected / (sizes + expected)
    inner = along(bases[:, :-1], bases[:, -1:]) / (sizes[:, :-1] * sizes[:, -1:])
    return torch.cat([share, inner], dim=1), share


def _within(gains: Tensor, share: Tensor) -> Tensor:
    """Gains with which no more of the last two bases is taken than the error that is to be expected."""
    added, guess = gains[:, -2:-1] * share[:, -2:-1], gains[:, -1:] * share[:, -1:].square()
    return torch.cat([gains[:, :-2], added, guess], dim=1)
