"""A recording or a pipe in place of an input device: read ahead by a thread, taken by the callback."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from multiprocessing.sharedctypes import RawValue
from typing import Any

import numpy as np

from declipper.clipping.arrays import Array
from declipper.live.chain import Chain
from declipper.live.monitor import MOST, Monitor
from declipper.live.ring_buffer import Timeline

PAUSE = 0.05
"""Seconds the reading thread waits where it is far enough ahead: little beside the seconds that are read ahead."""


class _Progress(ctypes.Structure):
    """read_all: whether all of the signal is on the timeline; ended_at: its frames once the callback has taken them, before that -1."""

    read_all: bool
    ended_at: int
    _fields_ = (("read_all", ctypes.c_bool), ("ended_at", ctypes.c_int64))


class Playback:
    """The callback of an output-only device: takes what was read ahead, in the process that has the device."""

    def __init__(self, monitor: Monitor, ahead: Timeline, *, sample_rate: int, pipe: bool) -> None:
        """The first frame of `ahead` that is due is the first one not taken yet. pipe: see `Feed`."""
        self._monitor, self._ahead = monitor, ahead
        self._sample_rate = sample_rate
        self._pipe = pipe
        self._waiting = False
        self._piece = np.zeros((MOST, ahead.channels), np.float32)
        self.progress = RawValue(_Progress, False, -1)

    def __call__(self, out: Array, _frames: int, moment: Any, status: Any) -> None:
        """As PortAudio calls it."""
        waiting = (self._ahead.written - self._ahead.due) / self._sample_rate if self._pipe else 0.0
        self._monitor.note(status, moment.outputBufferDacTime - moment.currentTime + waiting)
        self._monitor.expect(len(out))
        for begin in range(0, len(out), MOST):
            self._move(out[begin : begin + MOST])

    def _move(self, out: Array) -> None:
        block = self._piece[: len(out)]
        everything = self.progress.read_all
        there = min(len(block), self._ahead.written - self._ahead.due)
        self._ahead.read(self._ahead.due, block[:there])
        block[there:] = 0.0
        self._ahead.due += there
        if there < len(block) and everything and self.progress.ended_at < 0:
            self.progress.ended_at = self._monitor.dry.written + there
        waiting = there < len(block) and not everything
        self._monitor.gauges.xruns += waiting and not self._waiting  # once for each gap
        self._waiting = waiting
        self._monitor.process(block, out)


class Feed:
    """A signal on its way to the callback of an output-only device."""

    def __init__(self, chain: Chain, blocks: Iterator[Array], *, ahead: float = 0.0, pipe: bool = False) -> None:
        """`blocks`: (frames, channels) float32. Waits until `ahead` seconds of them, or all, are read.

        pipe: they come in their own time: what waits here is heard later, and what waits at the end was said, and is recorded.
        """
        self._chain = chain
        self._pipe = pipe
        self._blocks = blocks
        self._ahead = Timeline(chain.dry.capacity, chain.dry.channels)
        self.callback = Playback(chain.monitor, self._ahead, sample_rate=chain.sample_rate, pipe=pipe)
        self._progress = self.callback.progress
        self.error: Exception | None = None
        threading.Thread(target=self._read, daemon=True).start()
        while not self.read_all and self.frames < ahead * chain.sample_rate:
            time.sleep(0.01)

    def _read(self) -> None:
        try:
            for block in self._blocks:
                for begin in range(0, len(block), MOST):
                    while self._ahead.written - self._ahead.due > self._ahead.capacity - 2 * MOST:
                        time.sleep(PAUSE)
                    self._ahead.write(block[begin : begin + MOST])
        except Exception as error:  # shown by the main thread
            self.error = error
        self._progress.read_all = True

    @property
    def frames(self) -> int:
        """Frames of the signal read so far."""
        return self._ahead.written

    @property
    def read_all(self) -> bool:
        """Whether all of the signal is read."""
        return bool(self._progress.read_all)

    def record_rest(self) -> None:
        """Give what has come through a pipe and was not played yet to the recording; for after the last call of the callback."""
        rest = min(self._ahead.written - self._ahead.due, self._chain.dry.capacity // 2)
        piece = np.zeros((MOST, self._ahead.channels), np.float32)
        while self._pipe and rest > 0:
            part = piece[: min(rest, MOST)]
            self._ahead.read(self._ahead.due, part)
            self._chain.dry.write(part)
            self._ahead.due += len(part)
            rest -= len(part)

    @property
    def ended_at(self) -> int | None:
        """Frames of the signal, once all of it was taken."""
        frames = int(self._progress.ended_at)
        return frames if frames >= 0 else None

    @property
    def played(self) -> bool:
        """Whether the last frame has left the delay."""
        return self.ended_at is not None and self._chain.dry.written >= self.ended_at + self._chain.monitor.delay
