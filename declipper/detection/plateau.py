"""What is found of a plateau: its height, its blur and the level under it, and where it lies in a histogram of amplitudes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from declipper.clipping.levels import Curve, on_line
from declipper.detection.evidence import BIN, LADDER, bin_at, bin_height

BLUR_NAMES = ("exact", "dithered", "noisy", "resampled", "coded")
"""What blurred a plateau, for each rung of the `LADDER`."""
SHARP = 2
"""Plateaus of the rungs below this one are sharp and are looked for at the ceiling, the other, blurred ones where tops pile up."""
EMPTY, OVER = 0.03, 1.25
"""A plateau ends, downwards, where the density of amplitudes is this share of its peak, or so many times what it is well below.
Chosen with `python -m declipper.training.studies.detection`, as is all that `plateau_near` counts in widths of the blur."""


@dataclass(frozen=True, eq=False)
class Knots:
    """A clip level over time: straight lines from knot to knot, as in `ClipLevels`. Without knots the level is constant.

    frames: (knots,) ascending. levels: (knots,) linear, positive for both polarities, +inf where nothing is clipped.
    """

    frames: npt.NDArray[np.int64]
    levels: Curve

    def at(self, frames: npt.NDArray[np.int64]) -> Curve:
        """The level at these frames. Raises IndexError if there are no knots."""
        return on_line(frames, self.frames, self.levels[:, None])[:, 0]


CONSTANT = Knots(np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, eq=False)
class FoundLevel:
    """What was found in one polarity of one channel.

    level: the threshold in linear units, positive for both polarities, +inf if none; of a level that changes, its middle. plateau: the
    height of the plateau itself, at or above the threshold. confidence: 0 to 1. blur: one of BLUR_NAMES, "" if none. varies: the height
    of the plateau changes in the course of the signal. course: the threshold over time where it changes, be it with the plateau's height
    or with how far its samples scatter.
    """

    level: float
    plateau: float
    confidence: float
    blur: str
    varies: bool
    course: Knots = CONSTANT

    def scaled(self, gain: float) -> FoundLevel:
        """The same in a signal that is so many times as large."""
        if gain == 1:
            return self
        course = Knots(self.course.frames, self.course.levels * gain)
        return replace(self, level=self.level * gain, plateau=self.plateau * gain, course=course)


NOTHING = FoundLevel(np.inf, np.inf, 0.0, "", False)


@dataclass(frozen=True)
class FoundLevels:
    """What was found in the positive and in the negative polarity of one channel."""

    positive: FoundLevel
    negative: FoundLevel


@dataclass(frozen=True)
class Plateau:
    """A plateau in a histogram of amplitudes: the height where the density peaks, and its lower edge."""

    height: float
    edge: float


def plateau_near(height: float, amplitudes: npt.NDArray[np.int64], rung: int) -> Plateau:
    """The plateau with the blur of this rung that lies near `height`, in the histogram `amplitudes`.

    Its edge is where the density has fallen to a small part of its peak, or to little more than it is well below the plateau.
    """
    blur = float(LADDER[rung])
    width = max(1, int(blur / BIN / 4))
    density = np.convolve(amplitudes, np.ones(width) / width, mode="same")
    centre = bin_at(height)
    lowest, highest = max(0, centre - int(max(2 * blur, 4e-3) / BIN)), centre + int(2 * blur / BIN)
    mode = lowest + int(np.argmax(density[lowest : highest + 1]))
    below = float(density[max(0, mode - int(0.45 / BIN)) : max(1, mode - int(0.2 / BIN))].mean())
    slope = density[max(0, mode - int(2 * blur / BIN)) : max(1, mode - int(blur / BIN))].mean()
    # so little may be clipped that the density has no peak; the tops lie above the plateau then, being the highest of many samples
    mode = mode if density[mode] > slope else centre - int(0.5 * blur / BIN)
    enough = max(EMPTY * density[mode], OVER * below)
    furthest = max(0, mode - int(6 * blur / BIN))
    edge = max(0, mode - int(0.6 * blur / BIN))
    while edge > furthest and density[edge] > enough:
        edge -= 1
    return Plateau(float(bin_height(mode)), float(bin_height(edge)))
