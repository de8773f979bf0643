"""The losses, one small pure function for each equation of Sechaud et al., "Learning to reconstruct from saturated data".

Tensors are (batch, channels, time) or of any other shape with the batch first, and `levels` broadcast against them. Every loss is one
number, the mean over the batch. An `Estimator` is the network f with its levels.
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
from declipper.training.data.batches import Levels

Estimator = Callable[..., Tensor]
"""(y, levels) to an estimate of x of the shape of y; sample rates in Hz, one for each item, may follow."""
FLOOR = 1e-4
"""Share of the damage below which an error earns nothing more: the floor of 40 dB that the first networks were trained with."""
TINY = 1e-12
"""Keeps the ratio finite where nothing is damaged."""


def h(x: Tensor, levels: Levels) -> Tensor:
    """The forward operator of eq. 1, which clips x: the product's own, on tensors."""
    return cast(Tensor, cast(Any, clip)(x, levels.positive, levels.negative))


def clipped_in(y: Tensor, levels: Levels) -> Tensor:
    """True where y is clipped: the product's own mask, on tensors."""
    return cast(Tensor, cast(Any, clipped_mask)(y, levels.positive, levels.negative))


def seen(y: Tensor, levels: Levels, *, rates: Tensor | None = None, experts: ExpertSet = NONE) -> tuple[Tensor, Tensor]:
    """What a network sees of y (batch, 1, time), divided by its level: (batch, 2 + experts, time), and that level, (batch, 1, 1).

    y is split into reliable and clipped samples; the experts' estimates are further channels, through which no gradient goes, worked out
    as at 44.1 kHz where no sample `rates`, (batch,), are given.
    """
    positive, negative = levels.positive.expand(len(y), 1, 1), levels.negative.expand(len(y), 1, 1)
    heights = torch.stack([positive, -negative])
    scale = torch.where(heights.isfinite(), heights, 0).amax(0)
    clipped = clipped_in(y, levels)
    inputs = [y * ~clipped, y * clipped]
    if experts.outputs:
        rates = y.new_full((len(y),), 44100) if rates is None else rates
        items = zip(*(t.detach().cpu().numpy() for t in (y[:, 0], positive[:, 0], negative[:, 0], rates)), strict=True)
        signals = [ClippedSignal(samples[:, None], up, down, float(rate)) for samples, up, down, rate in items]
        inputs.append(torch.from_numpy(np.stack([experts.rows(signal) for signal in signals])).to(y.device))
    return torch.cat(inputs, dim=1) / scale, scale


def estimator(net: nn.Module, experts: ExpertSet = NONE) -> Estimator:
    """f: `net` on what it sees, multiplied back."""

    def f(y: Tensor, levels: Levels, rates: Tensor | None = None) -> Tensor:
        inputs, scale = seen(y, levels, rates=rates, experts=experts)
        result: Tensor = net(inputs)
        return result.float() * scale

    return f


def naive_consistency(estimate: Tensor, y: Tensor, *, levels: Levels) -> Tensor:
    """Eq. 6, mean of |y - h(f(y))|^2: blind where the network overshoots, for comparison only."""
    return (y - h(estimate, levels)).square().mean()


def measurement_consistency(estimate: Tensor, y: Tensor, *, levels: Levels) -> Tensor:
    """Eq. 7, the mean of phi^2: f - y where y is reliable, what f lacks to reach the level where y is clipped."""
    phi = torch.where(clipped_in(y, levels), _lacking(estimate, y, levels), estimate - y)
    return phi.square().mean()


def _lacking(estimate: Tensor, y: Tensor, levels: Levels) -> Tensor:
    """By how much an estimate of clipped samples stays below their level; without meaning at reliable ones."""
    return torch.where(y >= levels.positive, (levels.positive - estimate).relu(), (estimate - levels.negative).relu())


def amplitude_equivariance(
    f: Estimator,
    estimate: Tensor,
    *,
    gains: Tensor,
    levels: Levels,
    offsets: Tensor | None = None,
    stop_gradient: bool = False,
) -> Tensor:
    """Eq. 11, mean of |x' - f(h(x'))|^2 for x' = g f(y) + o, with one gain g and one offset o per item; `estimate` is f(y).

    gains, offsets: (batch,), see `draw_uniform`; no offsets are all 0, as in the paper, which names the extension and does not try it.
    stop_gradient: take x' for given.
    """
    moved = _per_item(gains, estimate) * (estimate.detach() if stop_gradient else estimate)
    if offsets is not None:
        moved = moved + _per_item(offsets, estimate)
    return (moved - f(h(moved, levels), levels)).square().mean()


def _per_item(values: Tensor, x: Tensor) -> Tensor:
    """(batch,) shaped to broadcast against x."""
    return values.reshape(-1, *[1] * (x.ndim - 1))


def draw_uniform(count: int, interval: tuple[float, float], *, generator: torch.Generator | None = None) -> Tensor:
    """`count` gains or offsets, uniform on an interval, as the paper's gains are."""
    low, high = interval
    return low + (high - low) * torch.rand(count, generator=generator)


def supervised(estimate: Tensor, x: Tensor) -> Tensor:
    """Mean of |f(y) - x|^2."""
    return (estimate - x).square().mean()


def supervised_db(estimate: Tensor, x: Tensor, *, y: Tensor, clipped: Tensor, floor: float = FLOOR) -> Tensor:
    """Mean over items of -dSDR in dB, from the clipped samples alone: the survey's own figure, so every clipping level weighs the same.

    floor: share of the damage that is added to the error, which keeps an item that is restored well already from ruling the gradient.
    """
    return _ratio_db((estimate - x) * clipped, (y - x) * clipped, floor)


def emphasised_db(estimate: Tensor, x: Tensor, *, y: Tensor, clipped: Tensor, floor: float = FLOOR) -> Tensor:
    """The same of the differences from sample to sample, where treble counts as much as the ear makes of it: the usual pre-emphasis."""
    return _ratio_db(((estimate - x) * clipped).diff(), ((y - x) * clipped).diff(), floor)


def weighted_db(estimate: Tensor, x: Tensor, *, y: Tensor, weights: Tensor, floor: float = FLOOR) -> Tensor:
    """Items' -dSDR in dB, (batch,), each sample with its weight."""
    return _ratios_db((estimate - x) * weights.sqrt(), (y - x) * weights.sqrt(), floor)


def beyond(estimate: Tensor, y: Tensor, clipped: Tensor) -> Tensor:
    """The blend of `consistent` where the levels are not at hand: no clipped sample of y comes out nearer to 0 than it was."""
    side = y.sign()
    return torch.where(clipped, side * torch.maximum(estimate * side, y.abs()), y)


def _ratio_db(error: Tensor, damage: Tensor, floor: float) -> Tensor:
    return _ratios_db(error, damage, floor).mean()


def _ratios_db(error: Tensor, damage: Tensor, floor: float) -> Tensor:
    axes = tuple(range(1, error.ndim))
    return 10 * torch.log10(error.square().sum(axes) / (damage.square().sum(axes) + TINY) + floor)


def consistent(estimate: Tensor, y: Tensor, *, levels: Levels) -> Tensor:
    """The hard blend of eq. 13: y where it is reliable, elsewhere the estimate, held at or beyond the level."""
    up, down = torch.maximum(estimate, levels.positive), torch.minimum(estimate, levels.negative)
    return torch.where(y >= levels.positive, up, torch.where(y <= levels.negative, down, y))


def reclip_db(f: Estimator, x: Tensor, *, gains: Tensor, levels: Levels) -> Tensor:
    """Eq. 11 with stop-gradient for gains of at least 1, in dB so that every clipping level weighs the same.

    x: consistent estimates of the recordings, see `consistent`. For g >= 1 the input h(g x) is h(g y), a genuine clipped recording, and
    the target g x is true data wherever y is reliable. Elsewhere it is a guess, but an unbiased one if it is E[x | y], since
    E[E[x | y] | h(g y)] = E[x | h(g y)]; to leave those samples out would teach that peaks are low. Items that g does not clip count as 0.
    """
    truth = _per_item(gains, x) * x
    again = h(truth, levels)
    clipped = clipped_in(again, levels)
    kept = clipped.flatten(1).any(1)
    if not kept.any():
        return x.sum() * 0
    return supervised_db(f(again, levels)[kept], truth[kept], y=again[kept], clipped=clipped[kept]) * kept.float().mean()


def shortfall(estimate: Tensor, y: Tensor, *, levels: Levels) -> Tensor:
    """Eq. 7 on each item's clipped samples alone: what is left of it once the blend has put the reliable samples back."""
    clipped = clipped_in(y, levels)
    short = torch.where(clipped, _lacking(estimate, y, levels), 0)  # elsewhere it may be infinite
    axes = tuple(range(1, y.ndim))
    return (short.square().sum(axes) / clipped.sum(axes).clamp(min=1)).mean()
