"""Everything that a page tells about a recording and its restoration, gathered from the two files."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from declipper.measure.plot import Envelope, envelope_of
from declipper.measure.report import ClipReport
from declipper.page.damage import Damage, damage
from declipper.page.excerpts import Excerpt, excerpts
from declipper.page.pair import Pair
from declipper.page.survey import Survey, survey
from declipper.page.words import Finding, findings

MOST_LISTED = 200
"""Places in the list of a page: more than anybody goes through; all runs are marked."""


@dataclass(frozen=True)
class Place:
    """A clipped run as the list shows it, together with those of other channels at the same time, of which it is the worst.

    first: of the recording's frames; length: in samples. channels: from 1, that of the run first. side: "+" or "-". level_dbfs: at which
    it was cut off. rise_db: how far it is restored above that. excerpt: in which it is heard, None in none.
    """

    first: int
    length: int
    channels: tuple[int, ...]
    side: str
    level_dbfs: float
    rise_db: float
    excerpt: int | None

    def meets(self, first: int, length: int) -> bool:
        """Whether a run has a frame in common with it."""
        return first < self.first + self.length and self.first < first + length


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a page tells. report: on the recording; excerpts: what can be heard, worst first; overview: of what is longer than they are."""

    pair: Pair
    report: ClipReport
    whole: Survey
    done: Damage
    excerpts: list[Excerpt]
    overview: Envelope | None

    @property
    def findings(self) -> list[Finding]:
        """The figures in sentences."""
        return findings(self.report, self.done, self.whole)

    def worst(self) -> list[Place]:
        """What is listed, worst first."""
        runs = self.done.runs
        rises = runs.rise_db
        found: list[Place] = []
        for index in runs.worst_first:
            first, length, channel = int(runs.start[index]), int(runs.length[index]), int(runs.channel[index]) + 1
            same = next((number for number, place in enumerate(found) if place.meets(first, length)), None)
            if same is not None:
                found[same] = replace(found[same], channels=tuple(dict.fromkeys((*found[same].channels, channel))))
                continue
            if len(found) == MOST_LISTED:
                break
            bound = float(runs.bound[index])
            level, side = 20 * float(np.log10(abs(bound))), "+" if bound > 0 else "-"
            found.append(Place(first, length, (channel,), side, level, float(rises[index]), self._heard(first, length)))
        return found

    def _heard(self, first: int, length: int) -> int | None:
        """The number of the excerpt that holds these frames, None where none does."""
        hold = (number for number, one in enumerate(self.excerpts) if one.stretch.first <= first and first + length <= one.last)
        return next(hold, None)


def compare(pair: Pair, report: ClipReport) -> Comparison:
    """Compare a pair of which `report` tells what is clipped. Raises InputError where one is not the restoration of the other."""
    whole = survey(pair, report.levels)
    done = damage(pair, report.levels, gain=whole.gain)
    heard = excerpts(pair, done.runs, gain=whole.gain)
    longer = len(heard) > 1 or len(heard[0].stretch) < pair.frames
    return Comparison(pair, report, whole, done, heard, envelope_of(pair.original, report.levels) if longer else None)
