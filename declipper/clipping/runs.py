"""Runs of clipped samples, each with a bound of its own: all that is known where a recording was filtered or coded after it clipped.

They are spans of frames, as are the stretches that wrapped around (`declipper.clipping.overflow`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Array, Mask, Positions


@dataclass(frozen=True, eq=False)
class Spans:
    """Frames of one channel that follow each other, many times, in the order in which they start.

    start: (spans,) first frame. length: (spans,) frames. channel: (spans,).
    """

    start: npt.NDArray[np.int64]
    length: npt.NDArray[np.int32]
    channel: npt.NDArray[np.int32]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The spans of blocks that follow each other, of one block at least."""
        return cls(*(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(cls)))

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, chosen: Mask | Positions | slice) -> Self:
        """The spans that a mask, positions or a slice select."""
        return replace(self, **{column.name: getattr(self, column.name)[chosen] for column in fields(self)})

    @cached_property
    def _reach(self) -> npt.NDArray[np.int64]:
        """The farthest end of each span and of all before it: ascending, as a search for the first one of a window needs it."""
        return np.maximum.accumulate(self.start + self.length)

    def within(self, start: int, stop: int) -> Self:
        """The spans that have a sample in the frames start..stop."""
        return self[slice(int(np.searchsorted(self._reach, start, side="right")), int(np.searchsorted(self.start, stop, side="left")))]

    @property
    def begins(self) -> Positions:
        """Where each span begins when the samples of all are put in a row, one span after the other."""
        return np.cumsum(self.length) - self.length

    def samples(self, first: int, frames: int) -> tuple[Positions, Positions, Positions]:
        """Each sample of the spans in a block of so many frames from frame `first` on: its frame there, its channel, and its span."""
        begins, ends = np.maximum(self.start - first, 0), np.minimum(self.start + self.length - first, frames)
        lengths = np.maximum(ends - begins, 0)
        places = np.repeat(begins - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
        spans = np.repeat(np.arange(len(self)), lengths)
        return places, self.channel[spans].astype(np.int64), spans


@dataclass(frozen=True, eq=False)
class ClippedRuns(Spans):
    """Which runs of samples are clipped; whatever lies between them is reliable.

    bound: (runs,) what every sample of the run was before the clipping, at least: above zero for crests, below zero for troughs.
    """

    bound: npt.NDArray[np.float64]

    @classmethod
    def of(cls, samples: Array, mask: Mask, *, first: int = 0) -> ClippedRuns:
        """The runs of the masked samples of a block (frames, channels) that begins at frame `first`.

        A run ends where the sign changes, and its bound is its sample nearest to zero: what came after the clipping may have moved a sample
        to either side, and of all bounds that were tried this one restored best.
        """
        side = np.where(mask, np.sign(samples), 0).astype(np.int8).T
        edges = np.diff(side, axis=1, prepend=0, append=0) != 0
        channel, at = np.nonzero(edges)
        # between two edges of one channel the side does not change
        begins, ends = at[:-1], at[1:]
        kept = channel[:-1] == channel[1:]
        channel, begins, ends = channel[:-1][kept], begins[kept], ends[kept]
        kept = side[channel, begins] != 0
        channel, begins, ends = channel[kept], begins[kept], ends[kept]
        if not len(begins):
            return NO_RUNS
        heights = np.append(np.abs(samples.T.astype(np.float64)).ravel(), np.inf)
        spans = np.stack([channel * len(samples) + begins, channel * len(samples) + ends], axis=1)
        bounds = np.minimum.reduceat(heights, spans.ravel())[::2] * side[channel, begins]
        runs = cls((first + begins).astype(np.int64), (ends - begins).astype(np.int32), channel.astype(np.int32), bounds)
        return runs[np.argsort(begins, kind="stable")]

    def lay_over(self, positive: Array, negative: Array, *, first: int) -> None:
        """Write the bounds of all runs into levels (frames, channels) of a block that begins at frame `first`."""
        frames, channels, runs = self.samples(first, len(positive))
        bounds = self.bound[runs]
        up = bounds > 0
        positive[frames[up], channels[up]] = bounds[up]
        negative[frames[~up], channels[~up]] = bounds[~up]


NO_RUNS = ClippedRuns(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0))
