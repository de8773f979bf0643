"""Writes a file that is whole or not there: under a hidden name first, then moved into place."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile

from declipper.clipping.arrays import Array
from declipper.errors import NoRoom, OutputError
from declipper.files.chunks import forget_time, mark_ambisonic
from declipper.files.formats import FileFormat
from declipper.files.hidden import HiddenFile, put_in_place
from declipper.files.libsndfile import encoded, reason
from declipper.files.sizes import missing_bytes


def to_integers(audio: Array, bits: int) -> np.ndarray:
    """Samples as integers in the high bits, as libsndfile wants them. Full scale is 2 ** (bits - 1): a file's own come back exactly."""
    top = 2 ** (bits - 1)
    whole = np.clip(np.rint(audio.astype(np.float64) * top), -top, top - 1)
    kind, width = (np.int16, 16) if bits <= 16 else (np.int32, 32)
    return np.asarray(whole * 2 ** (width - bits), kind)


class PartFile(ABC):
    """A hidden file beside `target` that is put in place only when it is whole: use as a context manager.

    Where `target` is a symbolic link, the file that it leads to is the one that is replaced, and the link stays, as cp and others do.
    An exception inside the `with` block removes the hidden file and leaves what was at `target` as it was.
    """

    def __init__(self, target: Path) -> None:
        """Raises OutputError where the folder does not take a file."""
        self.target = target
        self.written = 0
        self.place_of = target.resolve() if os.path.islink(target) else target  # noqa: PTH114 - False for a name that is too long
        try:
            self._hidden = HiddenFile(self.place_of, target.suffix)
        except OSError as error:
            raise OutputError(f"{target}: cannot write in {target.parent} ({error.strerror}); choose another folder with -o") from error
        self.part = self._hidden.path

    def failed(self) -> NoRoom:
        """The error to raise when the hidden file, or another one beside it, could not be written."""
        return NoRoom(
            f"{self.target}: writing failed after {self.written} frames; is the disk full? Free some room or choose another folder with -o"
        )

    def place(self, overwrite: bool) -> None:
        """Make sure that all of it reached the disk, and give it its name. Raises OutputError if that is taken and `overwrite` is off."""
        self._check_whole()
        put_in_place(self.part, self.place_of if overwrite else self.target, overwrite=overwrite)

    def _check_whole(self) -> None:
        """Raises OutputError unless the hidden file is on the disk, with all that was to be written."""
        try:
            with self.part.open("rb+") as file:
                os.fsync(file.fileno())
            whole = self._is_whole()
        except (soundfile.LibsndfileError, OSError) as error:
            raise self.failed() from error
        if not whole:
            raise self.failed()

    @abstractmethod
    def _is_whole(self) -> bool:
        """Whether the hidden file holds all that was to be written."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what writes the hidden file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(Exception):
            self.close()
        self._hidden.remove()


class Writer(PartFile):
    """Writes a recording, block by block, in a format of libsndfile."""

    def __init__(self, target: Path, file_format: FileFormat, *, sample_rate: int, channels: int, frames: int) -> None:
        """frames: how many will be written. Raises OutputError where the folder or libsndfile does not take such a file."""
        super().__init__(target)
        self.format = file_format
        self._frames = frames
        try:
            self._file = soundfile.SoundFile(
                encoded(self.part), "w", sample_rate, channels, file_format.subtype, format=file_format.container
            )
        except soundfile.LibsndfileError as error:
            self._hidden.remove()
            kind = f"{file_format.container} {file_format.subtype} at {sample_rate} Hz with {channels} channels"
            raise OutputError(f"{target}: libsndfile cannot write {kind} ({reason(error)}); choose another format") from error
        except BaseException:
            self._hidden.remove()
            raise

    def write(self, block: Array) -> None:
        """Append a block (frames, channels). Raises OutputError when the disk is full."""
        bits = self.format.bits
        try:
            self._file.write(to_integers(block, bits) if bits else block)
        except (soundfile.LibsndfileError, AssertionError, OSError) as error:  # soundfile asserts that libsndfile wrote all it was given
            raise self.failed() from error
        self.written += len(block)

    def finish(self) -> None:
        """Close the hidden file, so that metadata can be added to it. Raises OutputError when the disk is full."""
        try:
            self._file.close()
            forget_time(self.part)
            if self.target.suffix.lower() == ".amb":
                mark_ambisonic(self.part)
        except (soundfile.LibsndfileError, OSError) as error:
            raise self.failed() from error

    def _is_whole(self) -> bool:
        return soundfile.info(encoded(self.part)).frames >= self.written == self._frames and not missing_bytes(self.part)

    def close(self) -> None:
        """Let go of the hidden file."""
        self._file.close()
