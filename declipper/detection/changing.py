"""Finds a clip level that changes with time: a recording that was clipped and then faded, or turned up or down.

Every flat top is a knot of the level, and a straight line leads from one to the next. What keeps it quiet on other material: most of the
tall excursions must be flat, and each knot must be the ceiling of what is around it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from declipper.clipping.levels import Curve

Knots = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]
"""Places in frames, and the level there; none where it is constant."""
CONSTANT: Knots = (np.zeros(0, np.int64), np.zeros(0))
BELOW = 2e-3
"""How far below the tops of its plateaus a changing level lies, relatively."""
STEEPEST = 0.1
"""Largest relative change of a changing level over two cells."""
STANDS_OUT = 0.01
"""What stands so far above a changing level, relatively, is not clipped at it."""
NEARBY = 4096
"""A changing level must be the ceiling of the one or two cells of this many frames around it."""


def changing_level(table: npt.NDArray[np.float64]) -> tuple[float, Knots] | None:
    """The median height of the plateaus and the level over time, from the `excursions` of an Evidence. None where the level is constant."""
    places, tops = table[:, 0], table[:, 1]
    narrow, wide = table[:, 5], table[:, 6]
    flat = (narrow >= 3) & (narrow - 1 >= 0.7 * (wide - 1)) & (table[:, 2] <= 1e-3)
    cell = (places / NEARBY).astype(np.int64)
    highest = np.zeros(cell[-1] + 3)
    np.maximum.at(highest, cell + 1, tops)
    nearby = np.maximum(np.maximum(highest[cell], highest[cell + 1]), highest[cell + 2])
    reaching = tops >= nearby * (1 - STEEPEST)
    knot = flat & reaching
    if knot.sum() < 8 or knot.sum() < 0.3 * (reaching & (wide >= 4)).sum():
        return None
    at, heights = places[knot], tops[knot]
    if np.mean(heights >= heights.max() * (1 - 4e-3)) > 0.9:
        return None
    # flat by chance, below the level: lower than knots on both sides
    ends = np.pad(heights, 4)
    highest = np.lib.stride_tricks.sliding_window_view(ends, 4).max(axis=1)
    standing = heights >= 0.98 * np.minimum(highest[: len(heights)], highest[5:])
    at, heights = at[standing], heights[standing]
    knots_at, knots = [at[0]], [heights[0]]
    for place, height in zip(at[1:], heights[1:], strict=True):
        if abs(height - knots[-1]) > 0.03 * height and place - knots_at[-1] > 3:
            # a step: hold the higher level over the gap, so that no reliable sample is taken for clipped
            higher = max(height, knots[-1])
            knots_at += [knots_at[-1] + 1, place - 1]
            knots += [higher, higher]
        if place > knots_at[-1]:
            knots_at.append(place)
            knots.append(height)
    threshold = np.array(knots) * (1 - BELOW)
    return float(np.median(heights)), _ending_under(table, np.array(knots_at).astype(np.int64), threshold)


def _ending_under(table: npt.NDArray[np.float64], at: npt.NDArray[np.int64], threshold: Curve) -> Knots:
    """Knots that hold only as far as nothing stands above them: a louder passage, spliced in later, is not clipped at their level."""
    places, tops = table[:, 0], table[:, 1]
    over = places[tops > (1 + STANDS_OUT) * np.interp(places, at, threshold)]
    gap = np.searchsorted(at, over)
    times, levels = [*at.tolist()], [*threshold.tolist()]
    for g in np.unique(gap):
        first, last = over[gap == g][[0, -1]]
        begin = int(np.ceil((at[g - 1] + first) / 2)) if g > 0 else 0
        end = int((last + at[g]) / 2) if g < len(at) else None
        if end is None or begin < end < at[g]:
            times += [begin] if end is None else [begin, end]
            levels += [np.inf] if end is None else [np.inf, float(threshold[g])]
    order = np.argsort(times, kind="stable")
    return np.array(times)[order], np.array(levels)[order]
