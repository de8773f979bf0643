"""How the experts' estimates are made: which methods run in which order, with which models, for each set of experts.

A recipe is a value: two that are equal compute the same. What a model was trained with is known by it (`ExpertSet.fingerprint`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from declipper.clipping.arrays import Array
from declipper.clipping.signal import ClippedSignal
from declipper.methods.autoregressive import ARModel, autoregressive
from declipper.methods.model_averaging import averaged
from declipper.methods.social_sparsity import (
    FROM_CLIPPED,
    FROM_CLIPPED_FAST,
    FROM_ESTIMATE,
    FROM_ESTIMATE_FAST,
    SMOOTHING,
    FallingThreshold,
    social_sparsity,
)
from declipper.methods.spade import spade

Found = dict[str, Array]
"""Estimates by the name of the expert, each of the shape of the signal."""


@dataclass(frozen=True)
class Recipe(ABC):
    """Makes the estimates of one set of experts."""

    @abstractmethod
    def __call__(self, signal: ClippedSignal) -> Found:
        """The estimates for a signal."""


@dataclass(frozen=True)
class NoRecipe(Recipe):
    """For a network that sees nothing beside the signal."""

    def __call__(self, signal: ClippedSignal) -> Found:
        """Nothing."""
        return {}


@dataclass(frozen=True)
class LiveRecipe(Recipe):
    """Autoregressive interpolation of low order in two steps, without the levels' help: what a listener can wait for."""

    rough: ARModel
    fine: ARModel

    def __call__(self, signal: ClippedSignal) -> Found:
        """`rough`, and `fine`, which begins at it."""
        rough = autoregressive(signal, self.rough, draws=0).mean
        return {"rough": rough, "fine": autoregressive(signal, self.fine, start=rough, draws=0).mean}


@dataclass(frozen=True)
class FastRecipe(Recipe):
    """Social sparsity in few iterations, autoregressive interpolation begun at it, and social sparsity begun at that.

    few: the share of clipped samples below which interpolation costs little, and the models `where_few` are averaged, else `where_many`.
    """

    few: float
    where_few: tuple[ARModel, ...]
    where_many: tuple[ARModel, ...]
    from_clipped: FallingThreshold
    from_estimate: FallingThreshold

    def __call__(self, signal: ClippedSignal) -> Found:
        """`averaged` and its `deviation`, `refined`, which begins at it, and `social`, at which it began."""
        social = social_sparsity(signal, self.from_clipped)
        models = self.where_few if signal.share < self.few else self.where_many
        result = averaged(signal, models, start=social)
        refined = social_sparsity(signal, self.from_estimate, start=result.mean)
        return {"averaged": result.mean, "refined": refined, "social": social, "deviation": result.deviation}


@dataclass(frozen=True)
class Regime:
    """Which autoregressive models are averaged where no more than this share of the samples is clipped."""

    most_clipped: float
    models: tuple[ARModel, ...]


@dataclass(frozen=True)
class BestRecipe(Recipe):
    """Social sparsity and SPADE, autoregressive interpolation begun at their mean, and social sparsity begun at that in two ways.

    regimes: by rising share of clipped samples, the last up to all. spade_above: the share up to which SPADE is not asked and social
    sparsity stands in for it. smoothing only smooths the interpolation, which is right where that is nearly exact; from_estimate makes the
    best of it.
    """

    regimes: tuple[Regime, ...]
    spade_above: float
    from_clipped: FallingThreshold
    smoothing: FallingThreshold
    from_estimate: FallingThreshold

    def __call__(self, signal: ClippedSignal) -> Found:
        """`averaged` and its `deviation`; `smoothed` and `refined`, which begin at it; `social` and `spade`, at whose mean it began."""
        social = social_sparsity(signal, self.from_clipped)
        sparse = social_sparsity(signal, self.smoothing, start=spade(signal)) if signal.share > self.spade_above else social
        models = next(regime.models for regime in self.regimes if signal.share <= regime.most_clipped)
        result = averaged(signal, models, start=(sparse + social) / 2)
        smoothed, refined = (social_sparsity(signal, how, start=result.mean) for how in (self.smoothing, self.from_estimate))
        found = {"averaged": result.mean, "social": social, "smoothed": smoothed, "refined": refined}
        return found | {"spade": sparse, "deviation": result.deviation}


def _regime(most_clipped: float, work: float, *models: tuple[int, tuple[int, ...]]) -> Regime:
    """With the window and the orders of each model, all of one work."""
    return Regime(most_clipped, tuple(ARModel(window, orders, work) for window, orders in models))


LIVE_RECIPE = LiveRecipe(rough=ARModel(4096, (32, 64), work=2e6), fine=ARModel(4096, (128,), work=2e6))
"""Windows of 93 ms; the work bounds what one window may take to about a millisecond, so that a block of a listener is done in time
(`python -m declipper.training.judging.live_benchmark`). The plugin's core has the same numbers."""

FAST_RECIPE = FastRecipe(
    few=0.02,
    where_few=(ARModel(8192, (128, 512, 512), work=3.2e7), ARModel(2048, (64, 256, 256), work=3.2e7)),
    where_many=(ARModel(3072, (256,), work=6e7, overlap=0.25),),
    from_clipped=FROM_CLIPPED_FAST,
    from_estimate=FROM_ESTIMATE_FAST,
)
"""Chosen for ten times real time and more on one core at 7 to 20 dB input SDR (`python -m declipper.training.judging.evaluate`)."""

BEST_RECIPE = BestRecipe(
    regimes=(
        _regime(
            0.02,
            1.6e9,
            (16384, (1024, 1024, 1024)),
            (8192, (64, 128, 256, 512, 768)),
            (4096, (384, 384, 384)),
            (2048, (256, 256, 256)),
            (1024, (64, 64, 64)),
        ),
        _regime(0.08, 1.6e9, (16384, (1024, 1024)), (8192, (128, 384, 768, 768)), (4096, (64, 192, 384, 384)), (2048, (256, 256, 256))),
        _regime(0.25, 1.6e9, (8192, (768, 768)), (4096, (384, 384)), (2048, (256, 256))),
        _regime(0.6, 1.6e9, (8192, (768,)), (4096, (384, 384)), (2048, (256, 256))),
        _regime(1.0, 4e8, (16384, (1024,)), (8192, (768,)), (4096, (384,)), (2048, (256,))),
    ),
    spade_above=0.08,
    from_clipped=FROM_CLIPPED,
    smoothing=SMOOTHING,
    from_estimate=FROM_ESTIMATE,
)
"""Windows from a third of a second to a fiftieth. Where little is clipped, many rounds are affordable, and low orders first forget the
start, which misleads where all is tones. The more is clipped, the better the start is as a guess and the more a round costs: few rounds, no
long windows. Where most is clipped, high orders go astray, so less work. SPADE costs half as much as all others and is not missed where 8 %
or less is clipped. Chosen by trial against the table of `python -m declipper.training.judging.evaluate`; no study of single values is
kept."""
