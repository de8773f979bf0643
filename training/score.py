"""The re-clip score: how well a model restores what is known. No clean reference is needed.

Reliable samples of a recording are the truth. Clip the recording further, at a level below its own, restore it with the model, and look
at the samples that the lower level took away: the gain in signal-to-distortion ratio on them is a figure in dB like dSDR.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from declipper.training.archive import Source, collate, draw
from declipper.training.degrade import threshold_for_sdr
from declipper.training.losses import Estimator, clipped_in, h, supervised_db

SCORE_SDRS = (7.0, 12.0, 20.0)
Validation = list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]


def validation(sources: list[Source], frames: int, count: int, seed: int, part: tuple[float, float] = (0.0, 1.0)) -> Validation:
    """`count` held-back segments, each clipped further at the levels of SCORE_SDRS in turn: (truth, input, positive, negative, known)."""
    rng = np.random.default_rng([seed, 1])
    rows: Validation = []
    for index in range(count):
        item = draw(sources, frames, rng, part)
        mu = threshold_for_sdr(item.y, SCORE_SDRS[index % len(SCORE_SDRS)])
        if not 0 < mu < 0.98:
            continue
        truth, positive, negative = collate([item])
        reliable = ~clipped_in(truth, positive, negative)
        up, down = torch.minimum(positive, torch.tensor(mu)), torch.maximum(negative, torch.tensor(-mu))
        again = h(truth, up, down)
        known = clipped_in(again, up, down) & reliable
        if known.any():
            rows.append((truth, again, up, down, known))
    return rows


@torch.no_grad()
def reclip_score(f: Estimator, rows: Validation) -> float:
    """Mean re-clip dSDR in dB over the held-back segments, consistency enforced as in the product."""
    total = 0.0
    for truth, again, up, down, known in rows:
        estimate = f(again, up, down)
        bounded = torch.where(again >= up, torch.maximum(estimate, up), torch.minimum(estimate, down))
        total -= float(supervised_db(bounded, truth, again, known))
    return total / max(1, len(rows))
