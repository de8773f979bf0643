"""What libsndfile, through soundfile, needs to be told and what it says: names of files, sizes that are not there, reasons of errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import soundfile

from declipper.files.sizes import TrueSize, unfinished

FLOAT_WAV = "ffmpeg -i FILE -c:a pcm_f32le OUT.wav"
"""How to convert a recording so that its peaks above full scale are kept: what is said of conversion elsewhere ends in 16 bits, which cut
them off."""


def encoded(path: Path) -> str | bytes:
    """The name as soundfile takes it: bytes, since a name need not be UTF-8; text on Windows."""
    return str(path) if os.name == "nt" else os.fsencode(path)


@contextmanager
def opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """A file to be read; one that its recorder did not finish, so that it gives no size, is read to its end.

    Raises what soundfile raises.
    """
    size = unfinished(path)
    if size is not None:
        with path.open("rb") as raw, soundfile.SoundFile(_WithSize(raw, size)) as file:
            yield file
    else:
        with soundfile.SoundFile(encoded(path)) as file:
            yield file


class _WithSize:
    """A file that reads as if its header gave the size of its audio."""

    def __init__(self, file: BinaryIO, size: TrueSize) -> None:
        self._file = file
        self._size = size
        file.seek(0)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        start = self._file.tell()
        content = bytearray(self._file.read(size))
        for place, byte in enumerate(self._size.content, self._size.at - start):
            if 0 <= place < len(content):
                content[place] = byte
        return bytes(content)


def reason(error: Exception) -> str:
    """Why libsndfile refused, in a few words that fit into a sentence."""
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return " ".join(text.removeprefix("Error : ").split()).rstrip(". ") or "no reason given"
