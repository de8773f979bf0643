"""The whole of a recording against the whole of its restoration: gain, loudness, and how faithful the reliable samples are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from declipper.clipping.levels import ClipLevels, mask_of
from declipper.errors import InputError
from declipper.page.pair import Pair
from declipper.room import Measured, Meter

LEAST_LIKENESS = 0.9
"""Correlation of the reliable samples below which one recording is no restoration of the other: even a lossy codec at a low bit rate
leaves more of them."""


@dataclass(frozen=True)
class Survey:
    """What two recordings are to each other as wholes.

    gain: by which the restoration was turned, linear: the one that fits the reliable samples best. before, after: both as they are in
    their files.
    """

    gain: float
    before: Measured
    after: Measured

    @property
    def gain_db(self) -> float:
        """The gain in dB."""
        return 20 * float(np.log10(self.gain))


def survey(pair: Pair, levels: ClipLevels) -> Survey:
    """Survey a pair in one pass; `levels` tell which samples are reliable. Raises InputError where it is no pair."""
    before, after = Meter(pair.original), Meter(pair.restored)
    own = other = both = 0.0
    for stretch in pair.stretches():
        before.push(stretch.original)
        after.push(stretch.restored)
        reliable = ~mask_of(stretch.original, levels, stretch.first)
        x, y = (samples[reliable].astype(np.float64) for samples in (stretch.original, stretch.restored))
        own, other, both = own + float(x @ x), other + float(y @ y), both + float(x @ y)
    if own and not both > LEAST_LIKENESS * np.sqrt(own * other):
        raise InputError(
            f"{pair.restored.name}: is no restoration of {pair.original.name}, since they also differ where nothing is clipped; "
            "name a recording and its own restoration, in this order"
        )
    return Survey(both / own if both else 1.0, before.measured(), after.measured())
