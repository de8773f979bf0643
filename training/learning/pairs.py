"""Pairs: segments as they are and clipped further, each with the estimates of the exact methods, worked out once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.engine.experts import ExpertSet
from declipper.training.data.batches import Examples, Tensors
from declipper.training.data.degrade import Example
from declipper.training.learning.pretrain import collate


@dataclass(frozen=True)
class Pair:
    """A segment and the same clipped further.

    recording: the file that it is of. y: (frames,), the recording divided by its larger level. levels: the positive and the negative one,
    infinite where all of it is known.
    gain, again: by how much it is turned up, and the levels that it is clipped at then. weights: (frames,), of each sample that this takes
    away. first: (frames,), y as the first model restores it. own, further: (outputs, frames), the experts' estimates for both.
    """

    recording: Path
    y: Array
    levels: tuple[float, float]
    gain: float
    again: tuple[float, float]
    weights: Array
    first: Array
    own: Array
    further: Array

    def window(self, start: int, frames: int) -> Pair:
        """Some of its frames."""
        part = slice(start, start + frames)
        names = ("y", "weights", "first", "own", "further")
        return replace(self, **{name: np.array(getattr(self, name)[..., part]) for name in names})

    @property
    def clips(self) -> bool:
        """Whether anything is clipped further."""
        return bool(np.any((self.y * self.gain > self.again[0]) | (self.y * self.gain < self.again[1])))

    @property
    def whole(self) -> bool:
        """Whether all of its truth is known."""
        return bool(np.isinf(self.levels).all())

    def examples(self) -> tuple[Example, Example]:
        """The segment as it is, and clipped further; the truth of both is as far as it is known."""
        up = (self.y * np.float32(self.gain)).astype(np.float32)
        return Example(self.y, self.y, *self.levels, self.own), Example(
            up, clip(up, *self.again).astype(np.float32), *self.again, self.further
        )


@dataclass(frozen=True, eq=False)
class PairBatch(Tensors):
    """Pairs of one length: as they are, and clipped further. weights, first: (batch, 1, frames), of `Pair`. gains: (batch, 1, 1)."""

    own: Examples
    again: Examples
    weights: Tensor
    first: Tensor
    gains: Tensor


def batch_of(pairs: list[Pair]) -> PairBatch:
    """Pairs as a batch."""
    own, again = (collate(list(examples)) for examples in zip(*(pair.examples() for pair in pairs), strict=True))
    weights, first = (torch.from_numpy(np.stack([getattr(pair, name) for pair in pairs]))[:, None] for name in ("weights", "first"))
    return PairBatch(own, again, weights, first, torch.tensor([pair.gain for pair in pairs], dtype=torch.float32)[:, None, None])


class Pool:
    """Pairs in a flat file, which training takes random windows from while more are added."""

    def __init__(self, path: Path, experts: ExpertSet, frames: int) -> None:
        """Begin an empty file for pairs of so many frames."""
        self._path, self._outputs, self._frames = path, len(experts.outputs), frames
        self._headers: list[tuple[Path, tuple[float, float], float, tuple[float, float]]] = []
        path.write_bytes(b"")

    def __len__(self) -> int:
        return len(self._headers)

    def add(self, pairs: list[Pair]) -> None:
        """Write pairs to its end."""
        with self._path.open("ab") as file:
            for pair in pairs:
                file.write(
                    np.concatenate([np.stack([pair.y, pair.weights, pair.first]), pair.own, pair.further]).astype(np.float32).tobytes()
                )
                self._headers.append((pair.recording, pair.levels, pair.gain, pair.again))

    def pair(self, index: int) -> Pair:
        """A pair whose samples are read as they are needed."""
        shape = (len(self._headers), 3 + 2 * self._outputs, self._frames)
        rows = np.memmap(self._path, dtype=np.float32, mode="r", shape=shape)[index]
        recording, levels, gain, again = self._headers[index]
        own, further = rows[3 : 3 + self._outputs], rows[3 + self._outputs :]
        return Pair(recording, rows[0], levels, gain, again, weights=rows[1], first=rows[2], own=own, further=further)
