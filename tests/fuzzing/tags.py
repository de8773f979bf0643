"""Ways to damage what a recording says about itself: chunks of WAV and AIFF, ID3 frames, Vorbis comments."""

# mutagen has no types
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any

import mutagen
from mutagen import flac, id3
from numpy.random import Generator

from .mutations import EDGES, flips, truncation

NAMES = (b"LIST", b"bext", b"cue ", b"id3 ", b"ID3 ", b"smpl", b"iXML", b"NAME", b"ANNO", b"\x00\xff\x00\xff")
KEYS = ("title", "artist", "date", "comment", "replaygain_track_gain", "r128_track_gain", "metadata_block_picture", "tracknumber")
MANY = 20_000
"""Comments of a file that somebody wrote a book into."""


def chunk(data: bytes, rng: Generator, _other: bytes) -> bytes:
    """One more chunk at the end of a WAV or AIFF, or of rubbish at the end of any other file."""
    name = NAMES[int(rng.integers(len(NAMES)))]
    content = _content(name, rng)
    if rng.random() < 0.5:
        content = (flips if rng.random() < 0.5 else truncation)(content or b"\0", rng, b"")
    order = ">" if data[:4] == b"FORM" else "<"
    told = len(content) if rng.random() < 0.7 else int(rng.choice(EDGES))
    longer = data + struct.pack(order + "4sI", name, told) + content + b"\0" * (len(content) % 2)
    return longer[:4] + struct.pack(order + "I", len(longer) - 8) + longer[8:] if data[:4] in (b"RIFF", b"FORM") else longer


def _content(name: bytes, rng: Generator) -> bytes:
    """What a chunk of this name usually holds, with words out of nowhere."""
    word = rng.bytes(int(rng.integers(1, 40)))
    if name == b"LIST":
        text = struct.pack("<I", len(word)) + word + b"\0" * (len(word) % 2)
        return b"INFO" + b"".join(key + text for key in (b"INAM", b"IART", b"ICMT"))
    if name == b"bext":
        return word.ljust(602, b"\0") + b"A=PCM\r\n"
    if name == b"cue ":
        return struct.pack("<I", int(rng.choice(EDGES))) + rng.bytes(24)
    if name == b"smpl":
        return bytes(28) + struct.pack("<II", int(rng.choice(EDGES)), 0) + rng.bytes(24)
    return _id3(rng) if name.upper() == b"ID3 " else word


def _id3(rng: Generator) -> bytes:
    """A tag of ID3 version 2.4 with a title, comments, a picture and a private frame."""
    tags: Any = id3.ID3()
    text = str(rng.choice(["", "a", "\n\r", "é" * 300, "\U0001f3b5"]))
    tags.add(id3.TIT2(encoding=3, text=[text, text]))
    tags.add(id3.COMM(encoding=1, lang="eng", desc=text, text=[text]))
    tags.add(id3.TXXX(encoding=3, desc="replaygain_track_gain", text=["-7.20 dB"]))
    tags.add(id3.APIC(encoding=0, mime="image/png", type=3, desc="", data=rng.bytes(50)))
    tags.add(id3.PRIV(owner="x", data=rng.bytes(20)))
    file = BytesIO()
    tags.save(file)
    return file.getvalue()


def comments(data: bytes, rng: Generator, _other: bytes) -> bytes:
    """Odd, long or many tags of the file's own kind; damaged in half of the cases."""
    file = BytesIO(data)
    try:
        opened = mutagen.File(file)
        if opened is None:
            return _id3(rng) + data
        if opened.tags is None:
            opened.add_tags()
        if isinstance(opened.tags, id3.ID3):
            opened.tags.update(id3.ID3(BytesIO(_id3(rng))))
        else:
            _comment(opened, rng)
        file.seek(0)
        opened.save(file)
    except (mutagen.MutagenError, ValueError, OverflowError):
        return chunk(data, rng, b"")
    return file.getvalue() if rng.random() < 0.5 else flips(file.getvalue(), rng, b"")


def _comment(opened: Any, rng: Generator) -> None:
    for key in rng.choice(KEYS, 4):
        value = str(rng.choice(["", "x" * 3000, "+3.1 dB", "\0", "é\n"]))
        opened.tags[str(key)] = [value, value]
    opened.tags["metadata_block_picture"] = [base64.b64encode(rng.bytes(40)).decode()]
    if rng.random() < 0.02:
        opened.tags["comment"] = ["many"] * MANY
    if isinstance(opened, flac.FLAC):
        picture: Any = flac.Picture()
        picture.data, picture.mime = rng.bytes(60), "image/jpeg"
        opened.add_picture(picture)


TAG_MUTATIONS: dict[str, Callable[[bytes, Generator, bytes], bytes]] = {"chunk": chunk, "comments": comments}
