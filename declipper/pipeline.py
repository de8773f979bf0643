"""The job on one recording: read, detect, estimate, blend, write."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import mutagen
import numpy as np

from declipper.clipping.arrays import Array
from declipper.clipping.levels import ClipLevels
from declipper.detection.detector import LevelDetector
from declipper.detection.plateau import FoundLevel
from declipper.engine.session import Session
from declipper.engine.stream import DeclipStream
from declipper.errors import OutputError
from declipper.files.recording import BLOCK, FLOATS, INTEGER_BITS, Recording, Writer, sample_format
from declipper.files.tags import copy_metadata
from declipper.measure.loudness import LoudnessMeter, limit, limiter_reach
from declipper.measure.report import ClipReport, ReportBuilder

HEADROOMS = ("float", "attenuate", "limit", "clip")
Progress = Callable[[str, int, int], None]
"""Called with the name of the pass, the frames done, and the frames in all."""


@dataclass(frozen=True)
class Measured:
    """Sample peak (linear), integrated loudness (LUFS) and true peak (dBTP) of a signal."""

    peak: float
    lufs: float
    true_peak_dbtp: float


@dataclass(frozen=True)
class Fixed:
    """What `fix` did: the report on the input, the gain applied on top of the restoration in dB, and both signals measured."""

    report: ClipReport
    gain_db: float
    before: Measured
    after: Measured
    metadata_problem: str = ""


def silent(_pass: str, _done: int, _total: int) -> None:
    """A progress callback that shows nothing."""


def levels_of(
    recording: Recording, threshold: tuple[float, float] | None, progress: Progress = silent
) -> tuple[ClipLevels, list[tuple[FoundLevel, FoundLevel]] | None]:
    """The clip levels: by hand from `threshold` (positive, negative; both linear and above 0), or found in a pass over the file."""
    if threshold is not None:
        levels, found = ClipLevels.constant(threshold[0], -threshold[1], recording.channels), None
    else:
        detector = LevelDetector(recording.channels)
        for block in _counted(recording, "detect", progress):
            detector.push(block)
        levels, found = detector.finish()
    bits = INTEGER_BITS.get(recording.subtype)
    return levels.on_grid(bits) if bits else levels, found


def inspect(recording: Recording, threshold: tuple[float, float] | None = None, progress: Progress = silent) -> ClipReport:
    """The clipping of a recording in numbers; nothing is written."""
    levels, found = levels_of(recording, threshold, progress)
    builder = ReportBuilder(recording.sample_rate, levels, found)
    for block in _counted(recording, "inspect", progress):
        builder.push(block)
    return builder.finish()


def fix(
    recording: Recording,
    target: Path,
    session: Session,
    threshold: tuple[float, float] | None = None,
    subtype: str | None = None,
    headroom: str | None = None,
    match_loudness: bool = False,
    overwrite: bool = False,
    jobs: int = 1,
    progress: Progress = silent,
) -> Fixed:
    """Restore `recording` into the file `target`; arguments as the options of `declipper fix`.

    `headroom` None keeps peaks above full scale in float files, and attenuates the whole file as far as needed in all others.
    Raises InputError, OutputError. Whatever happens, `target` is either whole or as it was.
    """
    check_target(recording, target, overwrite, subtype, headroom)
    wide = recording.dtype is np.float64
    with Writer(target, recording.sample_rate, recording.channels, recording.frames, subtype, wide) as writer:
        headroom = headroom or ("float" if writer.subtype in FLOATS else "attenuate")
        levels, found = levels_of(recording, threshold, progress)
        builder = ReportBuilder(recording.sample_rate, levels, found)
        before, after = _Meter(recording), _Meter(recording)
        result = _restored(recording, levels, session, jobs, [builder.push, before.push], progress)
        gain = 1.0
        with tempfile.TemporaryFile(buffering=0, prefix=".declipper-", dir=writer.part.parent) as spool:
            if headroom != "float" or match_loudness:
                restored = _Meter(recording)
                _keep(restored.passing(result), spool, writer)
                gain = _gain(before, restored, writer.subtype, headroom, match_loudness)
                result = _with_room(recording, spool, gain, headroom)
            for block in after.passing(result):
                writer.write(block)
        writer.finish()
        problem = _carry_metadata(recording, writer)
        writer.place(overwrite)
    return Fixed(builder.finish(), 20 * float(np.log10(gain)), before.measured(), after.measured(), problem)


def check_target(recording: Recording, target: Path, overwrite: bool, subtype: str | None = None, headroom: str | None = None) -> None:
    """Raises OutputError where `target` is a folder, the recording itself, or there already and not to be overwritten.

    Likewise where no such file can be written, or it could not hold what `headroom` asks for.
    """
    _, chosen = sample_format(target, recording.channels, recording.frames, subtype, recording.dtype is np.float64)
    if headroom == "float" and chosen not in FLOATS:
        raise OutputError(f"{target}: {chosen} cannot hold peaks above full scale; use --headroom attenuate, limit or clip, or a .wav")
    try:
        if target.is_dir():
            raise OutputError(f"{target}: is a folder; name a file in it")
        if target.exists():
            if target.samefile(recording.path):
                raise OutputError(f"{target}: is the recording itself, which is never overwritten; choose another name with -o")
            if not overwrite:
                raise OutputError(f"{target}: exists; use --overwrite to replace it or -o for another name")
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror}); choose another name with -o") from error


def _carry_metadata(recording: Recording, writer: Writer) -> str:
    """Returns what went wrong, in words, or nothing."""
    try:
        held = copy_metadata(recording.path, writer.part)
    except Exception as error:  # mutagen raises many unrelated types
        cause = error.args[0] if isinstance(error, mutagen.MutagenError) and error.args else error
        if isinstance(cause, OSError):
            raise writer.full() from error
        return f"tags were not carried over ({error})"
    return "" if held else f"tags were not carried over, {writer.format} files have no place for them"


def _counted(recording: Recording, name: str, progress: Progress) -> Iterator[Array]:
    done = 0
    for block in recording.blocks():
        done += len(block)
        progress(name, done, recording.frames)
        yield block


def _restored(
    recording: Recording, levels: ClipLevels, session: Session, jobs: int, taps: list[Callable[[Array], None]], progress: Progress
) -> Iterator[Array]:
    """The restored recording block by block; each tap sees the input blocks on the way."""
    with DeclipStream(recording.sample_rate, recording.channels, levels, session, jobs=jobs) as stream:
        for block in _counted(recording, "restore", progress):
            for tap in taps:
                tap(block)
            yield stream.push(block) if levels.any else block
        yield stream.flush()


class _Meter:
    """Loudness, true peak and highest and lowest sample of a signal passing by."""

    def __init__(self, recording: Recording) -> None:
        self._loudness = LoudnessMeter(recording.sample_rate, recording.channels)
        self.highest = self.lowest = 0.0

    def push(self, block: Array) -> None:
        self._loudness.push(block)
        self.highest = max(self.highest, float(block.max(initial=0.0)))
        self.lowest = min(self.lowest, float(block.min(initial=0.0)))

    def passing(self, blocks: Iterable[Array]) -> Iterator[Array]:
        for block in blocks:
            self.push(block)
            yield block

    @property
    def lufs(self) -> float:
        return self._loudness.integrated()

    def measured(self) -> Measured:
        peak = max(self.highest, -self.lowest)
        true_peak = self._loudness.true_peak()
        return Measured(peak, self.lufs, 20 * float(np.log10(true_peak)) if true_peak else float("-inf"))


def _gain(before: _Meter, restored: _Meter, subtype: str, headroom: str, match_loudness: bool) -> float:
    """One gain for the whole file: to the loudness of the input if asked for, and down as far as the format needs under `attenuate`."""
    gain = 1.0
    if match_loudness and np.isfinite(before.lufs) and np.isfinite(restored.lufs):
        gain = 10 ** ((before.lufs - restored.lufs) / 20)
    if headroom == "attenuate":
        step = 2.0 ** (1 - INTEGER_BITS.get(subtype, 24))
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
            raise writer.full() from error


def _with_room(recording: Recording, spool: FileIO, gain: float, headroom: str) -> Iterator[Array]:
    """The signal kept in `spool`, turned by `gain` and fitted under full scale, block by block."""
    margin = limiter_reach(recording.sample_rate) if headroom == "limit" else 0
    frame_bytes = np.dtype(recording.dtype).itemsize * recording.channels
    for start in range(0, recording.frames, BLOCK):
        stop = min(start + BLOCK, recording.frames)
        first, last = max(0, start - margin), min(stop + margin, recording.frames)
        spool.seek(first * frame_bytes)
        kept: Array = np.frombuffer(spool.read((last - first) * frame_bytes), recording.dtype).reshape(-1, recording.channels)
        block = kept if gain == 1.0 else kept * recording.dtype(gain)
        if headroom == "limit":
            block = limit(block, recording.sample_rate)
        elif headroom == "clip":
            block = np.clip(block, -1.0, 1.0)
        yield block[start - first :][: stop - start]
