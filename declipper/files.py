"""Recordings in and out, block by block: every format libsndfile knows, checked before work begins, never half written."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile

from declipper.arrays import Array
from declipper.chunks import missing_bytes
from declipper.errors import InputError, OutputError

BLOCK = 1 << 16
RF64_FROM = (1 << 32) - (1 << 24)
FORMATS = {
    ".wav": ("WAV", "FLOAT"),
    ".wave": ("WAV", "FLOAT"),
    ".rf64": ("RF64", "FLOAT"),
    ".w64": ("W64", "FLOAT"),
    ".aif": ("AIFF", "FLOAT"),
    ".aiff": ("AIFF", "FLOAT"),
    ".caf": ("CAF", "FLOAT"),
    ".au": ("AU", "FLOAT"),
    ".flac": ("FLAC", "PCM_24"),
    ".ogg": ("OGG", "VORBIS"),
    ".oga": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
"""Output container and sample type by file name ending."""
INTEGER_BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
FLOATS = ("FLOAT", "DOUBLE")


class Recording:
    """A readable recording. Blocks are float32, or float64 where the file holds more than float32 can (32-bit integers, doubles)."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Raises InputError for whatever is not a sound, complete, non-empty audio file."""
        self.path = path
        self.name = name or str(path)
        self._check_exists()
        try:
            with soundfile.SoundFile(path) as file:
                self.sample_rate: int = file.samplerate
                self.channels: int = file.channels
                self.frames: int = file.frames
                self.subtype: str = file.subtype
        except soundfile.LibsndfileError as error:
            found = path.read_bytes()[:12]
            raise InputError(
                f"{self.name}: not audio that libsndfile can read ({error.error_string.rstrip('. ')}; it begins with {found!r}); "
                "check the file, or convert it to WAV or FLAC first"
            ) from error
        if self.frames == 0:
            raise InputError(f"{self.name}: contains no audio (0 frames); nothing to do")
        lacking = missing_bytes(path)
        if lacking:
            raise InputError(f"{self.name}: truncated, {lacking} bytes of audio are missing; copy it again, or re-save what is left of it")
        self.dtype: type[np.floating] = np.float64 if self.subtype in ("PCM_32", "DOUBLE") else np.float32

    def _check_exists(self) -> None:
        if self.path.is_dir():
            raise InputError(f"{self.name}: is a folder; name the files in it, for example {self.name.rstrip('/')}/*.wav")
        try:
            with self.path.open("rb") as file:
                if not file.read(1):
                    raise InputError(f"{self.name}: is empty (0 bytes); check where it came from")
        except FileNotFoundError as error:
            raise InputError(f"{self.name}: no such file; check the name") from error
        except OSError as error:
            raise InputError(f"{self.name}: cannot be read ({error.strerror}); check its permissions") from error

    def blocks(self) -> Iterator[Array]:
        """The whole recording in blocks (frames, channels). Raises InputError where it turns out broken or holds NaN or infinity."""
        position = 0
        try:
            with soundfile.SoundFile(self.path) as file:
                while position < self.frames:
                    block: Array = file.read(BLOCK, dtype=np.dtype(self.dtype).name, always_2d=True)
                    if not len(block):
                        break
                    finite = np.isfinite(block)
                    if not finite.all():
                        frame, channel = np.argwhere(~finite)[0]
                        raise InputError(
                            f"{self.name}: sample {position + frame} of channel {channel + 1} is {block[frame, channel]}; repair or re-export the file"
                        )
                    position += len(block)
                    yield block
        except soundfile.LibsndfileError as error:
            raise InputError(
                f"{self.name}: broken after {position / self.sample_rate:.2f} s ({error.error_string.rstrip('. ')}); copy it again, or re-save what is left of it"
            ) from error
        if position < self.frames:
            raise InputError(
                f"{self.name}: truncated, {position} of {self.frames} frames could be read; copy it again, or re-save what is left of it"
            )


@contextmanager
def standard_input() -> Iterator[Recording]:
    """The recording piped in, kept in a temporary file, since finding the levels takes a pass of its own."""
    with tempfile.TemporaryDirectory(prefix="declipper-") as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as file:
            while piece := sys.stdin.buffer.read(1 << 20):
                file.write(piece)
        yield Recording(path, "<stdin>")


def to_integers(audio: Array, bits: int) -> np.ndarray:
    """Samples as integers for libsndfile, in its high bits, rounded; full scale is 2 ** (bits - 1), so a file's own integers come back exactly."""
    top = 2 ** (bits - 1)
    whole = np.clip(np.rint(audio.astype(np.float64) * top), -top, top - 1)
    return (whole * 2 ** (16 - bits)).astype(np.int16) if bits <= 16 else (whole * 2 ** (32 - bits)).astype(np.int32)


class Writer:
    """Writes to a hidden file beside `target` and puts it in place only when it is whole: use as a context manager.

    An exception inside the `with` block removes the hidden file and leaves what was at `target` as it was.
    """

    def __init__(self, target: Path, sample_rate: int, channels: int, frames: int, subtype: str | None = None, wide: bool = False) -> None:
        """`subtype` None: the format's usual one; `wide`: doubles where floats would do. Raises OutputError for an impossible combination."""
        if target.suffix.lower() not in FORMATS:
            raise OutputError(f"{target}: no output format named {target.suffix!r}; use one of {' '.join(FORMATS)}")
        self.target = target
        self.format, usual = FORMATS[target.suffix.lower()]
        self.subtype = subtype or ("DOUBLE" if wide and usual == "FLOAT" else usual)
        self._frames = frames
        self._written = 0
        size = frames * channels * {"DOUBLE": 8}.get(self.subtype, 4)
        if self.format == "WAV":
            self.format = "RF64" if size > RF64_FROM else "WAVEX" if channels > 2 else "WAV"
        if not soundfile.check_format(self.format, self.subtype):
            fitting = ", ".join(soundfile.available_subtypes(self.format))
            raise OutputError(f"{target}: {self.format} cannot hold {self.subtype}; it takes {fitting}")
        try:
            handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=".part" + target.suffix, dir=target.parent)
        except OSError as error:
            raise OutputError(f"{target}: cannot write in {target.parent} ({error.strerror}); choose another folder with -o") from error
        os.close(handle)
        self.part = Path(name)
        umask = os.umask(0)
        os.umask(umask)
        self.part.chmod(0o666 & ~umask)
        try:
            self._file = soundfile.SoundFile(self.part, "w", sample_rate, channels, self.subtype, format=self.format)
        except soundfile.LibsndfileError as error:
            self.part.unlink()
            reason = error.error_string.rstrip(". ")
            raise OutputError(
                f"{target}: {self.format} {self.subtype} at {sample_rate} Hz with {channels} channels: {reason}; choose another format"
            ) from error

    def write(self, block: Array) -> None:
        """Append a block (frames, channels). Raises OutputError when the disk is full."""
        bits = INTEGER_BITS.get(self.subtype)
        try:
            self._file.write(to_integers(block, bits) if bits else block)
        except (soundfile.LibsndfileError, AssertionError, OSError) as error:
            raise self._full() from error
        self._written += len(block)

    def _full(self) -> OutputError:
        return OutputError(
            f"{self.target}: writing failed after {self._written} frames; is the disk full? Free some room or choose another folder with -o"
        )

    def finish(self) -> None:
        """Close the hidden file and make sure that all of it reached the disk. Raises OutputError otherwise."""
        try:
            self._file.close()
            with self.part.open("rb+") as file:
                os.fsync(file.fileno())
            whole = soundfile.info(self.part).frames >= self._written == self._frames and not missing_bytes(self.part)
        except (soundfile.LibsndfileError, OSError) as error:
            raise self._full() from error
        if not whole:
            raise self._full()

    def place(self, overwrite: bool) -> None:
        """Give the finished file its name. Raises OutputError if that is taken and `overwrite` is off."""
        try:
            if overwrite:
                self.part.replace(self.target)
            else:
                os.link(self.part, self.target)
        except FileExistsError as error:
            raise OutputError(f"{self.target}: exists; use --overwrite to replace it or -o for another name") from error
        except OSError as error:
            if overwrite or self.target.exists():
                raise OutputError(f"{self.target}: cannot be put in place ({error.strerror}); check the folder's permissions") from error
            self.part.replace(self.target)  # a file system without hard links

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(Exception):
            self._file.close()
        self.part.unlink(missing_ok=True)
