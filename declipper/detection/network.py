"""The learned detector: how likely clipping cut each sample off, by a small network that comes with the package.

It was taught on simulated histories of recordings (`declipper.training.detection`). What it sees is free of scale: each sample in
proportion to the peaks around it, near and far. A signal is cut into windows on a grid tied to its first frame, each with a context at
either end that only informs; so any division into blocks gives the same result, and memory is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from declipper.clipping.arrays import Array, finite
from declipper.errors import ModelError
from declipper.runtime import one_thread_session
from declipper.workers import IN_PROCESS, Workers
from declipper.workers.in_order import InOrder

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


@dataclass(frozen=True, eq=False)
class _Stretch:
    """The frames that the network is shown at once, the first one it decides on, and which of those shown it decides on."""

    first: int
    seen: Array
    inner: slice


class ClippingNetwork:
    """The network, loaded to run in one thread per call. Calls from several threads at once are allowed."""

    def __init__(self, model: Path | None = None) -> None:
        """`model`: a file of `declipper.training.detection`; None takes the one that comes with the package.

        Raises ModelError for a file that is no detector of this contract.
        """
        file = model or files("declipper.models") / "detector.onnx"
        self._model = model
        self._session = one_thread_session(file.read_bytes(), ["CPUExecutionProvider"])
        metadata = self._session.get_modelmeta().custom_metadata_map
        kind, contract = metadata.get("declipper.kind"), metadata.get("declipper.contract")
        if (kind, contract) != ("detector", CONTRACT):
            raise ModelError(f"{file}: kind {kind}, contract {contract}; wanted a detector of contract {CONTRACT}")
        self._multiple = int(metadata["declipper.multiple"])

    def __reduce__(self) -> tuple[Callable[[Path | None], ClippingNetwork], tuple[Path | None]]:
        """In another process, the network is loaded again, once for however often it is sent there."""
        return clipping_network, (self._model,)

    def likelihood(self, samples: Array) -> Array:
        """How likely each sample of one channel (frames,) was cut off, (frames,) float32."""
        frames = len(samples)
        padded = np.zeros((1, 1, -(-frames // self._multiple) * self._multiple), np.float32)
        known = finite(samples)
        # a signal of any height fits into single precision, and so does silence
        height = max(float(np.abs(known).max(initial=0.0)), float(np.finfo(np.float64).tiny))
        padded[0, 0, :frames] = np.divide(known, height, dtype=np.float64)
        found: Array = np.asarray(self._session.run(None, {"y": padded})[0])[0, 0, :frames]
        return found


@lru_cache(2)
def clipping_network(model: Path | None = None) -> ClippingNetwork:
    """The network of a file, None for the one that comes with the package, loaded once."""
    return ClippingNetwork(model)


class JudgedStream:
    """Judges a signal (frames, channels) that comes block by block."""

    def __init__(self, channels: int, network: ClippingNetwork | None = None, workers: Workers = IN_PROCESS) -> None:
        """`network` None takes the one that comes with the package. `workers` share the work, and stretches then come out later."""
        self._network = network or clipping_network()
        self._hop = max(CONTEXT, HOP * MOST_CHANNELS // max(MOST_CHANNELS, channels))
        self._held = np.zeros((0, channels), np.float32)
        self._context = 0
        """Frames at the beginning of what is held that were cut into stretches already."""
        self._seen = 0
        self._under_way: InOrder[_Stretch, Array] = InOrder(workers)

    def push(self, block: Array) -> Iterator[Judged]:
        """Take up a block; gives the stretches that are finished."""
        self._held = np.concatenate([self._held, block])
        while len(self._held) >= self._context + self._hop + CONTEXT:
            self._cut(self._hop)
            yield from (_judged(stretch, columns) for stretch, columns in self._under_way.finished())

    def flush(self) -> Iterator[Judged]:
        """The rest, which nothing follows."""
        while len(self._held) > self._context:
            self._cut(min(self._hop, len(self._held) - self._context))
        yield from (_judged(stretch, columns) for stretch, columns in self._under_way.rest())

    def _cut(self, frames: int) -> None:
        """Give the next frames to the network."""
        seen, stretch = self._held[: self._context + frames + CONTEXT], slice(self._context, self._context + frames)
        tasks = [(self._network, seen[:, channel]) for channel in range(seen.shape[1])]
        self._under_way.add(_Stretch(self._seen, seen, stretch), ClippingNetwork.likelihood, tasks)
        self._seen += frames
        kept = max(0, stretch.stop - CONTEXT)
        self._held, self._context = self._held[kept:], stretch.stop - kept


def _judged(stretch: _Stretch, columns: list[Array]) -> Judged:
    """A stretch with what the network says of each channel of what it was shown."""
    return Judged(stretch.first, stretch.seen[stretch.inner], np.stack([column[stretch.inner] for column in columns], axis=1))
