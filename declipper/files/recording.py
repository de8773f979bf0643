"""Reads recordings block by block: every format libsndfile knows, checked before the work begins."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from declipper.clipping.arrays import Array
from declipper.clipping.windows import checked_rate
from declipper.errors import InputError, UnreadFormat
from declipper.files.formats import INTEGER_BITS
from declipper.files.libsndfile import FLOAT_WAV, opened, reason
from declipper.files.mpeg import samples_in, tells_length
from declipper.files.sizes import missing_bytes, unfinished

BLOCK = 1 << 20
"""Samples read at once, over all channels: 12 s of stereo at 44.1 kHz, so that what is done once a block costs nothing; 4 MB in floats."""
PIECE = 1024
"""Frames read at once where a file may break off: so many at most are lost before the place where it does."""
UNTOLD = 1 << 62
"""libsndfile takes a FLAC that does not say how long it is to hold this many frames or more."""
COUNTED_IN = 64
"""Bytes of audio that may be missing where nothing is: some recorders count the headers in, 44 bytes and more."""
LARGEST = 1e30
"""The largest sample that counts as audio, 600 dB above full scale: larger ones overflow where they are squared or raised."""

Truncated = Literal["refuse", "keep"]
"""What becomes of a recording that lost its end: an error, or what is there is taken."""


class Recording:
    """A readable recording. bits: of its samples, where they are whole numbers. notes: what is odd about the file, in sentences.

    Blocks are float32, or float64 where the file holds more than float32 can (32-bit integers, doubles).
    """

    def __init__(self, path: Path, name: str | None = None, *, keep_truncated: bool = False) -> None:
        """keep_truncated: take what is there of a file that lost its end. Raises InputError for what is no whole, non-empty audio file,
        and for sample rates that are not supported.
        """
        self.path = path
        self.name = name or str(path)
        self.notes: list[str] = []
        begin = self._first_bytes()
        try:
            with opened(path) as file:
                self.sample_rate: int = file.samplerate
                self.channels: int = file.channels
                self.frames: int = file.frames
                self.subtype: str = file.subtype
                container = file.format
            self._check_length(container, keep_truncated)
        except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: soundfile wants to be told all about a .raw file
            raise UnreadFormat(
                f"{self.name}: not audio that libsndfile can read ({reason(error)}; it begins with {begin!r}); "
                f"check the file, or convert it to float WAV, which keeps its peaks: {FLOAT_WAV}"
            ) from error
        except OSError as error:
            raise InputError(f"{self.name}: cannot be read ({error.strerror}); check its name and permissions") from error
        self._check_rate()
        if self.frames == 0:
            raise InputError(f"{self.name}: contains no audio (0 frames); nothing to do")
        self.bits = INTEGER_BITS.get(self.subtype)
        self.dtype: type[np.floating] = np.float64 if self.subtype in ("PCM_32", "DOUBLE", "ALAC_32") else np.float32

    def _check_rate(self) -> None:
        """Raises InputError for a sample rate that is not supported."""
        try:
            checked_rate(self.sample_rate)
        except ValueError as error:
            tip = "resample it (ffmpeg -i FILE -ar 48000 -c:a pcm_f32le OUT.wav), or set the rate right if its header is wrong"
            raise InputError(f"{self.name}: {error}; {tip}") from error

    def _check_length(self, container: str, keep_truncated: bool) -> None:
        """Find out how much audio there is, whatever the file says. Raises InputError for a file that lost its end, unless that is kept."""
        lacking = missing_bytes(self.path)
        if lacking > COUNTED_IN and not keep_truncated:
            raise InputError(
                f"{self.name}: truncated, {lacking} bytes of audio are missing; copy it again, or restore what is there "
                f"({self.frames / self.sample_rate:.2f} s) with --truncated keep"
            )
        if self.frames >= UNTOLD:
            raise UnreadFormat(f"{self.name}: a {container} that does not tell its length, as written into a pipe")
        told = self.frames
        held = samples_in(self.path) if container == "MP3" else told
        if held > told + self.sample_rate:
            raise InputError(
                f"{self.name}: an MP3 with a false length: libsndfile would read {told / self.sample_rate:.1f} s of its "
                f"{held / self.sample_rate:.1f} s; convert it first, to float WAV, which keeps its peaks: {FLOAT_WAV}"
            )
        if keep_truncated or (held < told and not tells_length(self.path)):
            self.frames = self._readable()  # libsndfile takes tags for audio where it has to guess
        if unfinished(self.path):
            self.notes.append(f"its header gives no length, as after a crash; read to the end of the file, {self._seconds(self.frames)}")
        elif 0 < lacking <= COUNTED_IN:
            self.notes.append(f"its header counts {lacking} bytes more than the file has; nothing is missed")
        elif lacking or (keep_truncated and self.frames < told):
            self.notes.append(f"it is truncated; what is there was kept, {self._seconds(self.frames)}")

    def _seconds(self, frames: int) -> str:
        return f"{frames / self.sample_rate:.2f} s"

    @property
    def block(self) -> int:
        """Frames read at once."""
        return max(1, BLOCK // self.channels)

    def _readable(self) -> int:
        """Frames that can be read, whatever the file is said to hold."""
        frames = 0
        with opened(self.path) as file, suppress(soundfile.LibsndfileError):
            while count := len(file.read(PIECE, dtype="float32")):
                frames += count
        return frames

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
        """The whole recording in blocks (frames, channels). Raises InputError where it turns out broken or holds what is no audio."""
        position = 0
        try:
            with opened(self.path) as file:
                while position < self.frames:
                    block: Array = file.read(min(self.block, self.frames - position), dtype=np.dtype(self.dtype).name, always_2d=True)
                    if not len(block):
                        break
                    self._check_sound(block, position)
                    position += len(block)
                    yield block
        except soundfile.LibsndfileError as error:
            where = f"{position / self.sample_rate:.2f} s"
            raise InputError(
                f"{self.name}: broken after {where} ({reason(error)}); copy it again, or restore what is before that with --truncated keep"
            ) from error
        if position < self.frames:
            found = f"{position} of {self.frames} frames could be read"
            raise InputError(f"{self.name}: truncated, {found}; copy it again, or restore those with --truncated keep")

    def _check_sound(self, block: Array, position: int) -> None:
        """Raises InputError where a block, whose first frame is at `position`, holds what is no audio."""
        sound = np.abs(block) <= LARGEST  # which no NaN is
        if not sound.all():
            frame, channel = np.argwhere(~sound)[0]
            where = f"sample {position + frame} of channel {channel + 1}"
            raise InputError(f"{self.name}: {where} is {block[frame, channel]:g}; repair or re-export the file")


@contextmanager
def standard_input() -> Iterator[Path]:
    """The recording piped in, kept in a temporary file, since finding the levels takes a pass of its own; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="declipper-") as folder:
        path = Path(folder) / "stdin"
        try:
            with path.open("wb") as file:
                while piece := sys.stdin.buffer.read(1 << 20):
                    file.write(piece)
        except OSError as error:
            raise InputError(f"<stdin>: could not be kept in {folder} ({error.strerror}); free some room or set TMPDIR") from error
        yield path
