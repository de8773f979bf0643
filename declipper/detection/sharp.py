"""Finds a plateau that is exact or dithered: the ceiling of the signal, of which the tops that reach it are flat."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from declipper.detection.evidence import Evidence, flatness
from declipper.detection.plateau import BLUR_NAMES, NOTHING, SHARP, FoundLevel, edge_of_plateau

SPREAD = np.array([1e-4, 4e-3])
"""How far below the highest top an excursion may end and still be taken for cut off at the same level, exactly or dithered."""
FLAT = 0.5
"""Least flatness of the tops."""
FEWEST = np.array([1, 4])
"""Excursions needed before an exact and a dithered plateau are believed."""
FEWEST_SHORT, FLAT_SHORT = 5, 0.8
"""Tops of one height that make a plateau which hardly any of them lies on for three samples, and their least flatness."""
NEARLY = 0.25
"""So many tops, of those at that height, may end hardly below it: a tone's do, and what is cut off does not."""


def sharp(table: npt.NDArray[np.float64], histogram: npt.NDArray[np.int64]) -> FoundLevel | None:
    """The plateau, from the `excursions` of an Evidence and its histogram of amplitudes; None if there is none."""
    ceiling = float(table[:, 1].max())
    chosen = None
    for rung in range(SHARP):
        tops = _reaching(table, ceiling, rung)
        flat, count = flatness(tops, rung)
        inside = float((tops[:, 3 + 2 * rung] - 1).sum())
        if flat >= FLAT and count >= FEWEST[rung] and inside >= 3 and (chosen is None or inside >= 1.3 * chosen[3]):
            chosen = rung, flat, count, inside, tops
    if chosen is None:
        return _short(table, ceiling)
    rung, flat, count, _, tops = chosen
    level, plateau = (_edge_of_exact(tops), ceiling) if rung == 0 else edge_of_plateau(histogram, ceiling, rung)
    sure = min(1.0, (flat - 0.31) / 0.3) * (1 - 0.5 * np.exp(-count / (2 * FEWEST[rung])))
    return FoundLevel(level, plateau, float(sure), BLUR_NAMES[rung], False)


def _short(table: npt.NDArray[np.float64], ceiling: float) -> FoundLevel | None:
    """An exact plateau too short for `flatness` to count on: high notes at a low sample rate are above their level for a sample or two.

    A look-ahead limiter gives tops of one height, too, but never two samples in a row.
    """
    highest = table[table[:, 1] >= ceiling * (1 - SPREAD[1])]
    # a sound that is played again and again has tops of one height, too: it counts once
    alike = np.rint(highest[:, [1, -1]] / (SPREAD[0] * np.array([ceiling, 1.0])))
    highest = highest[np.unique(alike, axis=0, return_index=True)[1]]
    tops = _reaching(highest, ceiling, 0)
    nearly = len(highest) - len(tops)
    flat, _ = flatness(tops, 0)
    finest = 2 * float(np.median(tops[:, 2]))
    if len(tops) < FEWEST_SHORT or nearly > NEARLY * len(tops) or flat < FLAT_SHORT or finest > SPREAD[1] / 2:
        return None
    return FoundLevel(_edge_of_exact(tops), ceiling, float(1 - 0.5 * np.exp(-len(tops) / (2 * FEWEST_SHORT))), BLUR_NAMES[0], False)


def _reaching(table: npt.NDArray[np.float64], ceiling: float, rung: int) -> npt.NDArray[np.float64]:
    """The excursions that end so near to the ceiling that they may be cut off there."""
    reaching: npt.NDArray[np.float64] = table[table[:, 1] >= ceiling * (1 - np.maximum(SPREAD[rung], 2 * table[:, 2]))]
    return reaching


def _edge_of_exact(tops: npt.NDArray[np.float64]) -> float:
    """The level below an exact plateau, from the excursions that reach it."""
    # dither of a step or two on top of an exact plateau shows as samples just outside the finest band
    dithered = tops[:, 5].sum() > 1.03 * tops[:, 3].sum()
    lowest = float(np.quantile(tops[:, 1], 0.02))
    return lowest * (1 - (2.5 if dithered else 1.0) * float(np.median(tops[:, 2])))


def level_with(other: FoundLevel, evidence: Evidence) -> FoundLevel:
    """The level of a polarity that shows too little of a plateau by itself, but whose ceiling is the exact plateau of another one."""
    table = evidence.excursions()
    if not len(table):
        return NOTHING
    ceiling = float(table[:, 1].max())
    tops = _reaching(table, ceiling, 0)
    if abs(ceiling / other.plateau - 1) > max(SPREAD[0], 2 * float(np.median(tops[:, 2]))):
        return NOTHING
    return FoundLevel(_edge_of_exact(tops), ceiling, other.confidence, BLUR_NAMES[0], False)
