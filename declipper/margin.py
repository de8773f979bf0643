"""How far below its height a blurred plateau reaches, and that this changes with time.

A codec's noise is louder where the music is, so a plateau's tops scatter more in one passage than in the next. A margin made for the
whole recording misses clipped samples in the one, each of which pins a crest to the plateau, and takes many for clipped in the other that
are not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from declipper.changing import Knots
from declipper.evidence import BIN, BINS, bin_height, bin_of

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


def margin(scatter: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
    """How far below the plateau the level lies, relative to it, for the relative standard deviation of the samples about it."""
    return np.asarray(np.minimum(REACH * np.power(scatter, POWER), FURTHEST * np.asarray(scatter)))


def scatter_above(histogram: npt.NDArray[np.int64], plateau: float) -> float:
    """The relative standard deviation of the samples of a plateau about its height, from those above it: nothing else is there.

    At least the width of the histogram's bins.
    """
    above = np.arange(int(bin_of(np.array([plateau]))[0]) + 1, BINS)
    excess = bin_height(above) / plateau - 1
    return max(BIN, float(np.sqrt((histogram[above] * np.square(excess)).sum() / max(1, histogram[above].sum()))))


def level_over_time(table: npt.NDArray[np.float64], plateau: float, scatter: float) -> Knots:
    """The level under a plateau of that scatter in all, from the `excursions` of an Evidence: lower where the tops nearby scatter more."""
    tops = table[table[:, 1] > plateau]
    squares = np.square(tops[:, 1] / plateau - 1)
    usual = float(squares.mean()) if len(tops) else 1.0
    cell, cells = (tops[:, 0] / CELL).astype(np.int64), int(table[-1, 0] / CELL) + 1
    count, louder = (np.convolve(np.bincount(cell, v, cells), np.ones(WIDTH))[WIDTH // 2 :][:cells] for v in (None, squares / usual))
    here = scatter * np.sqrt((louder + USUAL) / (count + USUAL))
    return ((np.arange(cells) + 0.5) * CELL).astype(np.int64), plateau * (1 - margin(here))
