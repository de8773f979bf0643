"""What a model may ask for as further inputs: the estimates of exact methods of signal processing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from declipper.clipping.arrays import Array, Mask
from declipper.clipping.levels import Curve, clipped_mask
from declipper.methods.autoregressive import autoregressive
from declipper.methods.model_averaging import Model, averaged
from declipper.methods.social_sparsity import BRIEF, FROM_CLIPPED, FROM_ESTIMATE, GENTLE, SWIFT, spectral
from declipper.methods.spade import sparse

DEVIATION = "deviation"
"""Not an estimate, but the standard deviation of the first one; the last of its set."""
THOROUGH = ("averaged", "spectral", "polished", "refined", "sparse", DEVIATION)
"""The best there is, whatever it costs. The autoregressive method begins at the mean of the sparse and the spectral estimate, and two
more are the spectral method begun at the autoregressive estimate: one only smooths it, which is right where that is nearly exact."""
BRISK = ("predicted", "brief", "swift", DEVIATION)
"""A fifth of that: the spectral method with few iterations, autoregressive interpolation begun at it, and the spectral one once more."""
QUICK = ("rough", "predicted")
"""What a listener can wait for: autoregressive interpolation of low order, before and after its last round."""
SETS = ((), QUICK, BRISK, THOROUGH)
"""The sets of experts that a model may ask for."""
QUICK_ORDERS = (32, 64), (128,)
QUICK_WINDOW = 4096
QUICK_WORK = 1e6
FEW = 0.02
"""Share of clipped samples below which interpolation costs little."""
BRISK_FEW = ((8192, (128, 512, 512)), (2048, (64, 256, 256))), 3.2e7, 0.5
"""Windows and orders of the models that are averaged for few clipped samples, their most work and overlap, and those for more:"""
BRISK_MANY = ((3072, (256,)),), 6e7, 0.25
MILD = 0.08
"""Share of clipped samples up to which the sparse method is not asked: it costs half as much as all others, and is not missed."""
THOROUGH_MODELS: tuple[tuple[float, float, tuple[Model, ...]], ...] = (
    (0.02, 1.6e9, ((16384, 3 * (1024,)), (8192, (64, 128, 256, 512, 768)), (4096, 3 * (384,)), (2048, 3 * (256,)), (1024, 3 * (64,)))),
    (MILD, 1.6e9, ((16384, (1024, 1024)), (8192, (128, 384, 768, 768)), (4096, (64, 192, 384, 384)), (2048, 3 * (256,)))),
    (0.25, 1.6e9, ((8192, (768, 768)), (4096, (384, 384)), (2048, (256, 256)))),
    (0.6, 1.6e9, ((8192, (768,)), (4096, (384, 384)), (2048, (256, 256)))),
    (1.0, 4e8, ((16384, (1024,)), (8192, (768,)), (4096, (384,)), (2048, (256,)))),
)
"""Up to which share of clipped samples, with how much work, which models are averaged: windows, from a third of a second to a fiftieth, and
rounds. Low orders first forget the start, which misleads where all is tones; where more is clipped, it is the better guess, long windows
cost too much, and where most is clipped, high orders go astray."""


def signals(names: Sequence[str]) -> Mask:
    """Which rows of `estimates` are signals: they shift and flip with the recording, a deviation does not."""
    return np.array([name != DEVIATION for name in names], dtype=bool)


def estimates(names: Sequence[str], y: Array, positive: Curve, negative: Curve, sample_rate: float, scale: float) -> Array:
    """What each of the experts makes of one channel y (frames,), divided by `scale`: (experts, frames) float32.

    names: one of SETS. Levels broadcast against y.
    """
    column, up, down = y[:, None], positive.reshape(-1, 1), negative.reshape(-1, 1)
    signal = column, up, down, sample_rate
    share = float(clipped_mask(column, up, down).mean())
    found: list[Array] = [np.zeros((len(y), 0))]
    if tuple(names) == QUICK:
        rough, _ = autoregressive(*signal, QUICK_ORDERS[0], QUICK_WINDOW, QUICK_WORK, draws=0)
        found = [rough, autoregressive(*signal, QUICK_ORDERS[1], QUICK_WINDOW, QUICK_WORK, rough, draws=0)[0]]
    if tuple(names) == BRISK:
        swift = spectral(*signal, SWIFT)
        models, work, overlap = BRISK_FEW if share < FEW else BRISK_MANY
        predicted, deviation = averaged(*signal, models, work, swift, overlap)
        found = [predicted, spectral(*signal, BRIEF, predicted), swift, deviation]
    if tuple(names) == THOROUGH:
        by_many = spectral(*signal, FROM_CLIPPED)
        by_few = spectral(*signal, GENTLE, sparse(*signal)) if share > MILD else by_many
        most_work, windows = next(row[1:] for row in THOROUGH_MODELS if share <= row[0])
        predicted, deviation = averaged(*signal, windows, most_work, (by_few + by_many) / 2)
        polished, refined = (spectral(*signal, iterations, predicted) for iterations in (GENTLE, FROM_ESTIMATE))
        found = [predicted, by_many, polished, refined, by_few, deviation]
    return (np.concatenate(found, axis=1).T / scale).astype(np.float32)
