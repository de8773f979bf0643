"""Walks the chunks of RIFF, RF64 and AIFF files, and carries over those that are not about the samples."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

AUDIO_CHUNKS = {b"fmt ", b"data", b"fact", b"PEAK", b"levl", b"MD5 ", b"ds64", b"JUNK", b"PAD ", b"FLLR", b"COMM", b"SSND", b"FVER"}
"""Chunks that describe the samples themselves: the writer makes its own, or they would no longer be true."""
SOUND = (b"data", b"SSND")
"""The chunks that hold the samples, of WAV and of AIFF."""
TEXT_CHUNKS = {b"id3 ", b"ID3 ", b"NAME", b"AUTH", b"(c) ", b"ANNO"}
"""Chunks that tags of other formats stand for."""
LARGEST_COPIED = 64 << 20
"""Bytes of the largest chunk that is carried over, since it is held in memory: far more than any description of a recording has."""
LARGEST_RIFF = 0xFFFFFFFF - 0x10000
"""Bytes that a file with sizes of 32 bits may have, less 64 KiB for what other programs add."""
EXTENSIBLE = 0xFFFE
"""The number of WAVEFORMATEXTENSIBLE, the `fmt ` chunk that says which loudspeakers the channels are for."""
NOT_MEASURED = 0x7FFF
"""What stands for a loudness in `bext` that nobody measured (EBU Tech 3285)."""
AMBISONIC = bytes.fromhex("21 07 d3 11 86 44 c8 c1 ca 00 00 00")
"""The last 12 bytes of the GUIDs of ambisonic B-format in WAVEFORMATEXTENSIBLE, after the number of the sample type."""


def family(path: Path) -> str:
    """The family of chunked files that a file is of: 'RIFF' (WAV and RF64), 'AIFF', or '' for any other file."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "RIFF"
    return "AIFF" if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC") else ""


def byte_order(kind: str) -> str:
    """The byte order of a family's numbers, as `struct` writes it."""
    return "<" if kind == "RIFF" else ">"


def walk(file: BinaryIO, order: str) -> Iterator[tuple[bytes, int, int]]:
    """(name, offset of the content, size) of each chunk. RF64 takes the size of `data` from ds64."""
    end = file.seek(0, 2)
    position, long_data = 12, None
    while position + 8 <= end:
        file.seek(position)
        name, size = struct.unpack(order + "4sI", file.read(8))
        if not all(32 <= byte < 127 or byte == 0xA9 for byte in name):
            return  # lost: a chunk of odd size without its padding, or rubbish at the end
        if name == b"ds64" and position + 32 <= end:
            long_data = struct.unpack("<QQ", file.read(16))[1]
        if name == b"data" and size == 0xFFFFFFFF and long_data is not None:
            size = long_data
        if name in SOUND and size == 0 and not _chunks_until_end(file, order, position + 8, end):
            size = end - position - 8
        yield name, position + 8, size
        position += 8 + size + size % 2


def _chunks_until_end(file: BinaryIO, order: str, position: int, end: int) -> bool:
    """Whether nothing but whole chunks lies between a position and the end of the file."""
    while position + 8 <= end:
        file.seek(position)
        name, size = struct.unpack(order + "4sI", file.read(8))
        if not all(32 <= byte < 127 or byte == 0xA9 for byte in name):
            return False
        position += 8 + size + size % 2
    return position in (end, end + 1)


def forget_time(path: Path) -> None:
    """Clear the time of writing that libsndfile puts into PEAK, so that the same samples always make the same file."""
    kind = family(path)
    with path.open("r+b") as file:
        for name, offset, size in walk(file, byte_order(kind)) if kind else ():
            if name == b"PEAK" and size >= 8:
                file.seek(offset + 4)
                file.write(b"\0" * 4)


@dataclass(frozen=True)
class Chunk:
    """A chunk of a WAV or AIFF file, with the name that people give it; raw: as it is in the file, with its name and size."""

    shown: str
    raw: bytes


def described(path: Path, *, changed: bool = False) -> list[Chunk]:
    """The chunks of a WAV or AIFF that tell more of the recording than tags can: cue points, labels, bext, iXML.

    changed: whether the samples are no longer those of the file, so that what was measured on them is left out.
    """
    kind = family(path)
    found = []
    with path.open("rb") as file:
        for name, offset, size in walk(file, byte_order(kind)) if kind else ():
            if name in AUDIO_CHUNKS | TEXT_CHUNKS or size > LARGEST_COPIED:
                continue
            file.seek(offset)
            found.append((name, file.read(size)))
    return _chunks(found, byte_order(kind), changed=changed)


def foreign(blocks: Iterable[bytes], *, changed: bool = False) -> list[Chunk]:
    """The chunks of a WAV that its FLAC has kept, each in an APPLICATION block named riff, as `described` gives those of a file."""
    found = []
    for block in blocks:
        if block[:4] != b"riff" or len(block) < 12:
            continue
        name, size = struct.unpack("<4sI", block[4:12])
        if name not in AUDIO_CHUNKS | TEXT_CHUNKS | {b"RIFF"} and len(block) >= 12 + size:
            found.append((name, block[12 : 12 + size]))
    return _chunks(found, "<", changed=changed)


def _chunks(found: list[tuple[bytes, bytes]], order: str, *, changed: bool) -> list[Chunk]:
    """The chunks of these names and contents, without the texts that tags stand for."""
    chosen = []
    for name, content in found:
        if name != b"LIST" or content[:4] != b"INFO":
            shown = "labels" if content[:4] == b"adtl" else name.decode("latin-1").strip()
            chosen.append(Chunk(shown, _packed(order, name, _unmeasured(name, content) if changed else content)))
    return chosen


def _packed(order: str, name: bytes, content: bytes) -> bytes:
    return struct.pack(order + "4sI", name, len(content)) + content + b"\0" * (len(content) % 2)


def _unmeasured(name: bytes, content: bytes) -> bytes:
    """The content of a chunk without the loudness that `bext` has from its version 2 on (EBU Tech 3285)."""
    if name != b"bext" or len(content) < 422 or struct.unpack("<H", content[346:348])[0] < 2:
        return content
    return content[:412] + struct.pack("<5h", *[NOT_MEASURED] * 5) + content[422:]


def copy_chunks(source: Path, target: Path, *, changed: bool = False) -> bool:
    """Append every chunk of `source` that is not about its samples to `target`; False when the two are not of one family.

    changed: see `described`. Raises ValueError, with `target` as it was, when they do not fit into a file of this kind.
    """
    kind = family(source)
    if not kind or kind != family(target):
        return False
    order = byte_order(kind)
    with source.open("rb") as reader, target.open("r+b") as writer:
        there = list(walk(reader, order))
        present = {name for name, _, _ in walk(writer, order)} - {b"LIST"}
        chosen = [c for c in there if c[0] not in AUDIO_CHUNKS | present and c[2] <= LARGEST_COPIED]

        def contents() -> Iterator[bytes]:
            for name, offset, size in chosen:
                reader.seek(offset)
                content = reader.read(size)
                yield _packed(order, name, _unmeasured(name, content) if changed else content)

        _append(writer, order, contents(), size=sum(size + 9 for _, _, size in chosen))
        if kind == "RIFF":
            _copy_channel_mask(reader, writer)
    return True


def append_chunks(target: Path, chunks: list[Chunk]) -> None:
    """Append chunks to a WAV file. Raises ValueError, with `target` as it was, when they do not fit into a file of this kind."""
    with target.open("r+b") as writer:
        _append(writer, "<", (chunk.raw for chunk in chunks), size=sum(len(chunk.raw) for chunk in chunks))


def _append(writer: BinaryIO, order: str, chunks: Iterable[bytes], *, size: int) -> None:
    """Append chunks of this size at most and set the size of the whole right. Raises ValueError when they do not fit."""
    writer.seek(0)
    long_form = writer.read(4) == b"RF64"
    end = writer.seek(0, 2)
    if not long_form and end + size > LARGEST_RIFF:
        raise ValueError("the file would grow past 4 GiB; name it .rf64")
    writer.write(b"\0" * (end % 2))
    for chunk in chunks:
        writer.write(chunk)
    length = writer.tell() - 8
    writer.seek(20 if long_form else 4)
    writer.write(struct.pack("<Q" if long_form else order + "I", length))


def _extensible(file: BinaryIO) -> tuple[int, bytes]:
    """(offset, content) of the `fmt ` chunk of a WAV file where it is extensible, else (0, nothing)."""
    for name, offset, size in walk(file, "<"):
        if name == b"fmt ":
            file.seek(offset)
            content = file.read(min(size, 40))
            return (offset, content) if len(content) == 40 and struct.unpack("<H", content[:2])[0] == EXTENSIBLE else (0, b"")
    return 0, b""


def _copy_channel_mask(reader: BinaryIO, writer: BinaryIO) -> None:
    """Which loudspeakers the channels are for, or that they are B-format, where both files say."""
    _, before = _extensible(reader)
    offset, after = _extensible(writer)
    if before and after and before[2:4] == after[2:4]:
        writer.seek(offset + 20)
        writer.write(before[20:24])
        if before[28:] == AMBISONIC:
            writer.seek(offset + 28)
            writer.write(AMBISONIC)


def mark_ambisonic(path: Path) -> None:
    """Say in an extensible WAV file that its channels are ambisonic B-format, for no loudspeakers."""
    with path.open("r+b") as file:
        offset, content = _extensible(file)
        if content:
            file.seek(offset + 20)
            file.write(bytes(4))
            file.seek(offset + 28)
            file.write(AMBISONIC)
