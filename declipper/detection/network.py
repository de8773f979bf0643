"""The learned detector: how likely clipping cut each sample off, by a small network that comes with the package.

It was taught on simulated histories of recordings (`declipper.training.detection`). What it sees is free of scale: each sample in
proportion to the peaks around it, near and far. A signal is cut into windows on a grid tied to its first frame, each with a context at
either end that only informs; so any division into blocks gives the same result, and memory is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from declipper.clipping.arrays import Array, finite
from declipper.errors import ModelError
from declipper.runtime import one_thread_session

CONTRACT = "1"
"""Version of the agreement between detector files and this reader."""
HOP, CONTEXT = 65536, 4096
"""Frames that one run of the network decides on, and those to either side that it only sees. Both are multiples of the frames between two
of its farthest peaks. The network reaches 16,384 frames to either side, but a context of that length instead of this one, which costs a
third more, changes the decision on one mark in a hundred at most. Windows twice as long would cost 6 % less, and 30 MB more."""
MOST_CHANNELS = 8
"""Channels up to which stretches have HOP frames; of more channels they are shorter, which bounds the memory."""


@dataclass(frozen=True, eq=False)
class Judged:
    """A stretch of a signal, (frames, channels), and how likely each of its samples was cut off, between 0 and 1."""

    first: int
    samples: Array
    likelihood: Array


class ClippingNetwork:
    """The network, loaded to run in one thread per call. Calls from several threads at once are allowed."""

    def __init__(self, model: Path | None = None) -> None:
        """`model`: a file of `declipper.training.detection`; None takes the one that comes with the package.

        Raises ModelError for a file that is no detector of this contract.
        """
        file = model or files("declipper.models") / "detector.onnx"
        self._session = one_thread_session(file.read_bytes(), ["CPUExecutionProvider"])
        metadata = self._session.get_modelmeta().custom_metadata_map
        kind, contract = metadata.get("declipper.kind"), metadata.get("declipper.contract")
        if (kind, contract) != ("detector", CONTRACT):
            raise ModelError(f"{file}: kind {kind}, contract {contract}; wanted a detector of contract {CONTRACT}")
        self._multiple = int(metadata["declipper.multiple"])

    def likelihood(self, samples: Array) -> Array:
        """How likely each sample of one channel (frames,) was cut off, (frames,) float32."""
        frames = len(samples)
        padded = np.zeros((1, 1, -(-frames // self._multiple) * self._multiple), np.float32)
        known = finite(samples)
        # a signal of any height fits into single precision
        padded[0, 0, :frames] = known / max(float(np.abs(known).max(initial=0.0)), np.finfo(np.float64).tiny)
        found: Array = np.asarray(self._session.run(None, {"y": padded})[0])[0, 0, :frames]
        return found


@lru_cache(1)
def clipping_network() -> ClippingNetwork:
    """The network that comes with the package, loaded once."""
    return ClippingNetwork()


class JudgedStream:
    """Judges a signal (frames, channels) that comes block by block."""

    def __init__(self, channels: int, network: ClippingNetwork | None = None) -> None:
        """`network` None takes the one that comes with the package."""
        self._network = network or clipping_network()
        self._hop = max(CONTEXT, HOP * MOST_CHANNELS // max(MOST_CHANNELS, channels))
        self._held = np.zeros((0, channels), np.float32)
        self._context = 0
        """Frames at the beginning of what is held that were judged already."""
        self._seen = 0

    def push(self, block: Array) -> Iterator[Judged]:
        """Take up a block; gives the stretches that are finished."""
        self._held = np.concatenate([self._held, block])
        while len(self._held) >= self._context + self._hop + CONTEXT:
            yield self._next(self._hop)

    def flush(self) -> Iterator[Judged]:
        """The rest, which nothing follows."""
        while len(self._held) > self._context:
            yield self._next(min(self._hop, len(self._held) - self._context))

    def _next(self, frames: int) -> Judged:
        seen, stretch = self._held[: self._context + frames + CONTEXT], slice(self._context, self._context + frames)
        columns = [self._network.likelihood(seen[:, channel])[stretch] for channel in range(seen.shape[1])]
        judged = Judged(self._seen, seen[stretch], np.stack(columns, axis=1))
        self._seen += frames
        kept = max(0, stretch.stop - CONTEXT)
        self._held, self._context = self._held[kept:], stretch.stop - kept
        return judged
