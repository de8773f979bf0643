"""Messages of any length through a pipe: eight bytes that tell how many follow, then those."""

from __future__ import annotations

import struct
from typing import IO

LENGTH = struct.Struct("<Q")


def send(pipe: IO[bytes], message: bytes) -> None:
    """Raises OSError where nobody reads any more."""
    for part in (LENGTH.pack(len(message)), message):
        rest = memoryview(part)
        while rest:
            rest = rest[pipe.write(rest) :]
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes:
    """The next message. Raises EOFError where the other side has ended."""
    return bytes(_exactly(pipe, LENGTH.unpack(_exactly(pipe, LENGTH.size))[0]))


def _exactly(pipe: IO[bytes], length: int) -> bytearray:
    whole = bytearray(length)
    rest = memoryview(whole)
    while rest:
        count = pipe.readinto(rest)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        rest = rest[count:]
    return whole
