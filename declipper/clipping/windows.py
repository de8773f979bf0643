"""Windows that follow each other: lengths that follow the sample rate, where windows begin, and how their frames are weighted."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

LOWEST_RATE, HIGHEST_RATE = 1, 768_000
"""Sample rates that are supported, in Hz: measurements once a second, and the most that audio converters run at."""
SLOWEST = 44100 / 16
"""The sample rate in Hz below which lengths are no shorter, in frames: what is sampled so slowly is no sound whose time scale were known,
and a window needs enough samples to tell something from them."""


def checked_rate(sample_rate: float) -> float:
    """The sample rate in Hz. Raises ValueError for one that is not supported."""
    if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise ValueError(f"sample rates from {LOWEST_RATE} to {HIGHEST_RATE} Hz are supported, got {sample_rate}")
    return sample_rate


def at_rate(base: int, sample_rate: float) -> int:
    """A length in frames at 44.1 kHz, at another sample rate: times the power of two that keeps its duration best.

    Whole octaves, so that windows whose lengths divide each other at one rate do so at all.
    """
    return int(base * 2.0 ** round(float(np.log2(max(sample_rate, SLOWEST) / 44100))))


def frames_in(seconds: float, sample_rate: float) -> int:
    """Frames of a duration."""
    return int(seconds * max(sample_rate, SLOWEST))


def window_slices(frames: int, length: int, *, overlap: float = 0.5) -> list[slice]:
    """Windows of `length` frames, spread evenly over `frames` from the first to the last, which overlap by this share or more."""
    steps = -(-(frames - length) // max(1, int(length * (1 - overlap))))
    return [slice(b, b + length) for b in np.linspace(0, frames - length, steps + 1).astype(int).tolist()]


@lru_cache(8)
def leaning(length: int, fall: int) -> npt.NDArray[np.float64]:
    """A window that rises as half of a Hann window and falls within the last `fall` frames: for what is newest; not to be written to.

    Coders of speech with little delay look at a signal through such windows (Chen et al., "LD-CELP", IEEE J. Sel. Areas Commun. 1992).
    """
    rise = length - fall
    weights: npt.NDArray[np.float64] = np.concatenate([hann(2 * rise)[:rise], hann(2 * fall)[fall:]])
    weights.flags.writeable = False
    return weights


@lru_cache(8)
def hann(length: int) -> npt.NDArray[np.float64]:
    """The Hann window, a squared half sine, sampled between its zeros, so that no frame counts nothing; not to be written to."""
    weights: npt.NDArray[np.float64] = np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2
    weights.flags.writeable = False
    return weights
