"""Finds a plateau that is exact or dithered: the ceiling of the signal, of which the tops that reach it are flat.

The constants were chosen with `python -m declipper.training.studies.detection`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from declipper.detection.evidence import Evidence, Excursions
from declipper.detection.plateau import BLUR_NAMES, NOTHING, SHARP, FoundLevel, plateau_near

SPREAD = np.array([1e-4, 4e-3])
"""How far below the highest top, relative to it, an excursion may end and still be taken for cut off there, exactly or dithered."""
FLAT = 0.5
"""Least flatness of the tops."""
ROUND, CERTAIN = 0.31, 0.61
"""Flatness of round tops, 1 / sqrt(10) for parabolas, at which the confidence would be 0, and the one from which it is full."""
FEWEST = np.array([1, 4])
"""Excursions needed before an exact and a dithered plateau are believed."""
LEAST_INSIDE = 3
"""Samples needed on all tops together, beside the highest of each."""
CLEARER = 1.3
"""A plateau is dithered rather than exact when the wider band holds so many times as many samples of the tops."""
DITHERED, STEPS_OF_DITHER = 1.03, 2.5
"""An exact plateau has dither of a step or two on it when the band of a dithered one holds so many times as many samples; by how many
steps the level lies below it then."""
LOW_TOPS = 0.02
"""The level lies under all tops of an exact plateau but this share: the lowest may be none of it."""
FEWEST_SHORT, FLAT_SHORT = 5, 0.8
"""Tops of one height that make a plateau which hardly any of them lies on for three samples, and their least flatness."""
NEARLY = 0.25
"""So many tops, of those at that height, may end hardly below it: a tone's do, and what is cut off does not."""


@dataclass(frozen=True)
class _Candidate:
    """The excursions that reach the ceiling, taken for cut off there with the blur of a rung; inside: samples on their tops."""

    rung: int
    tops: Excursions
    inside: int
    ratio: float
    count: int

    @property
    def believed(self) -> bool:
        return self.ratio >= FLAT and self.count >= FEWEST[self.rung] and self.inside >= LEAST_INSIDE


def sharp(excursions: Excursions, amplitudes: npt.NDArray[np.int64]) -> FoundLevel | None:
    """The plateau at the ceiling, or None, from the excursions of an `Evidence`, at least one, and its histogram of amplitudes."""
    ceiling = float(excursions.top.max())
    chosen = None
    for candidate in (_candidate(excursions, ceiling, rung) for rung in range(SHARP)):
        if candidate.believed and (chosen is None or candidate.inside >= CLEARER * chosen.inside):
            chosen = candidate
    if chosen is None:
        return _short(excursions, ceiling)
    if chosen.rung == 0:
        level, height = _level_under_exact(chosen.tops), ceiling
    else:
        plateau = plateau_near(ceiling, amplitudes, chosen.rung)
        level, height = plateau.edge, plateau.height
    sure = min(1.0, (chosen.ratio - ROUND) / (CERTAIN - ROUND)) * _confidence_in(chosen.count, FEWEST[chosen.rung])
    return FoundLevel(level, height, float(sure), BLUR_NAMES[chosen.rung], False)


def _candidate(excursions: Excursions, ceiling: float, rung: int) -> _Candidate:
    tops = _reaching(excursions, ceiling, rung)
    flatness = tops.flatness(rung)
    return _Candidate(rung, tops, int((tops.within[:, rung] - 1).sum()), flatness.ratio, flatness.count)


def _short(excursions: Excursions, ceiling: float) -> FoundLevel | None:
    """An exact plateau too short for the flatness to count on: high notes at a low sample rate are above their level for a sample or two.

    A look-ahead limiter gives tops of one height, too, but never two samples in a row.
    """
    highest = excursions[excursions.top >= ceiling * (1 - SPREAD[1])]
    # a sound that is played again and again has tops of one height, too: it counts once
    shapes = np.rint(np.stack([highest.top / (SPREAD[0] * ceiling), highest.before_top / SPREAD[0]], axis=1))
    highest = highest[np.unique(shapes, axis=0, return_index=True)[1]]
    tops = _reaching(highest, ceiling, 0)
    nearly = len(highest) - len(tops)
    if len(tops) < FEWEST_SHORT or nearly > NEARLY * len(tops) or tops.flatness(0).ratio < FLAT_SHORT:
        return None
    if 2 * float(np.median(tops.finest)) > SPREAD[1] / 2:  # quantised so coarsely that it would be called one height anyway
        return None
    return FoundLevel(_level_under_exact(tops), ceiling, _confidence_in(len(tops), FEWEST_SHORT), BLUR_NAMES[0], False)


def _confidence_in(count: int, fewest: int) -> float:
    """Confidence that follows from the number of excursions: 0.7 for the fewest that are believed, and near 1 for many."""
    return float(1 - 0.5 * np.exp(-count / (2 * fewest)))


def _reaching(excursions: Excursions, ceiling: float, rung: int) -> Excursions:
    """The excursions that end so near to the ceiling that they may be cut off there."""
    return excursions[excursions.top >= ceiling * (1 - np.maximum(SPREAD[rung], 2 * excursions.finest))]


def _level_under_exact(tops: Excursions) -> float:
    """The level under an exact plateau, from the excursions that reach it."""
    # dither of a step or two on top of an exact plateau shows as samples just outside the finest band
    dithered = tops.within[:, 1].sum() > DITHERED * tops.within[:, 0].sum()
    lowest = float(np.quantile(tops.top, LOW_TOPS))
    return lowest * (1 - (STEPS_OF_DITHER if dithered else 1.0) * float(np.median(tops.finest)))


def level_with(other: FoundLevel, evidence: Evidence) -> FoundLevel:
    """The level of a polarity that shows too little of a plateau by itself, but whose ceiling is the exact plateau of another one."""
    excursions = evidence.excursions()
    if not len(excursions):
        return NOTHING
    ceiling = float(excursions.top.max())
    tops = _reaching(excursions, ceiling, 0)
    if abs(ceiling / other.plateau - 1) > max(SPREAD[0], 2 * float(np.median(tops.finest))):
        return NOTHING
    return FoundLevel(_level_under_exact(tops), ceiling, other.confidence, BLUR_NAMES[0], False)
