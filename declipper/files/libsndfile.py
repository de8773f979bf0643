"""What libsndfile, through soundfile, needs to be told and what it says: names of files, sizes that are not there, reasons of errors."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import soundfile

from declipper.files.chunks import unfinished

FLOAT_WAV = "ffmpeg -i FILE -c:a pcm_f32le OUT.wav"
"""How to convert a recording so that its peaks above full scale are kept: what is said of conversion elsewhere ends in 16 bits, which cut
them off."""


def encoded(path: Path) -> str | bytes:
    """The name as soundfile takes it: bytes, since a name need not be UTF-8; text on Windows."""
    return str(path) if os.name == "nt" else os.fsencode(path)


@contextmanager
def opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """A file to be read; a WAV that its recorder did not finish, so that it gives no size, is read to its end.

    Raises what soundfile raises.
    """
    at = unfinished(path)
    if at:
        with path.open("rb") as raw, soundfile.SoundFile(_WithSize(raw, at)) as file:
            yield file
    else:
        with soundfile.SoundFile(encoded(path)) as file:
            yield file


class _WithSize:
    """A WAV file whose size of `data`, at byte `at`, reads as if it reached to the end."""

    def __init__(self, file: BinaryIO, at: int) -> None:
        self._file = file
        self._at = at
        self._size = struct.pack("<I", min(file.seek(0, 2) - at - 4, 0xFFFFFFFF))
        file.seek(0)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        start = self._file.tell()
        content = bytearray(self._file.read(size))
        for place, byte in enumerate(self._size, self._at - start):
            if 0 <= place < len(content):
                content[place] = byte
        return bytes(content)


def reason(error: Exception) -> str:
    """Why libsndfile refused, in a few words that fit into a sentence."""
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return " ".join(text.removeprefix("Error : ").split()).rstrip(". ") or "no reason given"
