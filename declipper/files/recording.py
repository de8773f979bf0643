"""Reads recordings block by block: every format libsndfile knows, checked before the work begins."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from declipper.clipping.arrays import Array
from declipper.errors import InputError
from declipper.files.chunks import missing_bytes
from declipper.files.formats import INTEGER_BITS
from declipper.files.libsndfile import encoded, reason
from declipper.files.mpeg import samples_in, tells_length

BLOCK = 1 << 19
"""Frames read at once: 12 s at 44.1 kHz, so that what is done once a block costs nothing, and 4 MB of stereo in floats."""
UNTOLD = 1 << 62
"""libsndfile takes a FLAC that does not say how long it is to hold this many frames or more."""


class Recording:
    """A readable recording. bits: of its samples, where they are whole numbers.

    Blocks are float32, or float64 where the file holds more than float32 can (32-bit integers, doubles).
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Raises InputError for whatever is not a sound, complete, non-empty audio file."""
        self.path = path
        self.name = name or str(path)
        begin = self._first_bytes()
        try:
            with soundfile.SoundFile(encoded(path)) as file:
                self.sample_rate: int = file.samplerate
                self.channels: int = file.channels
                self.frames: int = file.frames
                self.subtype: str = file.subtype
                container = file.format
        except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: soundfile wants to be told all about a .raw file
            raise InputError(
                f"{self.name}: not audio that libsndfile can read ({reason(error)}; it begins with {begin!r}); "
                "check the file, or convert it to WAV or FLAC first"
            ) from error
        lacking = missing_bytes(path)
        if lacking:
            raise InputError(f"{self.name}: truncated, {lacking} bytes of audio are missing; copy it again, or re-save what is left of it")
        if self.frames >= UNTOLD:
            raise InputError(f"{self.name}: a {container} that does not tell its length, as written into a pipe; convert it to WAV first")
        held = samples_in(path) if container == "MP3" else self.frames
        if held > self.frames + self.sample_rate:
            told, held = self.frames / self.sample_rate, held / self.sample_rate
            raise InputError(
                f"{self.name}: an MP3 with a false length: libsndfile would read {told:.1f} s of its {held:.1f} s; convert it to WAV first"
            )
        if held < self.frames and not tells_length(path):
            self.frames = _readable(path)  # libsndfile takes tags for audio where it has to guess
        if self.frames == 0:
            raise InputError(f"{self.name}: contains no audio (0 frames); nothing to do")
        self.bits = INTEGER_BITS.get(self.subtype)
        self.dtype: type[np.floating] = np.float64 if self.subtype in ("PCM_32", "DOUBLE", "ALAC_32") else np.float32

    def _first_bytes(self) -> bytes:
        try:
            if self.path.is_dir():
                raise InputError(f"{self.name}: is a folder; name the files in it, for example {self.name.rstrip('/')}/*.wav")
            if self.path.exists() and not self.path.is_file():
                raise InputError(f"{self.name}: is a pipe or a device, not a file; pipe it in, with - for its name")
            with self.path.open("rb") as file:
                begin = file.read(12)
        except FileNotFoundError as error:
            raise InputError(f"{self.name}: no such file; check the name") from error
        except OSError as error:
            raise InputError(f"{self.name}: cannot be read ({error.strerror}); check its name and permissions") from error
        if not begin:
            raise InputError(f"{self.name}: is empty (0 bytes); check where it came from")
        return begin

    def blocks(self) -> Iterator[Array]:
        """The whole recording in blocks (frames, channels). Raises InputError where it turns out broken or holds NaN or infinity."""
        position = 0
        try:
            with soundfile.SoundFile(encoded(self.path)) as file:
                while position < self.frames:
                    block: Array = file.read(BLOCK, dtype=np.dtype(self.dtype).name, always_2d=True)
                    if not len(block):
                        break
                    finite = np.isfinite(block)
                    if not finite.all():
                        frame, channel = np.argwhere(~finite)[0]
                        where = f"sample {position + frame} of channel {channel + 1}"
                        raise InputError(f"{self.name}: {where} is {block[frame, channel]}; repair or re-export the file")
                    position += len(block)
                    yield block
        except soundfile.LibsndfileError as error:
            where = f"{position / self.sample_rate:.2f} s"
            raise InputError(
                f"{self.name}: broken after {where} ({reason(error)}); copy it again, or re-save what is left of it"
            ) from error
        if position < self.frames:
            found = f"{position} of {self.frames} frames could be read"
            raise InputError(f"{self.name}: truncated, {found}; copy it again, or re-save what is left of it")


def _readable(path: Path) -> int:
    """Frames that can be read, whatever the file is said to hold."""
    frames = 0
    with soundfile.SoundFile(encoded(path)) as file:
        while count := len(file.read(BLOCK, dtype="float32")):
            frames += count
    return frames


@contextmanager
def standard_input() -> Iterator[Recording]:
    """The recording piped in, kept in a temporary file, since finding the levels takes a pass of its own."""
    with tempfile.TemporaryDirectory(prefix="declipper-") as folder:
        path = Path(folder) / "stdin"
        try:
            with path.open("wb") as file:
                while piece := sys.stdin.buffer.read(1 << 20):
                    file.write(piece)
        except OSError as error:
            raise InputError(f"<stdin>: could not be kept in {folder} ({error.strerror}); free some room or set TMPDIR") from error
        yield Recording(path, "<stdin>")
