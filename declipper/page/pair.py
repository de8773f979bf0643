"""A recording and its restoration, read in step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from declipper.clipping.arrays import Array
from declipper.errors import InputError
from declipper.files.recording import Recording

PLAYED = 8000, 192_000
"""Sample rates in Hz that browsers play without resampling: the Web Audio standard asks for 8 to 96 kHz, and all go on to 192 kHz."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """The same frames of a recording and of its restoration, both (frames, channels); first: where in the recording they begin."""

    first: int
    original: Array
    restored: Array

    def __len__(self) -> int:
        return len(self.original)

    def part(self, begin: int, end: int) -> Stretch:
        """The frames begin..end, counted from the first one of this stretch."""
        return Stretch(self.first + begin, self.original[begin:end], self.restored[begin:end])

    def followed_by(self, other: Stretch) -> Stretch:
        """This stretch and the one after it."""
        return Stretch(self.first, np.concatenate([self.original, other.original]), np.concatenate([self.restored, other.restored]))


@dataclass(frozen=True)
class Pair:
    """A recording and what was made of it. Raises InputError unless both have the same rate, channels and length, and can be played."""

    original: Recording
    restored: Recording

    def __post_init__(self) -> None:
        """Compare what the two files say about themselves."""
        for what, one, other in (
            ("a sample rate of {} Hz", self.original.sample_rate, self.restored.sample_rate),
            ("{} channels", self.original.channels, self.restored.channels),
            ("{} frames", self.original.frames, self.restored.frames),
        ):
            if one != other:
                raise InputError(
                    f"{self.restored.name}: has {what.format(other)}, and {self.original.name} has {one}; "
                    "name a recording and its own restoration, in this order"
                )
        if not PLAYED[0] <= self.sample_rate <= PLAYED[1]:
            raise InputError(
                f"{self.original.name}: has {self.sample_rate} Hz, and browsers play {PLAYED[0]} to {PLAYED[1]} Hz; "
                "resample both files to have a page about them"
            )

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return self.original.sample_rate

    @property
    def channels(self) -> int:
        """How many there are."""
        return self.original.channels

    @property
    def frames(self) -> int:
        """Length."""
        return self.original.frames

    def stretches(self) -> Iterator[Stretch]:
        """The whole of both, in stretches of any length. Raises InputError where one of them turns out broken."""
        ahead = [self.original.blocks(), self.restored.blocks()]
        blocks: list[Array] = [np.zeros((0, self.channels))] * 2
        first = 0
        while first < self.frames:
            blocks = [block if len(block) else next(more) for block, more in zip(blocks, ahead, strict=True)]
            length = min(map(len, blocks))
            yield Stretch(first, blocks[0][:length], blocks[1][:length])
            blocks = [block[length:] for block in blocks]
            first += length
