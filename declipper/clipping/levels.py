"""Clip levels, the clipping operator, and its inverse image: which samples a pair of levels leaves reliable."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Array, Mask
from declipper.clipping.runs import NO_RUNS, ClippedRuns

Curve = npt.NDArray[np.float64]

ROUNDING = 4e-5
"""By this share a level that is given in dBFS is lowered, so that 0 dBFS means every full-scale sample: the highest positive one of
16 bits lies 3e-5 below 0 dBFS."""


def clip(audio: Array, positive: float, negative: float) -> Array:
    """The forward operator h of the paper (eq. 1): saturate at `negative` < `positive`. Serves torch tensors as well as arrays."""
    return audio.clip(negative, positive)


@dataclass(frozen=True, eq=False)
class ClipLevels:
    """Where each channel clips: a sample at or beyond a level is clipped, every other sample is reliable.

    times: (knots,) int64, ascending frame numbers; positive, negative: (knots, channels) levels at those frames, +inf and -inf
    where a polarity is not clipped. One knot is a constant level. Between two knots the level runs on a straight line (a fade after
    clipping); before the first and after the last it is constant. The line does not run between a finite and an infinite level.
    step: the distance of the values that samples can have, see `on_grid`; 0 where they can have any. runs: samples that are clipped
    whatever the levels say, each run with a bound of its own in place of the level.

    Raises ValueError for other shapes, for frames that do not ascend, and unless negative < 0 < positive everywhere.
    """

    times: npt.NDArray[np.int64]
    positive: Curve
    negative: Curve
    step: float = 0.0
    runs: ClippedRuns = NO_RUNS

    def __post_init__(self) -> None:
        for name, dtype in (("times", np.int64), ("positive", np.float64), ("negative", np.float64)):
            object.__setattr__(self, name, np.asarray(getattr(self, name)).astype(dtype, casting="same_kind", copy=False))
        if self.times.ndim != 1 or not len(self.times) or np.any(np.diff(self.times) <= 0):
            raise ValueError(f"the frames of clip levels must ascend, got {np.array2string(self.times, threshold=10)}")
        if self.positive.ndim != 2 or self.positive.shape != self.negative.shape or len(self.positive) != len(self.times):
            found = f"{self.positive.shape} and {self.negative.shape}"
            raise ValueError(f"clip levels must be ({len(self.times)} knots, channels), got {found}")
        if not (np.all(self.positive > 0) and np.all(self.negative < 0)):
            worst = float(self.positive.min()), float(self.negative.max())
            raise ValueError(f"clip levels must lie above and below zero, got {worst[0]} and {worst[1]}")

    @classmethod
    def constant(cls, positive: float | Curve, negative: float | Curve, channels: int = 1) -> ClipLevels:
        """One level per polarity for the whole signal, the same for all channels or (channels,) arrays.

        Raises ValueError unless negative < 0 < positive.
        """
        rows = [np.array(np.broadcast_to(np.asarray(v, dtype=np.float64), (channels,)))[None] for v in (positive, negative)]
        return cls(np.zeros(1, np.int64), rows[0], rows[1])

    @property
    def channels(self) -> int:
        """Number of channels the levels are for."""
        return int(self.positive.shape[1])

    @property
    def any(self) -> bool:
        """Whether any channel clips at all."""
        return bool(np.isfinite(self.positive).any() or np.isfinite(self.negative).any() or len(self.runs))

    def heights(self, channel: int) -> tuple[Curve, Curve]:
        """How far from zero the levels and bounds of a channel lie: all finite ones of its positive and of its negative polarity."""
        bounds = self.runs.bound[self.runs.channel == channel]
        up, down = self.positive[:, channel], -self.negative[:, channel]
        return np.append(up[np.isfinite(up)], bounds[bounds > 0]), np.append(down[np.isfinite(down)], -bounds[bounds < 0])

    def on_grid(self, bits: int) -> ClipLevels:
        """The same mask for samples of so many bits, each level being the lowest sample that it takes for clipped.

        Then a sample that is held at its level is not rounded to one below it.
        """
        return replace(self, step=2.0 ** (1 - bits))

    def between(self, start: int, stop: int) -> tuple[Curve, Curve]:
        """The positive and negative levels of frames start..stop: (1, channels) when constant there, else (stop - start, channels)."""
        first = int(np.searchsorted(self.times, start, side="right")) - 1
        last = int(np.searchsorted(self.times, stop - 1, side="left"))
        if len(self.times) == 1 or last <= 0:
            levels = self.positive[:1], self.negative[:1]
        elif first >= len(self.times) - 1:
            levels = self.positive[-1:], self.negative[-1:]
        else:
            frames = np.arange(start, stop)
            levels = on_line(frames, self.times, self.positive), on_line(frames, self.times, self.negative)
        if self.step:
            levels = _stepped(levels[0], self.step, 1 - self.step), -_stepped(-levels[1], self.step, 1.0)
        runs = self.runs.within(start, stop)
        if len(runs):
            levels = _each(levels[0], stop - start), _each(levels[1], stop - start)
            runs.lay_over(*levels, first=start)
        return levels


@dataclass(frozen=True)
class Threshold:
    """Clip levels given by hand, in place of those found: how far from zero the positive and the negative one lie, linear, both above 0."""

    positive: float
    negative: float

    @classmethod
    def at_dbfs(cls, positive: float, negative: float | None = None) -> Threshold:
        """Levels given in dBFS; `negative` None is as `positive`. They are lowered a little, see ROUNDING."""
        both = (positive, positive if negative is None else negative)
        return cls(*(10 ** (level / 20) * (1 - ROUNDING) for level in both))

    def levels(self, channels: int) -> ClipLevels:
        """The same two levels for every channel and frame. Raises ValueError where one of them is not above 0."""
        return ClipLevels.constant(self.positive, -self.negative, channels)


def _each(levels: Curve, frames: int) -> Curve:
    """Levels for each of so many frames, to be written to."""
    return np.array(np.broadcast_to(levels, (frames, levels.shape[1])))


def _stepped(levels: Curve, step: float, highest: float) -> Curve:
    """Levels up to full scale, moved up to the next multiple of `step` and to `highest` at most."""
    return np.where(levels <= 1, np.minimum(np.ceil(levels / step) * step, highest), levels)


def on_line(frames: npt.NDArray[np.int64], times: npt.NDArray[np.int64], levels: Curve) -> Curve:
    """Linear interpolation that holds the left knot's level where either end is infinite."""
    left = np.clip(np.searchsorted(times, frames, side="right") - 1, 0, len(times) - 1)
    right = np.minimum(left + 1, len(times) - 1)
    span = np.maximum(times[right] - times[left], 1)
    share = np.clip((frames - times[left]) / span, 0.0, 1.0)[:, None]
    both = np.isfinite(levels[left]) & np.isfinite(levels[right])
    a, b = np.where(both, levels[left], 0.0), np.where(both, levels[right], 0.0)
    return np.where(both, a + (b - a) * share, levels[left])


def clipped_mask(audio: Array, positive: float | Curve, negative: float | Curve) -> Mask:
    """True where a sample is at or beyond its level. A NaN is never clipped. Levels broadcast against `audio`."""
    mask: Mask = (audio >= positive) | (audio <= negative)
    return mask


def mask_of(audio: Array, levels: ClipLevels, start: int = 0) -> Mask:
    """The mask of a block (frames, channels) that begins at frame `start` of the signal the levels were found in."""
    positive, negative = levels.between(start, start + len(audio))
    return clipped_mask(audio, positive, negative)
