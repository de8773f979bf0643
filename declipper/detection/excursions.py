"""Cuts the tall excursions out of a signal that is still coming, and says which have flat tops.

An excursion is flat when the number of samples within a share d of its top, W(d), hardly grows from d to 10 d; a mere loud peak is a
parabola, whose W(d) / W(10 d) is about 0.32. Heights and quantisation steps are those of past cells of the signal, so the first cell
gives only excursions above the floor.

The constants were set by hand on the signals of `tests/test_tracking.py`, in which clipping must be found at once and nothing in mere loud
peaks. The plugin's tracker, `packaging/plugin/core/tracker.cpp`, works with the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from declipper.clipping.arrays import Mask, Positions
from declipper.detection.evidence import FLOOR, LADDER, WIDER, Counts, finest_share

RUNGS = LADDER[:2]
"""Blur of the plateaus looked for, relative to their height: exact and dithered."""
INSIDE = 3
"""Samples that an excursion needs on its top to be called flat."""
FLAT = 0.7
"""Least (W(d) - 1) / (W(10 d) - 1) of a flat excursion."""
COARSEST = 1e-3
"""Excursions with larger quantisation steps than this share of their top say nothing."""
CELL = 1024
"""Frames after which the height that excursions are cut out at, and the quantisation step, are taken anew."""
CELLS = 4
"""Number of past cells whose peak counts."""
CUT = 0.5
"""Excursions are cut out at this share of the past cells' peak."""
LONGEST = 8192
"""Frames after which what does not end is no excursion."""
LEAST_STEP = 1e-7
"""Differences between samples up to this one, which is a little less than a step of 24 bits, are not taken for quantisation steps."""

Samples = npt.NDArray[np.float64]


def flat_tops(within: Counts, within_wider: Counts, finest: Samples) -> Mask:
    """Which excursions have a flat top, from W(d), W(10 d) and the finest share of their top at which they can be judged, one of each."""
    flat: Mask = (within >= INSIDE) & (within - 1 >= FLAT * (within_wider - 1)) & (finest <= COARSEST)
    return flat


class Excursion(NamedTuple):
    """Frames begin..end of a lane above the cut.

    finest: the smallest share of its top at which it can be judged, see `finest_share`. rung: the first of RUNGS at which it is flat, -1
    if at none. inside, beside: samples on its plateau and below it.
    """

    begin: int
    end: int
    top: float
    finest: float
    rung: int
    inside: int
    beside: int


@dataclass(frozen=True, eq=False)
class _EndToEnd:
    """All lanes in one signal, one after the other, each with its open excursion before it and one low sample behind it.

    signal: (samples,). edges: (2 * excursions,) where excursions begin and end in it, in turn. stops: (lanes,) where the low samples are.
    """

    signal: Samples
    edges: Positions
    stops: Positions


class Cutter:
    """Cuts excursions out of lanes: both polarities of every channel, turned so that they point up. All are worked on at once."""

    def __init__(self, channels: int) -> None:
        self.seen = 0
        self._channels = channels
        lanes = 2 * channels
        self._peaks = np.zeros((lanes, CELLS))
        self._quantum = np.full((channels, 1), np.inf)
        self._cell = np.zeros((lanes, 0))
        self._open = [np.zeros(0)] * lanes
        self._endless = np.zeros(lanes, bool)

    def push(self, samples: Samples) -> list[list[Excursion]]:
        """The excursions that ended in the next samples (frames, channels): of each channel upwards, then of each downwards."""
        lanes = np.concatenate([samples.T, -samples.T])
        heights, quanta = self._measured(lanes)
        high = lanes >= np.repeat(heights, CELL, axis=1)[:, self.seen % CELL :][:, : len(samples)]
        self._pass_over_endless(high)
        joined = self._end_to_end(lanes, high)
        begins, ends = joined.edges[::2], joined.edges[1::2]
        lane = np.searchsorted(joined.stops, begins, side="right")
        lasting, short = ends == joined.stops[lane], ends - begins <= LONGEST
        self._open = [np.zeros(0)] * len(lanes)
        for n in np.flatnonzero(lasting & short):
            self._open[lane[n]] = joined.signal[begins[n] : ends[n]].copy()
        self._endless[lane[lasting & ~short]] = True
        ended = ~lasting & short
        begins, ends, lane = begins[ended], ends[ended], lane[ended]
        shift = self.seen + len(samples) - joined.stops[lane]
        quantum = quanta[lane, (ends + shift) // CELL - self.seen // CELL]
        found: list[list[Excursion]] = [[] for _ in lanes]
        for n, excursion in zip(lane.tolist(), _judged(joined.signal, begins, ends, shift=shift, quantum=quantum), strict=True):
            found[n].append(excursion)
        self.seen += len(samples)
        return found

    def _pass_over_endless(self, high: Mask) -> None:
        """Mark as low what belongs to excursions that have become too long, up to their ends."""
        for n in np.flatnonzero(self._endless):
            low = np.flatnonzero(~high[n])
            high[n, : low[0] if len(low) else None] = False
            self._endless[n] = not len(low)

    def _end_to_end(self, lanes: Samples, high: Mask) -> _EndToEnd:
        """The lanes joined, so that one pass finds the excursions of them all: the low sample between two lanes keeps them apart."""
        low = np.zeros(1)
        signal = [part for lane, held in zip(lanes, self._open, strict=True) for part in (held, lane, low)]
        above = [part for lane, held in zip(high, self._open, strict=True) for part in (np.ones_like(held, bool), lane, low > 0)]
        lengths = np.array([len(held) + lanes.shape[1] + 1 for held in self._open])
        edges = np.flatnonzero(np.diff(np.concatenate([low > 0, *above])))
        return _EndToEnd(np.concatenate(signal), edges, np.cumsum(lengths) - 1)

    def _measured(self, lanes: Samples) -> tuple[Samples, Samples]:
        """The height to cut at, and the quantisation step, in each cell from the one not yet complete on: (lanes, cells)."""
        cells = np.concatenate([self._cell, lanes], axis=1)
        complete = cells.shape[1] // CELL
        self._cell = cells[:, complete * CELL :]
        whole = cells[:, : complete * CELL].reshape(len(lanes), complete, CELL)
        peaks = np.concatenate([self._peaks, whole.max(axis=2)], axis=1)
        steps = np.diff(np.sort(np.abs(whole[: self._channels]), axis=2), axis=2)
        steps = steps.min(axis=2, where=steps > LEAST_STEP, initial=np.inf)
        quanta = np.minimum.accumulate(np.concatenate([self._quantum, steps], axis=1), axis=1)
        self._peaks, self._quantum = peaks[:, -CELLS:], quanta[:, -1:]
        return np.maximum(FLOOR, CUT * sliding_window_view(peaks, CELLS, axis=1).max(axis=2)), np.tile(quanta, (2, 1))


def _judged(signal: Samples, begins: Positions, ends: Positions, *, shift: Positions, quantum: Samples) -> list[Excursion]:
    """The excursions begins..ends of the signal, each with the quantisation step there; `shift` later they are in frames of their lanes."""
    if not len(begins):
        return []
    lengths = ends - begins
    offsets = np.cumsum(lengths) - lengths
    run = np.repeat(np.arange(len(lengths)), lengths)
    values = signal[(begins - offsets)[run] + np.arange(len(run))]
    tops = np.maximum.reduceat(values, offsets)
    finest = finest_share(quantum, tops)
    rungs, insides = np.full(len(tops), -1), np.zeros(len(tops), np.int32)
    depth = 1 - values / tops[run]
    for rung in reversed(range(len(RUNGS))):
        share = np.maximum(RUNGS[rung], finest)
        narrow, wide = (np.add.reduceat(depth <= bound[run], offsets, dtype=np.int32) for bound in (share, WIDER * share))
        flat = flat_tops(narrow, wide, finest)
        rungs[flat], insides[flat] = rung, wide[flat]
    columns = (begins + shift, ends + shift, tops, finest, rungs, insides, lengths - insides)
    return list(map(Excursion._make, zip(*(column.tolist() for column in columns), strict=True)))
