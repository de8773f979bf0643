"""Window lengths that follow the sample rate by whole octaves, so that windows of different lengths nest on one grid."""

from __future__ import annotations

import numpy as np


def at_rate(base: int, sample_rate: float) -> int:
    """A length in frames at 44.1 kHz, at another sample rate: times the power of two that keeps its duration best."""
    return int(base * 2.0 ** round(float(np.log2(sample_rate / 44100))))
