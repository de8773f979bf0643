"""A timeline: the last seconds of a signal, written by one thread and read by others, without a lock.

Frames keep their number in the signal. The writer copies first and counts after; a reader asks for frames below the count. So a
reader never sees a frame that is not whole, and none waits for another.
"""

from __future__ import annotations

import numpy as np

from declipper.arrays import Array


class Timeline:
    """Holds the last `capacity` frames (frames, channels) float32 of a signal that begins at frame 0."""

    def __init__(self, capacity: int, channels: int) -> None:
        self._frames: Array = np.zeros((capacity, channels), np.float32)
        self.written = 0
        """Frames written in all; only the writer changes it."""

    @property
    def capacity(self) -> int:
        """The number of frames held."""
        return len(self._frames)

    @property
    def channels(self) -> int:
        """The number of channels."""
        return int(self._frames.shape[1])

    def write(self, block: Array) -> None:
        """Append a block (frames, channels) of at most `capacity` frames; the oldest frames give way."""
        at = self.written % len(self._frames)
        head = min(len(block), len(self._frames) - at)
        self._frames[at : at + head] = block[:head]
        self._frames[: len(block) - head] = block[head:]
        self.written += len(block)

    def read(self, start: int, out: Array) -> bool:
        """Copy frames from `start` on into `out` (frames, channels); frames before 0 or not written yet are silence.

        False where some of them had given way already: what `out` then holds is not to be used.
        """
        stop = start + len(out)
        first, last = min(max(start, 0), stop), min(stop, self.written)
        out[: first - start] = 0.0
        if last <= first:
            out[first - start :] = 0.0
            return True
        count = last - first
        at = first % len(self._frames)
        head = min(count, len(self._frames) - at)
        inside = out[first - start : first - start + count]
        if count > len(self._frames):
            return False
        inside[:head] = self._frames[at : at + head]
        inside[head:] = self._frames[: count - head]
        out[first - start + count :] = 0.0
        return first >= self.written - len(self._frames)
