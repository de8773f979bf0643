"""Drawing signals that a diffusion model believes in and that agree with a clipped recording."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from declipper.training.data.batches import Levels
from declipper.training.learning.losses import consistent, measurement_consistency

Denoiser = Callable[[Tensor], Tensor]
"""Signals (batch, frames) with noise of deviation 1 to signals without it."""


def noises(loudest: float, least: float, count: int) -> list[float]:
    """`count` deviations of noise, from the loudest to the least by equal factors, then none."""
    return [*torch.logspace(torch.log10(torch.tensor(loudest)), torch.log10(torch.tensor(least)), count).tolist(), 0.0]


def drawn(denoise: Denoiser, y: Tensor, *, levels: Levels, steps: list[float], guidance: float, generator: torch.Generator) -> Tensor:
    """One signal for one clipped recording y (1, frames), at the scale that the model was trained at.

    The probability flow of a diffusion whose noise has the deviations `steps` (Karras et al., "Elucidating the design space of
    diffusion-based generative models", 2022), with Euler's method. Each step also goes down the gradient of L_MC (eq. 7 of Sechaud et al.)
    of the signal without its noise, `guidance` times as far as noise is taken away, whatever the length of the gradient, as Moliner et al.
    do. The result is then made consistent.
    """
    x = steps[0] * torch.randn(y.shape, generator=generator)
    for now, then in pairwise(steps):
        x = x.detach().requires_grad_()
        clean = now * denoise(x / now)
        (gradient,) = torch.autograd.grad(measurement_consistency(clean, y, levels=levels), x)
        length = gradient.norm()
        pull = gradient * (guidance * y.numel() ** 0.5 / length) if length > 0 else gradient
        x = x.detach() + (then - now) * ((x - clean).detach() / now + pull)
    return consistent(x, y, levels=levels)
