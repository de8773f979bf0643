"""Finds clip levels without being told: per channel and polarity, at any height, hard or blurred, constant or changing.

The principle. Look at one excursion of the signal with its top at t, and count the samples that lie within a share d of the top,
W(d). A smooth peak is a parabola there, so W grows like sqrt(d): W(d) / W(10 d) is about 0.32. On a plateau W does not depend on d,
and the ratio is near 1. The first sample of each count is free, so (W(d) - 1) / (W(10 d) - 1), pooled over excursions, is the
`flatness`. The smallest d of a ladder at which the tops are flat tells how blurred the plateau is: by nothing, by noise or dither, by
a resampler's ringing, by a lossy codec.

A sharp plateau is the ceiling of the signal, and flatness alone shows it. A blurred one has tops scattered about its height and codec
overshoots above it; there the tops pile up, where those of an unclipped signal thin out towards the highest, and they are flatter than
the same recording's lower tops, which nothing has cut off. Pile-up and this `rise` together are the evidence, since a steady tone and a
limiter pile up tops too, but leave their shape as it is.

What keeps it quiet on unclipped material besides: quantisation steps widen d, and a signal that lives on its plateaus with nothing
between them is a square wave, with nothing to restore from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from declipper.arrays import Array
from declipper.changing import BELOW, Knots, changing_level
from declipper.clipping import ClipLevels, Curve, on_line
from declipper.evidence import BIN, BINS, LADDER, REGION, Evidence, bin_height, bin_of, flatness

CHUNK = 32768
BLUR_NAMES = ("exact", "dithered", "noisy", "resampled", "coded")
SPREAD = np.array([1e-4, 4e-3])
"""How far below the highest top an excursion may end and still be taken for cut off at the same level."""
SHARP = 2
"""Rungs below this one are looked for at the ceiling, those from it on where tops pile up."""
FLAT = np.array([0.5, 0.5])
"""Least flatness of a sharp plateau."""
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
FEWEST = np.array([1, 4, 20, 20, 20])
"""Excursions needed before a plateau of each blur is believed."""
FEW, FEW_NEAR = 5, 3
"""Excursions that are enough where they are as flat as FLAT_FEW: by themselves, and near the level of another polarity or channel."""
FLAT_FEW = 0.6
PILED_FEW = 3.0
"""Least pile-up for that: the tops of a square tone that dies away are flat too, but lie at all heights."""
SPARE = np.array([0.0, 0.0, 0.01, 0.02, 0.02])
"""How far below the edge of a blurred plateau the level lies: a clipped sample taken for reliable costs far more than the reverse."""
SCATTER = 3.0
"""Standard deviations of the samples about their plateau that it lies below that at the least."""
BESIDE = 0.4
"""Share of the evidence otherwise asked for that is enough near the level of another polarity or channel."""
DEEPEST = 0.5
"""How far below the highest top, in nepers, a blurred plateau is looked for."""
SURE_OF_CHANGE = 0.8
"""Confidence in a level that changes."""
COARSEST = 0.1
"""Excursions with larger quantisation steps than this share of their top say nothing."""


@dataclass(frozen=True)
class FoundLevel:
    """What was found in one polarity of one channel. level: threshold in linear units (positive for both polarities), +inf if none.

    confidence: 0 to 1. blur: one of BLUR_NAMES, "" if none. plateau: height of the plateau itself, at or above the threshold.
    varies: the level changes in the course of the signal.
    """

    level: float
    plateau: float
    confidence: float
    blur: str
    varies: bool


class LevelDetector:
    """Finds clip levels in a signal that comes block by block; `finish` gives what `find_levels` gives for the whole.

    Memory is bounded: at most some 30 MB per channel, however long the signal.
    """

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._pending = np.zeros((0, channels))
        self._start = 0
        self._evidence = [(Evidence(), Evidence()) for _ in range(channels)]

    def push(self, block: Array) -> None:
        """Take up a block (frames, channels) of any length."""
        pending = np.concatenate([self._pending, block])
        whole = len(pending) // CHUNK * CHUNK
        for begin in range(0, whole, CHUNK):
            self._chunk(pending[begin : begin + CHUNK])
        self._pending = pending[whole:]

    def _chunk(self, chunk: Array) -> None:
        samples = np.nan_to_num(chunk.astype(np.float64, copy=False), posinf=0.0, neginf=0.0)
        for channel, (up, down) in enumerate(self._evidence):
            up.add(samples[:, channel], self._start)
            down.add(-samples[:, channel], self._start)
        self._start += len(chunk)

    def finish(self) -> tuple[ClipLevels, list[tuple[FoundLevel, FoundLevel]]]:
        """The levels, and for each channel what was found in its positive and its negative polarity."""
        if len(self._pending):
            self._chunk(self._pending)
            self._pending = self._pending[:0]
        judged = [[_judge(up), _judge(down)] for up, down in self._evidence]
        known = [found.level for pair in judged for found, _ in pair if found.blur in BLUR_NAMES[SHARP:]]
        if known:
            # a recording is blurred as a whole: what is clipped in one polarity or channel likely is in the others
            near = float(np.median(known))
            for pair, evidence in zip(judged, self._evidence, strict=True):
                pair[:] = [_judge(e, near) if np.isinf(f.level) else (f, curve) for (f, curve), e in zip(pair, evidence, strict=True)]
        for exact in [f for pair in judged for f, _ in pair if f.blur == BLUR_NAMES[0] and not f.varies]:
            for pair, evidence in zip(judged, self._evidence, strict=True):
                pair[:] = [(_level_with(exact, e), c) if np.isinf(f.level) else (f, c) for (f, c), e in zip(pair, evidence, strict=True)]
        found = [(pair[0][0], pair[1][0]) for pair in judged]
        times = np.unique(np.concatenate([[0.0], *(curve[0] for pair in judged for _, curve in pair)])).astype(np.int64)
        levels = np.stack([[_sample(curve, times, f.level) for f, curve in pair] for pair in judged])
        softness = np.array([[0.5 * (f.plateau / f.level - 1) if f.blur == BLUR_NAMES[-1] else 0.0 for f in pair] for pair in found])
        return ClipLevels(times, levels[:, 0].T.copy(), -levels[:, 1].T, softness.T), found


NOTHING = FoundLevel(np.inf, np.inf, 0.0, "", False)
CONSTANT: Knots = (np.zeros(0, np.int64), np.zeros(0))


def _sample(curve: Knots, times: npt.NDArray[np.int64], level: float) -> Curve:
    places, heights = curve
    return on_line(times, places, heights[:, None])[:, 0] if len(places) else np.full(len(times), level)


def _judge(evidence: Evidence, near: float | None = None) -> tuple[FoundLevel, Knots]:
    """`near`: a level found in another polarity or channel, beside which less evidence is enough."""
    table = evidence.excursions()
    table = table[table[:, 2] < COARSEST]
    if not len(table):
        return NOTHING, CONSTANT
    changing = changing_level(table) if near is None else None
    if changing is not None:
        plateau, knots = changing
        return FoundLevel(plateau * (1 - BELOW), plateau, SURE_OF_CHANGE, BLUR_NAMES[0], True), knots
    found = _sharp(table, evidence.histogram) if near is None else None
    found = found or _blurred(table, evidence, near) or _blurred(table, evidence, near, few=True)
    if found is None or _nothing_between(evidence.histogram, found.level):
        return NOTHING, CONSTANT
    return found, CONSTANT


def _sharp(table: npt.NDArray[np.float64], histogram: npt.NDArray[np.int64]) -> FoundLevel | None:
    """A plateau that is exact or dithered: the tops that reach the ceiling are flat. None if they are not."""
    ceiling = float(table[:, 1].max())
    chosen = None
    for rung in range(SHARP):
        tops = _reaching(table, ceiling, rung)
        flat, count = flatness(tops, rung)
        inside = float((tops[:, 3 + 2 * rung] - 1).sum())
        if flat >= FLAT[rung] and count >= FEWEST[rung] and inside >= 3 and (chosen is None or inside >= 1.3 * chosen[3]):
            chosen = rung, flat, count, inside, tops
    if chosen is None:
        return None
    rung, flat, count, _, tops = chosen
    level, plateau = (_edge_of_exact(tops), ceiling) if rung == 0 else _edge_of_plateau(histogram, ceiling, rung)
    sure = min(1.0, (flat - 0.31) / 0.3) * (1 - 0.5 * np.exp(-count / (2 * FEWEST[rung])))
    return FoundLevel(level, plateau, float(sure), BLUR_NAMES[rung], False)


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


def _level_with(other: FoundLevel, evidence: Evidence) -> FoundLevel:
    """The level of a polarity that shows too little of a plateau by itself, but whose ceiling is the exact plateau of another one."""
    table = evidence.excursions()
    table = table[table[:, 2] < COARSEST]
    if not len(table):
        return NOTHING
    ceiling = float(table[:, 1].max())
    tops = _reaching(table, ceiling, 0)
    if abs(ceiling / other.plateau - 1) > max(SPREAD[0], 2 * float(np.median(tops[:, 2]))):
        return NOTHING
    return FoundLevel(_edge_of_exact(tops), ceiling, other.confidence, BLUR_NAMES[0], False)


def _blurred(table: npt.NDArray[np.float64], evidence: Evidence, near: float | None, few: bool = False) -> FoundLevel | None:
    """A plateau blurred by noise, a resampler or a codec, or None: the tops pile up at its height and are flatter than peaks.

    few: a few excursions are enough, if they are all but flat.
    """
    for rung in range(SHARP, len(LADDER)):
        width = float(LADDER[rung])
        fewest = (FEW if near is None else FEW_NEAR) if few else FEWEST[rung]
        height, pile = _pile_up(evidence.tops, rung, fewest, near)
        reaching = table[(table[:, 1] >= height * (1 - width)) & (table[:, 1] <= height * (1 + 2 * width))]
        flat, count = flatness(reaching, rung)
        if count < fewest or (few and (flat < FLAT_FEW or pile < PILED_FEW)):
            continue
        rise = flat - _flatness_below(table, height, rung)
        edge, plateau = _edge_of_plateau(evidence.histogram, height, rung)
        edge = max(edge, plateau * (1 - float(LADDER[-1]))) if few else edge  # so few samples leave gaps in the histogram
        round_ = rise < min(ROUND, TONE * pile)
        if near is None and round_ and (pile > STEADIEST or _dwelling(evidence.histogram, plateau * (1 - width)) < DWELLING):
            continue  # all tops at one height and yet round: a steady tone, or a limiter
        strength = pile * rise / (PILED if FULL_SCALE[0] < height < FULL_SCALE[1] else PILED_ASIDE)
        if strength >= (1.0 if near is None else BESIDE):
            level = min(edge * (1 - float(SPARE[rung])), plateau * (1 - SCATTER * _scatter(evidence.histogram, plateau)))
            return FoundLevel(level, plateau, 1 - 0.5 / max(1.0, strength), BLUR_NAMES[rung], False)
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


def _edge_of_plateau(histogram: npt.NDArray[np.int64], height: float, rung: int) -> tuple[float, float]:
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


def _scatter(histogram: npt.NDArray[np.int64], plateau: float) -> float:
    """The relative standard deviation of the samples of a plateau about its height, from those above it: nothing else is there."""
    above = np.arange(int(bin_of(np.array([plateau]))[0]) + 1, BINS)
    excess = bin_height(above) / plateau - 1
    return float(np.sqrt((histogram[above] * np.square(excess)).sum() / max(1, histogram[above].sum())))


def _dwelling(histogram: npt.NDArray[np.int64], level: float) -> float:
    """The share of samples at `level` or above it among those at REGION of it or above."""
    edge, foot = (int(bin_of(np.array([v]))[0]) for v in (level, REGION * level))
    return float(histogram[edge:].sum() / max(1, histogram[foot:].sum()))


def _nothing_between(histogram: npt.NDArray[np.int64], level: float) -> bool:
    """Whether the signal lives on its plateaus: a square wave, not a clipped recording."""
    edge = int(bin_of(np.array([level]))[0])
    upper = histogram[max(0, edge - 2) :].sum()
    between = histogram[max(0, edge - int(1.0 / BIN)) : max(0, edge - int(0.03 / BIN))].sum()
    return bool(between < 0.04 * upper)


def find_levels(audio: Array) -> ClipLevels:
    """The clip levels of a whole signal (frames,) or (frames, channels); see `LevelDetector` for the block-wise form."""
    audio = audio[:, None] if audio.ndim == 1 else audio
    detector = LevelDetector(audio.shape[1])
    detector.push(audio)
    return detector.finish()[0]
