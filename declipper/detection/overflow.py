"""Tells overflow from clipping: finds the samples that wrapped around full scale, and only where that is certain.

Where whole numbers overflow, the signal leaps from one end of their range to the other, and back a little later. Moved by `PERIOD`, what
lies between the two leaps continues the signal on either side, which chance does not bring about: clicks, noise and the edges of a square
wave leap too, but what is moved there does not fit, or stands still. What rises by a whole PERIOD beyond full scale, or crosses zero where
it wrapped around, could as well be a signal within full scale whose first leap was missed, and is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from declipper.clipping.arrays import Array, Mask, Positions
from declipper.clipping.overflow import NO_WRAPS, PERIOD, Wraps

LEAP = PERIOD / 2
"""Difference of two samples that follow each other from which on it is the smaller step to have gone the other way round."""
BEND = PERIOD / 4
"""Most that the slope changes from sample to sample beside a leap that counts as smooth: without moving what follows it would change by
three times as much at least."""
REACH = 6
"""Steps to either side of a leap over which is asked whether the signal is under way there."""
LEAST_MOVING = 0.3
"""Share of the smooth leaps beside which the signal must be under way: in REACH steps on one side, as far as the leap takes it. At the
edges of square waves it is at 0.16 of them, where these are noisy; in music and speech that overflows by 1 to 9 dB at 0.41 and more."""
LONGEST = 8192
"""Frames of a run of wrapped samples at most: 0.19 s at 44.1 kHz, half a period of 3 Hz."""
CALM, CROSSINGS = 256, 2
"""Frames without a leap, and crossings of zero among them, after which a signal is surely not beyond full scale."""
LEAST_EXPLAINED = 0.6
"""More than this share of the leaps must be wraps, or the recording is one that leaps anyway."""


class OverflowDetector:
    """Finds wrapped samples in a signal that comes block by block, with the same result for any division into blocks.

    Memory: a few frames, and some 200 bytes for each run of wrapped samples.
    """

    def __init__(self, channels: int) -> None:
        self._lanes = [_Lane() for _ in range(channels)]
        self._before = np.zeros((0, channels), np.float32)
        self._first = 0

    def push(self, block: Array) -> None:
        """Take up a block (frames, channels)."""
        samples = np.concatenate([self._before, block])
        leaps = np.abs(np.diff(samples, axis=0)) > LEAP
        judged = leaps[REACH:-REACH]
        for channel, lane in enumerate(self._lanes):
            at = np.flatnonzero(judged[:, channel]) + REACH
            if len(at) or lane.leaps:
                lane.take(samples[:, channel], at, first=self._first)
        kept = min(2 * REACH + 1, len(samples))
        self._first += len(samples) - kept
        self._before = samples[len(samples) - kept :]

    def finish(self) -> Wraps:
        """The wrapped samples of all that was pushed; none where the recording has many leaps that are no wraps."""
        leaps, explained = sum(lane.leaps for lane in self._lanes), sum(lane.explained for lane in self._lanes)
        smooth, moving = sum(lane.smooth for lane in self._lanes), sum(lane.moving for lane in self._lanes)
        if explained <= LEAST_EXPLAINED * leaps or moving < LEAST_MOVING * smooth:
            return NO_WRAPS
        rows = sorted((start, channel, length, turns) for channel, lane in enumerate(self._lanes) for start, length, turns in lane.wraps)
        start, channels, length, turns = np.array(rows, np.int64).T
        return Wraps(start, length.astype(np.int32), channels.astype(np.int32), turns)


@dataclass(frozen=True)
class _Out:
    """A leap out of full scale: the first frame after it, the turns that the samples there need, and whether it was smooth."""

    frame: int
    turns: int
    smooth: bool


class _Lane:
    """One channel. wraps: (start, length, turns) of each run of wrapped samples.

    leaps: how many there were; smooth, moving: how many of them were, see `_Passages`; explained: how many begin or end a run.
    """

    def __init__(self) -> None:
        self.leaps = self.smooth = self.moving = self.explained = 0
        self.wraps: list[tuple[int, int, int]] = []
        self._out: _Out | None = None
        self._lost = False
        """Whether it is no longer known if the signal is beyond full scale."""
        self._last = self._crossings = 0
        """The frame after the last leap, and how often zero was crossed since."""

    def take(self, samples: Array, leaps: Positions, *, first: int) -> None:
        """Take up a part of the channel (frames,) from frame `first` on, but for REACH steps at either end.

        leaps: the steps in it that are leaps, from sample `leaps[i]` to the next one.
        """
        steps = np.diff(samples)
        below = np.signbit(samples[REACH:-REACH])
        crossing = below[1:] != below[:-1]
        crossing[leaps - REACH] = False
        crossed = np.append(0, np.cumsum(crossing))
        passages = _Passages.of(steps, leaps)
        self.smooth += int(passages.smooth.sum())
        self.moving += int(passages.moving.sum())
        smooth = passages.smooth & (np.abs(samples[leaps]) <= 1) & (np.abs(samples[leaps + 1]) <= 1)
        turns = -np.sign(steps[leaps]).astype(np.int64)
        for leap, turn, fits in zip(leaps.tolist(), turns.tolist(), smooth.tolist(), strict=True):
            crossings = int(crossed[leap - REACH])
            self._crossings += crossings
            self._leap(_Out(first + leap + 1, turn, fits))
            # those up to here are no longer since the last leap
            self._crossings = -crossings
        self._crossings += int(crossed[-1])

    def _leap(self, leap: _Out) -> None:
        self.leaps += 1
        out = self._out
        if leap.frame - self._last >= CALM and self._crossings >= CROSSINGS:
            out, self._lost = None, False
        self._out = None
        if out is not None:
            is_back = leap.turns == -out.turns and not self._crossings and leap.frame - out.frame <= LONGEST
            if is_back and out.smooth and leap.smooth:
                self.wraps.append((out.frame, leap.frame - out.frame, out.turns))
                self.explained += 2
            else:
                self._lost = True
        elif not self._lost:
            self._out = leap
        self._last = leap.frame


@dataclass(frozen=True, eq=False)
class _Passages:
    """Leaps as steps the other way round. smooth: (leaps,), whether the signal goes on; moving: whether it is under way besides."""

    smooth: Mask
    moving: Mask

    @classmethod
    def of(cls, steps: Array, leaps: Positions) -> _Passages:
        """steps: (frames - 1,), from each sample to the next; leaps: which of them are, none within REACH of an end."""
        step = _shorter_way(steps[leaps])
        before, after = (_shorter_way(steps[leaps[:, None] + side * np.arange(1, REACH + 1)]) for side in (-1, 1))
        smooth = np.maximum(np.abs(step - before[:, 0]), np.abs(after[:, 0] - step)) <= BEND
        direction = -np.sign(steps[leaps])
        way = np.maximum(direction * before.sum(axis=1), direction * after.sum(axis=1))
        moving = smooth & (way > 0) & (way >= direction * step)
        return cls(smooth, moving)


def _shorter_way(steps: Array) -> Array:
    """Steps, taken the other way round where they are leaps."""
    return np.asarray(steps - PERIOD * np.rint(steps / PERIOD))
