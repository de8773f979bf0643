"""Learning from clipped recordings alone, from random weights on: the self-supervised objective.

It is the paper's eq. 12 for gains of at least 1 and with stop-gradient: the averaged network restores the batch, the result is turned up
and clipped again, and the network learns to restore that (`losses.reclip_db`), and to reach the level where the recording clips. Networks
are judged by the re-clip score on held-back pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from declipper.engine.experts import ExpertSet
from declipper.training.data.batches import Recorded, Share, Tensors
from declipper.training.learning.loop import Schedule
from declipper.training.learning.losses import consistent, estimator, reclip_db, seen, shortfall
from declipper.training.model.kinds import Network

CONSISTENCY_WEIGHT = 10.0
"""Of the shortfall beside the re-clip loss in dB: a tenth of the level squared counts as a tenth of a dB. Chosen by hand."""
GAINS = (1.0, 4.0)
"""Least and greatest gain that an estimate is turned up by: 12 dB clip nearly anything. The paper's are 0.1 to 2."""


@dataclass(frozen=True, eq=False)
class Gained(Tensors):
    """A batch of recordings and a gain for each, (batch,)."""

    recorded: Recorded
    gains: Tensor


@dataclass(frozen=True)
class Reclip:
    """Learning from clipped recordings alone.

    experts: the exact methods that the network sees. recordings: opens their batches by `first_step` and `share`. judge: gives the score
    of a network on what is held back. rate: the learning rate.
    """

    experts: ExpertSet
    recordings: Callable[..., Iterator[Recorded]]
    judge: Callable[[nn.Module], float]
    rate: float
    seed: int

    @property
    def schedule(self) -> Schedule:
        """A short run near weights that are good already: no fall, a young average."""
        return Schedule(self.rate, warm_up=100, falls=False, betas=(0.9, 0.99), averaged=0.995)

    def batches(self, first_step: int, share: Share) -> Iterator[Gained]:
        """The gains are log-uniform over GAINS, the same for an item whatever the number of processes."""
        low, high = (math.log(gain) for gain in GAINS)
        for step, recorded in enumerate(self.recordings(first_step=first_step, share=share), first_step):
            generator = torch.Generator().manual_seed((self.seed << 32) + step)
            draws = torch.rand(len(recorded.y) * share.world, generator=generator)[share.rank :: share.world]
            yield Gained(recorded, torch.exp(low + (high - low) * draws))

    def loss(self, net: Network, batch: Gained, *, average: Network, spent: float) -> Tensor:
        """Of one batch, whatever the time."""
        y, levels, rates = batch.recorded.y, batch.recorded.levels, batch.recorded.rates
        inputs, scale = seen(y, levels, rates=rates, experts=self.experts)
        with torch.no_grad():
            x = consistent(average(inputs) * scale, y, levels=levels)
        loss = reclip_db(partial(estimator(net, self.experts), rates=rates), x, gains=batch.gains, levels=levels)
        return loss + CONSISTENCY_WEIGHT * shortfall(net(inputs) * scale, y, levels=levels)

    def figures(self, net: Network) -> dict[str, float]:
        """The score on what is held back."""
        return {"score": self.judge(net)}
