"""Small networks, and pairs from recordings, for tests of learning."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from declipper.engine.experts import NONE
from declipper.training.data.archive import Item, Source, draw, scan, to_clip
from declipper.training.learning.pairs import Pair
from declipper.training.learning.reclipping import Overload, PairMaker
from declipper.training.model.network import Shape, UNet

FRAMES = 2048


def small() -> UNet:
    """A network that begins as a small perturbation of the identity."""
    torch.manual_seed(3)
    return UNet(Shape((8, 12), (4, 4), (1, 1)))


class Raised(nn.Module):
    """Multiplies clipped samples by a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, inputs: Tensor) -> Tensor:
        """See `UNet`."""
        return inputs[:, :1] + self.factor * inputs[:, 1:2]


def maker(base: nn.Module) -> PairMaker:
    """Of pairs without estimates."""
    return PairMaker(NONE, base, ThreadPoolExecutor(1))


def drawn(sources: list[Source], count: int, seed: int = 0) -> list[Item]:
    """Random segments."""
    rng = np.random.default_rng(seed)
    return [draw(sources, FRAMES, rng=rng) for _ in range(count)]


def clean(folder: Path, like: Overload) -> list[Source]:
    """The recordings of a folder, taken for clean ones that are to be clipped as the first of an archive is."""
    damage = like.recordings[0]
    return [to_clip(source, damage.input_sdr, damage.levels) for source in scan([folder], FRAMES, clean=True)]


def pairs(sources: list[Source], count: int, *, base: nn.Module, seed: int = 0) -> list[Pair]:
    """At most `count` pairs in which something is known, damaged like the recordings that they are drawn from."""
    seen = maker(base).seen(drawn(sources, count, seed))
    made = maker(base).pairs(seen, Overload.of(seen), np.random.default_rng(seed))
    return [pair for pair in made if pair.weights.any()]
