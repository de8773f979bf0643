"""Declips what is being heard: the timelines, the worker, the recorder and the monitor put together, driven by a device or a file."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from declipper.arrays import Array
from declipper.clipping import ClipLevels
from declipper.devices import DeviceStream
from declipper.engine import DeclipStream, Framing
from declipper.errors import DeviceError, ModelError
from declipper.monitor import MOST, RESCUE, Mode, Monitor
from declipper.recorder import Recorder
from declipper.ring import Timeline
from declipper.session import Session
from declipper.tracking import LevelTracker
from declipper.worker import Worker

HELD = 10.0
"""Seconds the timelines hold: how long a disk may stall."""
SHARE = 0.8
"""Share of the wanted latency that goes into hop and look-ahead; the rest is the worker's time."""
CONTEXT = 4096 / 44100
"""Seconds of the past that the network sees before each hop, at least."""
REFRESH = 0.1
"""Seconds between two looks at the meters and the keyboard."""
SILENT = 3.0
"""Seconds without a call from the device after which it counts as lost."""
KEYS: dict[str, Mode] = {"r": "restored", "d": "dry", "x": "difference"}
REHEARSED = 256
"""Frames per block where there is no device."""
SWITCHING = 1e-4
"""Seconds for which one thread may keep the others from running Python; Python's own 5 ms are longer than a block."""


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
    problem: str


class Live:
    """One signal on its way from an input to an output. Starts its threads on entering a `with` block, and ends them on leaving."""

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
        context: float = CONTEXT,
    ) -> None:
        """latency, context: seconds; threshold: (positive, negative) linear levels, None tracks them; gain: linear.

        The delay is `latency` and one block of the device. Raises OutputError where `record` cannot be made.
        """
        self.sample_rate = sample_rate
        frames = int(latency * sample_rate)
        framing = Framing.live(session.info, sample_rate, int(SHARE * frames), int(context * sample_rate))
        session.estimate(np.zeros((2, framing.window), np.float32))  # the first run allocates
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
        """Seconds the device itself needs from input to output, as it says."""
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._last = time.monotonic(), time.process_time(), 0, 0

    @property
    def framing(self) -> Framing:
        """How the signal is cut into windows."""
        return self._stream.framing

    def __enter__(self) -> Live:
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
            problem=str(self.error or (self.recorder and self.recorder.error) or ""),
        )
        monitor.peak_in = monitor.peak_out = worker.peak_clipped = worker.peak_restored = 0.0
        return reading

    def duplex(self, block: Array, out: Array, _frames: int, moment: Any, status: Any) -> None:
        """The callback of a device that gives and takes."""
        self._note(status)
        self.device_latency = moment.outputBufferDacTime - moment.inputBufferAdcTime
        self.monitor.process(block, out)

    def _note(self, status: Any) -> None:
        self.calls += 1
        self.xruns += bool(status)


class Feed:
    """A recording or a pipe on its way to the callback of an output-only device; a thread reads it ahead."""

    def __init__(self, live: Live, blocks: Iterator[Array], ahead: float = 0.0) -> None:
        """`blocks`: (frames, channels) float32. Waits until `ahead` seconds of them, or all, are read."""
        self._live = live
        self._blocks = blocks
        self._ahead = Timeline(live.dry.capacity, live.dry.channels)
        self._taken = 0
        self._read_all = False
        self._piece = np.zeros((MOST, live.dry.channels), np.float32)
        self.ended_at: int | None = None
        """Frames of the signal, once all of it was taken."""
        self.error: Exception | None = None
        self.starved = 0
        """Frames of silence put in because the source was late."""
        threading.Thread(target=self._read, daemon=True).start()
        while not self._read_all and self._ahead.written < ahead * live.sample_rate:
            time.sleep(0.01)

    def _read(self) -> None:
        try:
            for block in self._blocks:
                for begin in range(0, len(block), MOST):
                    while self._ahead.written - self._taken > self._ahead.capacity - 2 * MOST:
                        time.sleep(REFRESH)
                    self._ahead.write(block[begin : begin + MOST])
        except Exception as error:  # shown by the main thread
            self.error = error
        self._read_all = True

    def play(self, out: Array, _frames: int, moment: Any, status: Any) -> None:
        """The callback of an output-only device."""
        self._live._note(status)
        self._live.device_latency = moment.outputBufferDacTime - moment.currentTime
        for begin in range(0, len(out), MOST):
            self._move(out[begin : begin + MOST])

    def _move(self, out: Array) -> None:
        block = self._piece[: len(out)]
        everything = self._read_all
        there = min(len(block), self._ahead.written - self._taken)
        self._ahead.read(self._taken, block)
        self._taken += there
        if there < len(block) and everything and self.ended_at is None:
            self.ended_at = self._live.dry.written + there
        elif self.ended_at is None:
            self.starved += len(block) - there
        self._live.monitor.process(block, out)

    @property
    def played(self) -> bool:
        """Whether the last frame has left the delay."""
        return self.ended_at is not None and self._live.dry.written >= self.ended_at + self._live.monitor.delay


def rehearse(live: Live, blocks: Iterable[Array], show: Callable[[Reading], None]) -> None:
    """Send a signal through, without a device and as fast as it goes, for what is recorded of it; Ctrl-C ends it early."""
    shown = time.monotonic()
    unheard = np.zeros((REHEARSED, live.dry.channels), np.float32)
    try:
        for block in blocks:
            for begin in range(0, len(block), REHEARSED):
                piece = block[begin : begin + REHEARSED]
                live.monitor.process(piece, unheard[: len(piece)])
                while live.worker.step():
                    pass
            if live.recorder is not None:
                live.recorder.step()
            if time.monotonic() - shown >= REFRESH:
                shown = time.monotonic()
                show(live.reading())
    except KeyboardInterrupt:
        pass
    live.stop()


def listen(live: Live, stream: DeviceStream, feed: Feed | None, keys: Callable[[], str], show: Callable[[Reading], None]) -> None:
    """Run until the feed has ended, the user quits (q or Ctrl-C), or the device goes away; what was recorded is safe in every case.

    Raises DeviceError where the device went away, ModelError where restoring failed, InputError where the feed is broken.
    """
    with _undisturbed():
        try:
            live.start()
            stream.start()
            _watch(live, stream, feed, keys, show)
        except KeyboardInterrupt:
            pass
        finally:
            stream.close()
            live.stop(feed.ended_at if feed is not None else None)
    if feed is not None and feed.error is not None:
        raise feed.error
    if live.error is not None:
        reason = f"{type(live.error).__name__}: {live.error}"
        raise ModelError(f"restoring failed ({reason}); the dry signal was passed on, and what was recorded is safe") from live.error


def _watch(live: Live, stream: DeviceStream, feed: Feed | None, keys: Callable[[], str], show: Callable[[Reading], None]) -> None:
    calls, moved = live.calls, time.monotonic()
    while not (feed is not None and (feed.played or feed.error is not None)):
        time.sleep(REFRESH)
        for key in keys():
            if key == "q":
                return
            live.monitor.mode = KEYS.get(key, live.monitor.mode)
        show(live.reading())
        if live.calls != calls:
            calls, moved = live.calls, time.monotonic()
        if not stream.active or time.monotonic() - moved > SILENT:
            raise DeviceError(
                f"the audio device went away after {live.dry.written / live.sample_rate:.1f} s; unplugged, or its sample rate changed? "
                "What was recorded is safe"
            )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keeps Python's own pauses shorter than a block of audio: for thread switches, and for the garbage collector's look at old objects."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCHING)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval)
