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


def finite(y: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """y with 0 for every sample that is not a finite number."""
    return np.where(np.isfinite(y), y, y.dtype.type(0))
