"""Checksums of Ogg pages (RFC 3533, section 6): without them a decoder drops a mutant before its decoder sees it."""

from __future__ import annotations

import struct

POLYNOMIAL = 0x04C11DB7
HEAD = 27
"""Bytes of a page before the table of its segments; the checksum stands at 22."""


def _row(value: int) -> int:
    value <<= 24
    for _ in range(8):
        value = (value << 1 ^ (POLYNOMIAL if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value


TABLE = [_row(value) for value in range(256)]


def checksum(page: bytes) -> int:
    """Of a page whose own checksum is 0."""
    value = 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ TABLE[value >> 24 ^ byte]
    return value


def with_checksums(data: bytes) -> bytes:
    """The file with the right checksum in every page; one of another kind as it is."""
    mended, place = bytearray(data), 0
    while data[place : place + 4] == b"OggS" and place + HEAD <= len(data):
        segments = data[place + HEAD : place + HEAD + data[place + HEAD - 1]]
        end = place + HEAD + len(segments) + sum(segments)
        mended[place + 22 : place + 26] = bytes(4)
        mended[place + 22 : place + 26] = struct.pack("<I", checksum(bytes(mended[place:end])))
        place = end
    return bytes(mended)
