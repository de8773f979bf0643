"""Carries the chunks of RIFF, RF64 and AIFF files over (bext, cue, LIST, iXML, ID3, MARK and so on), byte for byte."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

AUDIO_CHUNKS = {b"fmt ", b"data", b"fact", b"PEAK", b"ds64", b"JUNK", b"PAD ", b"FLLR", b"COMM", b"SSND", b"FVER"}
"""Chunks that describe the samples themselves: the writer makes its own."""
UNKNOWN_SIZE = 0x7FFFF000
"""A data size at or above this in a RIFF header was written by a program that could not seek back."""
LARGEST_COPIED = 64 << 20


def family(path: Path) -> str:
    """'RIFF' (WAV and RF64), 'AIFF', or '' for any other file."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "RIFF"
    return "AIFF" if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC") else ""


def _walk(file: BinaryIO, order: str) -> Iterator[tuple[bytes, int, int]]:
    """(name, offset of the content, size) of each chunk. RF64 takes the size of `data` from ds64."""
    file.seek(0, 2)
    end = file.tell()
    position, long_data = 12, None
    while position + 8 <= end:
        file.seek(position)
        name, size = struct.unpack(order + "4sI", file.read(8))
        if name == b"ds64":
            long_data = struct.unpack("<QQ", file.read(16))[1]
        if name == b"data" and size == 0xFFFFFFFF and long_data is not None:
            size = long_data
        yield name, position + 8, size
        position += 8 + size + size % 2


def missing_bytes(path: Path) -> int:
    """How many bytes of audio a RIFF or AIFF file promises but does not hold; 0 for any other file."""
    kind = family(path)
    if not kind:
        return 0
    with path.open("rb") as file:
        total = file.seek(0, 2)
        for name, offset, size in _walk(file, "<" if kind == "RIFF" else ">"):
            if name in (b"data", b"SSND"):
                return 0 if UNKNOWN_SIZE <= size <= 0xFFFFFFFF else max(0, offset + size - total)
    return 0


def copy_chunks(source: Path, target: Path) -> bool:
    """Append every chunk of `source` that is not about its samples to `target`; False when the two are not of one family."""
    kind = family(source)
    if not kind or kind != family(target):
        return False
    order = "<" if kind == "RIFF" else ">"
    with source.open("rb") as reader, target.open("r+b") as writer:
        present = {name for name, _, _ in _walk(writer, order)}
        writer.seek(0, 2)
        for name, offset, size in _walk(reader, order):
            if name in AUDIO_CHUNKS or name in present - {b"LIST"} or size > LARGEST_COPIED:
                continue
            reader.seek(offset)
            content = reader.read(size)
            writer.write(struct.pack(order + "4sI", name, len(content)) + content + b"\0" * (len(content) % 2))
        length = writer.tell() - 8
        writer.seek(0)
        if writer.read(4) == b"RF64":
            writer.seek(20)
            writer.write(struct.pack("<Q", length))
        else:
            writer.seek(4)
            writer.write(struct.pack(order + "I", length))
    return True
