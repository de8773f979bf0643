"""Runs of clipped samples, each with a bound of its own: all that is known where a recording was filtered or coded after it clipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Array, Mask, Positions


@dataclass(frozen=True, eq=False)
class ClippedRuns:
    """Which runs of samples are clipped, in the order in which they start; whatever lies between them is reliable.

    start: (runs,) first frame. length: (runs,) frames. channel: (runs,). bound: (runs,) what every sample of the run was before the
    clipping, at least: above zero for crests, below zero for troughs.
    """

    start: npt.NDArray[np.int64]
    length: npt.NDArray[np.int32]
    channel: npt.NDArray[np.int32]
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

    @classmethod
    def joined(cls, parts: Sequence[ClippedRuns]) -> ClippedRuns:
        """The runs of blocks that follow each other."""
        held = [NO_RUNS, *parts]
        return cls(*(np.concatenate([getattr(part, name) for part in held]) for name in ("start", "length", "channel", "bound")))

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, chosen: Mask | Positions | slice) -> ClippedRuns:
        """The runs that a mask, positions or a slice select."""
        return ClippedRuns(self.start[chosen], self.length[chosen], self.channel[chosen], self.bound[chosen])

    @cached_property
    def _reach(self) -> npt.NDArray[np.int64]:
        """The farthest end of each run and of all before it: ascending, as a search for the first run of a window needs it."""
        return np.maximum.accumulate(self.start + self.length)

    def within(self, start: int, stop: int) -> ClippedRuns:
        """The runs that have a sample in the frames start..stop."""
        return self[slice(int(np.searchsorted(self._reach, start, side="right")), int(np.searchsorted(self.start, stop, side="left")))]

    def lay_over(self, positive: Array, negative: Array, *, first: int) -> None:
        """Write the bounds of all runs into levels (frames, channels) of a block that begins at frame `first`."""
        begins, ends = np.maximum(self.start - first, 0), np.minimum(self.start + self.length - first, len(positive))
        lengths = np.maximum(ends - begins, 0)
        frames = np.repeat(begins - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
        channels, bounds = np.repeat(self.channel, lengths), np.repeat(self.bound, lengths)
        up = bounds > 0
        positive[frames[up], channels[up]] = bounds[up]
        negative[frames[~up], channels[~up]] = bounds[~up]


NO_RUNS = ClippedRuns(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0))
