"""Exact plateaus: where one polarity was clipped at its very highest value and nothing came after, that value is the level, to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from declipper.clipping.arrays import Array
from declipper.detection.features import Features, log_odds
from declipper.detection.gate import shipped_plateau_gate

LEAST_SAMPLES = 12
"""Samples at the very same height, at least, for it to be looked at: with fewer the shares that tell are chance."""
LEAST_IN_A_ROW = 0.01
"""Share of the samples on it, at least, that follow another one: a tone of four samples a period reaches one height again and again, but
with a single sample each, and sampled at its zeros it has as many different ones before them as rounding makes. Speech at 8 kHz, clipped to
10 dB, has 0.02."""
UNDER = 0.01
"""How thin a layer under the highest value is counted, relative to it: nothing piles up there where nothing came after the clipping."""
CERTAIN = 0.9
"""Likelihood from which a mark has a say in whether the plateau is all there is."""
BESIDE = 0.2
"""Probability from which a plateau is taken for a clip level in a recording with one that surely is: of the simulated recordings of
`declipper.training.detection.plateaus` it is one in 45 of 53 where the regression says 0.2 to 0.5."""
FULL_SCALE = 1 - 2**-15
"""The highest positive value of 16 bits."""
MOST_CRESTS = 1000
"""Crests with different samples before them, which tell a sound that is played again and again, or a square wave, from others: no more are
told apart."""


def levels_of(ceilings: Sequence[Ceiling], probabilities: Features) -> Features:
    """The clip levels of polarities, infinite where the highest value is none; probabilities: (ceilings,), that it is one.

    It is where that is more likely than not, or BESIDE where it is so in another polarity of the recording.
    """
    likely = probabilities > (BESIDE if (probabilities > 0.5).any() else 0.5)
    return np.where(likely, np.array([ceiling.height for ceiling in ceilings]), np.inf)


class Ceiling:
    """The highest value of one polarity of one channel, and what lies on it and under it, from stretches that follow each other."""

    def __init__(self) -> None:
        self._side = 0
        self._height = 0.0
        self._reached(0.0, under=0)
        self._certain = 0

    def _reached(self, height: float, *, under: int) -> None:
        """Begin to count on a new height."""
        self._height, self._under = height, under
        self._on = self._in_a_row = self._certain_on = 0
        self._likelihood = 0.0
        self._before: set[float] = set()

    def add(self, heights: Array, likelihood: Array) -> None:
        """Take up samples (frames,), turned so that this polarity points up, and how likely each was cut off."""
        highest = float(heights.max(initial=0.0))
        if highest > self._height:
            # what lay on the old height is under the new one, or far below it
            self._reached(highest, under=self._under + self._on if self._height >= (1 - UNDER) * highest else 0)
        if not self._height:
            return
        on = heights == self._height
        certain = (likelihood > CERTAIN) & (heights > 0)
        self._side += int((heights > 0).sum())
        self._on += int(on.sum())
        self._in_a_row += int((on[1:] & on[:-1]).sum())
        self._under += int(((heights >= (1 - UNDER) * self._height) & ~on).sum())
        self._certain += int(certain.sum())
        self._certain_on += int((certain & on).sum())
        self._likelihood += float(likelihood[on].sum())
        if len(self._before) < MOST_CRESTS:
            self._before.update(heights[:-1][on[1:] & ~on[:-1]].tolist()[:MOST_CRESTS])

    @property
    def height(self) -> float:
        """The highest value, 0 where there is none above 0."""
        return self._height

    def probability(self, belief: float) -> float:
        """That it is the clip level and that all that was clipped lies on it, if the recording was clipped with probability `belief`.

        0 where too few samples lie on it to tell, or hardly any of them follows another.
        """
        if self._on < LEAST_SAMPLES or self._in_a_row < LEAST_IN_A_ROW * self._on:
            return 0.0
        return shipped_plateau_gate().probability(self.features(belief))

    def features(self, belief: float) -> Features:
        """What tells it, (features,): how much lies on the plateau, in how long runs, after how many different samples, and how likely the
        network takes it for cut off; how much lies just under it, and beside it in all; whether it has all the certain marks; the belief.
        """
        on, elsewhere, before = self._on, self._side - self._on, min(len(self._before), MOST_CRESTS)
        crests = min(on - self._in_a_row, MOST_CRESTS)
        shares = [self._in_a_row / max(1, on), self._certain_on / max(1, self._certain), log_odds(self.likelihood), log_odds(belief)]
        counts = np.array([self._under, self._certain, elsewhere, on, before]) + 1
        return np.array([*shares, *np.log10(counts / [on + 1, on + 1, on + 1, 1, 1]), np.log10((before + 1) / (crests + 1))])

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """Samples on the highest value, those of them that follow another one, samples just under it; certain marks, and those on it."""
        return self._on, self._in_a_row, self._under, self._certain, self._certain_on

    @property
    def at_full_scale(self) -> bool:
        """Whether the highest value is what 16 bits hold at most, or more."""
        return self._height >= FULL_SCALE

    @property
    def likelihood(self) -> float:
        """How likely the samples on the highest value were cut off, in the mean."""
        return self._likelihood / max(1, self._on)


def ceiling_features(ceilings: list[Ceiling]) -> Features:
    """Of the highest values of all channels and polarities: how much lies on them and just under them, and whether they are full scale."""
    counts = np.array([ceiling.counts for ceiling in ceilings], np.float64).sum(axis=0)
    on, in_a_row, under, certain, certain_on = counts
    full = float(np.mean([ceiling.at_full_scale for ceiling in ceilings]))
    return np.array([certain_on / max(1, certain), in_a_row / max(1, on), np.log10((under + 1) / (on + 1)), np.log10(on + 1), full])
