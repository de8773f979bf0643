"""Exact plateaus: where one polarity was clipped at its very highest value and nothing came after, that value is the level, to the bit."""

from __future__ import annotations

import numpy as np

from declipper.clipping.arrays import Array

LEAST_SAMPLES = 12
"""Samples at the very same height that make a plateau."""
UNDER, MOST_UNDER = 0.01, 0.1
"""As many samples, relative to those on it, may lie in so thin a layer under an exact plateau: nothing piles up there."""
LIKELY = 0.5
"""Likelihood from which a mark has a say in whether the plateau is all there is, and the least mean of those on it."""
ALL = 0.95
"""Share of these marks that lie on the plateau, from which it is all there is. Where overshoots were cut at full scale it is 0.05 to 0.93,
where nothing came after the clipping 0.97 to 1 (`declipper.training.detection.trials`)."""


class Ceiling:
    """The highest value of one polarity of one channel, and what lies on it and under it, from stretches that follow each other."""

    def __init__(self) -> None:
        self._top = 0.0
        self._on = self._under = self._marked = 0
        self._marked_on = 0
        self._likelihood = 0.0

    def add(self, heights: Array, likelihood: Array) -> None:
        """Take up samples (frames,) of this polarity, turned so that it points up, and how likely each was cut off."""
        top = float(heights.max(initial=0.0))
        if top > self._top:
            # what lay on the old ceiling is under the new one, or far below it
            near = self._top >= (1 - UNDER) * top
            self._under = self._under + self._on if near else 0
            self._top, self._on, self._marked_on, self._likelihood = top, 0, 0, 0.0
        if not self._top:
            return
        on = heights == self._top
        sure = (likelihood > LIKELY) & (heights > 0)
        self._on += int(on.sum())
        self._under += int(((heights >= (1 - UNDER) * self._top) & ~on).sum())
        self._marked += int(sure.sum())
        self._marked_on += int((sure & on).sum())
        self._likelihood += float(likelihood[on].sum())

    @property
    def level(self) -> float | None:
        """The clip level, where this polarity was clipped at its highest value and nowhere else; None where it was not."""
        if self._on < LEAST_SAMPLES or self._under > MOST_UNDER * self._on:
            return None
        if self._likelihood < LIKELY * self._on or self._on < ALL * (self._marked - self._marked_on + self._on):
            return None
        return self._top

    @property
    def likelihood(self) -> float:
        """How likely the samples on the ceiling were cut off, in the mean."""
        return self._likelihood / max(1, self._on)
