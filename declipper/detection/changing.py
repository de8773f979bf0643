"""Finds a clip level that changes with time: a recording that was clipped and then faded, or turned up or down.

Every flat top is a knot of the level, and a straight line leads from one to the next. What keeps it quiet on other material: most of the
tall excursions must be flat, and each knot must be the ceiling of what is around it. The constants were chosen with
`python -m declipper.training.studies.detection`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from declipper.clipping.levels import Curve
from declipper.detection.evidence import Excursions
from declipper.detection.excursions import flat_tops
from declipper.detection.plateau import BLUR_NAMES, FoundLevel, Knots

RUNG = 1
"""The rung of the ladder at which tops must be flat: that of dither, since what was faded has been quantised anew."""
BELOW = 2e-3
"""How far below the tops of its plateaus a changing level lies, relatively."""
FEWEST, LEAST_SHARE = 8, 0.3
"""Flat tops needed, and their least share among the excursions that reach as high and have `LONG` samples there or more."""
LONG = 4
AT_CEILING, CONSTANT_SHARE = 4e-3, 0.9
"""A level is constant when more than this share of the flat tops lies so near to the highest of them, relatively."""
BESIDE, SAG = 4, 0.98
"""A top that is lower than this share of the highest of so many before it, and of so many after it, is flat by chance."""
STEP = 0.03
"""Where a flat top differs from the one before by more than this share of it, the level steps there, it does not slide."""
STEEPEST = 0.1
"""Largest relative change of a changing level over two cells."""
STANDS_OUT = 0.01
"""What stands so far above a changing level, relatively, is not clipped at it."""
NEARBY = 4096
"""A changing level must be the ceiling of the one or two cells of this many frames around it."""
CONFIDENCE = 0.8
"""Confidence in a level that changes."""


def changing_level(excursions: Excursions) -> FoundLevel | None:
    """The level over time, from the excursions of an `Evidence`, at least one. None where there is none or it is constant."""
    reaching = _reach_ceiling(excursions)
    wide = excursions.within_wider[:, RUNG]
    flat = reaching & flat_tops(excursions.within[:, RUNG], wide, excursions.finest)
    if flat.sum() < FEWEST or flat.sum() < LEAST_SHARE * (reaching & (wide >= LONG)).sum():
        return None
    tops = excursions[flat]
    if np.mean(tops.top >= tops.top.max() * (1 - AT_CEILING)) > CONSTANT_SHARE:
        return None
    tops = tops[_standing(tops.top)]
    plateau = float(np.median(tops.top))
    course = _ending_under(excursions, _through(tops))
    return FoundLevel(plateau * (1 - BELOW), plateau, CONFIDENCE, BLUR_NAMES[0], True, course)


def _reach_ceiling(excursions: Excursions) -> npt.NDArray[np.bool_]:
    """Which excursions come near the highest one around them."""
    cell = (excursions.place / NEARBY).astype(np.int64)
    highest = np.zeros(cell[-1] + 3)
    np.maximum.at(highest, cell + 1, excursions.top)
    nearby = np.maximum(np.maximum(highest[cell], highest[cell + 1]), highest[cell + 2])
    reaching: npt.NDArray[np.bool_] = excursions.top >= nearby * (1 - STEEPEST)
    return reaching


def _standing(heights: Curve) -> npt.NDArray[np.bool_]:
    """Which flat tops are not lower than those on both sides of them, and so not flat by chance below the level."""
    highest = np.lib.stride_tricks.sliding_window_view(np.pad(heights, BESIDE), BESIDE).max(axis=1)
    standing: npt.NDArray[np.bool_] = heights >= SAG * np.minimum(highest[: len(heights)], highest[BESIDE + 1 :])
    return standing


def _through(tops: Excursions) -> Knots:
    """The level that runs a little below these tops."""
    places, heights = [tops.place[0]], [tops.top[0]]
    for place, height in zip(tops.place[1:], tops.top[1:], strict=True):
        if abs(height - heights[-1]) > STEP * height and place - places[-1] > 3:
            # a step: hold the higher level over the gap, so that no reliable sample is taken for clipped
            higher = max(height, heights[-1])
            places += [places[-1] + 1, place - 1]
            heights += [higher, higher]
        if place > places[-1]:
            places.append(place)
            heights.append(height)
    return Knots(np.array(places).astype(np.int64), np.array(heights) * (1 - BELOW))


def _ending_under(excursions: Excursions, knots: Knots) -> Knots:
    """The level only as far as nothing stands above it: a louder passage, spliced in later, is not clipped at it."""
    at, levels = knots.frames, knots.levels
    over = excursions.place[excursions.top > (1 + STANDS_OUT) * np.interp(excursions.place, at, levels)]
    gap = np.searchsorted(at, over)
    frames, heights = at.tolist(), levels.tolist()
    for g in np.unique(gap):
        first, last = over[gap == g][[0, -1]]
        begin = int(np.ceil((at[g - 1] + first) / 2)) if g > 0 else 0
        end = int((last + at[g]) / 2) if g < len(at) else None
        if end is None or begin < end < at[g]:
            frames += [begin] if end is None else [begin, end]
            heights += [np.inf] if end is None else [np.inf, float(levels[g])]
    order = np.argsort(frames, kind="stable")
    return Knots(np.array(frames)[order], np.array(heights)[order])
