"""The way of one signal from an input to an output: timelines, worker, recorder and monitor put together, and the meters read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from declipper.arrays import Array
from declipper.clipping import ClipLevels
from declipper.engine import DeclipStream
from declipper.framing import Framing
from declipper.monitor import RESCUE, Mode, Monitor
from declipper.recorder import Recorder
from declipper.ring import Timeline
from declipper.session import Session
from declipper.tracking import LevelTracker
from declipper.worker import Worker

HELD = 10.0
"""Seconds the timelines hold: how long a disk may stall."""
SHARE = 0.8
"""Share of the wanted latency that goes into hop and look-ahead; the rest is the worker's time."""


@dataclass(frozen=True)
class Reading:
    """The meters at one moment. Levels are linear peaks since the last reading, shares are of one, latency_ms is from input to output."""

    seconds: float
    mode: Mode
    peak_in: float
    peak_out: float
    clipped_share: float
    clipped_in_all: float
    overload: float
    cpu_share: float
    worker_p99: float
    xruns: int
    late_times: int
    late_seconds: float
    latency_ms: float
    recorded_seconds: float
    unrestored_seconds: float
    problem: str


class Chain:
    """One signal on its way from an input to an output. `start` starts its threads, leaving a `with` block ends them."""

    def __init__(
        self,
        sample_rate: int,
        channels: int,
        session: Session,
        latency: float = 0.04,
        threshold: tuple[float, float] | None = None,
        mode: Mode = "restored",
        gain: float = 1.0,
        ceiling: bool = True,
        record: Path | None = None,
        overwrite: bool = False,
        jobs: int = 1,
    ) -> None:
        """latency: seconds; threshold: (positive, negative) linear levels, None tracks them; gain: linear.

        The delay is `latency` and one block of the device. Raises OutputError where `record` cannot be made.
        """
        self.sample_rate = sample_rate
        frames = int(latency * sample_rate)
        framing = Framing.live(session.info, sample_rate, int(SHARE * frames))
        session.estimate(np.zeros((2 + len(session.info.experts), framing.window), np.float32))  # the first run allocates
        levels = LevelTracker(sample_rate, channels) if threshold is None else ClipLevels.constant(threshold[0], -threshold[1], channels)
        self._stream = DeclipStream(sample_rate, channels, levels, session, jobs, framing)
        held = int(HELD * sample_rate)
        self.dry, self.restored = Timeline(held, channels), Timeline(held, channels)
        self.monitor = Monitor(self.dry, self.restored, max(frames, self._stream.latency + 2 * RESCUE), mode, gain, ceiling)
        self.worker = Worker(self.dry, self.restored, self._stream, self.monitor.due)
        self.recorder = Recorder(record, self.dry, self.restored, sample_rate, overwrite) if record is not None else None
        self.error: Exception | None = None
        self.xruns = 0
        self.calls = 0
        self.device_latency = 0.0
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._last = time.monotonic(), time.process_time(), 0, 0

    @property
    def framing(self) -> Framing:
        """How the signal is cut into windows."""
        return self._stream.framing

    def __enter__(self) -> Chain:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the worker and the recorder, as a device needs them; `rehearse` does without."""
        steps = [self.worker.run] if self.recorder is None else [self.worker.run, self.recorder.run]
        self._threads = [threading.Thread(target=self._guarded, args=(run,), daemon=True) for run in steps]
        for thread in self._threads:
            thread.start()

    def _guarded(self, run: Callable[[threading.Event], None]) -> None:
        try:
            run(self._stopping)
        except Exception as error:  # must reach the user, and the dry signal goes on meanwhile
            self.error = error

    def stop(self, frames: int | None = None) -> None:
        """End the threads; finish the recording, cut to so many frames."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        try:
            if self.recorder is not None:
                if self.error is None:
                    self.worker.finish()
                self.recorder.step()
        finally:
            self._stream.close()
            if self.recorder is not None:
                self.recorder.close(frames)

    def reading(self) -> Reading:
        """What the meters show now, since the last call."""
        now, cpu = time.monotonic(), time.process_time()
        then, cpu_then, changed, finished = self._last
        worker, monitor = self.worker, self.monitor
        self._last = now, cpu, worker.changed, worker.finished
        reading = Reading(
            seconds=self.dry.written / self.sample_rate,
            mode=monitor.mode,
            peak_in=monitor.peak_in,
            peak_out=monitor.peak_out,
            clipped_share=(worker.changed - changed) / max(1, worker.finished - finished),
            clipped_in_all=worker.changed / max(1, worker.finished),
            overload=worker.peak_restored / worker.peak_clipped if worker.peak_clipped else 1.0,
            cpu_share=(cpu - cpu_then) / max(1e-9, now - then),
            worker_p99=worker.times.percentile(99) * self.sample_rate / self.framing.hop,
            xruns=self.xruns,
            late_times=monitor.late_times,
            late_seconds=monitor.late_frames / self.sample_rate,
            latency_ms=1000 * (monitor.delay / self.sample_rate + self.device_latency),
            recorded_seconds=self.recorder.frames / self.sample_rate if self.recorder is not None else 0.0,
            unrestored_seconds=self.worker.skipped / self.sample_rate,
            problem=str(self.error or (self.recorder and self.recorder.error) or ""),
        )
        monitor.peak_in = monitor.peak_out = worker.peak_clipped = worker.peak_restored = 0.0
        return reading

    def duplex(self, block: Array, out: Array, _frames: int, moment: Any, status: Any) -> None:
        """The callback of a device that gives and takes."""
        self.note(status, moment.outputBufferDacTime - moment.inputBufferAdcTime)
        self.monitor.process(block, out)

    def note(self, status: Any, device_latency: float) -> None:
        """What the device says with each call: whether it lost audio, and how many seconds it needs."""
        self.calls += 1
        self.xruns += bool(status)
        self.device_latency = device_latency
