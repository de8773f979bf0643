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

from declipper.clipping.arrays import Array
from declipper.errors import InputError, OutputError
from declipper.files.chunks import forget_time, missing_bytes
from declipper.files.mpeg import samples_in, tells_length

BLOCK = 1 << 19
RF64_FROM = (1 << 32) - (1 << 27)
"""Bytes of audio from which on a WAV file becomes RF64, and an AIFF cannot be; leaves room for the chunks that are carried over."""
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
INTEGER_BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "ALAC_16": 16}
FLOATS = ("FLOAT", "DOUBLE")
BROKEN_WRITERS = ("ALAC_20", "ALAC_24", "ALAC_32")
"""Sample types that libsndfile offers to write, but does not read back as it wrote them (1.2.2; stereo noise shows it)."""
LONGEST_STEM = 40
UNTOLD = 1 << 62
"""So many frames, or more, are what libsndfile takes a FLAC to hold that does not say."""


class Recording:
    """A readable recording. Blocks are float32, or float64 where the file holds more than float32 can (32-bit integers, doubles)."""

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
                f"{self.name}: not audio that libsndfile can read ({_reason(error)}; it begins with {begin!r}); "
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
                f"{self.name}: broken after {where} ({_reason(error)}); copy it again, or re-save what is left of it"
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


def encoded(path: Path) -> str | bytes:
    """The name as soundfile takes it: bytes, since a name need not be UTF-8; text on Windows."""
    return str(path) if os.name == "nt" else os.fsencode(path)


def _reason(error: Exception) -> str:
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return " ".join(text.removeprefix("Error : ").split()).rstrip(". ") or "no reason given"


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


def to_integers(audio: Array, bits: int) -> np.ndarray:
    """Samples as integers in the high bits, as libsndfile wants them. Full scale is 2 ** (bits - 1): a file's own come back exactly."""
    top = 2 ** (bits - 1)
    whole = np.clip(np.rint(audio.astype(np.float64) * top), -top, top - 1)
    kind, width = (np.int16, 16) if bits <= 16 else (np.int32, 32)
    return np.asarray(whole * 2 ** (width - bits), kind)


class Writer:
    """Writes to a hidden file beside `target` and puts it in place only when it is whole: use as a context manager.

    An exception inside the `with` block removes the hidden file and leaves what was at `target` as it was.
    """

    def __init__(self, target: Path, sample_rate: int, channels: int, frames: int, subtype: str | None = None, wide: bool = False) -> None:
        """`subtype` None: the format's usual one; `wide`: doubles where floats are usual. Raises OutputError for what cannot be."""
        self.target = target
        self.format, self.subtype = sample_format(target, channels, frames, subtype, wide)
        self._frames = frames
        self._written = 0
        try:
            handle, name = tempfile.mkstemp(prefix=f".{target.stem[:LONGEST_STEM]}.", suffix=".part" + target.suffix, dir=target.parent)
        except OSError as error:
            raise OutputError(f"{target}: cannot write in {target.parent} ({error.strerror}); choose another folder with -o") from error
        os.close(handle)
        self.part = Path(name)
        try:
            umask = os.umask(0)
            os.umask(umask)
            self.part.chmod(0o666 & ~umask)
            self._file = soundfile.SoundFile(encoded(self.part), "w", sample_rate, channels, self.subtype, format=self.format)
        except soundfile.LibsndfileError as error:
            self.part.unlink()
            kind = f"{self.format} {self.subtype} at {sample_rate} Hz with {channels} channels"
            raise OutputError(f"{target}: libsndfile cannot write {kind} ({_reason(error)}); choose another format") from error
        except BaseException:
            self.part.unlink()
            raise

    def write(self, block: Array) -> None:
        """Append a block (frames, channels). Raises OutputError when the disk is full."""
        bits = INTEGER_BITS.get(self.subtype)
        try:
            self._file.write(to_integers(block, bits) if bits else block)
        except (soundfile.LibsndfileError, AssertionError, OSError) as error:  # soundfile asserts that libsndfile wrote all it was given
            raise self.full() from error
        self._written += len(block)

    def full(self) -> OutputError:
        """The error to raise when something beside the target could not be written."""
        return OutputError(
            f"{self.target}: writing failed after {self._written} frames; is the disk full? Free some room or choose another folder with -o"
        )

    def finish(self) -> None:
        """Close the hidden file, so that metadata can be added to it. Raises OutputError when the disk is full."""
        try:
            self._file.close()
            forget_time(self.part)
        except (soundfile.LibsndfileError, OSError) as error:
            raise self.full() from error

    def place(self, overwrite: bool) -> None:
        """Make sure that all of it reached the disk, and give it its name. Raises OutputError if that is taken and `overwrite` is off."""
        self._check_whole()
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

    def _check_whole(self) -> None:
        try:
            with self.part.open("rb+") as file:
                os.fsync(file.fileno())
            whole = soundfile.info(encoded(self.part)).frames >= self._written == self._frames and not missing_bytes(self.part)
        except (soundfile.LibsndfileError, OSError) as error:
            raise self.full() from error
        if not whole:
            raise self.full()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(Exception):
            self._file.close()
        self.part.unlink(missing_ok=True)


def sample_format(target: Path, channels: int, frames: int, subtype: str | None, wide: bool) -> tuple[str, str]:
    """libsndfile's names for the container and the sample type. Raises OutputError for what it does not have."""
    endings = " ".join(FORMATS)
    if not target.suffix:
        raise OutputError(f"{target}: no such folder, and as a file it has no ending that names a format; make it, or use one of {endings}")
    if target.suffix.lower() not in FORMATS:
        raise OutputError(f"{target}: no output format named {target.suffix!r}; use one of {endings}")
    container, usual = FORMATS[target.suffix.lower()]
    chosen = subtype.upper() if subtype else "DOUBLE" if wide and usual == "FLOAT" else usual
    fitting = [name for name in soundfile.available_subtypes(container) if name not in BROKEN_WRITERS]
    if chosen not in fitting:
        raise OutputError(f"{target}: {container} cannot hold {chosen}; it takes {', '.join(fitting)}")
    size = frames * channels * {"DOUBLE": 8}.get(chosen, 4)
    if container == "AIFF" and size > RF64_FROM:
        raise OutputError(f"{target}: AIFF ends at 4 GB, and this is {size / 1e9:.1f} GB of audio; use .caf, .w64 or .wav")
    if container == "WAV":
        container = "RF64" if size > RF64_FROM else "WAVEX" if channels > 2 and soundfile.check_format("WAVEX", chosen) else "WAV"
    return container, chosen
