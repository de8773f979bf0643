"""Recordings that grow while they are made: 32-bit float WAV files, whole up to their last second whenever the program dies."""

from __future__ import annotations

import os
import struct
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from declipper.clipping.arrays import Array
from declipper.errors import OutputError
from declipper.files.delivery import check_is_file
from declipper.files.hidden import HiddenFile
from declipper.live.ring_buffer import Timeline

FLOAT = 3
"""WAV's number for IEEE float samples."""
HEADER = 92
"""Bytes before the first sample: RIFF, 28 bytes of room for the sizes of RF64, fmt, fact, data."""
WIDEST = (1 << 32) - 1
"""The largest size that WAV's fields of 32 bits hold; in RF64 it stands for "see ds64" (EBU Tech 3306)."""
INTERVAL = 0.25
"""Seconds between two writes: what is lost at most when the program is killed, and rare enough that writing headers costs nothing."""


@dataclass(frozen=True)
class Take:
    """What a recording is called, a float WAV; overwrite: whether one that is there gives way. The dry signal goes beside it."""

    path: Path
    overwrite: bool = False

    @property
    def raw(self) -> Path:
        """Where the dry signal goes."""
        return raw_name(self.path)


def wav_header(sample_rate: int, channels: int, *, frames: int) -> bytes:
    """The first HEADER bytes of a float WAV of so many frames; an RF64 where WAV's 32-bit sizes do not hold them."""
    size = frames * channels * 4
    wide = size + HEADER - 8 > WIDEST
    sizes = struct.pack("<QQQI", size + HEADER - 8, size, frames, 0) if wide else bytes(28)
    return b"".join(
        [
            struct.pack("<4sI4s", b"RF64" if wide else b"RIFF", WIDEST if wide else size + HEADER - 8, b"WAVE"),
            struct.pack("<4sI28s", b"ds64" if wide else b"JUNK", 28, sizes),
            struct.pack("<4sIHHIIHH", b"fmt ", 16, FLOAT, channels, sample_rate, sample_rate * channels * 4, channels * 4, 32),
            struct.pack("<4sII", b"fact", 4, min(frames, WIDEST)),
            struct.pack("<4sI", b"data", WIDEST if wide else size),
        ]
    )


class GrowingWav:
    """A float WAV file whose header is made true after every block."""

    def __init__(self, path: Path, *, sample_rate: int, channels: int, overwrite: bool = False) -> None:
        """Raises OutputError where the file exists already or cannot be made, and where the name is that of a pipe or a device."""
        self.path = path
        self.frames = 0
        self._shape = sample_rate, channels
        # what is replaced stays until there is something to replace it with
        self._target = path.resolve()
        self._at = path
        self._hidden: HiddenFile | None = None
        if path.suffix.lower() != ".wav":
            raise OutputError(f"{path}: recordings are float WAV files; give it a name that ends in .wav")
        check_is_file(path)
        try:
            if overwrite and os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where the folder is out of reach
                self._hidden = HiddenFile(self._target, path.suffix)
                self._at = self._hidden.path
            new = self._hidden is not None or not os.path.lexists(self._at)
            self._file = self._at.open("wb" if overwrite else "xb", buffering=0)
        except FileExistsError as error:
            raise OutputError(f"{path}: exists; use --overwrite to replace it or record under another name") from error
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror}); record in another folder") from error
        try:
            self._put(wav_header(sample_rate, channels, frames=0), 0)
        except OutputError:
            self.discard() if new else self._file.close()
            raise

    def write(self, block: Array) -> None:
        """Append a block (frames, channels). Raises OutputError when the disk is full; what was written before is safe."""
        if self._at != self.path:
            self._replace()
        self._put(np.ascontiguousarray(block, "<f4").tobytes(), HEADER + self.frames * self._shape[1] * 4)
        self.frames += len(block)
        self._put(wav_header(*self._shape, frames=self.frames), 0)

    def _replace(self) -> None:
        """Put the file in the place of the one that it replaces; closed meanwhile, for systems that do not rename open files."""
        self._file.close()
        try:
            self._at.replace(self._target)
            self._at = self.path
            if self._hidden is not None:
                self._hidden.remove()  # its name is gone, its lock goes
            self._file = self._target.open("r+b", buffering=0)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be replaced ({error.strerror}); record under another name") from error

    def _put(self, data: bytes, at: int) -> None:
        try:
            self._file.seek(at)
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            seconds = self.frames / self._shape[0]
            raise OutputError(f"{self.path}: writing failed after {seconds:.1f} s ({error.strerror}); what was recorded is safe") from error

    def close(self, frames: int | None = None) -> None:
        """Cut the recording to so many frames, and make sure that all of it reached the disk. Raises OutputError where it did not."""
        if self._at != self.path:
            self.discard()
            return
        try:
            if frames is not None and frames < self.frames:
                self._file.truncate(HEADER + frames * self._shape[1] * 4)
                self._put(wav_header(*self._shape, frames=frames), 0)
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(f"{self.path}: may not all be on the disk ({error.strerror}); check it before it is moved") from error
        finally:
            self._file.close()

    def discard(self) -> None:
        """Close the file and remove it; one that it was to replace stays."""
        self._file.close()
        self._at.unlink(missing_ok=True)
        if self._hidden is not None:
            self._hidden.remove()


class Recorder:
    """Writes both timelines to the files of a take, the restored signal and the dry one, sample-aligned."""

    def __init__(self, take: Take, *, dry: Timeline, restored: Timeline, sample_rate: int) -> None:
        """Raises OutputError where one of the files exists already or cannot be made."""
        raw = GrowingWav(take.raw, sample_rate=sample_rate, channels=dry.channels, overwrite=take.overwrite)
        try:
            wet = GrowingWav(take.path, sample_rate=sample_rate, channels=restored.channels, overwrite=take.overwrite)
            self._tracks = [(wet, restored), (raw, dry)]
        except OutputError:
            raw.discard()
            raise
        self._block = np.zeros((sample_rate, dry.channels), np.float32)
        self.error: OutputError | None = None
        """Why the recording stopped, if it did."""

    def step(self) -> None:
        """Write what has come since the last call, unless the recording ended with an error."""
        if self.error is None:
            try:
                for file, line in self._tracks:
                    self._catch_up(file, line)
            except OutputError as error:
                self.error = error

    def _catch_up(self, file: GrowingWav, line: Timeline) -> None:
        while file.frames < line.written:
            block = self._block[: line.written - file.frames]
            if not line.read(file.frames, block):
                raise OutputError(f"{file.path}: the disk is too slow, recording ended; what was recorded is safe")
            file.write(block)

    def run(self, stopping: threading.Event) -> None:
        """Write every INTERVAL seconds until told to stop."""
        while not stopping.wait(INTERVAL):
            self.step()

    @property
    def frames(self) -> int:
        """Frames of the restored signal on disk."""
        return self._tracks[0][0].frames

    def close(self, frames: int | None = None) -> None:
        """Close the files, cut to so many frames; where nothing was recorded, none is left."""
        for file, line in self._tracks:
            try:
                if line.written:
                    file.close(frames)
                else:
                    file.discard()
            except OutputError as error:
                self.error = self.error or error


def raw_name(path: Path) -> Path:
    """Where the dry signal goes beside a recording: take.wav and take.raw.wav."""
    return path.parent / f"{path.stem}.raw{path.suffix}"
