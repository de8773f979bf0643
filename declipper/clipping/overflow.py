"""Overflow: samples beyond full scale that a sum of whole numbers turned over to the other end of its range, and their way back.

Whole numbers of so many bits reach from -1 to just under 1. What lies beyond comes out PERIOD too low, or too high below, whatever the
bits: nothing is lost by it, in contrast to clipping.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Array
from declipper.clipping.runs import Spans

PERIOD = 2.0
"""The range of whole numbers, where full scale is 1."""


@dataclass(frozen=True, eq=False)
class Wraps(Spans):
    """Which samples wrapped around. turns: (spans,) how many times PERIOD they are too low; below zero for those that are too high."""

    turns: npt.NDArray[np.int64]

    def unwrapped(self, block: Array, first: int) -> Array:
        """A block (frames, channels) from frame `first` on with the wrapped samples put where they came from, beyond full scale."""
        here = self.within(first, first + len(block))
        if not len(here):
            return block
        frames, channels, spans = here.samples(first, len(block))
        result = block.copy()
        result[frames, channels] += (PERIOD * here.turns[spans]).astype(block.dtype)
        return result

    def kept(self, restored: Array, recorded: Array, first: int) -> Array:
        """A restored block from frame `first` on with the wrapped samples as they were recorded. Both are (frames, channels)."""
        here = self.within(first, first + len(restored))
        frames, channels, _ = here.samples(first, len(restored))
        result = restored.copy()
        result[frames, channels] = recorded[frames, channels]
        return result


NO_WRAPS = Wraps(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int64))
