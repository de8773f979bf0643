"""Reads the wire format of Protocol Buffers, in which ONNX files are written, and takes nothing but what a schema lists.

Model files come from anywhere, and are looked through before ONNX Runtime is given them. ONNX Runtime's own parser cannot be asked: from
Python it only loads a graph as a whole, which is what must not happen to one that was not looked at. The package `onnx` could, but is 18
MB that only training needs, and it takes whatever the format allows. What we take is so little that reading it is less work than refusing
the rest: no unknown fields, no groups, no field twice that is single, no recursion. So both parsers see the same.
The format: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]
"""Fields by their names: numbers, bytes and texts; messages as another of these; a list for what may come several times."""

VARINT, LENGTH, FIXED32 = 0, 2, 5
"""The wire types that are read: numbers, everything with a length, and floats."""


@dataclass(frozen=True)
class Field:
    """A field of a message. kind: "number", "float", "bytes" or "text", or the name of a message. many: it may come several times."""

    name: str
    kind: str
    many: bool = False

    @property
    def wire_type(self) -> int:
        """How its values are written."""
        return {"number": VARINT, "float": FIXED32}.get(self.kind, LENGTH)


Schema = Mapping[str, Mapping[int, Field]]
"""The fields of each message, by their numbers."""


class Reader:
    """Reads messages of a schema, `most` fields in all, which bounds the time that a hostile file can take."""

    def __init__(self, schema: Schema, most: int) -> None:
        self._schema = schema
        self._left = most

    def message(self, data: memoryview, name: str) -> Message:
        """The message of that name. Raises ValueError, with the reason, for anything that is not exactly one."""
        fields = self._schema[name]
        found: Message = {field.name: [] for field in fields.values() if field.many}
        for number, wire_type, value in self._raw(data):
            field = fields.get(number)
            if field is None:
                raise ValueError(f"{name} has a field {number}, which none of ours has")
            packed = wire_type == LENGTH and field.many and field.kind == "number"
            if wire_type != field.wire_type and not packed:
                raise ValueError(f"{name}.{field.name} is written as type {wire_type}")
            if packed:
                found[field.name] += self._packed(value)
            elif field.many:
                found[field.name].append(self._value(field, value))
            elif field.name in found:
                raise ValueError(f"{name}.{field.name} is there twice")
            else:
                found[field.name] = self._value(field, value)
        return found

    def _value(self, field: Field, value: Any) -> Any:
        if field.kind == "text":
            return bytes(value).decode()
        if field.kind in self._schema:
            return self.message(value, field.kind)
        return value

    def _packed(self, data: memoryview) -> list[int]:
        """Numbers one after the other, as some writers write those that come several times."""
        numbers, at = [], 0
        while at < len(data):
            self._count()
            number, at = _varint(data, at)
            numbers.append(_signed(number))
        return numbers

    def _raw(self, data: memoryview) -> Iterator[tuple[int, int, Any]]:
        """The number, the wire type and the undecoded value of each field."""
        at = 0
        while at < len(data):
            self._count()
            tag, at = _varint(data, at)
            value: Any
            wire_type = tag & 7
            if wire_type == VARINT:
                value, at = _varint(data, at)
                value = _signed(value)
            elif wire_type == FIXED32:
                (value,), at = struct.unpack("<f", _part(data, at, 4)), at + 4
            elif wire_type == LENGTH:
                length, at = _varint(data, at)
                value, at = _part(data, at, length), at + length
            else:
                raise ValueError(f"a field of type {wire_type}")
            yield tag >> 3, wire_type, value

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValueError("more fields than any of ours has")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number in pieces of seven bits, and where it ends."""
    number = 0
    for place in range(10):
        if at + place >= len(data):
            break
        number |= (data[at + place] & 0x7F) << (7 * place)
        if data[at + place] < 0x80:
            return number & 0xFFFFFFFFFFFFFFFF, at + place + 1
    raise ValueError(f"a broken number at byte {at} of a part of {len(data)}")


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _part(data: memoryview, at: int, length: int) -> memoryview:
    if length > len(data) - at:
        raise ValueError(f"cut off: {length} bytes are announced where {len(data) - at} are left")
    return data[at : at + length]
