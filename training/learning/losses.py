"""The losses, one small pure function for each equation of Sechaud et al., "Learning to reconstruct from saturated data".

Tensors are (batch, channels, time) or of any other shape with the batch first. `positive` and `negative` are the clip levels mu2 > mu1,
shaped to broadcast against them; an infinite level is one that does not clip. An `Estimator` is the network f with its levels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from declipper.clipping.levels import clip, clipped_mask
from declipper.clipping.signal import ClippedSignal
from declipper.engine.experts import NONE, ExpertSet

Estimator = Callable[..., Tensor]
"""(y, positive, negative) to an estimate of x of the shape of y; sample rates, one for each item, may follow."""


def h(x: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """The forward operator of eq. 1 on tensors: the product's own."""
    return cast(Tensor, cast(Any, clip)(x, positive, negative))


def clipped_in(y: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """The product's mask of clipped samples, on tensors."""
    return cast(Tensor, cast(Any, clipped_mask)(y, positive, negative))


def seen(y: Tensor, positive: Tensor, negative: Tensor, rates: Tensor | None = None, experts: ExpertSet = NONE) -> tuple[Tensor, Tensor]:
    """What a network sees of y (batch, 1, time), divided by its level: (batch, 2 + experts, time), and that level, (batch, 1, 1).

    y is split into reliable and clipped samples; the experts' estimates are further channels, through which no gradient goes, worked out
    as at 44.1 kHz where no sample `rates`, (batch,), are given.
    """
    positive, negative = positive.expand(len(y), 1, 1), negative.expand(len(y), 1, 1)
    levels = torch.stack([positive, -negative])
    scale = torch.where(levels.isfinite(), levels, 0).amax(0)
    clipped = clipped_in(y, positive, negative)
    inputs = [y * ~clipped, y * clipped]
    if experts.outputs:
        rates = y.new_full((len(y),), 44100) if rates is None else rates
        items = zip(*(t.detach().cpu().numpy() for t in (y[:, 0], positive[:, 0], negative[:, 0], rates)), strict=True)
        signals = [ClippedSignal(samples[:, None], up, down, float(rate)) for samples, up, down, rate in items]
        inputs.append(torch.from_numpy(np.stack([experts.rows(signal) for signal in signals])).to(y.device))
    return torch.cat(inputs, dim=1) / scale, scale


def estimator(net: nn.Module, experts: ExpertSet = NONE) -> Estimator:
    """f: `net` on what it sees, multiplied back."""

    def f(y: Tensor, positive: Tensor, negative: Tensor, rates: Tensor | None = None) -> Tensor:
        inputs, scale = seen(y, positive, negative, rates, experts)
        result: Tensor = net(inputs)
        return result.float() * scale

    return f


def naive_consistency(estimate: Tensor, y: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Eq. 6, mean of |y - h(f(y))|^2: blind where the network overshoots, for comparison only."""
    return (y - h(estimate, positive, negative)).square().mean()


def measurement_consistency(estimate: Tensor, y: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Eq. 7, the mean of phi^2: f - y where y is reliable, what f lacks to reach the level where y is clipped."""
    short = torch.where(y >= positive, (positive - estimate).relu(), (estimate - negative).relu())
    phi = torch.where(clipped_in(y, positive, negative), short, estimate - y)
    return phi.square().mean()


def amplitude_equivariance(
    f: Estimator,
    estimate: Tensor,
    gains: Tensor,
    positive: Tensor,
    negative: Tensor,
    stop_gradient: bool = False,
    most_clipped: float = 1.0,
) -> Tensor:
    """Eq. 11, mean of |g f(y) - f(h(g f(y)))|^2 for one gain g per item; `estimate` is f(y).

    gains: (batch,), see `draw_gains`. stop_gradient: take g f(y) for given. Items of which more than the share `most_clipped` would be
    clipped are dropped: nothing can be learned from them. 0 if none is left.
    """
    scaled = gains.reshape(-1, *[1] * (estimate.ndim - 1)) * (estimate.detach() if stop_gradient else estimate)
    clipped = h(scaled, positive, negative)
    axes = tuple(range(1, estimate.ndim))
    kept = clipped_in(clipped, positive, negative).float().mean(axes) <= most_clipped
    if not kept.any():
        return estimate.new_zeros(())
    error = (scaled - f(clipped, positive, negative)).square().mean(axes)
    return error[kept].mean()


def draw_gains(count: int, low: float, high: float, generator: torch.Generator | None = None) -> Tensor:
    """`count` gains, uniform between `low` and `high`, as in the paper."""
    return low + (high - low) * torch.rand(count, generator=generator)


def self_supervised(
    f: Estimator,
    y: Tensor,
    gains: Tensor,
    positive: Tensor,
    negative: Tensor,
    weight: float = 1.0,
    stop_gradient: bool = False,
    most_clipped: float = 1.0,
) -> Tensor:
    """Eq. 12: L_MC + weight * L_EI. No clean signal is needed."""
    estimate = f(y, positive, negative)
    equivariance = amplitude_equivariance(f, estimate, gains, positive, negative, stop_gradient, most_clipped)
    return measurement_consistency(estimate, y, positive, negative) + weight * equivariance


def supervised(estimate: Tensor, x: Tensor) -> Tensor:
    """Mean of |f(y) - x|^2."""
    return (estimate - x).square().mean()


def supervised_db(estimate: Tensor, x: Tensor, y: Tensor, clipped: Tensor, floor: float = 1e-4) -> Tensor:
    """Mean over items of -dSDR in dB, from the clipped samples alone: the survey's own figure, so every clipping level weighs the same.

    The floor keeps an item that is already restored well, by 40 dB at 1e-4, from ruling the gradient.
    """
    return _ratio_db((estimate - x) * clipped, (y - x) * clipped, floor)


def emphasised_db(estimate: Tensor, x: Tensor, y: Tensor, clipped: Tensor, floor: float = 1e-4) -> Tensor:
    """The same of the differences from sample to sample, where treble counts as much as the ear makes of it: the usual pre-emphasis."""
    return _ratio_db(((estimate - x) * clipped).diff(), ((y - x) * clipped).diff(), floor)


def _ratio_db(error: Tensor, damage: Tensor, floor: float) -> Tensor:
    axes = tuple(range(1, error.ndim))
    return 10 * torch.log10(error.square().sum(axes) / (damage.square().sum(axes) + 1e-12) + floor).mean()


def consistent(estimate: Tensor, y: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """The hard blend of eq. 13: y where it is reliable, elsewhere the estimate, held at or beyond the level."""
    up, down = torch.maximum(estimate, positive), torch.minimum(estimate, negative)
    return torch.where(y >= positive, up, torch.where(y <= negative, down, y))


def reclip_db(f: Estimator, x: Tensor, gains: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Eq. 11 with stop-gradient for gains of at least 1, in dB so that every clipping level weighs the same.

    x: consistent estimates of the recordings, see `consistent`. For g >= 1 the input h(g x) is h(g y), a genuine clipped recording, and
    the target g x is true data wherever y is reliable. Elsewhere it is a guess, but an unbiased one if it is E[x | y], since
    E[E[x | y] | h(g y)] = E[x | h(g y)]; to leave those samples out would teach that peaks are low. Items that g does not clip count as 0.
    """
    truth = gains.reshape(-1, *[1] * (x.ndim - 1)) * x
    again = h(truth, positive, negative)
    clipped = clipped_in(again, positive, negative)
    kept = clipped.flatten(1).any(1)
    if not kept.any():
        return x.sum() * 0
    return supervised_db(f(again, positive, negative)[kept], truth[kept], again[kept], clipped[kept]) * kept.float().mean()


def shortfall(estimate: Tensor, y: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Eq. 7 on each item's clipped samples alone: what is left of it once the blend has put the reliable samples back."""
    clipped = clipped_in(y, positive, negative)
    short = torch.where(y >= positive, (positive - estimate).relu(), (estimate - negative).relu())
    short = torch.where(clipped, short, 0)  # elsewhere it may be infinite
    axes = tuple(range(1, y.ndim))
    return (short.square().sum(axes) / clipped.sum(axes).clamp(min=1)).mean()
