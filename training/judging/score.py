"""The re-clip score: how well a model restores what is known. No clean reference is needed.

Reliable samples of a recording are the truth. Clip the recording further, at a level below its own, restore it with the model, and look
at what the lower level took away: the gain in signal-to-distortion ratio there is a figure in dB like dSDR. Peaks that the recording
itself clips are left out whole: their flanks alone would reward a model for low peaks. So would peaks that are all lower than the
recording's level, which is why the segments are those with the fewest clipped samples: quiet passages, whose every peak is known.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from declipper.clipping.arrays import Mask
from declipper.training.data.archive import Part, Source, collate, draw
from declipper.training.data.degrade import threshold_for_sdr
from declipper.training.learning.losses import Estimator, clipped_in, consistent, h, supervised_db

SCORE_SDRS = (7.0, 12.0, 20.0)
CANDIDATES = 6
"""Segments drawn for each one that is kept."""
Validation = list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]]


def validation(sources: list[Source], frames: int, count: int, seed: int, part: Part = "whole") -> Validation:
    """At most `count` held-back segments, clipped further to SCORE_SDRS in turn: (truth, input, positive, negative, rates, known)."""
    rng = np.random.default_rng([seed, 1])
    items = [draw(sources, frames, rng, part) for _ in range(CANDIDATES * count)]
    items.sort(key=lambda item: float(np.mean((item.y >= item.positive) | (item.y <= item.negative))))
    rows: Validation = []
    for index, item in enumerate(items[:count]):
        mu = threshold_for_sdr(item.y, SCORE_SDRS[index % len(SCORE_SDRS)])
        if not 0 < mu < 0.98:
            continue
        truth, positive, negative, rates = collate([item])
        up, down = torch.minimum(positive, torch.tensor(mu)), torch.maximum(negative, torch.tensor(-mu))
        again = h(truth, up, down)
        taken, damaged = clipped_in(again, up, down), clipped_in(truth, positive, negative)
        known = torch.from_numpy(runs_without(taken[0, 0].numpy(), damaged[0, 0].numpy()))[None, None]
        if known.any():
            rows.append((truth, again, up, down, rates, known))
    return rows


def runs_without(runs: Mask, spoilt: Mask) -> Mask:
    """`runs`, (frames,), without those runs of consecutive True in which a sample is `spoilt`."""
    starts = runs & ~np.concatenate([[False], runs[:-1]])
    number = np.cumsum(starts) * runs
    kept = np.bincount(number, weights=spoilt & runs, minlength=1) == 0
    return runs & kept[number]


@torch.no_grad()
def reclip_score(f: Estimator, rows: Validation) -> float:
    """Mean re-clip dSDR in dB over the held-back segments, consistency enforced as in the product."""
    total = 0.0
    for truth, again, up, down, rates, known in rows:
        total -= float(supervised_db(consistent(f(again, up, down, rates), again, up, down), truth, again, known))
    return total / max(1, len(rows))
