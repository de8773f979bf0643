"""Finds clip levels without being told: per channel and polarity, at any height, hard or blurred, constant or changing.

The principle. Look at one excursion of the signal with its top at t, and count the samples that lie within a share d of the top,
W(d). A smooth peak is a parabola there, so W grows like sqrt(d): W(d) / W(10 d) is about 0.32. On a plateau W does not depend on d,
and the ratio is near 1. The first sample of each count is free, so (W(d) - 1) / (W(10 d) - 1), pooled over excursions, is the
`flatness`. The smallest d of a ladder at which the tops are flat tells how blurred the plateau is: by nothing, by noise or dither, by
a resampler's ringing, by a lossy codec.

A level that changes is looked for first, then a sharp plateau, then a blurred one, each with evidence of its own. What keeps all of
them quiet on unclipped material: quantisation steps widen d, and a signal that lives on its plateaus with nothing between them is a
square wave, with nothing to restore from.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Array, finite
from declipper.clipping.levels import ClipLevels, Curve, on_line
from declipper.detection.blurred import blurred
from declipper.detection.changing import BELOW, CONSTANT, Knots, changing_level
from declipper.detection.evidence import BIN, Evidence, bin_of
from declipper.detection.plateau import BLUR_NAMES, NOTHING, SHARP, FoundLevel
from declipper.detection.sharp import level_with, sharp

CHUNK = 32768
SURE_OF_CHANGE = 0.8
"""Confidence in a level that changes."""


class LevelDetector:
    """Finds clip levels in a signal that comes block by block; `finish` gives what `find_levels` gives for the whole.

    Memory hardly grows with the signal: some 35 MB per channel at most, and 3 MB for each hour that is blurred.
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
        samples = finite(chunk.astype(np.float64, copy=False))
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
        known = [found.plateau for pair in judged for found, _ in pair if found.blur in BLUR_NAMES[SHARP:]]
        if known:
            # a recording is blurred as a whole: what is clipped in one polarity or channel likely is in the others
            near = float(np.median(known))
            for pair, evidence in zip(judged, self._evidence, strict=True):
                pair[:] = [_judge(e, near) if np.isinf(f.level) else (f, curve) for (f, curve), e in zip(pair, evidence, strict=True)]
        for exact in [f for pair in judged for f, _ in pair if f.blur == BLUR_NAMES[0] and not f.varies]:
            for pair, evidence in zip(judged, self._evidence, strict=True):
                pair[:] = [(level_with(exact, e), c) if np.isinf(f.level) else (f, c) for (f, c), e in zip(pair, evidence, strict=True)]
        found = [(pair[0][0], pair[1][0]) for pair in judged]
        times = np.unique(np.concatenate([[0.0], *(curve[0] for pair in judged for _, curve in pair)])).astype(np.int64)
        levels = np.stack([[_sample(curve, times, f.level) for f, curve in pair] for pair in judged])
        return ClipLevels(times, levels[:, 0].T.copy(), -levels[:, 1].T), found


def _sample(curve: Knots, times: npt.NDArray[np.int64], level: float) -> Curve:
    places, heights = curve
    return on_line(times, places, heights[:, None])[:, 0] if len(places) else np.full(len(times), level)


def _judge(evidence: Evidence, near: float | None = None) -> tuple[FoundLevel, Knots]:
    """`near`: the height of a plateau in another polarity or channel, beside which less evidence is enough."""
    table = evidence.excursions()
    if not len(table):
        return NOTHING, CONSTANT
    changing = changing_level(table) if near is None else None
    if changing is not None:
        plateau, knots = changing
        return FoundLevel(plateau * (1 - BELOW), plateau, SURE_OF_CHANGE, BLUR_NAMES[0], True), knots
    exact = sharp(table, evidence.histogram) if near is None else None
    found = (exact, CONSTANT) if exact else blurred(table, evidence, near) or blurred(table, evidence, near, few=True)
    if found is None or _nothing_between(evidence.histogram, found[0].level):
        return NOTHING, CONSTANT
    return found


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
