"""How much audio a header promises, in WAV, RF64, AIFF, W64 and AU, and how much there is: truncated and unfinished files."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from declipper.files.chunks import SOUND, byte_order, family, walk

WIDEST = 0xFFFFFFFF
"""The largest size that a field of 32 bits holds."""
W64_HEAD = b"riff\x2e\x91\xcf\x11"
"""The first eight bytes of a Sony Wave64 file."""
AU_ORDER = {b".snd": ">", b"dns.": "<"}
"""The first four bytes of AU files, and the byte order that they stand for."""
W64_HEADER, W64_CHUNK = 40, 24
"""Bytes of its file header, and of the header of each chunk."""


@dataclass(frozen=True)
class TrueSize:
    """What a header that gives no size should say: the bytes of the size of the audio, and at which byte of the file they belong."""

    at: int
    content: bytes


def unfinished(path: Path) -> TrueSize | None:
    """The true size of the audio in a WAV, RF64, AIFF, W64 or AU file that a recorder did not finish, so that it says 0 although audio
    follows; None for any other file.
    """
    kind = family(path)
    with path.open("rb") as file:
        total = file.seek(0, 2)
        if kind:
            return _unfinished_chunk(file, kind)
        file.seek(0)
        head = file.read(W64_HEADER)
        if head[:8] == W64_HEAD:
            at, size = _sound_of_w64(file, total)
            empty = at and size <= W64_CHUNK and total > at + W64_CHUNK + W64_CHUNK
            return TrueSize(at + 16, struct.pack("<Q", total - at)) if empty else None
        order = AU_ORDER.get(head[:4])
        if order and len(head) >= 12:
            offset, size = struct.unpack(order + "II", head[4:12])
            return TrueSize(8, struct.pack(order + "I", min(total - offset, WIDEST))) if not size and total > offset else None
    return None


def _unfinished_chunk(file: BinaryIO, kind: str) -> TrueSize | None:
    """The true size for a file of chunks."""
    order, size_of_long = byte_order(kind), 0
    for name, offset, size in walk(file, order):
        if name == b"ds64":
            size_of_long = offset + 8
        if name in SOUND and size:
            for at, form in (offset - 4, order + "I"), (size_of_long, "<Q"):
                file.seek(at)
                if at and file.read(struct.calcsize(form)) == bytes(struct.calcsize(form)):
                    return TrueSize(at, struct.pack(form, size if form == "<Q" else min(size, WIDEST)))
            return None
    return None


def missing_bytes(path: Path) -> int:
    """How many bytes of audio a WAV, RF64, AIFF, W64 or AU file promises but does not hold; 0 for any other file."""
    kind = family(path)
    with path.open("rb") as file:
        total = file.seek(0, 2)
        if kind:
            sound = ((offset, size) for name, offset, size in walk(file, byte_order(kind)) if name in SOUND)
            offset, size = next(sound, (0, 0))
            return 0 if _unknown(size) else max(0, offset + size - total)
        file.seek(0)
        head = file.read(W64_HEADER)
        if head[:8] == W64_HEAD:
            at, size = _sound_of_w64(file, total)
            return 0 if _unknown(size) else max(0, at + size - total)
        if head[:4] in AU_ORDER and len(head) == W64_HEADER:
            offset, size = struct.unpack(AU_ORDER[head[:4]] + "II", head[4:12])
            return 0 if _unknown(size) else max(0, offset + size - total)
    return 0


def _unknown(size: int) -> bool:
    """Whether a size was written by a program that could not seek back."""
    return 0x7FFFF000 <= size <= 0x80000000 or 0xFFFF0000 <= size <= WIDEST or size >= 1 << 62


def _sound_of_w64(file: BinaryIO, total: int) -> tuple[int, int]:
    """Where the chunk of audio begins in a Wave64 file of `total` bytes, and the size it gives, both with its header; 0, 0 for none."""
    position = W64_HEADER
    while position + W64_CHUNK <= total:
        file.seek(position)
        head = file.read(W64_CHUNK)
        size = max(W64_CHUNK, struct.unpack("<Q", head[16:])[0])
        if head[:4] == b"data":
            return position, int(size)
        position += -(-size // 8) * 8
    return 0, 0
