"""How far below its height a blurred plateau reaches, and that this changes with time.

A codec's noise is louder where the music is, so a plateau's tops scatter more in one passage than in the next. A margin made for the
whole recording misses clipped samples in the one, each of which pins a crest to the plateau, and takes many for clipped in the other that
are not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from declipper.detection.changing import Knots
from declipper.detection.evidence import BIN, BINS, Evidence, bin_height, bin_of

CELL = 1024
"""Frames from knot to knot; a codec decides on its noise for about as many."""
WIDTH = 3
"""Cells that are looked at for the scatter in their middle."""
USUAL = 3.0
"""As many tops the scatter of the whole recording counts for."""
REACH, POWER = 0.85, 0.6
"""Margin for a scatter of 1, and the power by which it follows it: the larger a margin, the more it takes in that is not clipped."""
FURTHEST = 5.0
"""Scatters that a margin is wide at most: so far out lie a codec's rarest errors, and none of white noise."""
LARGEST = 0.5
"""Margin at most, relative to the plateau."""
STRAY = 6.0
"""What stands so many times further above the plateau than half of its tops do is no part of it: a blow, a louder piece spliced in."""


def level_under(table: npt.NDArray[np.float64], evidence: Evidence, plateau: float) -> tuple[float, Knots]:
    """The level under a blurred plateau for its scatter in all, and over time; `table` holds the `excursions` of the evidence.

    Only what lies above the plateau says how it scatters: nothing else is there.
    """
    above = np.arange(int(bin_of(np.array([plateau * (1 + BIN / 2)]))[0]) + 1, BINS)
    excess = bin_height(above) / plateau - 1
    tops = evidence.tops[above].cumsum()
    highest = STRAY * float(excess[np.searchsorted(tops, 0.5 * tops[-1])]) if tops[-1] else 0.0
    counts = np.where(excess <= highest, evidence.histogram[above], 0)
    scatter = max(BIN, float(np.sqrt((counts * np.square(excess)).sum() / max(1, counts.sum()))))

    over = table[:, 1] / plateau - 1
    part = (over > 0) & (over <= highest)
    cell, squares = (table[part, 0] / CELL).astype(np.int64), np.square(over[part])
    usual, cells = float(squares.mean()) if len(squares) else 1.0, int(table[-1, 0] / CELL) + 1
    count, louder = (np.convolve(np.bincount(cell, v, cells), np.ones(WIDTH))[WIDTH // 2 :][:cells] for v in (None, squares / usual))
    here = scatter * np.sqrt((louder + USUAL) / (count + USUAL))
    times = ((np.arange(cells) + 0.5) * CELL).astype(np.int64)
    return plateau * (1 - float(_margin(scatter))), (times, plateau * (1 - _margin(here)))


def _margin(scatter: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
    """How far below the plateau the level lies, relative to it, for the relative standard deviation of the samples about it."""
    return np.minimum(np.minimum(REACH * np.power(scatter, POWER), FURTHEST * np.asarray(scatter)), LARGEST)
