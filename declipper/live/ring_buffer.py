"""A timeline: the last seconds of a signal, written by one thread and read by others, of this process or another, without a lock.

Frames keep their number in the signal. The writer copies first and counts after; a reader asks for frames below the count. So a
reader never sees a frame that is not whole, and none waits for another.
"""

from __future__ import annotations

import ctypes
from multiprocessing.sharedctypes import RawArray, RawValue

import numpy as np

from declipper.clipping.arrays import Array


class _Counters(ctypes.Structure):
    """Two frame numbers that both sides read, see the properties of `Timeline`."""

    written: int
    due: int
    _fields_ = (("written", ctypes.c_int64), ("due", ctypes.c_int64))


class Timeline:
    """Holds the last `capacity` frames (frames, channels) float32 of a signal that begins at frame 0, for this and another process.

    Pickled for a process that is being started, it arrives there as the same memory.
    """

    def __init__(self, capacity: int, channels: int) -> None:
        self.__setstate__((RawArray(ctypes.c_float, capacity * channels), RawValue(_Counters), channels))

    def __getstate__(self) -> tuple[object, _Counters, int]:
        return self._memory, self._counters, self.channels

    def __setstate__(self, state: tuple[object, _Counters, int]) -> None:
        self._memory, self._counters, self.channels = state
        self._frames: Array = np.frombuffer(self._memory, np.float32).reshape(-1, self.channels)  # type: ignore[call-overload]

    @property
    def written(self) -> int:
        """Frames written in all."""
        return self._counters.written

    @property
    def due(self) -> int:
        """The first frame that the reader still waits for; the reader sets it."""
        return self._counters.due

    @due.setter
    def due(self, frame: int) -> None:
        self._counters.due = frame

    @property
    def capacity(self) -> int:
        """The number of frames held."""
        return len(self._frames)

    def write(self, block: Array) -> None:
        """Append a block (frames, channels) of at most `capacity` frames; the oldest frames give way."""
        at = self.written % len(self._frames)
        head = min(len(block), len(self._frames) - at)
        self._frames[at : at + head] = block[:head]
        self._frames[: len(block) - head] = block[head:]
        self._counters.written = self.written + len(block)

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
