"""Finds a plateau that noise, a resampler or a lossy codec has blurred.

Its tops are scattered about its height and a codec overshoots it. There they pile up, where those of an unclipped signal thin out towards
the highest, and they are flatter than the same recording's lower tops, which nothing has cut off. Pile-up and this `rise` together are the
evidence, since a steady tone and a limiter pile up tops too, but leave their shape as it is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from declipper.detection.changing import CONSTANT, Knots
from declipper.detection.evidence import BIN, BINS, LADDER, REGION, Evidence, bin_height, bin_of, flatness
from declipper.detection.margin import level_under
from declipper.detection.plateau import BLUR_NAMES, SHARP, FoundLevel, edge_of_plateau

PILED, PILED_ASIDE = 0.08, 0.16
"""Least product of pile-up (tops in the band over tops in the band of that width below it) and rise, within FULL_SCALE and aside from it:
recordings mostly clip at full scale, and a pile of tops elsewhere is more likely one note that is played again and again."""
FULL_SCALE = 0.9, 1.1
TONE = 0.02
"""Rise that each unit of pile-up calls for, up to ROUND: a pile of round tops is a steady tone or a limiter."""
ROUND = 0.26
LOWER = 0.6, 0.9
"""What the rise is measured from: the tops that end between these shares of the height."""
NOISE = 0.1
"""Flatness of the tops of noise, taken for that of the lower ones as far as they are fewer than KNOWN."""
KNOWN = 10
DWELLING = 0.38
"""Share of the high samples at a level or above it from which its tops may be round for other reasons: a sine has 0.27, a limiter less."""
STEADIEST = 50.0
"""Largest pile-up for which that holds: a tone that never changes has all its tops at one height."""
FEWEST = 20
"""Excursions needed before a plateau is believed."""
FEW, FEW_NEAR = 5, 3
"""Excursions that are enough where they are as flat as FLAT_FEW: by themselves, and near the plateau of another polarity or channel."""
FLAT_FEW = 0.6
PILED_FEW = 3.0
"""Least pile-up for that: the tops of a square tone that dies away are flat too, but lie at all heights."""
SLOPING = 1.3
"""A plateau whose edge lies so many times further below it than a margin for its scatter would is that of a soft saturation."""
SPARE = 0.02
"""How far below that edge the level lies: a clipped sample taken for reliable costs far more than the reverse."""
BESIDE = 0.4
"""Share of the evidence otherwise asked for that is enough near the plateau of another polarity or channel."""
DEEPEST = 0.5
"""How far below the highest top, in nepers, a blurred plateau is looked for."""


def blurred(table: npt.NDArray[np.float64], evidence: Evidence, near: float | None, few: bool = False) -> tuple[FoundLevel, Knots] | None:
    """The plateau and the level under it over time, or None; `table` holds the `excursions` of the evidence.

    near: the height of a plateau in another polarity or channel, beside which less is enough. few: a few excursions are, if all but flat.
    """
    for rung in range(SHARP, len(LADDER)):
        width = float(LADDER[rung])
        fewest = (FEW if near is None else FEW_NEAR) if few else FEWEST
        height, pile = _pile_up(evidence.tops, rung, fewest, near)
        reaching = table[(table[:, 1] >= height * (1 - width)) & (table[:, 1] <= height * (1 + 2 * width))]
        flat, count = flatness(reaching, rung)
        if count < fewest or (few and (flat < FLAT_FEW or pile < PILED_FEW)):
            continue
        rise = flat - _flatness_below(table, height, rung)
        edge, plateau = edge_of_plateau(evidence.histogram, height, rung)
        round_ = rise < min(ROUND, TONE * pile)
        if near is None and round_ and (pile > STEADIEST or _dwelling(evidence.histogram, plateau * (1 - width)) < DWELLING):
            continue  # all tops at one height and yet round: a steady tone, or a limiter
        strength = pile * rise / (PILED if FULL_SCALE[0] < height < FULL_SCALE[1] else PILED_ASIDE)
        if strength >= (1.0 if near is None else BESIDE):
            level, curve = level_under(table, evidence, plateau)
            # a few samples leave gaps in the histogram, and say nothing of the edge
            if not few and plateau - edge > SLOPING * (plateau - level):
                level, curve = edge * (1 - SPARE), CONSTANT
            return FoundLevel(level, plateau, 1 - 0.5 / max(1.0, strength), BLUR_NAMES[rung], False), curve
    return None


def _pile_up(tops: npt.NDArray[np.int64], rung: int, fewest: int, near: float | None) -> tuple[float, float]:
    """The height, within DEEPEST of the highest top and near `near`, where tops pile up the most, and the pile-up there, 0 if nowhere."""
    below = np.concatenate([[0], np.cumsum(tops)])
    highest = int(np.flatnonzero(tops)[-1])
    centres = np.arange(highest, max(-1, highest - int(DEEPEST / BIN)), -1)
    half = int(LADDER[rung] / BIN)
    counts = below[np.clip(centres[:, None] + np.array([-3 * half, -half, half]), 0, BINS)]
    under, inside, over = counts[:, 1] - counts[:, 0], counts[:, 2] - counts[:, 1], below[-1] - counts[:, 2]
    pile = np.where((inside >= fewest) & (over < 0.25 * inside), inside / np.maximum(under, 1), 0.0)
    heights = bin_height(centres)
    if near is not None:
        pile = np.where(np.abs(heights / near - 1) < 0.12, pile, 0.0)
    best = int(np.argmax(pile))
    return float(heights[best]), float(pile[best])


def _flatness_below(table: npt.NDArray[np.float64], height: float, rung: int) -> float:
    """The flatness of the recording's own peaks: of tops well below `height`, which are not cut off."""
    lower = table[(table[:, 1] >= LOWER[0] * height) & (table[:, 1] < LOWER[1] * height)]
    flat, count = flatness(lower, rung)
    return (KNOWN * NOISE + count * flat) / (KNOWN + count)


def _dwelling(histogram: npt.NDArray[np.int64], level: float) -> float:
    """The share of samples at `level` or above it among those at REGION of it or above."""
    edge, foot = (int(bin_of(np.array([v]))[0]) for v in (level, REGION * level))
    return float(histogram[edge:].sum() / max(1, histogram[foot:].sum()))
