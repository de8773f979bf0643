"""The array types that signatures name, and what counts in place of samples that are not numbers."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
"""Samples: (frames,) or (frames, channels), float32 or float64, full scale at 1.0."""

Mask = npt.NDArray[np.bool_]

Positions = npt.NDArray[np.intp]
"""Where in an array: frames, or indices."""


Float = TypeVar("Float", bound=np.floating[Any])


def samples_of(audio: npt.ArrayLike) -> Array:
    """Samples (frames, channels) in the byte order of this machine, from such an array, or (frames,) for one channel, or a list of them.

    Raises TypeError for all but float32 and float64: whole numbers do not tell what full scale is, and other types cannot come back as
    they went in. Raises ValueError for other shapes, and for no channels.
    """
    samples = np.asarray(audio)
    if samples.dtype.kind != "f" or samples.dtype.itemsize not in (4, 8):
        raise TypeError(f"samples must be float32 or float64 with full scale at 1.0, got {samples.dtype}; divide whole numbers by theirs")
    columns = samples[:, None] if samples.ndim == 1 else samples
    if columns.ndim != 2 or not columns.shape[1]:
        raise ValueError(f"samples must be (frames,) or (frames, channels), got {samples.shape}")
    return columns.astype(columns.dtype.newbyteorder("="), copy=False)


def finite(y: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """y with 0 for every sample that is not a finite number."""
    return np.where(np.isfinite(y), y, y.dtype.type(0))
