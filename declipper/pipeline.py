"""The job on one recording: read, detect, estimate, blend, write."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO

import mutagen
import numpy as np

from declipper.clipping.arrays import Array
from declipper.clipping.levels import ClipLevels, Threshold
from declipper.clipping.windows import checked_rate
from declipper.detection.detector import FoundLevels, LevelDetector
from declipper.engine.session import Session
from declipper.engine.stream import DeclipStream
from declipper.errors import InputError
from declipper.files.delivery import Delivery
from declipper.files.recording import Recording
from declipper.files.tags import copy_metadata, write_tags
from declipper.files.writer import PartFile, Writer
from declipper.measure.loudness import LoudnessMeter, limit, limiter_reach
from declipper.measure.report import ClipReport, ReportBuilder
from declipper.media.recording import MediaRecording

Progress = Callable[[str, int, int], None]
"""Called with the name of the pass, the frames done, and the frames in all."""
FINEST_BITS = 24
"""What is turned down to full scale ends one step under it, the highest that integers hold; float files count as having so many bits,
the most that audio is delivered in, so that they can be turned into integers later without clipping."""
LOUDNESS_MISSED = 0.1
"""Loudness units by which a result may miss the loudness asked for without a word: meters show tenths."""
FULL = (errno.ENOSPC, errno.EFBIG, errno.EIO, *((errno.EDQUOT,) if hasattr(errno, "EDQUOT") else ()))
"""What the system says where a disk is full or broken, and not the file that is read."""


@dataclass(frozen=True)
class KnownLevels:
    """The clip levels of a recording, and by channel what the detector says of each polarity; `found` None: they were given by hand."""

    levels: ClipLevels
    found: tuple[FoundLevels, ...] | None


@dataclass(frozen=True)
class Measured:
    """Sample peak (linear), integrated loudness (LUFS) and true peak (dBTP) of a signal."""

    peak: float
    lufs: float
    true_peak_dbtp: float


@dataclass(frozen=True)
class Fixed:
    """What `fix` did: the report on the input, the gain applied on top of the restoration in dB, and both signals measured.

    warnings: in words, what of the recording or of the order did not go into the file.
    """

    report: ClipReport
    gain_db: float
    before: Measured
    after: Measured
    warnings: tuple[str, ...] = ()


def silent(_pass: str, _done: int, _total: int) -> None:
    """A progress callback that shows nothing."""


def check_rate(recording: Recording) -> None:
    """Raises InputError for a sample rate that is not supported."""
    try:
        checked_rate(recording.sample_rate)
    except ValueError as error:
        raise InputError(f"{recording.name}: {error}; resample it, or set the rate right if its header is wrong") from error


def levels_of(recording: Recording, threshold: Threshold | None = None, *, progress: Progress = silent) -> KnownLevels:
    """The clip levels of a recording: those of `threshold`, or those found in a pass over the file."""
    if threshold is not None:
        levels, found = threshold.levels(recording.channels), None
    else:
        detector = LevelDetector(recording.channels)
        for block in counted(recording, "detect", progress):
            detector.push(block)
        detection = detector.finish()
        levels, found = detection.levels, detection.found
    return KnownLevels(levels.on_grid(recording.bits) if recording.bits else levels, found)


def inspect(recording: Recording, threshold: Threshold | None = None, *, progress: Progress = silent) -> ClipReport:
    """The clipping of a recording in numbers; nothing is written. Raises InputError where the recording turns out broken."""
    check_rate(recording)
    known = levels_of(recording, threshold, progress=progress)
    builder = ReportBuilder(recording.sample_rate, known.levels, found=known.found)
    for block in counted(recording, "inspect", progress):
        builder.push(block)
    return builder.finish()


def fix(
    recording: Recording,
    delivery: Delivery,
    *,
    session: Session,
    threshold: Threshold | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> Fixed:
    """Restore `recording` into the file that `delivery` orders; `jobs` threads work on it, and any number of them makes the same file.

    Raises InputError, OutputError. Whatever happens, the target is either whole or as it was.
    """
    check_rate(recording)
    rate, channels = recording.sample_rate, recording.channels
    with Writer(delivery.target, delivery.format, sample_rate=rate, channels=channels, frames=recording.frames) as writer:
        known = levels_of(recording, threshold, progress=progress)
        builder = ReportBuilder(rate, known.levels, found=known.found)
        before, after = Meter(recording), Meter(recording)
        with DeclipStream(rate, channels, known.levels, session, jobs=jobs) as stream:
            recorded = seen(counted(recording, "restore", progress), builder.push, before.push)
            result = restored(recorded, stream) if known.levels.any else recorded
            gain = 1.0
            with tempfile.TemporaryFile(buffering=0, prefix=".declipper-", dir=writer.part.parent) as spool:
                if delivery.headroom != "float" or delivery.match_loudness:
                    made = Meter(recording)
                    keep(seen(result, made.push), spool, writer)
                    gain = gain_for(before, made, delivery)
                    result = with_room(recording, spool, gain=gain, delivery=delivery)
                for block in seen(result, after.push):
                    writer.write(block)
        writer.finish()
        report = builder.finish()
        warnings = _carry_metadata(recording, writer, changed=report.clipped_samples > 0 or gain != 1.0)
        writer.place(delivery.overwrite)
    return outcome(report, gain, before, after, delivery=delivery, warnings=warnings)


def outcome(report: ClipReport, gain: float, before: Meter, after: Meter, *, delivery: Delivery, warnings: Sequence[str] = ()) -> Fixed:
    """What was done to a signal that two meters have seen; with a word of warning where its loudness is not what was asked for."""
    heard, made = before.measured(), after.measured()
    told = list(warnings)
    if delivery.match_loudness and abs(made.lufs - heard.lufs) > LOUDNESS_MISSED:
        tip = "; a .wav holds them, --headroom limit lowers them" if delivery.headroom == "attenuate" else ", and --headroom lowers them"
        told.append(f"the loudness is missed by {made.lufs - heard.lufs:+.1f} dB: the peaks do not fit under full scale{tip}")
    return Fixed(report, 20 * float(np.log10(gain)), heard, made, tuple(told))


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


def counted(recording: Recording, name: str, progress: Progress) -> Iterator[Array]:
    """The blocks of a recording, with the progress of the pass of that name told."""
    done = 0
    for block in recording.blocks():
        done += len(block)
        progress(name, done, recording.frames)
        yield block


def seen(blocks: Iterable[Array], *watchers: Callable[[Array], None]) -> Iterator[Array]:
    """The blocks, each shown to every watcher on the way."""
    for block in blocks:
        for watch in watchers:
            watch(block)
        yield block


def restored(blocks: Iterable[Array], stream: DeclipStream) -> Iterator[Array]:
    """The restored recording, block by block."""
    for block in blocks:
        yield stream.push(block)
    yield stream.flush()


class Meter:
    """Loudness, true peak and highest and lowest sample of a signal passing by."""

    def __init__(self, recording: Recording) -> None:
        self._loudness = LoudnessMeter(recording.sample_rate, recording.channels)
        self.highest = self.lowest = 0.0

    def push(self, block: Array) -> None:
        """Take up a block (frames, channels)."""
        self._loudness.push(block)
        self.highest = max(self.highest, float(block.max(initial=0.0)))
        self.lowest = min(self.lowest, float(block.min(initial=0.0)))

    @property
    def lufs(self) -> float:
        """Integrated loudness so far."""
        return self._loudness.integrated()

    def measured(self) -> Measured:
        """Everything about the signal, which must have passed in full."""
        peak = max(self.highest, -self.lowest)
        true_peak = self._loudness.true_peak()
        return Measured(peak, self.lufs, 20 * float(np.log10(true_peak)) if true_peak else float("-inf"))


def gain_for(before: Meter, restored: Meter, delivery: Delivery) -> float:
    """One gain for the whole file: to the loudness of the input if asked for, and down as far as the format needs under `attenuate`."""
    gain = 1.0
    if delivery.match_loudness and np.isfinite(before.lufs) and np.isfinite(restored.lufs):
        gain = 10 ** ((before.lufs - restored.lufs) / 20)
    if delivery.headroom == "attenuate":
        step = 2.0 ** (1 - (delivery.format.bits or FINEST_BITS))
        gain = min(gain, (1 - step) / max(restored.highest, 1e-9), 1 / max(-restored.lowest, 1e-9))
        if delivery.format.margin_db:
            gain = min(gain, 10 ** (-(delivery.format.margin_db + restored.measured().true_peak_dbtp) / 20))
    return gain


def keep(restored: Iterable[Array], spool: FileIO, writer: PartFile) -> None:
    """Hold the restored signal in a temporary file until the gain is known."""
    for block in restored:
        rest = memoryview(block.tobytes())
        try:
            while rest:
                rest = rest[spool.write(rest) :]
        except OSError as error:
            raise writer.failed() from error


def with_room(recording: Recording, spool: FileIO, *, gain: float, delivery: Delivery) -> Iterator[Array]:
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
