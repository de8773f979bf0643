"""Every clipped run of a recording, and what its restoration put back there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from declipper.clipping.levels import ClipLevels, mask_of
from declipper.clipping.runs import NO_RUNS, ClippedRuns
from declipper.measure.report import LONGEST_HELD
from declipper.page.pair import Pair, Stretch


@dataclass(frozen=True, eq=False)
class DamagedRuns(ClippedRuns):
    """Clipped runs, and what was put back in each.

    energy: (runs,) the sum of the squares of what the restoration added. peak: (runs,) its sample farthest from zero, as a size.
    """

    energy: npt.NDArray[np.float64]
    peak: npt.NDArray[np.float64]

    @property
    def rise_db(self) -> npt.NDArray[np.float64]:
        """How far the restored peaks rise over the bounds, in dB."""
        return 20 * np.log10(np.maximum(self.peak, 1e-9) / np.abs(self.bound))

    @property
    def worst_first(self) -> npt.NDArray[np.intp]:
        """The order of the runs by what was put back, most first."""
        return np.argsort(-self.energy, kind="stable")


@dataclass(frozen=True, eq=False)
class Damage:
    """What a restoration changed.

    runs: in the order of time. added: the sum of the squares of what was added in them, restored: that of the whole restoration.
    elsewhere: the most that any reliable sample was changed, linear.
    """

    runs: DamagedRuns
    restored: float
    elsewhere: float

    @property
    def added(self) -> float:
        """The sum of the squares of what was added in all runs."""
        return float(self.runs.energy.sum())

    @property
    def input_sdr(self) -> float:
        """The input SDR in dB, if the restoration were the truth; inf where nothing was added."""
        return 10 * float(np.log10(self.restored / self.added)) if self.added else float("inf")


def damage(pair: Pair, levels: ClipLevels, *, gain: float) -> Damage:
    """Go through a pair and look at each clipped run; `gain` is what the restoration was turned by, and is undone first."""
    parts, elsewhere, power = [_added(NO_RUNS, Stretch(0, np.zeros((0, 1)), np.zeros((0, 1))))], 0.0, 0.0
    for stretch in _between_runs(pair, levels):
        undone = Stretch(stretch.first, stretch.original.astype(np.float64), stretch.restored.astype(np.float64) / gain)
        mask = mask_of(stretch.original, levels, stretch.first)
        parts.append(_added(ClippedRuns.of(stretch.original, mask, first=stretch.first), undone))
        elsewhere = max(elsewhere, float(np.abs(undone.restored - undone.original).max(where=~mask, initial=0.0)))
        power += float(np.square(undone.restored).sum())
    return Damage(DamagedRuns.joined(parts), power, elsewhere)


def _added(runs: ClippedRuns, stretch: Stretch) -> DamagedRuns:
    """The runs of a stretch, with what was added in each."""
    frames, channels, numbers = runs.samples(stretch.first, len(stretch))
    restored = stretch.restored[frames, channels]
    energy, peak = np.zeros((2, len(runs)))
    np.add.at(energy, numbers, np.square(restored - stretch.original[frames, channels]))
    np.maximum.at(peak, numbers, np.abs(restored))
    return DamagedRuns(runs.start, runs.length, runs.channel, runs.bound, energy, peak)


def _between_runs(pair: Pair, levels: ClipLevels) -> Iterator[Stretch]:
    """The stretches of a pair, cut anew at frames in which no channel is clipped, so that every run is whole."""
    held = None
    for stretch in pair.stretches():
        joined = held.followed_by(stretch) if held else stretch
        reliable = np.flatnonzero(~mask_of(joined.original, levels, joined.first).any(axis=1))
        cut = int(reliable[-1]) + 1 if len(reliable) else 0
        cut = len(joined) if len(joined) - cut > LONGEST_HELD else cut
        if cut:
            yield joined.part(0, cut)
        held = joined.part(cut, len(joined))
    if held:
        yield held
