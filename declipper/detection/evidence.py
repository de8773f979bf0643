"""Evidence of clipping in one polarity of one channel: its tall excursions and how flat their tops are, and how high samples stand.

Of an excursion of the signal with its top at t are counted the samples that lie within a share d of the top, W(d), for the shares of a
ladder. What a plateau looks like in these counts is told in `declipper.detection.detector`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LADDER = np.array([4e-5, 1e-3, 6e-3, 2.2e-2, 6e-2])
"""Blur of the plateau, relative to its height: exact, dithered, noisy, resampled, coded."""
WIDER = 10.0
COARSEST = 0.1
"""Excursions with larger quantisation steps than this share of their top say nothing."""
FLOOR = 10 ** (-60 / 20)
REGION = 0.3
"""Excursions are cut out at this share of the chunk's peak."""
MOST_PER_CHUNK = 256
MOST_ROWS = 1 << 17
"""Excursions kept of one polarity; beyond that only the tallest half of each chunk's stays."""
BIN = 1e-3
"""Width of the amplitude histogram's bins, relative."""
BINS = 21000


class Evidence:
    """Gathers, chunk by chunk, the tall excursions, and histograms of amplitudes and of all tops. Memory is bounded."""

    def __init__(self) -> None:
        self.rows: list[npt.NDArray[np.float64]] = []
        self._count = 0
        self._most = MOST_PER_CHUNK
        self.histogram = np.zeros(BINS, dtype=np.int64)
        self.tops = np.zeros(BINS, dtype=np.int64)

    def add(self, v: npt.NDArray[np.float64], start: int) -> None:
        """Take up one chunk of this polarity, turned so that its excursions point up."""
        peak = v.max(initial=0.0)
        if not peak > FLOOR:
            return
        high = v >= REGION * peak
        edges = np.flatnonzero(np.diff(high, prepend=False, append=False))
        begins, ends = edges[::2], edges[1::2]
        lengths = ends - begins
        values = v[high]
        np.add.at(self.histogram, bin_of(values), 1)
        offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        tops = np.maximum.reduceat(values, offsets)
        np.add.at(self.tops, bin_of(tops), 1)
        quantum = _quantum(values, peak)
        finest = np.maximum(LADDER[0], 1.01 * quantum / tops)
        shares = np.stack([np.maximum(d, finest) for d in LADDER])
        row = [start + begins + 0.5 * lengths, tops, finest]
        for share in shares:
            for widen in (1.0, WIDER):
                row.append(np.add.reduceat(values >= np.repeat(tops * (1 - np.minimum(share * widen, 0.7)), lengths), offsets))
        at_top = np.flatnonzero(values == np.repeat(tops, lengths))
        row.append(v[np.flatnonzero(high)[at_top[np.searchsorted(at_top, offsets)]] - 1] / tops)
        table = np.stack(row, axis=1)
        table = table[tops >= 0.5 * peak]
        self.rows.append(_tallest(table, self._most))
        self._count += len(self.rows[-1])
        if self._count > MOST_ROWS and self._most > 1:
            self._most //= 2
            self.rows = [_tallest(t, self._most) for t in self.rows]
            self._count = sum(map(len, self.rows))

    def excursions(self) -> npt.NDArray[np.float64]:
        """(excursions, 4 + 2 * len(LADDER)): place, top, finest share, then W(d) and W(10 d) for each rung, and the sample before the top,
        as a share of it.
        """
        table = np.concatenate(self.rows) if self.rows else np.zeros((0, 4 + 2 * len(LADDER)))
        return table[table[:, 2] < COARSEST]


def _tallest(table: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.float64]:
    """The `most` tallest excursions of a table, in their order in time."""
    if len(table) <= most:
        return table
    return table[np.sort(np.argsort(-table[:, 1], kind="stable")[:most])]


def bin_of(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The bins of the histograms in which these amplitudes, above 0, count."""
    bins: npt.NDArray[np.int64] = np.clip(np.log(values / FLOOR) / np.log1p(BIN), 0, BINS - 1).astype(np.int64)
    return bins


def bin_height(index: npt.NDArray[np.int64] | int) -> npt.NDArray[np.float64]:
    """The amplitudes at which bins begin."""
    return np.asarray(FLOOR * np.exp(np.asarray(index) * np.log1p(BIN)))


def _quantum(values: npt.NDArray[np.float64], peak: float) -> float:
    """The quantisation step: the smallest difference between distinct sample values, 0 for what is not quantised."""
    distinct = np.unique(values[:4096])
    steps = np.diff(distinct)
    steps = steps[steps > 1e-7 * peak]
    if len(steps) < 2:
        return peak  # too few values to tell plateaus from steps
    if steps.min() <= 2e-6:
        return 0.0
    multiples = steps[steps < 16 * steps.min()] / steps.min()
    # the few values of a periodic signal have a smallest difference too, but the others are not multiples of it
    return float(steps.min()) if np.mean(np.abs(multiples - np.rint(multiples)) < 0.1) > 0.9 else 0.0


def flatness(table: npt.NDArray[np.float64], rung: int) -> tuple[float, int]:
    """Pooled flatness at one rung of the ladder, and the number of excursions long enough to have a say."""
    narrow, wide = table[:, 3 + 2 * rung] - 1, table[:, 4 + 2 * rung] - 1
    # an endless plateau must not outvote all others
    weight = 1 / np.maximum(wide / 64, 1)
    total = float((wide * weight).sum())
    return (float((narrow * weight).sum()) / total if total else 0.0), int((wide >= 2).sum())
