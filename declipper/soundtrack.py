"""The job on a container: each clipped stream of its sound restored, and everything else as it was."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from io import FileIO
from pathlib import Path

import numpy as np

from declipper.clipping.arrays import Array
from declipper.clipping.levels import Threshold
from declipper.engine.session import Session
from declipper.engine.stream import DeclipStream
from declipper.errors import InputError
from declipper.files.delivery import Delivery
from declipper.files.formats import format_for
from declipper.files.recording import Recording
from declipper.files.writer import Writer
from declipper.measure.report import ReportBuilder
from declipper.media.formats import MediaFormat
from declipper.media.recording import MediaRecording
from declipper.media.writer import MediaWriter
from declipper.pipeline import (
    Fixed,
    Meter,
    Progress,
    check_rate,
    counted,
    gain_for,
    keep,
    levels_of,
    outcome,
    restored,
    seen,
    silent,
    with_room,
)


def streams_of(recording: Recording) -> list[Recording]:
    """Every stream of sound in the file of a recording that can be read, that one first."""
    found = [recording]
    if isinstance(recording, MediaRecording):
        for number in range(1, recording.streams + 1):
            if number != recording.stream:
                try:
                    found.append(MediaRecording(recording.path, recording.name, stream=number))
                except InputError as error:
                    recording.notes.append(f"stream {number} is copied as it is: {str(error).removeprefix(f'{recording.name}: ')}")
    return found


def as_wav(recording: Recording, folder: Path) -> Path:
    """The recording as a WAV of floats in a folder."""
    wide = recording.dtype is np.float64
    target, rate, channels, frames = folder / "sound.wav", recording.sample_rate, recording.channels, recording.frames
    chosen = format_for(target, sample_rate=rate, channels=channels, frames=frames, wide=wide)
    with Writer(target, chosen, sample_rate=rate, channels=channels, frames=frames) as writer:
        for block in recording.blocks():
            writer.write(block)
        writer.finish()
        writer.place(overwrite=False)
    return target


class _Track:
    """One stream of sound on its way: restored into a temporary file, until all of them are, and how far they are turned is known."""

    def __init__(self, recording: Recording, delivery: Delivery, writer: MediaWriter, spool: FileIO) -> None:
        self.recording = recording
        self._delivery = delivery
        self._writer = writer
        self._spool = spool
        self._gain = 1.0
        self._before, self._restored, self._after = Meter(recording), Meter(recording), Meter(recording)

    def restore(self, session: Session, threshold: Threshold | None, *, jobs: int, progress: Progress) -> None:
        """Find what is clipped, and restore it into the temporary file."""
        one = self.recording
        known = levels_of(one, threshold, progress=progress)
        builder = ReportBuilder(one.sample_rate, known.levels, found=known.found)
        with DeclipStream(one.sample_rate, one.channels, known.levels, session, jobs=jobs) as stream:
            recorded = seen(counted(one, "restore", progress), builder.push, self._before.push)
            result = restored(recorded, stream) if known.levels.any else recorded
            keep(seen(result, self._restored.push), self._spool, self._writer)
        self.report = builder.finish()

    def blocks(self) -> Iterator[Array]:
        """The restored sound, turned so that it fits."""
        self._gain = gain_for(self._before, self._restored, self._delivery)
        return seen(with_room(self.recording, self._spool, gain=self._gain, delivery=self._delivery), self._after.push)

    def fixed(self, *, coded: bool) -> Fixed:
        """What was done. coded: whether the stream was coded anew, and not copied."""
        return outcome(self.report, self._gain, self._before, self._after if coded else self._before, delivery=self._delivery)


def fix_soundtrack(
    recordings: list[Recording],
    delivery: Delivery,
    *,
    session: Session,
    threshold: Threshold | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> list[Fixed]:
    """Restore `recordings`, which are streams of sound of one file, into the container that `delivery` orders.

    A stream in which nothing is clipped is copied as it is where the container takes it. Returns what was done to each; the first one has
    the warnings about the whole file. Raises InputError, OutputError. Whatever happens, the target is either whole or as it was.
    """
    assert isinstance(delivery.format, MediaFormat)
    for recording in recordings:
        check_rate(recording)
    with MediaWriter(delivery.target, delivery.format, recordings) as writer, ExitStack() as stack:
        tracks = {}
        for number, recording in writer.recordings.items():
            folder: Path = writer.part.parent
            spool = stack.enter_context(tempfile.TemporaryFile(buffering=0, prefix=".declipper-", dir=folder))
            tracks[number] = _Track(recording, delivery, writer, spool)
            tracks[number].restore(session, threshold, jobs=jobs, progress=progress)
        coded = {number for number, track in tracks.items() if track.report.clipped_samples or not writer.copies(number)}
        writer.write({number: tracks[number].blocks() for number in sorted(coded)})
        writer.place(delivery.overwrite)
        done = [track.fixed(coded=number in coded) for number, track in tracks.items()]
        return [replace(done[0], warnings=done[0].warnings + tuple(writer.warnings)), *done[1:]]
