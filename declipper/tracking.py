"""Finds clip levels while the signal is still coming: causal, per channel and polarity, the same for any division into blocks.

The evidence is that of `declipper.detection`: an excursion of the signal is flat when the number of samples within a share d of its
top, W(d), hardly grows from d to 10 d; a mere loud peak is a parabola, whose W(d) / W(10 d) is about 0.32.

*Attack.* A level holds as soon as `FEWEST` excursions within `TOGETHER` have ended flat at one height with nothing above it. It holds
from the first of them on, so the caller's look-ahead covers the delay. *Hold.* It stays for `HOLD` after the last flat excursion at its
height. *Release.* It goes at once when an excursion stands higher, from where that begins; a level that held before comes back with
the first flat excursion at its height.

The first `CELL` frames only teach it the signal's peak and quantisation. Unlike the two-pass detector, it does not look for plateaus
blurred by noise, a resampler or a codec.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from declipper.arrays import Array
from declipper.clipping import ClipLevels
from declipper.evidence import FLOOR, LADDER, WIDER

RUNGS = LADDER[:2]
"""Blur of the plateaus looked for, relative to their height: exact and dithered."""
FEWEST = (2, 4)
"""Flat excursions at one height before a plateau of each blur is believed."""
INSIDE = 3
"""Samples that an excursion needs on its top to be called flat."""
FLAT = 0.7
"""Least (W(d) - 1) / (W(10 d) - 1) of a flat excursion."""
SAME = 4e-3
"""Tops that differ by no more than this share are at one height."""
UNDER = 2e-3
"""How far below the tops the level of a dithered plateau lies; half of it is the drift after which a level follows its tops."""
TOGETHER = 0.5
"""Seconds within which the first flat excursions must come, and for which a higher top forbids a level below it."""
HOLD = 30.0
"""Seconds for which a level stays after the last flat excursion at its height."""
MEMORY = 1.0
"""Seconds back for which `push` tells the levels."""
BETWEEN = 0.04
"""Least share of samples beside the plateaus to those on them: less is a square wave, with nothing to restore from."""
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


class _Excursion(NamedTuple):
    """Frames begin..end of the signal above the cut. finest: the quantisation step, or float precision, over the top.

    rung: the first of RUNGS at which it is flat, -1 if at none; inside, beside: samples on its plateau and below it.
    """

    begin: int
    end: int
    top: float
    finest: float
    rung: int
    inside: int
    beside: int

    def level(self) -> float:
        return self.top * (1 - (self.finest if self.rung == 0 else UNDER))


class _Cutter:
    """Cuts the excursions of one polarity of one channel out of it, turned so that they point up."""

    def __init__(self) -> None:
        self.seen = 0
        self._peaks = [0.0] * CELLS
        self._cell = np.zeros(CELL)
        self._quantum = np.inf
        self._open: npt.NDArray[np.float64] = np.zeros(0)
        self._endless = False

    def push(self, v: npt.NDArray[np.float64]) -> list[_Excursion]:
        """The excursions that ended in the next samples (frames,)."""
        found: list[_Excursion] = []
        position = 0
        while position < len(v):
            piece = v[position : position + CELL - self.seen % CELL]
            found += self._piece(piece)
            position += len(piece)
            self._measure(piece)
        return found

    def _measure(self, piece: npt.NDArray[np.float64]) -> None:
        """Keep the peak and the quantisation step of each cell; they count from the next cell on."""
        at = self.seen % CELL
        self._cell[at : at + len(piece)] = piece
        self.seen += len(piece)
        if self.seen % CELL == 0:
            self._peaks = [*self._peaks[1:], float(self._cell.max())]
            steps = np.diff(np.sort(np.abs(self._cell)))
            self._quantum = min(self._quantum, float(steps.min(where=steps > 1e-7, initial=np.inf)))

    def _piece(self, piece: npt.NDArray[np.float64]) -> list[_Excursion]:
        high = piece >= max(FLOOR, CUT * max(self._peaks))
        held = len(self._open)
        if not held and not self._endless and not high.any():
            return []
        samples = np.concatenate([self._open, piece])
        high = np.concatenate([np.ones(held, bool), high])
        if self._endless:
            low = np.flatnonzero(~high)
            high[: low[0] if len(low) else len(high)] = False
            self._endless = not len(low)
        edges = np.flatnonzero(np.diff(high, prepend=False, append=False))
        begins, ends = edges[::2], edges[1::2]
        self._open = np.zeros(0)
        if len(ends) and ends[-1] == len(samples):
            self._open = samples[begins[-1] :].copy()
            begins, ends = begins[:-1], ends[:-1]
            if len(self._open) > LONGEST:
                self._open, self._endless = np.zeros(0), True
        ending = ends - begins <= LONGEST
        return self._judged(samples, begins[ending], ends[ending], self.seen - held) if ending.any() else []

    def _judged(
        self, samples: npt.NDArray[np.float64], begins: npt.NDArray[np.intp], ends: npt.NDArray[np.intp], start: int
    ) -> list[_Excursion]:
        """The flatness of each excursion begins..ends of the samples, whose first is frame `start`."""
        lengths = ends - begins
        inner = np.repeat(begins - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) + np.arange(lengths.sum())
        values = samples[inner]
        offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        tops = np.maximum.reduceat(values, offsets)
        finest = np.maximum(LADDER[0], 1.01 * self._quantum / tops)
        rungs, insides = np.full(len(tops), -1), np.zeros(len(tops), np.int64)
        depth = 1 - values / np.repeat(tops, lengths)
        for rung in reversed(range(len(RUNGS))):
            share = np.maximum(RUNGS[rung], finest)
            narrow, wide = (np.add.reduceat((depth <= np.repeat(d, lengths)).astype(np.int64), offsets) for d in (share, WIDER * share))
            flat = (narrow >= INSIDE) & (narrow - 1 >= FLAT * (wide - 1)) & (finest <= COARSEST)
            rungs[flat], insides[flat] = rung, wide[flat]
        columns = (begins + start, ends + start, tops, finest, rungs, insides, lengths - insides)
        return [_Excursion(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


class _Polarity:
    """Tracks the level of one polarity of one channel from its excursions."""

    def __init__(self, sample_rate: float) -> None:
        self._together = int(TOGETHER * sample_rate)
        self._hold = int(HOLD * sample_rate)
        self._memory = int(MEMORY * sample_rate)
        self._cutter = _Cutter()
        self._flat: list[_Excursion] = []
        self._highest: list[_Excursion] = []
        self._height = np.inf
        self._proven = np.inf
        self._refreshed = 0
        self.steps: list[tuple[int, float]] = [(0, np.inf)]
        """(frame, level from that frame on), in the order of time."""

    def push(self, v: npt.NDArray[np.float64]) -> None:
        for excursion in self._cutter.push(v):
            self._expire(excursion.end)
            self._take(excursion)
        self._expire(self._cutter.seen)
        known = self._cutter.seen - self._memory
        while len(self.steps) > 1 and self.steps[1][0] <= known:
            self.steps.pop(0)

    def _expire(self, now: int) -> None:
        if now > self._refreshed + self._hold:
            self._proven = np.inf
            if np.isfinite(self._height):
                self._step(self._refreshed + self._hold, np.inf, np.inf)

    def _step(self, frame: int, height: float, level: float) -> None:
        """From `frame` on the plateau stands at `height`; what was known of later frames is forgotten."""
        self._height = height
        while len(self.steps) > 1 and self.steps[-1][0] >= frame:
            self.steps.pop()
        self.steps.append((frame, level))

    def _take(self, e: _Excursion) -> None:
        if e.top > self._height * (1 + SAME):
            self._step(e.begin, np.inf, np.inf)
        while self._highest and self._highest[-1].top <= e.top:
            self._highest.pop()
        self._highest.append(e)
        while self._highest[0].end < e.end - self._together:
            self._highest.pop(0)
        if e.rung < 0:
            return
        self._flat = [*(f for f in self._flat[-15:] if f.end >= e.end - self._together), e]
        if _same(e.top, self._height):
            self._refreshed = e.end
            if e.top * (1 - e.finest) < self.steps[-1][1] or e.top > self._height * (1 + UNDER / 2):
                self._step(e.begin, e.top, e.level())
        elif np.isinf(self._height) and _same(e.top, self._proven):
            self._attack(e, e)
        elif self._highest[0].top <= e.top * (1 + SAME):
            together = [f for f in self._flat if _same(f.top, e.top)]
            enough = any(sum(f.rung <= rung for f in together) >= FEWEST[rung] for rung in range(len(RUNGS)))
            if enough and sum(f.beside for f in together) >= BETWEEN * sum(f.inside for f in together):
                self._attack(together[0], min(together, key=_Excursion.level))

    def _attack(self, first: _Excursion, lowest: _Excursion) -> None:
        self._refreshed = self._flat[-1].end
        self._proven = lowest.top
        self._step(first.begin, lowest.top, lowest.level())


def _same(top: float, height: float) -> bool:
    return abs(top - height) <= SAME * height if np.isfinite(height) else False


class LevelTracker:
    """Clip levels as known so far, of a signal that comes block by block.

    >>> tracker = LevelTracker(44100, channels=2)
    >>> levels = [tracker.push(block) for block in blocks]
    """

    def __init__(self, sample_rate: float, channels: int) -> None:
        self._sample_rate = sample_rate
        self.channels = channels
        self.reset()

    def reset(self) -> None:
        """Forget the past and begin a new signal at frame 0."""
        self.seen = 0
        self._polarities = [(_Polarity(self._sample_rate), _Polarity(self._sample_rate)) for _ in range(self.channels)]

    def push(self, block: Array) -> ClipLevels:
        """Take up a block (frames, channels); returns the levels of the last `MEMORY` seconds as they are known at its end."""
        samples = np.nan_to_num(block.astype(np.float64), posinf=0.0, neginf=0.0)
        for channel, (up, down) in enumerate(self._polarities):
            up.push(samples[:, channel])
            down.push(-samples[:, channel])
        self.seen += len(block)
        changes = {frame for pair in self._polarities for polarity in pair for frame, _ in polarity.steps}
        # a step, not a line: the old level is told once more just before the new one
        times = np.array(sorted(changes | {frame - 1 for frame in changes if frame > min(changes)}), np.int64)
        positive, negative = (np.stack([_sample(pair[p].steps, times) for pair in self._polarities], axis=1) for p in (0, 1))
        return ClipLevels(times, positive, -negative)


def _sample(steps: list[tuple[int, float]], times: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    frames = np.array([frame for frame, _ in steps])
    levels = np.array([level for _, level in steps])
    return levels[np.maximum(np.searchsorted(frames, times, side="right") - 1, 0)]
