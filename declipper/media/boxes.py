"""Walks the boxes of MP4, MOV, M4A and 3GP files (ISO/IEC 14496-12) for what FFmpeg does not tell: what is lost, or encrypted."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
"""What such a file begins with; all but the first are of QuickTime files from before there was `ftyp`."""
EBML, SEGMENT = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067")
"""The identifiers of the first two elements of a Matroska file (RFC 9559); all audio and video is in the second."""
HOLDING = (b"moov", b"moof", b"mdat")
"""The boxes without which something is missed; whatever else is at the end may be rubbish."""
INNER = (b"trak", b"mdia", b"minf", b"stbl")
"""The boxes on the way from `moov` to the description of the samples."""
MOST_TRACKS = 1000
"""Tracks that are looked at: more than any movie has, and few enough that a damaged file does not keep us."""


@dataclass(frozen=True)
class Track:
    """A track of a movie. handler: what it is, such as soun or vide. coding: the name of its codec, such as mp4a, or enca if encrypted."""

    handler: str
    coding: str


@dataclass(frozen=True)
class Movie:
    """What the boxes say.

    indexed: whether there is a whole index (moov), without which nothing can be found. tick: s, in which edit lists count.
    """

    indexed: bool
    tick: float
    tracks: tuple[Track, ...]


def movie_in(path: Path) -> Movie | None:
    """The movie in a file, or None where the file is of another kind."""
    with path.open("rb") as file:
        if file.read(8)[4:] not in FIRST_BOXES:
            return None
        end = file.seek(0, 2)
        index = next(((start, stop) for name, start, stop in _boxes(file, 0, end) if name == b"moov"), None)
        if index is None or index[1] > end:
            return Movie(False, 0.0, ())
        tick, tracks = 0.0, list[Track]()
        for name, start, stop in _boxes(file, *index):
            if name == b"mvhd":
                file.seek(start)
                head = file.read(24)
                at = 20 if head[:1] == b"\1" else 12
                scale = struct.unpack(">I", head[at : at + 4])[0] if len(head) == 24 else 0
                tick = 1 / scale if scale else 0.0
            if name == b"trak" and len(tracks) < MOST_TRACKS:
                tracks.append(_track(file, start, min(stop, end)))
        return Movie(True, tick, tuple(tracks))


def missing_bytes(path: Path) -> int:
    """How many bytes an MP4, or a Matroska or WebM file, promises but does not hold; 0 for any other file."""
    with path.open("rb") as file:
        head = file.read(8)
        total = file.seek(0, 2)
        if head[4:] in FIRST_BOXES:
            return max(0, max((end for name, _, end in _boxes(file, 0, total) if name in HOLDING), default=0) - total)
        if head[:4] != EBML:
            return 0
        file.seek(4)
        file.seek(_length(file), 1)
        return max(0, file.tell() + size - total) if file.read(4) == SEGMENT and (size := _length(file)) else 0


def _length(file: BinaryIO) -> int:
    """The length of an EBML element (RFC 8794, section 4), which stands where the file is; 0 where it is not told."""
    first = int.from_bytes(file.read(1))
    more = 8 - first.bit_length()
    bits = 7 * (more + 1)
    length = int.from_bytes(bytes([first]) + file.read(more)) & ((1 << bits) - 1)
    return 0 if more > 7 or length == (1 << bits) - 1 else length


def _boxes(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, first byte of the content, first byte after it) of each box between two places."""
    while start + 8 <= stop:
        file.seek(start)
        head = file.read(16)
        size, name, content = int.from_bytes(head[:4]), head[4:8], start + 8
        if size == 1 and len(head) == 16:
            size, content = int.from_bytes(head[8:]), start + 16
        end = start + size if size else stop
        if end < content:
            return
        yield name, content, end
        start = end


def _track(file: BinaryIO, start: int, stop: int) -> Track:
    """What one `trak` is."""
    handler = coding = ""
    ahead = [(start, stop)]
    while ahead:
        for name, first, last in _boxes(file, *ahead.pop()):
            if name in INNER:
                ahead.append((first, min(last, stop)))
            elif name in (b"hdlr", b"stsd"):
                file.seek(first)
                text = file.read(16)[8:12] if name == b"hdlr" else file.read(16)[12:16]
                if name == b"stsd":
                    coding = text.decode("latin-1")
                elif not handler:  # QuickTime has a second one, of the data
                    handler = text.decode("latin-1")
    return Track(handler, coding)
