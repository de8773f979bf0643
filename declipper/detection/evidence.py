"""Evidence of clipping in one polarity of one channel: its tall excursions, how flat their tops are, and how high all samples stand.

An excursion is an unbroken stretch of the signal above some height. Of one with its top at t, W(d) counts the samples that lie within
a share d of the top, for the shares of a `LADDER`. What a plateau looks like in these counts is told in `declipper.detection.detector`.
The constants were chosen with `python -m declipper.training.studies.detection`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Mask, Positions
from declipper.detection.histogram import Histogram

LADDER = np.array([4e-5, 1e-3, 6e-3, 2.2e-2, 6e-2])
"""Shares d of its top within which the samples of an excursion are counted. Each rung is the blur, relative to its height, of one kind
of plateau: exact (a step of 16 bits at full scale and a little more), dithered, noisy, resampled, coded."""
WIDER = 10.0
"""W(d) is compared with the count within so many times d: a parabola has sqrt(10) times as many there, a plateau no more."""
COARSE = 0.1
"""Excursions whose quantisation steps are larger than this share of their top say nothing: they are flat whatever they come from."""
STEP = 1.01
"""Samples that lie so many quantisation steps apart count as one step apart: one and what rounding may add."""
FLOOR = 10 ** (-60 / 20)
"""Passages below this amplitude are not looked at: -60 dBFS, where a fade-out has few steps of 16 bits left. Full scale: see `unit_of`."""
QUIET, LOUD = 0.01, 1e6
"""Recordings whose peak lies between these are taken as they are: their full scale is 1. Others lie where no audio does."""
USUAL = 0.5
"""The peak that such others are turned to, away from full scale, at which a plateau would be believed more easily."""
REGION = 0.3
"""Excursions are cut out at this share of the chunk's peak."""
TALL = 0.5
"""Excursions are kept when their top reaches this share of the chunk's peak."""
CHUNK = 32768
"""Frames that are looked at together."""
MOST_PER_CHUNK = 256
"""Excursions kept of each chunk, the tallest ones, until `MOST_EXCURSIONS` are reached."""
MOST_EXCURSIONS = 1 << 17
"""Excursions kept in all; beyond that only the tallest half of each chunk's stays. It keeps the memory bounded."""
MOST_PARTS = 256
"""Chunks whose excursions are held in arrays of their own before these are joined: many small arrays take more than their values."""
BIN = 1e-3
"""Width of the bins in a histogram of amplitudes, relative to the amplitude."""
BINS = 21000
"""Bins in a histogram of amplitudes: from `FLOOR` up to 1.3 million, so that samples scaled like integers find their place too."""
LARGEST = 1e300
"""Amplitudes above this one, near the end of what a float64 holds, are counted as it."""
STEP_SAMPLES = 4096
"""Samples from which the quantisation step of a chunk is found."""
FINE_STEP = 2e-6
"""Quantisation steps up to this one, about that of 20 bits, count as none: they lie well inside the finest rung. Below QUIET it shrinks."""

Counts = npt.NDArray[np.int32]
"""How many samples."""


@dataclass(frozen=True)
class Flatness:
    """How flat the tops of several excursions are together.

    ratio: (W(d) - 1) / (W(10 d) - 1), pooled: about 0.3 for round tops and near 1 for plateaus. count: the excursions that are long
    enough to have a say in it.
    """

    ratio: float
    count: int


@dataclass(frozen=True, eq=False)
class Excursions:
    """Excursions of one polarity of one channel in the order of time, turned so that they point up. Each field has a row for each.

    place: (excursions,) the middle, in frames from the beginning of the signal. top: (excursions,) the highest sample. finest:
    (excursions,) the smallest share of its top at which the excursion can be judged, see `finest_share`. within: (excursions, rungs) the
    counts W(d) for the shares d of `LADDER`; within_wider: (excursions, rungs) the counts W(10 d). before_top: (excursions,) the
    sample before the highest one, as a share of that.
    """

    place: npt.NDArray[np.float64]
    top: npt.NDArray[np.float64]
    finest: npt.NDArray[np.float64]
    within: Counts
    within_wider: Counts
    before_top: npt.NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Iterable[Excursions]) -> Excursions:
        """The excursions of several stretches of a signal, one after the other."""
        held = [NO_EXCURSIONS, *parts]
        return cls(*(np.concatenate([getattr(part, field.name) for part in held]) for field in fields(cls)))

    def __len__(self) -> int:
        return len(self.top)

    def __getitem__(self, chosen: Mask | Positions) -> Excursions:
        """The excursions that a mask marks, or those at these positions."""
        return Excursions(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def tallest(self, most: int) -> Excursions:
        """The `most` tallest excursions of each `CHUNK` frames, in the order of time."""
        chunk = (self.place / CHUNK).astype(np.int64)
        falling = np.lexsort((-self.top, chunk))
        rank = np.arange(len(self)) - np.searchsorted(chunk, chunk[falling])
        return self[np.sort(falling[rank < most])]

    def flatness(self, rung: int) -> Flatness:
        """How flat the tops are at one rung of the `LADDER`."""
        # the first sample of each count, the top itself, is free
        narrow, wide = self.within[:, rung] - 1, self.within_wider[:, rung] - 1
        # an endless plateau must not outvote all others: from 64 samples on, each excursion has the same say
        weight = 1 / np.maximum(wide / 64, 1)
        total = float((wide * weight).sum())
        return Flatness(float((narrow * weight).sum()) / total if total else 0.0, int((wide >= 2).sum()))


NO_EXCURSIONS = Excursions(
    np.zeros(0),
    np.zeros(0),
    np.zeros(0),
    np.zeros((0, len(LADDER)), np.int32),
    np.zeros((0, len(LADDER)), np.int32),
    np.zeros(0),
)


class Evidence:
    """Gathers the tall excursions of one polarity of one channel, and histograms of its amplitudes, chunk by chunk, in bounded memory.

    All heights that it tells are those in the `unit`, relative to which the rules of the detector are made.
    """

    def __init__(self, most: int = MOST_EXCURSIONS) -> None:
        """`most` excursions are kept."""
        self.unit = 1.0
        """What counts as full scale, see `unit_of`; it may be set once all is taken up."""
        self._seen = 0
        self._most = most
        self._above_floor, self._below_floor = _Gathered(most), _Gathered(most)

    @property
    def amplitudes(self) -> npt.NDArray[np.int64]:
        """(BINS,) how many samples, of those that are part of excursions, stand at each height. See `bin_of` for the bins."""
        return self._above_floor.amplitudes.dense(_bins_of(self.unit), BINS)

    @property
    def tops(self) -> npt.NDArray[np.int64]:
        """(BINS,) how many excursions end at each height."""
        return self._above_floor.tops.dense(_bins_of(self.unit), BINS)

    def add(self, chunk: npt.NDArray[np.float64], *, quiet: bool = False) -> None:
        """Take up the next `CHUNK` samples of this polarity, turned so that it points up. Only the last chunk may be shorter.

        quiet: no channel of the recording has been louder than QUIET yet: it may be one whose full scale lies lower.
        """
        peak = float(chunk.max(initial=0.0))
        if not quiet:
            self._below_floor = _Gathered(self._most)
        if peak > FLOOR or (quiet and peak > 0):
            (self._above_floor if peak > FLOOR else self._below_floor).add(chunk, peak, start=self._seen)
        self._seen += len(chunk)

    def settle(self, unit: float) -> None:
        """Once all is taken up: in which unit heights are told. Where it is not 1, passages below the floor count too."""
        self.unit = unit
        if unit != 1:
            self._above_floor = self._above_floor.joined(self._below_floor)

    def excursions(self) -> Excursions:
        """The tall excursions, without those that are quantised too coarsely to tell anything."""
        excursions = Excursions.joined(self._above_floor.parts)
        excursions = replace(excursions, top=excursions.top / self.unit)
        return excursions[(excursions.finest < COARSE) & (excursions.top > TALL * FLOOR)]


class _Gathered:
    """The tall excursions of some chunks, and the histograms of all samples and tops that are part of excursions there."""

    def __init__(self, most: int) -> None:
        self.amplitudes, self.tops = Histogram(), Histogram()
        self.parts: list[Excursions] = []
        self._most = most
        self._most_per_chunk = MOST_PER_CHUNK
        self._count = 0

    def add(self, chunk: npt.NDArray[np.float64], peak: float, *, start: int) -> None:
        """Take up a chunk of this peak, above 0, that begins at frame `start`."""
        high = chunk >= REGION * peak
        excursions = _cut_out(chunk, high, peak, start=start)
        self.amplitudes.add(_place(chunk[high]))
        self.tops.add(_place(excursions.top))
        self._keep(excursions[excursions.top >= TALL * peak].tallest(self._most_per_chunk))

    def joined(self, other: _Gathered) -> _Gathered:
        """What both hold, in the order of time."""
        together = _Gathered(self._most)
        together.amplitudes, together.tops = self.amplitudes.joined(other.amplitudes), self.tops.joined(other.tops)
        excursions = Excursions.joined([*self.parts, *other.parts])
        together.parts = [excursions[np.argsort(excursions.place, kind="stable")]]
        return together

    def _keep(self, excursions: Excursions) -> None:
        self.parts.append(excursions)
        self._count += len(excursions)
        if self._count > self._most and self._most_per_chunk > 1:
            self._most_per_chunk //= 2
            self.parts = [Excursions.joined(self.parts).tallest(self._most_per_chunk)]
            self._count = len(self.parts[0])
        elif len(self.parts) > MOST_PARTS:
            self.parts = [Excursions.joined(self.parts)]


def _bins_of(unit: float) -> int:
    """How many bins a unit that `unit_of` gave lies above 1."""
    return round(float(np.log(unit) / np.log1p(BIN)))


def unit_of(peak: float) -> float:
    """What counts as full scale in a recording of this peak: 1, and where no audio lies, what turns the peak to `USUAL`.

    It is then a power of 1 + BIN, so that bins stay whole.
    """
    if peak == 0 or QUIET <= peak <= LOUD:
        return 1.0
    return float(np.exp(np.floor(np.log(peak / USUAL) / np.log1p(BIN)) * np.log1p(BIN)))


def _cut_out(chunk: npt.NDArray[np.float64], high: Mask, peak: float, *, start: int) -> Excursions:
    """All excursions of a chunk that begins at frame `start`: the stretches where `high` is true, in at least one place."""
    edges = np.flatnonzero(np.diff(high, prepend=False, append=False))
    begins, ends = edges[::2], edges[1::2]
    lengths = ends - begins
    samples, firsts = chunk[high], np.cumsum(lengths) - lengths
    tops = np.maximum.reduceat(samples, firsts)
    finest = finest_share(_quantisation_step(samples, peak), tops)

    def counted(shares: npt.NDArray[np.float64]) -> Counts:
        """W(share) of each excursion; no share reaches below where the highest excursion of the chunk was cut out."""
        lowest = tops * (1 - np.minimum(shares, 1 - REGION))
        counts: Counts = np.add.reduceat(samples >= np.repeat(lowest, lengths), firsts, dtype=np.int32)
        return counts

    shares = [np.maximum(d, finest) for d in LADDER]
    at_top = np.flatnonzero(samples == np.repeat(tops, lengths))
    first_at_top = np.flatnonzero(high)[at_top[np.searchsorted(at_top, firsts)]]
    return Excursions(
        place=start + begins + 0.5 * lengths,
        top=tops,
        finest=finest,
        within=np.stack([counted(share) for share in shares], axis=1),
        within_wider=np.stack([counted(WIDER * share) for share in shares], axis=1),
        # before the first sample of a chunk stands its last one, which marks a crest as well as any
        before_top=chunk[first_at_top - 1] / tops,
    )


def finest_share(step: float | npt.NDArray[np.float64], tops: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The smallest share of its top at which each excursion can be judged: a quantisation step, or the finest rung of the `LADDER`."""
    finest: npt.NDArray[np.float64] = np.maximum(LADDER[0], STEP * step / tops)
    return finest


def _quantisation_step(samples: npt.NDArray[np.float64], peak: float) -> float:
    """The smallest difference between distinct samples; 0 for what is not quantised, and `peak` for too few values to tell."""
    distinct = np.unique(samples[:STEP_SAMPLES])
    steps = np.diff(distinct)
    steps = steps[steps > 1e-7 * peak]  # less is the rounding of a float32
    if len(steps) < 2:
        return peak
    if steps.min() <= FINE_STEP * min(1.0, peak / QUIET):
        return 0.0
    # the few values of a periodic signal have a smallest difference too, but the other differences are not multiples of it
    multiples = steps[steps < 16 * steps.min()] / steps.min()
    return float(steps.min()) if np.mean(np.abs(multiples - np.rint(multiples)) < 0.1) > 0.9 else 0.0


def _place(amplitudes: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Where these amplitudes, above 0, lie on the scale of the bins, which goes on beyond both its ends."""
    places: npt.NDArray[np.int64] = np.floor(np.log(np.minimum(amplitudes, LARGEST) / FLOOR) / np.log1p(BIN)).astype(np.int64)
    return places


def bin_of(amplitudes: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The bins of a histogram in which these amplitudes, above 0, are counted: each is wider than the one below by the share `BIN`."""
    return np.clip(_place(amplitudes), 0, BINS - 1)


def bin_at(amplitude: float) -> int:
    """The bin of one amplitude, see `bin_of`."""
    return int(bin_of(np.array([amplitude]))[0])


def bin_height(index: npt.NDArray[np.int64] | int) -> npt.NDArray[np.float64]:
    """The amplitudes at which bins begin."""
    return np.asarray(FLOOR * np.exp(np.asarray(index) * np.log1p(BIN)))
