"""How much work a recording is, which decides whether worker processes are worth their start, and how many of them have room."""

from __future__ import annotations

import numpy as np

from declipper.clipping.levels import ClipLevels
from declipper.engine.framing import Framing
from declipper.engine.session import ModelInfo
from declipper.workers import Work

LOADED = 160 << 20
"""Bytes of a worker that has loaded its packages and a model, with a quarter to spare (`declipper.training.judging.cores`)."""
PER_FRAME, PER_SAMPLE = 1500, 128
"""Bytes for each frame of a window, whatever the channels, half to spare: what the methods take, and the windows that wait for a worker, or
for their turn, in this process. And for each sample of a window, where the experts hear all channels."""
RATE = 44100
"""The sample rate that the cost of a set of experts is told for, in Hz."""


def restoring_work(info: ModelInfo, sample_rate: float, *, frames: int, levels: ClipLevels) -> Work:
    """What it takes to restore a recording of so many frames.

    It counts the windows that have a run of clipped samples, and all of them where a channel has a level, which only its samples could
    tell more about. Nothing is to be shared out where each window needs what the one before restored.
    """
    framing = Framing.whole(info, sample_rate)
    if framing.past:
        return Work(0.0, LOADED)
    clipped = sum(_frames_to_restore(levels, channel, frames=frames, hop=framing.hop) for channel in range(levels.channels))
    heard = levels.channels if info.experts.hears_other_channels else 1
    return Work(info.experts.cost * clipped / RATE, LOADED + (PER_FRAME + PER_SAMPLE * heard) * framing.window)


def _frames_to_restore(levels: ClipLevels, channel: int, *, frames: int, hop: int) -> int:
    """Frames of the windows of a channel in which something is clipped, at most."""
    if np.isfinite(levels.positive[:, channel]).any() or np.isfinite(levels.negative[:, channel]).any():
        return frames
    return min(frames, hop * len(np.unique(levels.runs.start[levels.runs.channel == channel] // hop)))
