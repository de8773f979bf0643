"""Exact plateaus: where one polarity was clipped at its very highest value and nothing came after, that value is the level, to the bit."""

from __future__ import annotations

import numpy as np

from declipper.clipping.arrays import Array
from declipper.detection.features import Features
from declipper.detection.gate import shipped_plateaus

LEAST_SAMPLES = 12
"""Samples at the very same height that make a plateau."""
UNDER, MOST_UNDER = 0.01, 0.3
"""As many samples, relative to those on it, may lie in so thin a layer under an exact plateau: nothing piles up there. On the histories of
`declipper.training.histories.trials` at 7 to 30 dB it is below 0.09 where nothing came after the clipping (19 of 20; more where
few crests barely reach the level), and above 0.3 where a resampler or MP3 did and its overshoots were cut at full scale."""
CERTAIN, ALL = 0.9, 0.97
"""Likelihood from which a mark has a say in whether the plateau is all there is, and the share of these marks that must lie on it: with the
same histories 0.99 and more where nothing came after the clipping, and up to 0.96 after a high-pass, 0.94 after Vorbis, 0.8 after a
resampler."""
LEAST_IN_A_ROW = 0.01
"""Share of the samples on it that follow another one: the crests of a limiter or of a tone whose period is a whole number of samples reach
one height too, but with a single sample each. Speech at 8 kHz, clipped to 10 dB, has 0.02."""
MOST_DWELLING = 0.9
"""Share of the samples of this polarity that lie on it, at most: with more it is a square wave, or a constant."""
SURE = 0.84
"""Likelihood, of the recording or of the samples on it, from which a plateau is taken for a clip level: nearly all have more where nothing
came after the clipping, and chip music with steps of 4 bit less. With less, the regression decides."""
FULL_SCALE = 1 - 2**-15
"""The highest positive value of 16 bits."""
LEAST_CRESTS, MOST_CRESTS = 3, 1000
"""Crests that reach it with different samples before them: a sound that is played again and again counts once. No more are told apart."""


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

    def level(self, belief: float) -> float | None:
        """The clip level, where this polarity was clipped at its highest value and nowhere else; None where it was not.

        belief: the probability that the recording was clipped at all.
        """
        return self._height if self._stands_alone and self.probability(belief) >= SURE else None

    def probability(self, belief: float) -> float:
        """How likely the highest value, if nothing but it was clipped, is a clip level.

        As likely as the recording was clipped, or as the network takes its samples for cut off. Where that does not tell, since what is
        clipped hardly at all or nearly everywhere is unlike anything that it knows, by the regression.
        """
        if max(belief, self.likelihood) >= SURE:
            return max(belief, self.likelihood)
        return SURE if shipped_plateaus().odds(self.features) > 0 else 0.0

    @property
    def _stands_alone(self) -> bool:
        """Whether nothing piles up beside the highest value, and what lies on it is neither chance nor a square wave."""
        on = self._on
        is_plateau = on >= LEAST_SAMPLES and self._in_a_row >= LEAST_IN_A_ROW * on and len(self._before) >= LEAST_CRESTS
        is_all = self._under <= MOST_UNDER * on and on >= ALL * (self._certain - self._certain_on + on)
        return is_plateau and is_all and on <= MOST_DWELLING * self._side

    @property
    def features(self) -> Features:
        """What tells it, (features,): how much lies on the plateau, in how long runs, after how many different samples, and how likely the
        network takes it for cut off; how much lies just under it, and beside it in all; and whether it has all the certain marks.
        """
        on, elsewhere = self._on, self._side - self._on
        sure = float(np.clip(self.likelihood, 1e-3, 1 - 1e-3))
        shares = [self._in_a_row / max(1, on), self._certain_on / max(1, self._certain), np.log(sure / (1 - sure))]
        ratios = np.log10(np.array([self._under + 1, self._certain + 1, elsewhere + 1]) / (on + 1))
        return np.array([*shares, *ratios, np.log10(on + 1), np.log10(min(len(self._before), MOST_CRESTS) + 1)])

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
