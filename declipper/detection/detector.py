"""Finds clip levels without being told: per channel and polarity, at any height, hard or blurred, constant or changing.

The principle. Look at one excursion of the signal with its top at t, and count the samples that lie within a share d of the top,
W(d). A smooth peak is a parabola there, so W grows like sqrt(d): W(d) / W(10 d) is about 0.32. On a plateau W does not depend on d,
and the ratio is near 1. The first sample of each count is free, so (W(d) - 1) / (W(10 d) - 1), pooled over excursions, is the
flatness. The smallest d of a ladder at which the tops are flat tells how blurred the plateau is: by nothing, by noise or dither, by
a resampler's ringing, by a lossy codec.

A level that changes is looked for first, then a sharp plateau, then a blurred one, each with evidence of its own. What keeps all of
them quiet on unclipped material: quantisation steps widen d, and a signal that lives on its plateaus with nothing between them is a
square wave, with nothing to restore from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Array, finite, samples_of
from declipper.clipping.levels import ClipLevels, Curve
from declipper.detection.blurred import blurred
from declipper.detection.changing import changing_level
from declipper.detection.evidence import BIN, CHUNK, QUIET, Evidence, bin_at, unit_of
from declipper.detection.plateau import BLUR_NAMES, NOTHING, SHARP, FoundLevel, FoundLevels
from declipper.detection.sharp import level_with, sharp

DEEP, SHALLOW = 1.0, 0.03
"""Samples between these distances below a level, in nepers, are between the plateaus."""
LEAST_BETWEEN = 0.04
"""Least ratio of the samples between the plateaus to those on them: less is a square wave, with nothing to restore from. Chosen with
`python -m declipper.training.studies.detection`."""


@dataclass(frozen=True, eq=False)
class Detection:
    """The clip levels of a signal, and what was found in each of its channels."""

    levels: ClipLevels
    found: tuple[FoundLevels, ...]


class LevelDetector:
    """Finds clip levels in a signal that comes block by block; `finish` gives what `find_levels` gives for the whole.

    Memory hardly grows with the signal: some 35 MB per channel at most, and 3 MB for each hour that is blurred.
    """

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._pending: list[Array] = []
        self._peak = 0.0
        # the positive and the negative polarity of the first channel, then those of the next
        self._evidence = [Evidence() for _ in range(2 * channels)]

    def push(self, block: Array) -> None:
        """Take up a block (frames, channels) of any length. Raises TypeError or ValueError for other arrays."""
        block = samples_of(block)
        if block.shape[1] != self._channels:
            raise ValueError(f"blocks must be (frames, {self._channels}), got {block.shape}")
        while len(block):
            missing = CHUNK - sum(map(len, self._pending))
            part, block = block[:missing], block[missing:]
            if len(part) < missing:
                self._pending.append(part.copy())
            else:
                self._gather([*self._pending, part])
                self._pending = []

    def _gather(self, parts: list[Array]) -> None:
        columns = [finite(np.concatenate([part[:, c] for part in parts]).astype(np.float64)) for c in range(self._channels)]
        self._peak = max(self._peak, *(float(np.abs(column).max()) for column in columns))
        quiet = self._peak < QUIET
        for samples, up, down in zip(columns, self._evidence[::2], self._evidence[1::2], strict=True):
            up.add(samples, quiet=quiet)
            down.add(-samples, quiet=quiet)

    def finish(self) -> Detection:
        """The levels of all that was pushed. Nothing may be pushed afterwards."""
        if self._pending:
            self._gather(self._pending)
            self._pending = []
        unit = unit_of(self._peak)
        for evidence in self._evidence:
            evidence.settle(unit)
        found = [_judged(evidence) for evidence in self._evidence]
        blurred_heights = [f.plateau for f in found if f.blur in BLUR_NAMES[SHARP:]]
        if blurred_heights:
            # a recording is blurred as a whole: what is clipped in one polarity or channel likely is in the others
            near = float(np.median(blurred_heights))
            found = [_judged_beside(near, e) if np.isinf(f.level) else f for f, e in zip(found, self._evidence, strict=True)]
        for exact in [f for f in found if f.blur == BLUR_NAMES[0] and not f.varies]:
            found = [level_with(exact, e) if np.isinf(f.level) else f for f, e in zip(found, self._evidence, strict=True)]
        found = [f.scaled(unit) for f in found]
        pairs = tuple(FoundLevels(up, down) for up, down in zip(found[::2], found[1::2], strict=True))
        return Detection(_over_time(pairs), pairs)


def _over_time(pairs: tuple[FoundLevels, ...]) -> ClipLevels:
    """The levels of all channels, with a knot wherever one of them has one."""
    courses = [found.course.frames for pair in pairs for found in (pair.positive, pair.negative)]
    times = np.unique(np.concatenate([np.zeros(1, np.int64), *courses]))

    def sampled(found: FoundLevel) -> Curve:
        return found.course.at(times) if len(found.course.frames) else np.full(len(times), found.level)

    positive = np.stack([sampled(pair.positive) for pair in pairs], axis=1)
    negative = np.stack([-sampled(pair.negative) for pair in pairs], axis=1)
    return ClipLevels(times, positive, negative)


def _judged(evidence: Evidence) -> FoundLevel:
    """What one polarity of one channel shows by itself."""
    excursions = evidence.excursions()
    if not len(excursions):
        return NOTHING
    changing = changing_level(excursions)
    if changing:
        return changing
    found = sharp(excursions, evidence.amplitudes) or blurred(excursions, evidence) or blurred(excursions, evidence, few=True)
    return found if found and not _is_square(evidence.amplitudes, found.level) else NOTHING


def _judged_beside(near: float, evidence: Evidence) -> FoundLevel:
    """What one shows near the height of a blurred plateau in another polarity or channel, beside which less evidence is enough."""
    excursions = evidence.excursions()
    if not len(excursions):
        return NOTHING
    found = blurred(excursions, evidence, near=near) or blurred(excursions, evidence, near=near, few=True)
    return found if found and not _is_square(evidence.amplitudes, found.level) else NOTHING


def _is_square(amplitudes: npt.NDArray[np.int64], level: float) -> bool:
    """Whether the signal lives on its plateaus, as a square wave does and a clipped recording does not."""
    edge = bin_at(level)
    on_plateau = amplitudes[max(0, edge - 2) :].sum()
    between = amplitudes[max(0, edge - int(DEEP / BIN)) : max(0, edge - int(SHALLOW / BIN))].sum()
    return bool(between < LEAST_BETWEEN * on_plateau)


def find_levels(audio: Array) -> ClipLevels:
    """The clip levels of a whole signal (frames,) or (frames, channels); see `LevelDetector` for the block-wise form.

    Raises TypeError for what is not float32 or float64, ValueError for other shapes.
    """
    samples = samples_of(audio)
    detector = LevelDetector(samples.shape[1])
    detector.push(samples)
    return detector.finish().levels
