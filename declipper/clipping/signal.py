"""A clipped recording and what follows from its levels, worked out once: which samples are clipped, on which side, how far out at least."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from declipper.clipping.arrays import Array, Mask, finite
from declipper.clipping.levels import Curve


@dataclass(frozen=True, eq=False)
class ClippedSignal:
    """Samples and the levels they were clipped at: y, mu2 and mu1 of Sechaud et al., eq. 1.

    samples: (frames, channels), float32 or float64. positive, negative: the levels, broadcast against the samples, +inf and -inf where a
    polarity is not clipped. sample_rate: Hz. Raises ValueError for samples of another number of dimensions, or levels of another shape.

    >>> signal = ClippedSignal(samples, np.array(0.5), np.array(-0.5), 44100)
    """

    samples: Array
    positive: Curve
    negative: Curve
    sample_rate: float

    def __post_init__(self) -> None:
        if self.samples.ndim != 2:
            raise ValueError(f"samples must be (frames, channels), got {self.samples.shape}")
        for name in ("positive", "negative"):
            if getattr(self, name).shape != self.samples.shape:
                object.__setattr__(self, name, np.broadcast_to(getattr(self, name), self.samples.shape))

    def __reduce__(self) -> tuple[type[ClippedSignal], tuple[Array, Curve, Curve, float]]:
        """In another process, what follows from the levels is worked out again, which takes less time than to send it."""
        return ClippedSignal, (self.samples, _repeated_once(self.positive), _repeated_once(self.negative), self.sample_rate)

    @cached_property
    def above(self) -> Mask:
        """True where a sample is at or above its positive level."""
        return np.asarray(self.samples >= self.positive)

    @cached_property
    def below(self) -> Mask:
        """True where a sample is at or below its negative level."""
        return np.asarray(self.samples <= self.negative)

    @cached_property
    def mask(self) -> Mask:
        """True where a sample is clipped, of the shape of the samples. A NaN never is."""
        return self.above | self.below

    @cached_property
    def share(self) -> float:
        """The share of the samples that are clipped, 0 to 1."""
        return float(self.mask.mean())

    @cached_property
    def side(self) -> Array:
        """1 where a sample is clipped at its positive level, -1 at its negative one, 0 where it is reliable."""
        return np.where(self.above, 1.0, np.where(self.below, -1.0, 0.0))

    @cached_property
    def level(self) -> Array:
        """How far the level of a clipped sample's side is from 0: the least that its size was. For reliable samples it means nothing."""
        return np.where(self.side > 0, self.positive, -self.negative)

    @cached_property
    def highest_level(self) -> float:
        """The finite level that is farthest from 0. Raises ValueError where there is none."""
        levels = np.concatenate([np.ravel(self.positive), -np.ravel(self.negative)])
        return float(levels[np.isfinite(levels)].max())

    @cached_property
    def finite(self) -> ClippedSignal:
        """The same signal with 0 for every sample that is not a finite number."""
        if np.isfinite(self.samples).all():
            return self
        return ClippedSignal(finite(self.samples), self.positive, self.negative, self.sample_rate)

    def part(self, frames: slice) -> ClippedSignal:
        """Some of the frames."""
        return ClippedSignal(self.samples[frames], self.positive[frames], self.negative[frames], self.sample_rate)

    @cached_property
    def channels(self) -> tuple[ClippedSignal, ...]:
        """Each channel alone, as (frames, 1)."""
        if self.samples.shape[1] == 1:
            return (self,)
        columns = (slice(channel, channel + 1) for channel in range(self.samples.shape[1]))
        return tuple(ClippedSignal(self.samples[:, c], self.positive[:, c], self.negative[:, c], self.sample_rate) for c in columns)

    def packed(self) -> ClippedSignal:
        """The same with arrays of its own, laid out frame by frame, as they are where it is sent to.

        Sums over other layouts may be rounded otherwise, and the result must not hang on where it is worked out.
        """
        positive, negative = (np.ascontiguousarray(_repeated_once(level)) for level in (self.positive, self.negative))
        return ClippedSignal(np.ascontiguousarray(self.samples), positive, negative, self.sample_rate)

    def after(self, known: Array) -> ClippedSignal:
        """The same with frames (frames, channels) before it that are known, whatever its levels."""
        unclipped = np.full(known.shape, np.inf)
        positive, negative = np.concatenate([unclipped, self.positive]), np.concatenate([-unclipped, self.negative])
        return ClippedSignal(np.concatenate([known, self.samples]), positive, negative, self.sample_rate)

    def minus(self, part: Array) -> ClippedSignal:
        """What is left when a part that is known, of the shape of the samples, is taken out: the levels move with it."""
        return ClippedSignal(self.samples - part, self.positive - part, self.negative - part, self.sample_rate)


def _repeated_once(level: Curve) -> Curve:
    """Of a level that is the same in all frames, by being one row in memory, that row."""
    return level[:1] if level.ndim and level.strides[0] == 0 else level
