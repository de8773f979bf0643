"""Ways to damage the bytes of a recording. Each takes the bytes, a random generator and another recording, and returns new bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable

from numpy.random import Generator

from .ogg import with_checksums

Mutation = Callable[[bytes, Generator, bytes], bytes]

EDGES = (0, 1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 1000, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
"""Whole numbers at which counters and sizes turn over."""
RATES = (0, 1, 2, 5, 10, 37, 100, 999, 2000, 4000, 22050, 384000, 768001, 10**6, 10**7, 10**8, 2**31 - 1, 2**31, 2**32 - 1)
CHANNELS = (0, 1, 2, 3, 8, 32, 255, 256, 1024, 1025, 32767, 65535)
HEADER = 160
"""Bytes at the beginning that hold the header in nearly every format."""
CHUNKS = tuple(b"fmt |data|fact|PEAK|LIST|ds64|COMM|SSND|desc|kuki|pakt|chan|info|RIFF|FORM".split(b"|"))


def flips(data: bytes, rng: Generator, _other: bytes) -> bytes:
    """Single bits, anywhere or only in the header."""
    damaged = bytearray(data)
    reach = min(len(data), HEADER) if rng.random() < 0.5 else len(data)
    for place in rng.integers(0, reach, int(rng.integers(1, 17))):
        damaged[place] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def truncation(data: bytes, rng: Generator, _other: bytes) -> bytes:
    """Only the beginning, or only the end."""
    cut = int(rng.integers(0, len(data)))
    return data[cut:] if rng.random() < 0.1 else data[:cut]


def header(data: bytes, rng: Generator, _other: bytes) -> bytes:
    """A number of one to eight bytes at the beginning becomes an edge case."""
    damaged = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        code = str(rng.choice(["B", "<H", ">H", "<I", ">I", "<Q", ">Q"]))
        _put(damaged, int(rng.integers(0, min(len(data), HEADER))), code, int(rng.choice(EDGES)))
    return bytes(damaged)


def chunk_size(data: bytes, rng: Generator, _other: bytes) -> bytes:
    """A chunk says that it is longer, shorter or empty."""
    places = [place for name in CHUNKS if (place := data.find(name)) >= 0]
    if not places:
        return header(data, rng, b"")
    damaged = bytearray(data)
    place = int(rng.choice(places)) + 4
    code = "<I" if data[:4] in (b"RIFF", b"RF64") else ">Q" if data[:4] == b"caff" else ">I"
    near = int(rng.integers(-64, 64)) + len(data) - place
    _put(damaged, place, code, near if rng.random() < 0.3 else int(rng.choice(EDGES)))
    return bytes(damaged)


def splice(data: bytes, rng: Generator, other: bytes) -> bytes:
    """The beginning of one recording, and the end of another."""
    return data[: int(rng.integers(0, len(data)))] + other[int(rng.integers(0, len(other))) :]


def insertion(data: bytes, rng: Generator, other: bytes) -> bytes:
    """Something more in the middle: noise, zeros, a piece of itself or of another recording."""
    place = int(rng.integers(0, len(data) + 1))
    length = int(rng.choice([1, 2, 7, 64, 1000]))
    origin = data if rng.random() < 0.5 else other
    begin = int(rng.integers(0, len(origin)))
    piece = [rng.bytes(length), bytes(length), b"\xff" * length, origin[begin : begin + length]][int(rng.integers(4))]
    return data[:place] + piece + data[place + (length if rng.random() < 0.3 else 0) :]


def rate(data: bytes, rng: Generator, _other: bytes) -> bytes:
    """Another sample rate in the header, the rest as it was."""
    return _with_field(data, "rate", int(rng.choice(RATES)))


def channels(data: bytes, rng: Generator, _other: bytes) -> bytes:
    """Another number of channels in the header, the rest as it was."""
    return _with_field(data, "channels", int(rng.choice(CHANNELS)))


MUTATIONS: dict[str, Mutation] = {
    "flips": flips,
    "truncation": truncation,
    "header": header,
    "chunk size": chunk_size,
    "splice": splice,
    "insertion": insertion,
    "rate": rate,
    "channels": channels,
}


def _put(data: bytearray, place: int, code: str, value: float) -> None:
    """Write a number in place, as far as there is room; it loses what it has too much."""
    if code == "extended":
        packed = _extended(int(value))
    elif code.endswith("d"):
        packed = struct.pack(code, value)
    else:
        packed = struct.pack(code, int(value) % (1 << 8 * struct.calcsize(code)))
    data[place : place + len(packed)] = packed[: max(0, len(data) - place)]


def _extended(value: int) -> bytes:
    """A whole number as the 80-bit float of an AIFF header: exponent biased by 16383, then a mantissa with its leading one."""
    bits = value.bit_length()
    return struct.pack(">HQ", 16382 + bits, value << 64 - bits) if value else bytes(10)


def _with_field(data: bytes, name: str, value: int) -> bytes:
    damaged = bytearray(data)
    if data[:4] == b"fLaC":  # 20 bits of rate, 3 of channels less one, 9 of other things
        (word,) = struct.unpack(">I", data[18:22])
        word = (value & 0xFFFFF) << 12 | word & 0xFFF if name == "rate" else word & ~0xE00 | (value - 1 & 7) << 9
        _put(damaged, 18, ">I", word)
        return bytes(damaged)
    if name in (fields := _fields(data)):
        _put(damaged, *fields[name], value)
    return with_checksums(bytes(damaged))


def _fields(data: bytes) -> dict[str, tuple[int, str]]:
    """Where the sample rate and the number of channels stand, and as what."""
    if data[:4] in (b"RIFF", b"RF64") and (fmt := data.find(b"fmt ")) > 0:
        return {"channels": (fmt + 10, "<H"), "rate": (fmt + 12, "<I")}
    if data[:4] == b"riff" and (fmt := data.find(b"fmt \xf3\xac")) > 0:
        return {"channels": (fmt + 26, "<H"), "rate": (fmt + 28, "<I")}
    if data[:4] == b"FORM" and (comm := data.find(b"COMM")) > 0:
        return {"channels": (comm + 8, ">H"), "rate": (comm + 16, "extended")}
    if data[:4] == b".snd":
        return {"rate": (16, ">I"), "channels": (20, ">I")}
    if data[:4] == b"caff" and (desc := data.find(b"desc")) > 0:
        return {"rate": (desc + 12, ">d"), "channels": (desc + 36, ">I")}
    if (vorbis := data.find(b"\x01vorbis")) > 0:
        return {"channels": (vorbis + 11, "B"), "rate": (vorbis + 12, "<I")}
    if (opus := data.find(b"OpusHead")) > 0:
        return {"channels": (opus + 9, "B"), "rate": (opus + 12, "<I")}
    return {}
