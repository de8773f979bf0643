"""What the networks of these studies minimise, and how they are trained. The level is 1 for all of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from declipper.training.data.batches import Levels
from declipper.training.learning.losses import (
    Estimator,
    draw_gains,
    h,
    measurement_consistency,
    self_supervised,
    supervised,
)

LEVELS = Levels(torch.tensor(1.0), torch.tensor(-1.0))
"""Of the clipping."""
GAINS = (0.1, 2.0)
"""Least and greatest gain of L_EI, the paper's for audio."""
BATCH = 32
"""Signals of a step; chosen by hand, as RATE is."""
RATE = 1e-3
"""Highest learning rate of Adam; it falls along half a cosine."""

Objective = Callable[[Estimator, Tensor, torch.Generator], Tensor]
"""f, clean signals x (batch, ...) of which only `taught` sees more than h(x), and a source of gains, to a loss."""


def taught(f: Estimator, x: Tensor, generator: torch.Generator) -> Tensor:
    """Supervised: the squared error to the truth."""
    return supervised(f(h(x, LEVELS), LEVELS), x)


def consistency_alone(f: Estimator, x: Tensor, generator: torch.Generator) -> Tensor:
    """L_MC, eq. 7."""
    y = h(x, LEVELS)
    return measurement_consistency(f(y, LEVELS), y, levels=LEVELS)


def self_taught(f: Estimator, x: Tensor, generator: torch.Generator) -> Tensor:
    """L_MC + L_EI, eq. 12, the target of L_EI taken for given."""
    gains = draw_gains(len(x), GAINS, generator=generator)
    return self_supervised(f, h(x, LEVELS), gains=gains, levels=LEVELS, stop_gradient=True)


def trained(
    net: nn.Module,
    f: Estimator,
    draw: Callable[[int, torch.Generator], Tensor],
    *,
    objective: Objective,
    steps: int,
    seed: int,
) -> list[float]:
    """Train `net`, which f is made of, on signals that `draw` gives, (count, ...) for a count; the losses of all steps."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    losses = []
    for _ in range(steps):
        loss = objective(f, draw(BATCH, generator), generator)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def sdr_db(x: Tensor, estimate: Tensor) -> Tensor:
    """SDR in dB of each signal, (batch,)."""
    axes = tuple(range(1, x.ndim))
    return 10 * torch.log10(x.square().sum(axes) / (x - estimate).square().sum(axes).clamp(min=1e-12))
