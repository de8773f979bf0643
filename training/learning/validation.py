"""The re-clip score: how well a model restores what is known. No clean reference is needed.

Reliable samples of a recording are the truth. Clip the recording further, at a level below its own, restore it with the model, and look
at what the lower level took away: the gain in signal-to-distortion ratio there is a figure in dB like dSDR. Peaks that the recording
itself clips are left out whole: their flanks alone would reward a model for low peaks. So would peaks that are all lower than the
recording's level, which is why the segments are those with the fewest clipped samples: quiet passages, whose every peak is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from declipper.clipping.arrays import Mask
from declipper.training.data.archive import Part, Source, collate, draw
from declipper.training.data.batches import Levels, Recorded, Tensors
from declipper.training.data.degrade import threshold_for_sdr
from declipper.training.learning.losses import Estimator, clipped_in, consistent, h, supervised_db

SCORE_SDRS = (7.0, 12.0, 20.0)
"""Input SDRs in dB that segments are clipped to, from what is heard at once to what is hardly heard. Chosen by hand."""
CANDIDATES = 6
"""Segments drawn for each one that is kept: enough that quiet passages are among them. Chosen by hand."""
NEAREST = 0.98
"""Highest level to clip at again, relative to the recording's own: nearer to it, nearly nothing is taken away that is known."""


@dataclass(frozen=True, eq=False)
class Reclipped(Tensors):
    """A held-back segment of a recording, clipped further. truth: (1, 1, frames). known: of that shape, True at samples that count."""

    truth: Tensor
    again: Recorded
    known: Tensor


@dataclass(frozen=True, eq=False)
class Validation:
    """Segments held back from learning, by which models are compared."""

    segments: tuple[Reclipped, ...]

    def __len__(self) -> int:
        return len(self.segments)

    @torch.no_grad()
    def score(self, f: Estimator, device: torch.device | str = "cpu") -> float:
        """The re-clip score: mean gain in dB over the segments, which are moved to a device, consistency enforced as in the product."""
        total = 0.0
        for segment in (s.to(device) for s in self.segments):
            y, levels = segment.again.y, segment.again.levels
            estimate = consistent(f(y, levels, segment.again.rates), y, levels=levels)
            total -= float(supervised_db(estimate, segment.truth, y=y, clipped=segment.known))
        return total / max(1, len(self))


def held_back(sources: list[Source], frames: int, *, count: int, seed: int, part: Part = "whole") -> Validation:
    """At most `count` segments of so many frames, those of the fewest clipped samples, clipped further to SCORE_SDRS in turn."""
    rng = np.random.default_rng([seed, 1])
    items = [draw(sources, frames, rng=rng, part=part) for _ in range(CANDIDATES * count)]
    items.sort(key=lambda item: float(np.mean((item.y >= item.positive) | (item.y <= item.negative))))
    segments = []
    for index, item in enumerate(items[:count]):
        mu = threshold_for_sdr(item.y, SCORE_SDRS[index % len(SCORE_SDRS)])
        if not 0 < mu < NEAREST:
            continue
        recorded = collate([item])
        y, own = recorded.y, recorded.levels
        lower = Levels(torch.minimum(own.positive, torch.tensor(mu)), torch.maximum(own.negative, torch.tensor(-mu)))
        again = h(y, lower)
        known = runs_without(clipped_in(again, lower)[0, 0].numpy(), clipped_in(y, own)[0, 0].numpy())
        if known.any():
            segments.append(Reclipped(y, Recorded(again, lower, recorded.rates), torch.from_numpy(known)[None, None]))
    return Validation(tuple(segments))


def runs_without(runs: Mask, spoilt: Mask) -> Mask:
    """`runs`, (frames,), without those runs of consecutive True in which a sample is `spoilt`."""
    starts = runs & ~np.concatenate([[False], runs[:-1]])
    number = np.cumsum(starts) * runs
    kept = np.bincount(number, weights=spoilt & runs, minlength=1) == 0
    return runs & kept[number]
