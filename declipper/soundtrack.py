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
from declipper.errors import InputError
from declipper.files.delivery import Delivery
from declipper.files.formats import format_for
from declipper.files.recording import Recording
from declipper.files.writer import Writer
from declipper.media.formats import MediaFormat
from declipper.media.recording import MediaRecording
from declipper.media.writer import MediaWriter
from declipper.pipeline import Fixed, Progress, Restoration, named, seen, silent
from declipper.room import Meter, gain_for, keep, with_room
from declipper.workers import IN_PROCESS, Workers


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
    """One stream of sound on its way: restored into a temporary file, until all of them are."""

    def __init__(self, way: Restoration, recording: Recording, delivery: Delivery, spool: FileIO) -> None:
        self._recording, self._delivery, self._spool = recording, delivery, spool
        self._restored, self._after, self._gain = Meter(recording), Meter(recording), 1.0
        self.way = way

    def keep(self, writer: MediaWriter) -> None:
        """Restore it into the temporary file."""
        keep(seen(self.way.blocks(), self._restored.push), self._spool, writer)

    def blocks(self) -> Iterator[Array]:
        """The restored sound, turned so that it fits."""
        self._gain = gain_for(self.way.before, self._restored, self._delivery)
        return seen(with_room(self._recording, self._spool, gain=self._gain, delivery=self._delivery), self._after.push)

    def fixed(self, *, coded: bool) -> Fixed:
        """What was done. coded: whether the stream was coded anew, and not copied."""
        return self.way.fixed(self._gain, self._after if coded else self.way.before, self._delivery)


def fix_soundtrack(
    recordings: list[Recording],
    delivery: Delivery,
    *,
    session: Session,
    threshold: Threshold | None = None,
    unwrap: bool = False,
    workers: Workers = IN_PROCESS,
    progress: Progress = silent,
) -> list[Fixed]:
    """Restore `recordings`, which are streams of sound of one file, into the container that `delivery` orders.

    A stream in which nothing is clipped is copied as it is where the container takes it. Returns what was done to each; the first one has
    the warnings about the whole file. The other arguments and errors are those of `pipeline.fix`.
    """
    assert isinstance(delivery.format, MediaFormat)
    with MediaWriter(delivery.target, delivery.format, recordings) as writer, ExitStack() as stack:
        tracks = {}
        for number, one in writer.recordings.items():
            spool = stack.enter_context(tempfile.TemporaryFile(buffering=0, prefix=".declipper-", dir=writer.part.parent))
            with named(one):
                way = Restoration(one, session=session, threshold=threshold, unwrap=unwrap, workers=workers, progress=progress)
                tracks[number] = _Track(way, one, delivery, spool)
                tracks[number].keep(writer)
        coded = {number for number, track in tracks.items() if track.way.changes or not writer.copies(number)}
        writer.write({number: tracks[number].blocks() for number in sorted(coded)})
        writer.place(delivery.overwrite)
        done = [track.fixed(coded=number in coded) for number, track in tracks.items()]
        return [replace(done[0], warnings=done[0].warnings + tuple(writer.warnings)), *done[1:]]
