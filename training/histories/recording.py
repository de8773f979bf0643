"""A recording on its way: what is heard, what would be heard had nothing been clipped, and which samples were cut off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import soxr

from declipper.clipping.arrays import Array, Mask
from declipper.clipping.levels import clip


@dataclass
class Cut:
    """One clipping: the signal that was cut off (frames,) with the levels it was cut at. It only ever changes its sample rate.

    told: how many entries the recording's story had by then, so that those after them tell what happened since.
    """

    signal: Array
    positive: float
    negative: float
    told: int

    @property
    def truth(self) -> Mask:
        """(frames,): which samples were cut off."""
        mask: Mask = (self.signal > self.positive) | (self.signal < self.negative)
        return mask


@dataclass
class Recording:
    """One channel with its history.

    y: (frames,) float64, what is heard, full scale at 1. original: the same without any clipping, through all linear filters and gains, not
    through noise and codecs. rate: in Hz. cuts: every clipping so far.
    """

    y: Array
    original: Array
    rate: int
    cuts: list[Cut] = field(default_factory=list)
    story: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, audio: Array, rate: int) -> Recording:
        """A recording to which nothing has happened yet."""
        return cls(audio.astype(np.float64), audio.astype(np.float64), rate)

    @property
    def truth(self) -> Mask:
        """(frames,): samples that any clipping cut off."""
        mask = np.zeros(len(self.y), bool)
        for cut in self.cuts:
            mask |= cut.truth
        return mask

    @property
    def lost(self) -> float:
        """Energy that clipping cut off, relative to that of what was clipped."""
        return float(sum(np.square(c.signal - clip(c.signal, c.positive, c.negative)).sum() / np.square(c.signal).sum() for c in self.cuts))

    @property
    def peak(self) -> float:
        """Of what is heard."""
        return float(np.abs(self.y).max(initial=0.0))

    def clip(self, positive: float, negative: float) -> None:
        """Cut off what exceeds the levels."""
        cut = Cut(self.y, positive, negative, len(self.story))
        if cut.truth.any():
            self.cuts.append(cut)
            self.y = clip(self.y, positive, negative)

    def both(self, linear: Callable[[Array], Array]) -> None:
        """A filter or gain that what is heard and the original go through alike, without delay."""
        self.y, self.original = linear(self.y), linear(self.original)

    def resample(self, rate: int, quality: str = "HQ") -> None:
        """To another sample rate; which samples were cut off is asked anew of the signals at that rate."""
        old, self.rate = self.rate, rate
        self.both(lambda v: np.asarray(soxr.resample(v, old, rate, quality=quality)))
        for cut in self.cuts:
            cut.signal = np.asarray(soxr.resample(cut.signal, old, rate, quality="HQ"))

    def save(self, bits: int | None) -> None:
        """Written as integers of so many bits, which cut at full scale, or as floats (None)."""
        if bits is None:
            self.y = self.y.astype(np.float32).astype(np.float64)
            return
        top = 2.0 ** (bits - 1)
        self.clip(1 - 1 / top, -1.0)
        self.y = np.rint(self.y * top) / top

    def middle(self, frames: int) -> None:
        """Keep so many frames in the middle."""
        start = max(0, (len(self.y) - frames) // 2)
        part = slice(start, start + frames)
        self.y, self.original = self.y[part], self.original[part]
        for cut in self.cuts:
            cut.signal = cut.signal[part]
