"""What is done with one mutant, and what must hold afterwards. Runs in a worker, since a mutant may take the process with it."""

from __future__ import annotations

import hashlib
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from declipper import DeclipperError, Session, pipeline
from declipper.clipping.levels import Threshold
from declipper.media.formats import Sound, delivery_for
from declipper.media.recording import MediaRecording, recording_at
from declipper.soundtrack import fix_soundtrack, streams_of

OUT_OF_MEMORY = ("bad_alloc", "bad allocation", "failed to allocate", "cannot allocate", "memoryerror", "unable to allocate")
"""How libraries say that there was no memory, in lower case."""
WIDE = ("PCM_32", "DOUBLE", "ALAC_32")
"""Sample types that hold more than float32 can."""
LOSSY = ("VORBIS", "OPUS", "MPEG_LAYER_III")
NEAR = 1e-4
"""Share by which a sample may lie from the level without a judgement on which side of it it is."""


@dataclass(frozen=True)
class Job:
    """A recording to restore, alone in its folder, with a model. threshold: linear, above 0; None to find the levels."""

    recording: Path
    model: Path
    output: str = "restored.wav"
    threshold: float | None = None

    @property
    def target(self) -> Path:
        """Where the output goes: beside the recording."""
        return self.recording.parent / self.output


@dataclass(frozen=True)
class Outcome:
    """verdict: "restored", "read", "refused", or the kind of failure; cause: of a failure, with the place in the code where it is known."""

    verdict: str
    cause: str = ""

    @property
    def failed(self) -> bool:
        """Whether this must not happen."""
        return self.verdict not in ("restored", "read", "refused")


Restore = Callable[[Job], int]


def restore(job: Job) -> int:
    """Inspect and fix. Returns the number of clipped samples. This is the one place that knows how the package is called from within."""
    session = Session(job.model, "cpu")
    recording = recording_at(job.recording)
    threshold = None if job.threshold is None else Threshold(job.threshold, job.threshold)
    pipeline.inspect(recording, threshold)
    if isinstance(recording, MediaRecording):
        video = job.target.with_suffix(".mkv")
        fix_soundtrack(streams_of(recording), delivery_for(recording, video, Sound()), session=session, threshold=threshold)
        video.unlink()
    delivery = delivery_for(recording, job.target, Sound())
    return pipeline.fix(recording, delivery, session=session, threshold=threshold).report.clipped_samples


def attempt_reading(job: Job) -> Outcome:
    """Only read the recording, to its end: what its decoder does with it is judged by the sanitizers that it is built with."""
    try:
        for _ in recording_at(job.recording).blocks():
            pass
    except DeclipperError:
        return Outcome("refused")
    except Exception as error:
        return Outcome("unexpected", _innermost(error))
    return Outcome("read")


def attempt(job: Job, restore: Restore = restore) -> Outcome:
    """Restore, and judge what that left."""
    before = digest(job.recording)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        outcome = _attempted(job, restore)
    if outcome.failed:
        return outcome
    if warned:
        return Outcome("warning", f"{warned[0].message} in {place([(w.filename, str(w.lineno)) for w in warned])}")
    if digest(job.recording) != before:
        return Outcome("changed input")
    whole = [job.target] if outcome.verdict == "restored" else []
    stray = sorted(path.name for path in job.recording.parent.iterdir() if path not in (job.recording, *whole))
    return Outcome("stray file", stray[0].partition(".")[2]) if stray else outcome


def _attempted(job: Job, restore: Restore) -> Outcome:
    try:
        clipped = restore(job)
    except DeclipperError as error:
        return Outcome("memory", _innermost(error)) if out_of_memory(str(error)) else Outcome("refused")
    except MemoryError as error:
        return Outcome("memory", _innermost(error))
    except Exception as error:
        return Outcome("memory" if out_of_memory(str(error)) else "unexpected", _innermost(error))
    try:
        wrong = difference(job, clipped)
    except (soundfile.LibsndfileError, MemoryError) as error:
        return Outcome("unreadable output", str(error))
    return Outcome("changed sample", wrong) if wrong else Outcome("restored")


def difference(job: Job, clipped: int) -> str:
    """What is wrong with the samples of the output, if anything: reliable ones are as before, clipped ones not below their level.

    clipped: how many samples the program took for clipped, for where no threshold was given.
    """
    with soundfile.SoundFile(job.target) as file:
        subtype, lossy = file.subtype, file.subtype in LOSSY
        after = file.read(dtype="float64" if subtype == "DOUBLE" else "float32", always_2d=True)
    pieces = list(_read(job.recording, len(after)))
    before = np.concatenate(pieces) if pieces else after[:0]
    if not len(before):
        return ""  # a header that gives no length: the program reads to the end of the file, libsndfile reads nothing
    if before.shape != after.shape and not lossy:
        return f"{before.shape} became {after.shape}"
    if subtype not in ("FLOAT", "DOUBLE"):
        return ""  # turned down as a whole, and rounded
    changed = before != after
    if job.threshold is None:
        return "more samples changed than were clipped" if changed.sum() > clipped else ""
    size, level = np.abs(before), job.threshold
    if changed[size < level * (1 - NEAR)].any():
        return "a reliable sample changed"
    beyond = size > level * (1 + NEAR)
    below = np.abs(after) < level * (1 - NEAR)
    return "a clipped sample is below its level" if (beyond & (below | (np.sign(before) != np.sign(after)))).any() else ""


def _read(path: Path, frames: int) -> Iterator[np.ndarray]:
    """A recording in pieces of so many frames at most, or as the program reads what libsndfile does not."""
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError:
        yield from recording_at(path).blocks()
        return
    with file:
        wide = "float64" if file.subtype in WIDE else "float32"
        while len(piece := file.read(frames, dtype=wide, always_2d=True)):  # libsndfile may stop short, and then go on
            yield piece


def digest(path: Path) -> str:
    """Of the bytes of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def out_of_memory(text: str) -> bool:
    """Whether a message says that there was no memory left."""
    return any(words in text.lower() for words in OUT_OF_MEMORY)


def _innermost(error: BaseException) -> str:
    frames = [(frame.filename, frame.name) for frame in traceback.extract_tb(error.__traceback__)]
    return f"{type(error).__name__} in {place(reversed(frames))}"


def place(frames: Iterable[tuple[str, str]]) -> str:
    """The first frame of the package in (file, function) pairs that begin with the innermost, else the innermost."""
    frames = list(frames)
    name, function = next((frame for frame in frames if "/declipper/" in frame[0]), frames[0])
    return f"{'/'.join(Path(name).parts[-2:])}:{function}"
