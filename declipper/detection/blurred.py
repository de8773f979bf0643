"""Finds a plateau that noise, a resampler or a lossy codec has blurred, and how far below its height it reaches over time.

Its tops are scattered about its height and a codec overshoots it. There they pile up, where those of an unclipped signal thin out towards
the highest, and they are flatter than the same recording's lower tops, which nothing has cut off. Pile-up and this rise of the flatness
together are the evidence, since a steady tone and a limiter pile up tops too, but leave their shape as it is.

A codec's noise is louder where the music is, so a plateau's tops scatter more in one passage than in the next. A margin made for the
whole recording misses clipped samples in the one, each of which pins a crest to the plateau, and takes many for clipped in the other that
are not. So the level follows the scatter.

The constants were chosen with `python -m declipper.training.studies.detection`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from declipper.detection.evidence import BIN, BINS, LADDER, REGION, Evidence, Excursions, bin_at, bin_height
from declipper.detection.plateau import BLUR_NAMES, CONSTANT, SHARP, FoundLevel, Knots, plateau_near

PILED, PILED_ASIDE = 0.08, 0.16
"""Least product of pile-up (tops in the band over tops in the band of that width below it) and rise, within FULL_SCALE and aside from it:
recordings mostly clip at full scale, and a pile of tops elsewhere is more likely one note that is played again and again."""
FULL_SCALE = 0.9, 1.1
TONE, ROUND = 0.02, 0.26
"""Tops that pile up and yet are round come from a steady tone or a limiter. A pile counts as round when the rise of its flatness is
less than TONE times the pile-up, and less than ROUND."""
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
NEAR = 0.12
"""How far from the plateau of another polarity or channel, relatively, one still counts as near it."""
BESIDE = 0.4
"""Share of the evidence otherwise asked for that is enough there."""
DEEPEST = 0.5
"""How far below the highest top, in nepers, a blurred plateau is looked for."""
OVERSHOOT = 0.25
"""Least ratio of tops above a band to those in it at which the band is no ceiling."""

CELL = 1024
"""Frames from knot to knot of the level; a codec decides on its noise for about as many."""
WIDTH = 3
"""Cells that are looked at for the scatter in their middle."""
PRIOR = 3.0
"""The scatter of a cell is estimated from its own tops and that of the whole recording, which counts for so many tops."""
REACH, POWER = 0.85, 0.6
"""The margin is REACH * scatter ** POWER, both relative to the plateau. It grows more slowly than the scatter, since the wider a margin
the more it takes in that is not clipped."""
FURTHEST = 5.0
"""Scatters that a margin is wide at most: so far out lie a codec's rarest errors, and none of white noise."""
LARGEST = 0.5
"""Margin at most, relative to the plateau."""
STRAY = 6.0
"""What stands so many times further above the plateau than half of its tops do is no part of it: a blow, a louder piece spliced in."""


@dataclass(frozen=True)
class _Pile:
    """Where tops pile up. size: how many times as many there are as in the band below, 0 where they pile up nowhere."""

    height: float
    size: float


def blurred(excursions: Excursions, evidence: Evidence, *, near: float | None = None, few: bool = False) -> FoundLevel | None:
    """The plateau and the level under it over time, or None; `excursions` are those of the evidence.

    near: the height of a plateau in another polarity or channel, beside which less is enough. few: a few excursions are, if all but flat.
    """
    for rung in range(SHARP, len(LADDER)):
        width = float(LADDER[rung])
        fewest = (FEW if near is None else FEW_NEAR) if few else FEWEST
        pile = _pile_up(evidence.tops, rung, fewest=fewest, near=near)
        height = pile.height
        reaching = excursions[(excursions.top >= height * (1 - width)) & (excursions.top <= height * (1 + 2 * width))]
        flat = reaching.flatness(rung)
        if flat.count < fewest or (few and (flat.ratio < FLAT_FEW or pile.size < PILED_FEW)):
            continue
        rise = flat.ratio - _flatness_below(excursions, height, rung)
        plateau = plateau_near(height, evidence.amplitudes, rung)
        round_ = rise < min(ROUND, TONE * pile.size)
        if near is None and round_ and (pile.size > STEADIEST or _dwelling(evidence.amplitudes, plateau.height * (1 - width)) < DWELLING):
            continue  # all tops at one height and yet round: a steady tone, or a limiter
        strength = pile.size * rise / (PILED if FULL_SCALE[0] < height < FULL_SCALE[1] else PILED_ASIDE)
        if strength >= (1.0 if near is None else BESIDE):
            level, course = _level_under(excursions, evidence, plateau.height)
            # a few samples leave gaps in the histogram, and say nothing of the edge
            if not few and plateau.height - plateau.edge > SLOPING * (plateau.height - level):
                level, course = plateau.edge * (1 - SPARE), CONSTANT
            return FoundLevel(level, plateau.height, 1 - 0.5 / max(1.0, strength), BLUR_NAMES[rung], False, course)
    return None


def _pile_up(tops: npt.NDArray[np.int64], rung: int, *, fewest: int, near: float | None) -> _Pile:
    """Where, within DEEPEST of the highest top and near `near`, tops pile up the most; `tops` is their histogram."""
    below = np.concatenate([[0], np.cumsum(tops)])
    highest = int(np.flatnonzero(tops)[-1])
    centres = np.arange(highest, max(-1, highest - int(DEEPEST / BIN)), -1)
    half = int(LADDER[rung] / BIN)
    counts = below[np.clip(centres[:, None] + np.array([-3 * half, -half, half]), 0, BINS)]
    under, inside, over = counts[:, 1] - counts[:, 0], counts[:, 2] - counts[:, 1], below[-1] - counts[:, 2]
    size = np.where((inside >= fewest) & (over < OVERSHOOT * inside), inside / np.maximum(under, 1), 0.0)
    heights = bin_height(centres)
    if near is not None:
        size = np.where(np.abs(heights / near - 1) < NEAR, size, 0.0)
    best = int(np.argmax(size))
    return _Pile(float(heights[best]), float(size[best]))


def _flatness_below(excursions: Excursions, height: float, rung: int) -> float:
    """The flatness of the recording's own peaks: of tops well below `height`, which are not cut off."""
    lower = excursions[(excursions.top >= LOWER[0] * height) & (excursions.top < LOWER[1] * height)].flatness(rung)
    return (KNOWN * NOISE + lower.count * lower.ratio) / (KNOWN + lower.count)


def _dwelling(amplitudes: npt.NDArray[np.int64], level: float) -> float:
    """The share of samples at `level` or above it among those at REGION of it or above."""
    return float(amplitudes[bin_at(level) :].sum() / max(1, amplitudes[bin_at(REGION * level) :].sum()))


def _level_under(excursions: Excursions, evidence: Evidence, plateau: float) -> tuple[float, Knots]:
    """The level under a blurred plateau of this height for its scatter in all, and over time; `excursions` are those of the evidence.

    Only what lies above the plateau says how it scatters: nothing else is there.
    """
    above = np.arange(bin_at(plateau * (1 + BIN / 2)) + 1, BINS)
    excess = bin_height(above) / plateau - 1
    tops = evidence.tops[above].cumsum()
    highest = STRAY * float(excess[np.searchsorted(tops, 0.5 * tops[-1])]) if tops[-1] else 0.0
    counts = np.where(excess <= highest, evidence.amplitudes[above], 0)
    scatter = max(BIN, float(np.sqrt((counts * np.square(excess)).sum() / max(1, counts.sum()))))

    over = excursions.top / plateau - 1
    part = (over > 0) & (over <= highest)
    cell, squares = (excursions.place[part] / CELL).astype(np.int64), np.square(over[part])
    usual, cells = float(squares.mean()) if len(squares) else 1.0, int(excursions.place[-1] / CELL) + 1
    count, louder = (np.convolve(np.bincount(cell, v, cells), np.ones(WIDTH))[WIDTH // 2 :][:cells] for v in (None, squares / usual))
    here = scatter * np.sqrt((louder + PRIOR) / (count + PRIOR))
    frames = ((np.arange(cells) + 0.5) * CELL).astype(np.int64)
    return plateau * (1 - float(_margin(scatter))), Knots(frames, plateau * (1 - _margin(here)))


def _margin(scatter: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
    """How far below the plateau the level lies, relative to it, for the relative standard deviation of the samples about it."""
    return np.minimum(np.minimum(REACH * np.power(scatter, POWER), FURTHEST * np.asarray(scatter)), LARGEST)
