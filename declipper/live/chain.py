"""The way of one signal from an input to an output: timelines, worker, recorder and monitor put together, and the meters read."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

from declipper.clipping.levels import Threshold
from declipper.engine.framing import Framing
from declipper.engine.session import Session
from declipper.errors import ModelError
from declipper.live.core import Engine
from declipper.live.monitor import RESCUE, Listening, Mode, Monitor
from declipper.live.recorder import Recorder, Take
from declipper.live.ring_buffer import Timeline
from declipper.live.worker import Worker

HELD = 10.0
"""Seconds the timelines hold, which is how long a disk may stall before a recording loses audio."""
SHARE = 0.6
"""Share of the wanted latency that goes into hop and look-ahead, where more restores better (`studies.live.lookahead`); the rest is the
time that the worker has for a window (`judging.live_benchmark` shows that it is enough)."""
PATIENCE = 30.0
"""Seconds the worker gets to begin, and to work off what is left at the end; far more than it needs on any machine that keeps up."""


@dataclass(frozen=True)
class Reading:
    """The meters at one moment.

    seconds: of the signal so far. peak_in, peak_out: linear, since the last reading. clipped_share: of all samples since the last
    reading; clipped_in_all: since the beginning. overload: the highest restored sample over the highest clipped one, linear.
    cpu_share: of one core. worker_p99: the time within which 99 % of the windows were restored, as a share of the time there is.
    late_times: how often the dry signal stood in for a restored one that came late, late_seconds: for how long. latency_ms: from input
    to output. unrestored_seconds: how much was passed on as it was, to catch up. runs_in: what restores, see `Engine`. problem: why
    restoring or recording ended, "" if they did not.
    """

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
    runs_in: str
    problem: str


class Chain:
    """One signal on its way from an input to an output. `start` starts worker and recorder, leaving a `with` block ends them."""

    def __init__(
        self,
        sample_rate: int,
        channels: int,
        *,
        session: Session,
        latency: float = 0.04,
        threshold: Threshold | None = None,
        listening: Listening = Listening(),  # noqa: B008 - frozen
        take: Take | None = None,
    ) -> None:
        """latency: in seconds; one block of the device comes on top of it. threshold: the levels, None tracks them. take: to be recorded.

        Raises OutputError where the take cannot be made.
        """
        self.sample_rate = sample_rate
        frames = int(latency * sample_rate)
        framing = Framing.live(session.info, sample_rate, int(SHARE * frames))
        self.engine = Engine.of(session, sample_rate, channels, framing=framing, threshold=threshold)
        held = int(HELD * sample_rate)
        self.dry, self.restored = Timeline(held, channels), Timeline(held, channels)
        delay = max(frames, self.engine.stream.latency + 2 * RESCUE)
        self.monitor = Monitor(self.dry, self.restored, delay=delay, listening=listening)
        self.worker = Worker(self.engine.stream, dry=self.dry, restored=self.restored)
        self.recorder = Recorder(take, dry=self.dry, restored=self.restored, sample_rate=sample_rate) if take is not None else None
        self.problem = ""
        """Why the worker failed, if it did."""
        context = get_context("spawn")
        self._news, self._tell = context.Pipe(duplex=False)
        self._stop_working, self._stop_recording = context.Event(), threading.Event()
        self._process = context.Process(target=self.worker.run, args=(self._stop_working, self._tell), daemon=True)
        self._recording = threading.Thread(target=self.recorder.run, args=(self._stop_recording,), daemon=True) if self.recorder else None
        self._stopped = False
        self._last = time.monotonic(), self._cpu(), 0, 0

    @property
    def framing(self) -> Framing:
        """How the signal is cut into windows."""
        return self.engine.stream.framing

    def __enter__(self) -> Chain:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the worker and the recorder, as a device needs them; `rehearse` does without. Raises ModelError where that fails."""
        self._process.start()
        self._tell.close()
        if not self._news.poll(PATIENCE):
            self.problem = f"it did not begin within {PATIENCE:.0f} s"
        self._hear()
        if self.problem:
            raise ModelError(f"the restoring process did not start ({self.problem}); restart the program")
        if self._recording is not None:
            self._recording.start()

    def _hear(self) -> None:
        """Take in what the worker has said; a worker that ended unasked says so too."""
        try:
            while not self.problem and self._news.poll():
                self.problem = self._news.recv()
        except EOFError:
            if not self._stopped:
                self.problem = "the restoring process ended"

    def work(self) -> None:
        """Restore and record what has come, as `rehearse` needs it. Raises ModelError or OutputError where that fails."""
        with self._told():
            while self.worker.step():
                pass
        # a second at once: every step writes headers
        if self.recorder is not None and self.dry.written - self.recorder.frames > self.sample_rate:
            self.recorder.step()
            if self.recorder.error is not None:
                raise self.recorder.error

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turns whatever goes wrong in restoring into a ModelError."""
        try:
            yield
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"
            raise ModelError(f"restoring failed ({self.problem}); what was recorded is safe") from error

    def stop(self, frames: int | None = None) -> None:
        """End worker and recorder; finish the recording, cut to so many frames. Raises ModelError where `rehearse` cannot finish it."""
        if self._stopped:
            return
        self._stopped = True
        self._stop_working.set()
        self._stop_recording.set()
        try:
            if self._process.pid is not None:
                self._end_process()
            elif self.recorder is not None and not self.problem:
                with self._told():
                    self.worker.finish()
        finally:
            self._finish_recording(frames)

    def _end_process(self) -> None:
        """Wait for the worker to work off what is left, and end its process."""
        try:
            self._process.join(PATIENCE)
            self._hear()
            if self._process.exitcode != 0 and not self.problem:
                self.problem = "the restoring process ended early, or needed too long"
        finally:
            self._process.kill()

    def _finish_recording(self, frames: int | None) -> None:
        """Write what is left and close the files, cut to so many frames."""
        if self.recorder is None:
            return
        try:
            if self._recording is not None and self._recording.ident is not None:
                self._recording.join()
            self.recorder.step()
        finally:
            self.recorder.close(frames)

    def _cpu(self) -> float:
        """Seconds of processor time of all processes so far."""
        elsewhere = self.worker.tally.cpu + self.monitor.gauges.cpu if self._process.pid is not None else 0.0
        return time.process_time() + float(elsewhere)

    def reading(self) -> Reading:
        """What the meters show now, since the last call."""
        self._hear()
        now, cpu = time.monotonic(), self._cpu()
        then, cpu_then, changed, finished = self._last
        tally, gauges = self.worker.tally, self.monitor.gauges
        self._last = now, cpu, tally.changed, tally.finished
        reading = Reading(
            seconds=self.dry.written / self.sample_rate,
            mode=self.monitor.mode,
            peak_in=gauges.peak_in,
            peak_out=gauges.peak_out,
            clipped_share=(tally.changed - changed) / max(1, tally.finished - finished),
            clipped_in_all=tally.changed / max(1, tally.finished),
            overload=tally.peak_restored / tally.peak_clipped if tally.peak_clipped else 1.0,
            cpu_share=(cpu - cpu_then) / max(1e-9, now - then),
            worker_p99=tally.percentile(99) * self.sample_rate / self.framing.hop,
            xruns=gauges.xruns,
            late_times=gauges.late_times,
            late_seconds=gauges.late_frames / self.sample_rate,
            latency_ms=1000 * (self.monitor.delay / self.sample_rate + gauges.device_latency),
            recorded_seconds=self.recorder.frames / self.sample_rate if self.recorder is not None else 0.0,
            unrestored_seconds=tally.skipped / self.sample_rate,
            runs_in=self.engine.runs_in,
            problem=self.problem or str((self.recorder and self.recorder.error) or ""),
        )
        gauges.peak_in = gauges.peak_out = tally.peak_clipped = tally.peak_restored = 0.0
        return reading
