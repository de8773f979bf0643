"""A recording or a pipe in place of an input device: read ahead by a thread, taken by the callback."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from declipper.arrays import Array
from declipper.chain import Chain
from declipper.monitor import MOST
from declipper.ring import Timeline

PAUSE = 0.05
"""Seconds the reading thread waits where it is far enough ahead."""


class Feed:
    """A signal on its way to the callback of an output-only device."""

    def __init__(self, chain: Chain, blocks: Iterator[Array], ahead: float = 0.0, pipe: bool = False) -> None:
        """`blocks`: (frames, channels) float32. Waits until `ahead` seconds of them, or all, are read.

        pipe: they come in their own time: what waits here is heard later, and what waits at the end was said, and is recorded.
        """
        self._chain = chain
        self._pipe = pipe
        self._waiting = False
        self._blocks = blocks
        self._ahead = Timeline(chain.dry.capacity, chain.dry.channels)
        self._taken = 0
        self._read_all = False
        self._piece = np.zeros((MOST, chain.dry.channels), np.float32)
        self.ended_at: int | None = None
        """Frames of the signal, once all of it was taken."""
        self.error: Exception | None = None
        threading.Thread(target=self._read, daemon=True).start()
        while not self._read_all and self._ahead.written < ahead * chain.sample_rate:
            time.sleep(0.01)

    def _read(self) -> None:
        try:
            for block in self._blocks:
                for begin in range(0, len(block), MOST):
                    while self._ahead.written - self._taken > self._ahead.capacity - 2 * MOST:
                        time.sleep(PAUSE)
                    self._ahead.write(block[begin : begin + MOST])
        except Exception as error:  # shown by the main thread
            self.error = error
        self._read_all = True

    def play(self, out: Array, _frames: int, moment: Any, status: Any) -> None:
        """The callback of an output-only device."""
        waiting = (self._ahead.written - self._taken) / self._chain.sample_rate if self._pipe else 0.0
        self._chain.note(status, moment.outputBufferDacTime - moment.currentTime + waiting)
        self._chain.monitor.expect(len(out))
        for begin in range(0, len(out), MOST):
            self._move(out[begin : begin + MOST])

    def _move(self, out: Array) -> None:
        block = self._piece[: len(out)]
        everything = self._read_all
        there = min(len(block), self._ahead.written - self._taken)
        self._ahead.read(self._taken, block[:there])
        block[there:] = 0.0
        self._taken += there
        if there < len(block) and everything and self.ended_at is None:
            self.ended_at = self._chain.dry.written + there
        waiting = there < len(block) and not everything
        self._chain.xruns += waiting and not self._waiting  # once for each gap
        self._waiting = waiting
        self._chain.monitor.process(block, out)

    def record_rest(self) -> None:
        """Give what has come through a pipe and was not played yet to the recording; for after the last call of `play`."""
        rest = min(self._ahead.written - self._taken, self._chain.dry.capacity // 2)
        while self._pipe and rest > 0:
            piece = self._piece[: min(rest, MOST)]
            self._ahead.read(self._taken, piece)
            self._chain.dry.write(piece)
            self._taken += len(piece)
            rest -= len(piece)

    @property
    def played(self) -> bool:
        """Whether the last frame has left the delay."""
        return self.ended_at is not None and self._chain.dry.written >= self.ended_at + self._chain.monitor.delay
