"""The thread that restores what the audio callback took in: it owns the session and the stream, and may take its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from declipper.arrays import Array
from declipper.engine import DeclipStream
from declipper.ring import Timeline

POLL = 1e-3
"""Seconds the worker sleeps when there is nothing to do. The callback must not wake it: that would take a lock."""
BINS = 400
SHORTEST = 1e-5
STEP = 1.03
"""The histogram of times: BINS bins from SHORTEST seconds on, each STEP times as wide as the one before."""


class Times:
    """How long something took each time, in bounded memory: percentiles to about 3 %."""

    def __init__(self) -> None:
        self._counts = np.zeros(BINS, np.int64)
        self.longest = 0.0
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one more."""
        self._counts[min(BINS - 1, max(0, int(np.log(max(seconds, SHORTEST) / SHORTEST) / np.log(STEP))))] += 1
        self.longest = max(self.longest, seconds)
        self.total += seconds

    @property
    def count(self) -> int:
        """How often it happened."""
        return int(self._counts.sum())

    def percentile(self, percent: float) -> float:
        """Seconds within which so many per cent were done, 0 if there were none."""
        if not self.count:
            return 0.0
        bin_ = int(np.searchsorted(np.cumsum(self._counts), percent / 100 * self.count))
        return min(self.longest, float(SHORTEST * STEP ** (bin_ + 1)))


class Worker:
    """Reads `dry`, writes `restored`: the same signal, frame for frame, restored."""

    def __init__(self, dry: Timeline, restored: Timeline, stream: DeclipStream, due: Callable[[], int] = lambda: 0) -> None:
        """`due`: the first frame that somebody still waits for; a window before it goes without the network, to catch up."""
        self._dry, self._restored, self._stream, self._due = dry, restored, stream, due
        self._taken = 0
        self._input, self._before = (np.zeros((stream.framing.window, dry.channels), np.float32) for _ in range(2))
        self.times = Times()
        """Seconds of work for each window."""
        self.skipped = 0
        """Frames that went without the network because the worker was late."""
        self.changed = self.finished = 0
        """Samples that were restored, and samples in all."""
        self.peak_clipped = self.peak_restored = 0.0
        """Highest restored sample before and after, since the reader last set them back to 0."""

    def step(self) -> bool:
        """Work off one window; False when its last frame is not there yet."""
        wanted = self._stream.wanted
        if self._dry.written < self._taken + wanted:
            return False
        started = time.perf_counter()
        in_time = self._restored.written >= self._due()
        finished = self._stream.push(self._take(wanted), restore=in_time)
        self._put(finished)
        if not in_time:
            self.skipped += len(finished)
        self.times.add(time.perf_counter() - started)
        return True

    def finish(self) -> None:
        """Work off everything there is, as the end of the signal. Nobody waits for it any more."""
        self._due = lambda: 0
        while self.step():
            pass
        self._put(self._stream.push(self._take(self._dry.written - self._taken)))
        self._put(self._stream.flush())

    def run(self, stopping: threading.Event) -> None:
        """Work until told to stop."""
        while not stopping.is_set():
            if not self.step():
                time.sleep(POLL)

    def _take(self, count: int) -> Array:
        block = self._input[:count]
        if not self._dry.read(self._taken, block):
            block[:] = 0.0  # more than the timeline holds was missed, as after a suspended process; the rest must stay in step
        self._taken += count
        return block

    def _put(self, finished: Array) -> None:
        for begin in range(0, len(finished), len(self._before)):
            after = finished[begin : begin + len(self._before)]
            before = self._before[: len(after)]
            if self._dry.read(self._restored.written, before):
                changed = after != before
                if changed.any():
                    self.changed += int(changed.sum())
                    self.peak_clipped = max(self.peak_clipped, float(np.abs(before[changed]).max()))
                    self.peak_restored = max(self.peak_restored, float(np.abs(after[changed]).max()))
            self.finished += after.size
            self._restored.write(after)
