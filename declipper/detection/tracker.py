"""Finds clip levels while the signal is still coming: causal, per channel and polarity, the same for any division into blocks.

The evidence is the flat tops of excursions (`declipper.detection.excursions`).

*Attack.* A level holds as soon as `FEWEST` excursions within `TOGETHER` have ended flat at one height with nothing above it. It holds
from the first of them on, so the caller's look-ahead covers the delay. *Hold.* It stays for `HOLD` after the last flat excursion at its
height. *Release.* It goes at once when an excursion stands higher, from where that begins; a level that held before comes back with
the first flat excursion at its height.

The first `CELL` frames only teach it the signal's peak and quantisation. Unlike the detector of whole recordings, it does not look for
plateaus blurred by noise, a resampler or a codec.

The constants were set by hand on the signals of `tests/test_tracking.py`, in which clipping must be found at once and nothing in mere loud
peaks. The plugin's tracker, `packaging/plugin/core/tracker.cpp`, works with the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Array, finite, samples_of
from declipper.clipping.levels import ClipLevels
from declipper.clipping.windows import checked_rate, frames_in
from declipper.detection.excursions import RUNGS, Cutter, Excursion

FEWEST = (2, 4)
"""Flat excursions at one height before a plateau of each blur is believed."""
SAME = 4e-3
"""Tops that differ by no more than this share are at one height."""
UNDER = 2e-3
"""How far below the tops the level of a dithered plateau lies; half of it is the drift after which a level follows its tops."""
TOGETHER = 0.5
"""Seconds within which the first flat excursions must come, and for which a higher top forbids a level below it."""
FLATS = 16
"""Flat excursions that are remembered: enough for `FEWEST` of each blur, and few enough to look through at each."""
HOLD = 30.0
"""Seconds for which a level stays after the last flat excursion at its height."""
MEMORY = 1.0
"""Seconds back for which `push` tells the levels."""
BETWEEN = 0.04
"""Least share of samples beside the plateaus to those on them: less is a square wave, with nothing to restore from."""


class _Step(NamedTuple):
    """The level from a frame on: +inf where there is none."""

    frame: int
    level: float


class _Polarity:
    """Tracks the level of one polarity of one channel from its excursions."""

    def __init__(self, sample_rate: float) -> None:
        self._together = frames_in(TOGETHER, sample_rate)
        self._hold = frames_in(HOLD, sample_rate)
        self._memory = frames_in(MEMORY, sample_rate)
        self._flat: list[Excursion] = []
        # tops of the last TOGETHER seconds that nothing later has exceeded, the highest first
        self._highest: list[Excursion] = []
        # height of the plateau that holds now, and of the last one that was believed and may come back
        self._height = np.inf
        self._proven = np.inf
        self._refreshed = 0
        self.steps = [_Step(0, np.inf)]
        """The levels of the last MEMORY seconds as known now, in the order of time."""

    def push(self, excursions: list[Excursion], now: int) -> None:
        """Take up the excursions that have ended up to frame `now`."""
        for excursion in excursions:
            self._expire(excursion.end)
            self._take(excursion)
        self._expire(now)
        known = now - self._memory
        while len(self.steps) > 1 and self.steps[1].frame <= known:
            self.steps.pop(0)

    def _expire(self, now: int) -> None:
        """Let go of a level that no flat excursion has confirmed for HOLD seconds."""
        if now > self._refreshed + self._hold:
            self._proven = np.inf
            if np.isfinite(self._height):
                self._step(self._refreshed + self._hold, np.inf, np.inf)

    def _step(self, frame: int, height: float, level: float) -> None:
        """From `frame` on the plateau stands at `height`; what was known of later frames is forgotten."""
        self._height = height
        while len(self.steps) > 1 and self.steps[-1].frame >= frame:
            self.steps.pop()
        self.steps.append(_Step(frame, level))

    def _take(self, e: Excursion) -> None:
        """Release the level, follow it, or begin one, as the next excursion demands."""
        if e.top > self._height * (1 + SAME):
            self._step(e.begin, np.inf, np.inf)
        self._remember_top(e)
        if e.rung < 0:
            return
        self._flat = [*(f for f in self._flat[1 - FLATS :] if f.end >= e.end - self._together), e]
        if _same(e.top, self._height):
            self._refreshed = e.end
            if e.top * (1 - e.finest) < self.steps[-1].level or e.top > self._height * (1 + UNDER / 2):
                self._step(e.begin, e.top, _level_under(e))
        elif np.isinf(self._height) and _same(e.top, self._proven):
            self._attack(e, e)
        elif self._highest[0].top <= e.top * (1 + SAME):
            together = [f for f in self._flat if _same(f.top, e.top)]
            enough = any(sum(f.rung <= rung for f in together) >= FEWEST[rung] for rung in range(len(RUNGS)))
            if enough and sum(f.beside for f in together) >= BETWEEN * sum(f.inside for f in together):
                self._attack(together[0], min(together, key=_level_under))

    def _remember_top(self, e: Excursion) -> None:
        while self._highest and self._highest[-1].top <= e.top:
            self._highest.pop()
        self._highest.append(e)
        while self._highest[0].end < e.end - self._together:
            self._highest.pop(0)

    def _attack(self, first: Excursion, lowest: Excursion) -> None:
        """Believe a plateau, from its first excursion on and at the height of the lowest."""
        self._refreshed = self._flat[-1].end
        self._proven = lowest.top
        self._step(first.begin, lowest.top, _level_under(lowest))


def _level_under(e: Excursion) -> float:
    """The level under the plateau of a flat excursion."""
    return e.top * (1 - (e.finest if e.rung == 0 else UNDER))


def _same(top: float, height: float) -> bool:
    """Whether a top is at a height; no top is at an infinite one."""
    return abs(top - height) <= SAME * height if np.isfinite(height) else False


class LevelTracker:
    """Clip levels as known so far, of a signal that comes block by block.

    >>> tracker = LevelTracker(44100, channels=2)
    >>> levels = [tracker.push(block) for block in blocks]
    """

    def __init__(self, sample_rate: float, channels: int) -> None:
        """Raises ValueError for a sample rate that is not supported."""
        self._sample_rate = checked_rate(sample_rate)
        self.channels = channels
        self.reset()

    def reset(self) -> None:
        """Forget the past and begin a new signal at frame 0."""
        self._cutter = Cutter(self.channels)
        self._lanes = [_Polarity(self._sample_rate) for _ in range(2 * self.channels)]

    @property
    def seen(self) -> int:
        """Frames taken up."""
        return self._cutter.seen

    def push(self, block: Array) -> ClipLevels:
        """Take up a block (frames, channels); returns the levels of the last `MEMORY` seconds as they are known at its end."""
        samples = finite(samples_of(block).astype(np.float64, copy=False))
        for lane, excursions in zip(self._lanes, self._cutter.push(samples), strict=True):
            lane.push(excursions, self.seen)
        changes = {step.frame for lane in self._lanes for step in lane.steps}
        # a step, not a line: the old level is told once more just before the new one
        times = np.array(sorted(changes | {frame - 1 for frame in changes if frame > min(changes)}), np.int64)
        levels = np.stack([_sampled(lane.steps, times) for lane in self._lanes], axis=1)
        return ClipLevels(times, levels[:, : self.channels], -levels[:, self.channels :])


def _sampled(steps: list[_Step], times: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The level at these frames; before the first step it is that of the first."""
    frames = np.array([step.frame for step in steps])
    levels = np.array([step.level for step in steps])
    return levels[np.maximum(np.searchsorted(frames, times, side="right") - 1, 0)]
