"""What is found of a plateau: its threshold, its height and its blur, and where its lower edge lies in a histogram of amplitudes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from declipper.detection.evidence import BIN, LADDER, bin_height, bin_of

BLUR_NAMES = ("exact", "dithered", "noisy", "resampled", "coded")
SHARP = 2
"""Rungs below this one are looked for at the ceiling, those from it on where tops pile up."""


@dataclass(frozen=True)
class FoundLevel:
    """What was found in one polarity of one channel. level: threshold in linear units (positive for both polarities), +inf if none,
    and of a blurred plateau the one for its scatter in all.

    confidence: 0 to 1. blur: one of BLUR_NAMES, "" if none. plateau: height of the plateau itself, at or above the threshold.
    varies: the height of the plateau changes in the course of the signal.
    """

    level: float
    plateau: float
    confidence: float
    blur: str
    varies: bool


NOTHING = FoundLevel(np.inf, np.inf, 0.0, "", False)


def edge_of_plateau(histogram: npt.NDArray[np.int64], height: float, rung: int) -> tuple[float, float]:
    """Lower edge and mode of a blurred plateau near `height`, from the histogram of amplitudes.

    The edge is where the density has fallen to a small part of its peak, or to little more than it is below the plateau.
    """
    blur = float(LADDER[rung])
    smooth = max(1, int(blur / BIN / 4))
    density = np.convolve(histogram, np.ones(smooth) / smooth, mode="same")
    centre = int(bin_of(np.array([height]))[0])
    lowest, highest = max(0, centre - int(max(2 * blur, 4e-3) / BIN)), centre + int(2 * blur / BIN)
    mode = lowest + int(np.argmax(density[lowest : highest + 1]))
    below = float(density[max(0, mode - int(0.45 / BIN)) : max(1, mode - int(0.2 / BIN))].mean())
    slope = density[max(0, mode - int(2 * blur / BIN)) : max(1, mode - int(blur / BIN))].mean()
    # so little may be clipped that the density has no peak; the tops lie above the plateau then, being the highest of many samples
    mode = mode if density[mode] > slope else centre - int(0.5 * blur / BIN)
    enough = max(0.03 * density[mode], 1.25 * below)
    furthest = max(0, mode - int(6 * blur / BIN))
    edge = max(0, mode - int(0.6 * blur / BIN))
    while edge > furthest and density[edge] > enough:
        edge -= 1
    return float(bin_height(edge)), float(bin_height(mode))
