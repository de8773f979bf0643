"""Batches as training sees them: tensors with names, moved together and drawn ahead by a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self, TypeVar

import torch
from torch import Tensor

READ_AHEAD = 4
"""Batches that wait for the next step: enough that one recording that is slow to read does not stop training."""
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Tensors:
    """Tensors that belong together."""

    def to(self, device: torch.device | str) -> Self:
        """All of them on a device."""
        return type(self)(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@dataclass(frozen=True, eq=False)
class Levels(Tensors):
    """The clip levels mu2 (positive) and mu1 (negative) of the paper, shaped to broadcast against a signal.

    An infinite level is one at which nothing is clipped.
    """

    positive: Tensor
    negative: Tensor


@dataclass(frozen=True, eq=False)
class Recorded(Tensors):
    """Segments of clipped recordings, whose truth nobody knows.

    y: (batch, 1, frames), divided by the larger level of each. levels: (batch, 1, 1) each. rates: (batch,), the sample rates in Hz.
    """

    y: Tensor
    levels: Levels
    rates: Tensor


@dataclass(frozen=True, eq=False)
class Examples(Tensors):
    """Clipped segments with their truth.

    x: (batch, 1, frames), the truth. y: the same, clipped. clipped: of the same shape, True where y is clipped. estimates:
    (batch, outputs, frames), what the exact methods make of y.
    """

    x: Tensor
    y: Tensor
    clipped: Tensor
    estimates: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, part: slice) -> Examples:
        return Examples(self.x[part], self.y[part], self.clipped[part], self.estimates[part])


@dataclass(frozen=True)
class Share:
    """Which items of every batch one of several processes takes: item `rank`, and every `world`-th one after it."""

    rank: int = 0
    world: int = 1

    def of(self, count: int) -> range:
        """The indices of its items in a batch of so many."""
        return range(self.rank, count, self.world)


ALONE = Share()
"""One process, which takes all."""


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Endless items, drawn by a thread before they are asked for. An error in drawing one is raised where that one was due."""
    ready: queue.Queue[T | Exception] = queue.Queue(READ_AHEAD)

    def fill() -> None:
        try:
            for item in items:
                ready.put(item)
        except Exception as error:  # handed to the consumer
            ready.put(error)

    threading.Thread(target=fill, daemon=True).start()
    while True:
        item = ready.get()
        if isinstance(item, Exception):
            raise item
        yield item
