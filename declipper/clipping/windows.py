"""Windows on a grid: lengths that follow the sample rate by whole octaves, so that they nest; where they begin; their weights."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt


def at_rate(base: int, sample_rate: float) -> int:
    """A length in frames at 44.1 kHz, at another sample rate: times the power of two that keeps its duration best."""
    return int(base * 2.0 ** round(float(np.log2(sample_rate / 44100))))


def spaced(frames: int, length: int, overlap: float = 0.5) -> list[slice]:
    """Windows of `length` frames, spread evenly from the first frame to the last, which overlap by this share or more."""
    steps = -(-(frames - length) // max(1, int(length * (1 - overlap))))
    return [slice(b, b + length) for b in np.linspace(0, frames - length, steps + 1).astype(int).tolist()]


@lru_cache(8)
def hump(length: int) -> npt.NDArray[np.float64]:
    """The weight of each frame of such a window, nowhere 0; not to be written to."""
    weights: npt.NDArray[np.float64] = np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2
    weights.flags.writeable = False
    return weights
