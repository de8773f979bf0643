"""Counts the audio in an MP3 file from its frame headers, since libsndfile believes a header of the whole file, or guesses without one."""

from __future__ import annotations

import mmap
from pathlib import Path

KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates in kbit/s by MPEG version (2.5 counts as 2) and layer: ISO/IEC 11172-3 and 13818-3, table of bitrate_index 1 to 14."""
RATES = (44100, 48000, 32000)
"""Sample rates in Hz of MPEG 1, by their number in the header."""
DIVISORS = {3: 1, 2: 2, 0: 4}
"""By which the later versions divide these rates, by the version bits of the header."""


def _frame(head: bytes) -> tuple[int, int]:
    """(bytes, samples per channel) of the frame that begins with these four bytes; (0, 0) if none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] < 0xE0:
        return 0, 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    kbits, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or kbits in (0, 15) or rate == 3:
        return 0, 0
    generation = 1 if version == 3 else 2
    samples = 384 if layer == 1 else 576 if (layer, generation) == (3, 2) else 1152
    slot = 4 if layer == 1 else 1
    bits = KBITS[generation, layer][kbits - 1] * 1000 * samples // (8 * slot)
    return (bits // (RATES[rate] // DIVISORS[version]) + (head[2] >> 1 & 1)) * slot, samples


def _after_tag(head: bytes) -> int:
    """Where the audio begins in a file with these first ten bytes."""
    if head[:3] != b"ID3":
        return 0
    size = [byte & 0x7F for byte in head[6:10]]
    return 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])


def tells_length(path: Path) -> bool:
    """Whether an MP3 file begins with a frame that tells how long it is (Xing, Info or VBRI)."""
    with path.open("rb") as file:
        file.seek(_after_tag(file.read(10)))
        begin = file.read(256)
    return any(name in begin for name in (b"Xing", b"Info", b"VBRI"))


def samples_in(path: Path) -> int:
    """Samples per channel in all frames of an MP3 file, with the few at both ends that players leave out."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        position, total = _after_tag(raw[:10]), 0
        while position + 4 <= len(raw):
            length, samples = _frame(raw[position : position + 4])
            following = raw[position + length : position + length + 4]
            if length and (len(following) < 4 or _frame(following)[0] or following[:3] == b"TAG"):
                total += samples
                position += length
            else:
                position = raw.find(b"\xff", position + 1)
                if position < 0:
                    break
        return total
