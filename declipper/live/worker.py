"""The process that restores what the audio callback took in: it owns the session and the stream, and may take its time.

A process of its own, because Python runs one thread at a time: the equations of the autoregressive expert would keep the callback waiting.
"""

from __future__ import annotations

import ctypes
import gc
import signal
import time
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import RawValue
from multiprocessing.synchronize import Event

import numpy as np

from declipper.clipping.arrays import Array
from declipper.engine.stream import DeclipStream
from declipper.live.core import CoreStream
from declipper.live.ring_buffer import Timeline
from declipper.signals import STOPPING

POLL = 1e-3
"""Seconds the worker sleeps when there is nothing to do: little of any latency. The callback must not wake it, that would take a lock."""
BINS = 400
SHORTEST = 1e-5
STEP = 1.03
"""The histogram of times has BINS bins from SHORTEST seconds on, each STEP times as wide as the one before: to 3 %, up to 1.4 seconds."""
READY = ""
"""What a process says when it has begun; anything else is what went wrong."""


class Tally(ctypes.Structure):
    """What a worker has done, in memory that another process reads.

    longest: seconds of the slowest window; skipped: frames that went without the network because the worker was late; changed, finished:
    samples restored, and in all; peak_clipped, peak_restored: highest restored sample before and after, since the reader last set them
    back to 0; cpu: seconds of processor time.
    """

    counts: ctypes.Array[ctypes.c_int64]
    longest: float
    skipped: int
    changed: int
    finished: int
    peak_clipped: float
    peak_restored: float
    cpu: float
    _fields_ = (
        ("counts", ctypes.c_int64 * BINS),
        ("longest", ctypes.c_double),
        ("skipped", ctypes.c_int64),
        ("changed", ctypes.c_int64),
        ("finished", ctypes.c_int64),
        ("peak_clipped", ctypes.c_double),
        ("peak_restored", ctypes.c_double),
        ("cpu", ctypes.c_double),
    )

    def timed(self, seconds: float) -> None:
        """Count a window that took so long."""
        self.counts[min(BINS - 1, max(0, int(np.log(max(seconds, SHORTEST) / SHORTEST) / np.log(STEP))))] += 1
        self.longest = max(self.longest, seconds)

    @property
    def windows(self) -> int:
        """Windows worked on."""
        return sum(self.counts)

    def percentile(self, percent: float) -> float:
        """Seconds within which so many per cent of the windows were done, to about 3 %; 0 if there were none."""
        if not self.windows:
            return 0.0
        bin_ = int(np.searchsorted(np.cumsum(self.counts), percent / 100 * self.windows))
        return min(self.longest, float(SHORTEST * STEP ** (bin_ + 1)))


class Worker:
    """Reads the timeline `dry` and writes `restored`: the same signal, frame for frame, restored.

    To catch up when it is late, it passes windows on unrestored until it is ahead again of `restored.due`, the frame that the monitor
    plays next.
    """

    def __init__(self, stream: DeclipStream | CoreStream, *, dry: Timeline, restored: Timeline) -> None:
        self._dry, self._restored, self._stream = dry, restored, stream
        self._taken = 0
        self._input, self._before = (np.zeros((stream.framing.window, dry.channels), np.float32) for _ in range(2))
        self.tally = RawValue(Tally)

    def step(self) -> bool:
        """Work off one window; False when its last frame is not there yet."""
        wanted = self._stream.wanted
        if self._dry.written < self._taken + wanted:
            return False
        started = time.perf_counter()
        in_time = self._restored.written >= self._restored.due
        finished = self._stream.push(self._take(wanted), restore=in_time)
        self._put(finished)
        if not in_time:
            self.tally.skipped += len(finished)
        self.tally.timed(time.perf_counter() - started)
        self.tally.cpu = time.process_time()
        return True

    def finish(self) -> None:
        """Work off everything there is, as the end of the signal. Nobody waits for it any more."""
        self._restored.due = 0
        while self.step():
            pass
        self._put(self._stream.push(self._take(self._dry.written - self._taken)))
        self._put(self._stream.flush())

    def run(self, stopping: Event, news: Connection) -> None:
        """Work in a process of its own until told to stop, or the other process has ended; what goes wrong is sent as a line."""
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)
        parent = parent_process()
        assert parent is not None
        try:
            self._stream.warm_up()
            gc.freeze()
            news.send(READY)
            while parent.is_alive() and not stopping.is_set():
                if not self.step():
                    time.sleep(POLL)
            self.finish()
        except Exception as error:  # must reach the user, and the dry signal goes on meanwhile
            news.send(f"{type(error).__name__}: {error}")

    def _take(self, count: int) -> Array:
        """The next frames of `dry`."""
        block = self._input[:count]
        if not self._dry.read(self._taken, block):
            block[:] = 0.0  # more than the timeline holds was missed, as after a suspended process; the rest must stay in step
        self._taken += count
        return block

    def _put(self, finished: Array) -> None:
        """Append frames to `restored`, and count what was changed in them."""
        tally = self.tally
        for begin in range(0, len(finished), len(self._before)):
            after = finished[begin : begin + len(self._before)]
            before = self._before[: len(after)]
            if self._dry.read(self._restored.written, before):
                changed = after != before
                if changed.any():
                    tally.changed += int(changed.sum())
                    tally.peak_clipped = max(tally.peak_clipped, float(np.abs(before[changed]).max()))
                    tally.peak_restored = max(tally.peak_restored, float(np.abs(after[changed]).max()))
            tally.finished += after.size
            self._restored.write(after)
