"""The job on one recording: read, detect, estimate, blend, write."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO

import mutagen
import numpy as np

from declipper.clipping.arrays import Array
from declipper.clipping.levels import ClipLevels, Threshold
from declipper.clipping.overflow import Wraps
from declipper.detection.detector import LevelDetector, detection_work
from declipper.detection.interpretation import Interpretation, interpreter
from declipper.detection.overflow import OverflowDetector
from declipper.engine.session import Session
from declipper.engine.stream import DeclipStream
from declipper.engine.work import restoring_work
from declipper.errors import FULL, WorkerError
from declipper.files.delivery import Delivery
from declipper.files.recording import Recording
from declipper.files.tags import copy_metadata
from declipper.files.writer import Writer
from declipper.measure.loudness import LoudnessMeter, limit, limiter_reach
from declipper.measure.report import ClipReport, ReportBuilder
from declipper.workers import IN_PROCESS, Workers

Progress = Callable[[str, int, int], None]
"""Called with the name of the pass, the frames done, and the frames in all."""
FINEST_BITS = 24
"""What is turned down to full scale ends one step under it, the highest that integers hold; float files count as having so many bits,
the most that audio is delivered in, so that they can be turned into integers later without clipping."""
LOUDNESS_MISSED = 0.1
"""Loudness units by which a result may miss the loudness asked for without a word: meters show tenths."""


@dataclass(frozen=True)
class KnownLevels:
    """The clip levels of a recording, and what wrapped around, in which case they are those of the unwrapped signal.

    interpretation: what was found, and what that is worth; None where the levels were given by hand.
    """

    levels: ClipLevels
    interpretation: Interpretation | None
    wraps: Wraps

    def report_builder(self, sample_rate: int) -> ReportBuilder:
        """What gathers the report on the unwrapped signal."""
        return ReportBuilder(sample_rate, self.levels, interpretation=self.interpretation, overflow_runs=len(self.wraps))


@dataclass(frozen=True)
class Measured:
    """Sample peak (linear), integrated loudness (LUFS) and true peak (dBTP) of a signal."""

    peak: float
    lufs: float
    true_peak_dbtp: float


@dataclass(frozen=True)
class Fixed:
    """What `fix` did: the report on the input, the gain applied on top of the restoration in dB, and both signals measured.

    unwrapped_runs: how many runs of samples that had wrapped around were put back. warnings: in words, what of the recording or of the
    order did not go into the file. written: whether there is a file.
    """

    report: ClipReport
    gain_db: float
    before: Measured
    after: Measured
    unwrapped_runs: int = 0
    warnings: tuple[str, ...] = ()
    written: bool = True


def silent(_pass: str, _done: int, _total: int) -> None:
    """A progress callback that shows nothing."""


def levels_of(
    recording: Recording, threshold: Threshold | None = None, *, workers: Workers = IN_PROCESS, progress: Progress = silent
) -> KnownLevels:
    """The clip levels of a recording: those of `threshold`, or those found in a pass over the file; in two where samples wrapped around.

    `workers` share the work.
    """
    workers = workers.for_work(detection_work(recording.frames, recording.channels))
    overflow, detector = OverflowDetector(recording.channels), LevelDetector(recording.channels, workers=workers)
    watchers = [overflow.push] if threshold else [overflow.push, detector.push]
    for _ in _seen(_counted(recording, "detect", progress), *watchers):
        pass
    wraps = overflow.finish()
    if threshold is not None:
        levels, interpretation = threshold.levels(recording.channels), None
    else:
        if len(wraps):
            detector = LevelDetector(recording.channels, workers=workers)
            for block in _unwrapped(_counted(recording, "unwrap", progress), wraps):
                detector.push(block)
        detection = detector.finish()
        levels, interpretation = detection.levels, interpreter()(detection)
    return KnownLevels(levels.on_grid(recording.bits) if recording.bits else levels, interpretation, wraps)


def inspect(recording: Recording, threshold: Threshold | None = None, *, progress: Progress = silent) -> ClipReport:
    """The clipping of a recording in numbers; nothing is written. Raises InputError where the recording turns out broken."""
    known = levels_of(recording, threshold, progress=progress)
    builder = known.report_builder(recording.sample_rate)
    for block in _unwrapped(_counted(recording, "inspect", progress), known.wraps):
        builder.push(block)
    return builder.finish()


def fix(
    recording: Recording,
    delivery: Delivery,
    *,
    session: Session,
    threshold: Threshold | None = None,
    unwrap: bool = False,
    workers: Workers = IN_PROCESS,
    progress: Progress = silent,
) -> Fixed:
    """Restore `recording` into the file that `delivery` orders; `workers` share the work, and any number of them makes the same file.

    unwrap: whether samples that wrapped around are put where they came from; if not, they are left as they are.
    Raises InputError, OutputError, and WorkerError where workers died over it. Whatever happens, the target is either whole or as it was.
    """
    rate, channels = recording.sample_rate, recording.channels
    with (
        _named(recording),
        Writer(delivery.target, delivery.format, sample_rate=rate, channels=channels, frames=recording.frames) as writer,
    ):
        known = levels_of(recording, threshold, workers=workers, progress=progress)
        builder = known.report_builder(rate)
        before, after = _Meter(recording), _Meter(recording)
        unwrapping = unwrap and len(known.wraps) > 0
        recorded = _seen(_counted(recording, "restore", progress), before.push)
        result: Iterator[Array] = _seen(_unwrapped(recorded, known.wraps), builder.push)
        if known.levels.any:
            work = restoring_work(session.info, rate, frames=recording.frames, levels=known.levels)
            result = DeclipStream(rate, channels, known.levels, session).restored(result, workers.for_work(work))
        if len(known.wraps) and not unwrap:
            result = _still_wrapped(result, recording, known.wraps)
        gain = 1.0
        with tempfile.TemporaryFile(buffering=0, prefix=".declipper-", dir=writer.part.parent) as spool:
            if delivery.headroom != "float" or delivery.match_loudness:
                restored = _Meter(recording)
                _keep(_seen(result, restored.push), spool, writer)
                gain = _gain(before, restored, delivery)
                result = _with_room(recording, spool, gain=gain, delivery=delivery)
            wanted = known.levels.any or unwrapping or not delivery.only_clipped
            for block in _seen(result, after.push):
                if wanted:
                    writer.write(block)
        report, heard, made = builder.finish(), before.measured(), after.measured()
        mended = report.clipped_samples > 0 or unwrapping
        written = mended or not delivery.only_clipped
        warnings = []
        if written:
            writer.finish()
            warnings = _carry_metadata(recording, writer, changed=mended or gain != 1.0)
            writer.place(delivery.overwrite)
        else:
            gain, made = 1.0, heard
    if written and delivery.match_loudness and abs(made.lufs - heard.lufs) > LOUDNESS_MISSED:
        tip = (
            "; a float .wav holds them, --headroom limit lowers them"
            if delivery.headroom == "attenuate"
            else ", and --headroom lowers them"
        )
        warnings.append(f"the loudness is missed by {made.lufs - heard.lufs:+.1f} dB: the peaks do not fit under full scale{tip}")
    unwrapped = report.overflow_runs if unwrap else 0
    if report.overflow_runs > unwrapped:
        warnings.append(f"overflow, not clipping: {report.overflow_runs} runs wrapped around, and are left so; --unwrap puts them back")
    return Fixed(report, 20 * float(np.log10(gain)), heard, made, unwrapped, tuple(warnings), written)


@contextmanager
def _named(recording: Recording) -> Iterator[None]:
    """Names the recording that workers died over."""
    try:
        yield
    except WorkerError as error:
        raise WorkerError(f"{recording.name}: {error}") from error


def _carry_metadata(recording: Recording, writer: Writer, *, changed: bool) -> list[str]:
    """Returns what could not be carried over, in words. Raises OutputError where the disk is full."""
    try:
        return copy_metadata(recording.path, writer.part, changed=changed)
    except Exception as error:  # mutagen raises many unrelated types
        cause = error.args[0] if isinstance(error, mutagen.MutagenError) and error.args else error
        if isinstance(cause, OSError) and cause.errno in FULL:
            raise writer.failed() from error
        said = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause) or type(cause).__name__
        return [f"tags were not carried over ({' '.join(said.split())})"]


def _counted(recording: Recording, name: str, progress: Progress) -> Iterator[Array]:
    done = 0
    for block in recording.blocks():
        done += len(block)
        progress(name, done, recording.frames)
        yield block


def _unwrapped(blocks: Iterable[Array], wraps: Wraps) -> Iterator[Array]:
    """The recording with the samples that wrapped around where they came from, block by block."""
    done = 0
    for block in blocks:
        yield wraps.unwrapped(block, done)
        done += len(block)


def _still_wrapped(result: Iterable[Array], recording: Recording, wraps: Wraps) -> Iterator[Array]:
    """The result with the samples that wrapped around as they were recorded, block by block."""
    source, done = recording.blocks(), 0
    recorded: Array = np.zeros((0, recording.channels), recording.dtype)
    for block in result:
        while len(recorded) < len(block):
            recorded = np.concatenate([recorded, next(source)])
        yield wraps.kept(block, recorded, done)
        recorded, done = recorded[len(block) :], done + len(block)


def _seen(blocks: Iterable[Array], *watchers: Callable[[Array], None]) -> Iterator[Array]:
    """The blocks, each shown to every watcher on the way."""
    for block in blocks:
        for watch in watchers:
            watch(block)
        yield block


class _Meter:
    """Loudness, true peak and highest and lowest sample of a signal passing by."""

    def __init__(self, recording: Recording) -> None:
        self._loudness = LoudnessMeter(recording.sample_rate, recording.channels)
        self.highest = self.lowest = 0.0

    def push(self, block: Array) -> None:
        self._loudness.push(block)
        self.highest = max(self.highest, float(block.max(initial=0.0)))
        self.lowest = min(self.lowest, float(block.min(initial=0.0)))

    @property
    def lufs(self) -> float:
        return self._loudness.integrated()

    def measured(self) -> Measured:
        peak = max(self.highest, -self.lowest)
        true_peak = self._loudness.true_peak()
        return Measured(peak, self.lufs, 20 * float(np.log10(true_peak)) if true_peak else float("-inf"))


def _gain(before: _Meter, restored: _Meter, delivery: Delivery) -> float:
    """One gain for the whole file: to the loudness of the input if asked for, and down as far as the format needs under `attenuate`."""
    gain = 1.0
    if delivery.match_loudness and np.isfinite(before.lufs) and np.isfinite(restored.lufs):
        gain = 10 ** ((before.lufs - restored.lufs) / 20)
    if delivery.headroom == "attenuate":
        step = 2.0 ** (1 - (delivery.format.bits or FINEST_BITS))
        gain = min(gain, (1 - step) / max(restored.highest, 1e-9), 1 / max(-restored.lowest, 1e-9))
    return gain


def _keep(restored: Iterable[Array], spool: FileIO, writer: Writer) -> None:
    """Hold the restored signal in a temporary file until the gain is known."""
    for block in restored:
        rest = memoryview(block.tobytes())
        try:
            while rest:
                rest = rest[spool.write(rest) :]
        except OSError as error:
            raise writer.failed() from error


def _with_room(recording: Recording, spool: FileIO, *, gain: float, delivery: Delivery) -> Iterator[Array]:
    """The signal kept in `spool`, turned by `gain` and fitted under full scale, block by block."""
    margin = limiter_reach(recording.sample_rate) if delivery.headroom == "limit" else 0
    frame_bytes = np.dtype(recording.dtype).itemsize * recording.channels
    for start in range(0, recording.frames, recording.block):
        stop = min(start + recording.block, recording.frames)
        first, last = max(0, start - margin), min(stop + margin, recording.frames)
        spool.seek(first * frame_bytes)
        kept: Array = np.frombuffer(spool.read((last - first) * frame_bytes), recording.dtype).reshape(-1, recording.channels)
        block = kept if gain == 1.0 else kept * recording.dtype(gain)
        if delivery.headroom == "limit":
            block = limit(block, recording.sample_rate)
        elif delivery.headroom == "clip":
            block = np.clip(block, -1.0, 1.0)
        yield block[start - first :][: stop - start]
