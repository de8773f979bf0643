"""What a live stream remembers: its last frames as they were restored, so that no window has to restore its own past again."""

from __future__ import annotations

import numpy as np

from declipper.clipping.arrays import Array, finite
from declipper.clipping.signal import ClippedSignal
from declipper.engine.experts import ExpertSet
from declipper.engine.framing import Framing


class Memory:
    """The last frames that are finished, and what the experts made of those that the network still sees."""

    def __init__(self, framing: Framing, channels: int, experts: ExpertSet) -> None:
        """As many frames as `framing` has of the past, and estimates for its context."""
        self._framing, self._experts = framing, experts
        self._past = np.zeros((0, channels))
        self._estimates = np.zeros((channels, len(experts.outputs), 0))
        self._new: dict[int, Array] = {}

    def heard(self, seen: ClippedSignal, channel: int) -> Array:
        """What the experts make of one channel (frames, 1) of a window, (outputs, frames) over its level, as `ExpertSet.rows` has it.

        They are asked for the frames that are not finished alone, and know how those before them were restored.
        """
        before = self._estimates[channel]
        new, scale = seen.part(slice(before.shape[1], None)), seen.highest_level
        rows = self._experts.rows(new.after(self._past[:, channel : channel + 1]), scale=scale)[:, -len(new.samples) :]
        self._new[channel] = scale * rows.astype(np.float64)
        return np.concatenate([(before / scale).astype(np.float32), rows], axis=1)

    def keep(self, finished: Array) -> None:
        """Take in the next frames (frames, channels) that are finished. Where no expert was asked, they are their own estimates."""
        fresh = np.repeat(finite(finished).T[:, None].astype(np.float64), self._estimates.shape[1], axis=1)
        for channel, estimates in self._new.items():
            fresh[channel] = estimates[:, : len(finished)]
        self._new.clear()
        kept = np.concatenate([self._estimates, fresh], axis=2)
        self._estimates = kept[..., max(0, kept.shape[2] - self._framing.context) :]
        self._past = np.concatenate([self._past, finished])[-self._framing.past :]
