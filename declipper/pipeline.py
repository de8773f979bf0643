"""The job on one recording: read, detect, estimate, blend, write."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

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
from declipper.files.tags import copy_metadata, write_tags
from declipper.files.writer import Writer
from declipper.measure.report import ClipReport, ReportBuilder
from declipper.media.recording import MediaRecording
from declipper.room import Measured, Meter, gain_for, keep, with_room
from declipper.workers import IN_PROCESS, Workers

Progress = Callable[[str, int, int], None]
"""Called with the name of the pass, the frames done, and the frames in all."""
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
    for _ in seen(_counted(recording, "detect", progress), *watchers):
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


def inspect(
    recording: Recording, threshold: Threshold | None = None, *, workers: Workers = IN_PROCESS, progress: Progress = silent
) -> ClipReport:
    """The clipping of a recording in numbers; nothing is written. `workers` share the work.

    Raises InputError where the recording turns out broken, and WorkerError where workers died over it.
    """
    known = levels_of(recording, threshold, workers=workers, progress=progress)
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
        named(recording),
        Writer(delivery.target, delivery.format, sample_rate=rate, channels=channels, frames=recording.frames) as writer,
    ):
        way = Restoration(recording, session=session, threshold=threshold, unwrap=unwrap, workers=workers, progress=progress)
        result, after, gain = way.blocks(), Meter(recording), 1.0
        with tempfile.TemporaryFile(buffering=0, prefix=".declipper-", dir=writer.part.parent) as spool:
            if delivery.headroom != "float" or delivery.match_loudness:
                restored = Meter(recording)
                keep(seen(result, restored.push), spool, writer)
                gain = gain_for(way.before, restored, delivery)
                result = with_room(recording, spool, gain=gain, delivery=delivery)
            wanted = way.may_change or not delivery.only_clipped
            for block in seen(result, after.push):
                if wanted:
                    writer.write(block)
        if delivery.only_clipped and not way.changes:
            return way.untouched()
        writer.finish()
        warnings = _carry_metadata(recording, writer, changed=way.changes or gain != 1.0)
        writer.place(delivery.overwrite)
    return way.fixed(gain, after, delivery, warnings)


class Restoration:
    """One recording on its way through detection and restoration. before: what it was; changes: whether any sample comes out another."""

    def __init__(
        self,
        recording: Recording,
        *,
        session: Session,
        threshold: Threshold | None,
        unwrap: bool,
        workers: Workers,
        progress: Progress,
    ) -> None:
        """Find what is clipped. The arguments are those of `fix`."""
        self._recording, self._session, self._unwrap, self._workers, self._progress = recording, session, unwrap, workers, progress
        self._known = levels_of(recording, threshold, workers=workers, progress=progress)
        self._builder = self._known.report_builder(recording.sample_rate)
        self.before = Meter(recording)

    def blocks(self) -> Iterator[Array]:
        """The restored recording, block by block; once."""
        one, known = self._recording, self._known
        recorded = seen(_counted(one, "restore", self._progress), self.before.push)
        result: Iterator[Array] = seen(_unwrapped(recorded, known.wraps), self._builder.push)
        if known.levels.any:
            work = restoring_work(self._session.info, one.sample_rate, frames=one.frames, levels=known.levels)
            stream = DeclipStream(one.sample_rate, one.channels, known.levels, self._session)
            result = stream.restored(result, self._workers.for_work(work))
        return _still_wrapped(result, one, known.wraps) if len(known.wraps) and not self._unwrap else result

    @property
    def may_change(self) -> bool:
        """Whether anything was found that may be changed; `changes` tells only once all of it has passed."""
        return self._known.levels.any or (self._unwrap and len(self._known.wraps) > 0)

    @cached_property
    def report(self) -> ClipReport:
        """On the recording, once all of it has passed."""
        return self._builder.finish()

    @property
    def changes(self) -> bool:
        """Whether any sample comes out another."""
        return self.report.clipped_samples > 0 or (self._unwrap and len(self._known.wraps) > 0)

    def fixed(self, gain: float, after: Meter, delivery: Delivery, warnings: Sequence[str] = ()) -> Fixed:
        """What was done, with words of warning about what was not. after: what has seen the result."""
        heard, made, told = self.before.measured(), after.measured(), list(warnings)
        if delivery.match_loudness and abs(made.lufs - heard.lufs) > LOUDNESS_MISSED:
            fitted = delivery.headroom == "attenuate"
            tip = "; a float .wav holds them, --headroom limit lowers them" if fitted else ", and --headroom lowers them"
            told.append(f"the loudness is missed by {made.lufs - heard.lufs:+.1f} dB: the peaks do not fit under full scale{tip}")
        unwrapped = self.report.overflow_runs if self._unwrap else 0
        return Fixed(self.report, 20 * float(np.log10(gain)), heard, made, unwrapped, (*told, *self._left_wrapped()))

    def untouched(self) -> Fixed:
        """That nothing was done, and no file is written."""
        heard = self.before.measured()
        return Fixed(self.report, 0.0, heard, heard, 0, tuple(self._left_wrapped()), written=False)

    def _left_wrapped(self) -> list[str]:
        runs = 0 if self._unwrap else self.report.overflow_runs
        return [f"overflow, not clipping: {runs} runs wrapped around, and are left so; --unwrap puts them back"] if runs else []


@contextmanager
def named(recording: Recording) -> Iterator[None]:
    """Names the recording that workers died over."""
    try:
        yield
    except WorkerError as error:
        raise WorkerError(f"{recording.name}: {error}") from error


def _carry_metadata(recording: Recording, writer: Writer, *, changed: bool) -> list[str]:
    """Returns what could not be carried over, in words. Raises OutputError where the disk is full."""
    try:
        if isinstance(recording, MediaRecording):
            return write_tags(recording.tags(), writer.part, changed=changed)
        return copy_metadata(recording.path, writer.part, changed=changed)
    except Exception as error:  # mutagen raises many unrelated types
        cause = error.args[0] if isinstance(error, mutagen.MutagenError) and error.args else error
        if isinstance(cause, OSError) and cause.errno in FULL:
            raise writer.failed() from error
        said = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause) or type(cause).__name__
        return [f"tags were not carried over ({' '.join(said.split())})"]


def _counted(recording: Recording, name: str, progress: Progress) -> Iterator[Array]:
    """The recording, block by block; a block counts once it has been worked on."""
    done = 0
    progress(name, done, recording.frames)
    for block in recording.blocks():
        yield block
        done += len(block)
        progress(name, done, recording.frames)


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


def seen(blocks: Iterable[Array], *watchers: Callable[[Array], None]) -> Iterator[Array]:
    """The blocks, each shown to every watcher on the way."""
    for block in blocks:
        for watch in watchers:
            watch(block)
        yield block
