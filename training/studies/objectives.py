"""What the experiments of Sechaud et al. minimise, and how: the same for audio, images and synthetic signals.

What differs is told by values: `Terms` says which losses are summed, and a `Teaching` where signals come from and what the network sees.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from declipper.training.data.batches import Levels, Share, Tensors
from declipper.training.learning.loop import LONGEST_GRADIENT, Budget, Journal, Schedule, launched, learn
from declipper.training.learning.losses import Estimator, amplitude_equivariance, draw_uniform, measurement_consistency, supervised

AVERAGED = 0.995
"""Decay of the average of the weights that is kept. Chosen by hand."""


@dataclass(frozen=True)
class Terms:
    """A sum of losses.

    reference: the squared error to the truth (supervised). consistency: L_MC, eq. 7. equivariance: the weight lambda of L_EI, eq. 11.
    gains: least and greatest gain of L_EI, the paper's for audio. offset: the greatest offset of L_EI either way, in units of the level;
    the paper has none. stop_gradient: whether the target of L_EI is taken for given.
    """

    reference: bool = False
    consistency: bool = False
    equivariance: float = 0.0
    gains: tuple[float, float] = (0.1, 2.0)
    offset: float = 0.0
    stop_gradient: bool = True

    def of(self, f: Estimator, batch: Seen, levels: Levels) -> Tensor:
        """The loss of a batch, of which the reference alone looks at the truth. With consistency and equivariance it is eq. 12."""
        estimate = f(batch.y, levels)
        loss = estimate.new_zeros(())
        if self.reference:
            loss = loss + supervised(estimate, batch.x)
        if self.consistency:
            loss = loss + measurement_consistency(estimate, batch.y, levels=levels)
        if self.equivariance:
            moved = amplitude_equivariance(
                f, estimate, gains=batch.gains, offsets=batch.offsets, levels=levels, stop_gradient=self.stop_gradient
            )
            loss = loss + self.equivariance * moved
        return loss


SUPERVISED = Terms(reference=True)
CONSISTENT = Terms(consistency=True)
"""L_MC alone."""
SELF_SUPERVISED = Terms(consistency=True, equivariance=1.0)
"""Eq. 12."""


@dataclass(frozen=True, eq=False)
class Seen(Tensors):
    """A batch: signals x, what was measured of them, y, both (batch, ...), and a gain and an offset for each, (batch,)."""

    x: Tensor
    y: Tensor
    gains: Tensor
    offsets: Tensor


@dataclass(frozen=True, eq=False)
class Teaching:
    """Training by a sum of losses.

    draw: gives signals and measurements by a generator that belongs to the step. estimator: makes f of a network. half: whether networks
    compute in bfloat16. judge: figures of a network by name, if it is judged on the way.
    """

    terms: Terms
    draw: Callable[[np.random.Generator], tuple[Tensor, Tensor]]
    estimator: Callable[[Any], Estimator]
    levels: Levels
    schedule: Schedule
    seed: int
    half: bool = False
    judge: Callable[[nn.Module], dict[str, float]] | None = None

    def batches(self, first_step: int, share: Share) -> Iterator[Seen]:
        """The same at a step for all sums of losses, and whatever the number of processes."""
        for step in itertools.count(first_step):
            x, y = self.draw(np.random.default_rng((self.seed, step)))
            generator = torch.Generator().manual_seed((self.seed << 32) + step)
            gains = draw_uniform(len(x), self.terms.gains, generator=generator)
            offsets = draw_uniform(len(x), (-self.terms.offset, self.terms.offset), generator=generator)
            yield Seen(*(values[share.rank :: share.world] for values in (x, y, gains, offsets)))

    def loss(self, net: nn.Module, batch: Seen, *, average: nn.Module, spent: float) -> Tensor:
        """The sum of losses, whatever the time."""
        with torch.autocast(batch.x.device.type, torch.bfloat16, enabled=self.half):
            return self.terms.of(self.estimator(net), batch, self.levels)

    def figures(self, net: nn.Module) -> dict[str, float]:
        """What the judge says."""
        return self.judge(net) if self.judge else {}


def schedule(rate: float, steps: int, *, longest: float = LONGEST_GRADIENT) -> Schedule:
    """Up to a learning rate for the first twentieth of the steps, then down along a half cosine. longest: see `Schedule`."""
    return Schedule(rate, warm_up=max(1, steps // 20), falls=True, betas=(0.9, 0.999), averaged=AVERAGED, longest=longest)


def taught(net: nn.Module, teaching: Teaching, *, steps: int) -> nn.Module:
    """The average of the network's weights after so many steps of training. Nothing is kept on the way: it takes minutes."""
    journal = Journal(None, every=steps, tell=lambda _: None)
    return learn(net, teaching, budget=Budget(steps=steps, ends_early=False), journal=journal, fabric=launched("cpu")).last.eval()
