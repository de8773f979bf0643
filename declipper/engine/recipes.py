"""How the experts' estimates are made: which methods run in which order, with which models, for each set of experts.

A recipe is a value: two that are equal compute the same. What a model was trained with is known by it (`ExpertSet.fingerprint`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from declipper.clipping.arrays import Array, Mask
from declipper.clipping.signal import ClippedSignal
from declipper.clipping.windows import at_rate
from declipper.methods.autoregressive import DRAWS, SHORT, ARModel, autoregressive
from declipper.methods.model_averaging import averaged
from declipper.methods.newest_sparsity import newest_sparsity
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
from declipper.methods.truncated_normal import Estimate

Found = dict[str, Array]
"""Estimates by the name of the expert, each of the shape of the signal."""


@dataclass(frozen=True)
class Recipe(ABC):
    """Makes the estimates of one set of experts."""

    @abstractmethod
    def __call__(self, signal: ClippedSignal) -> Found:
        """The estimates for a signal."""

    @property
    def past(self) -> int:
        """Frames at 44.1 kHz before a window that it is to be shown as they were restored; 0 where it restores all that it sees."""
        return 0


@dataclass(frozen=True)
class NoRecipe(Recipe):
    """For a network that sees nothing beside the signal."""

    def __call__(self, signal: ClippedSignal) -> Found:
        """Nothing."""
        return {}


@dataclass(frozen=True)
class QuickRecipe(Recipe):
    """Autoregressive interpolation of low order in two steps, without the levels' help: what latencies below 80 ms have time for."""

    rough: ARModel
    fine: ARModel

    def __call__(self, signal: ClippedSignal) -> Found:
        """`rough`, and `fine`, which begins at it."""
        rough = autoregressive(signal, self.rough, draws=0).mean
        return {"rough": rough, "fine": autoregressive(signal, self.fine, start=rough, draws=0).mean}


@dataclass(frozen=True)
class LiveRecipe(Recipe):
    """Social sparsity and autoregressive interpolation begun at it, of the newest frames alone, all before them being known.

    Only the future costs a listener time: the past may be long, and is not worked out again. reach: frames of it that are seen, at 44.1
    kHz, as all lengths here. hop, lookahead: of a signal that is clipped all over, so many frames are restored at a time, with so many
    after them. threshold, window, beyond: of social sparsity. after: the model that begins at its result; where it is sure of itself, both
    estimates are drawn towards it, else towards social sparsity. spared: the share of clipped samples among the new frames below which
    interpolation does best alone, with the model `alone`, which begins at the clipped signal and is both estimates then. The share is that
    of half of hop and look-ahead at least, so that a few samples at the very end count as few.
    """

    reach: int
    hop: int
    lookahead: int
    threshold: FallingThreshold
    window: int
    beyond: int
    after: ARModel
    spared: float
    alone: ARModel

    @property
    def past(self) -> int:
        """What it sees."""
        return self.reach

    def __call__(self, signal: ClippedSignal) -> Found:
        """`social`, and `autoregressive`, which begins at it; their mean is known to what follows."""
        signal = signal.finite
        known = signal.samples.astype(np.float64)
        social, result = known.copy(), known.copy()
        reach, hop, lookahead = (at_rate(frames, signal.sample_rate) for frames in (self.reach, self.hop, self.lookahead))
        clipped = np.flatnonzero(signal.mask.any(axis=1))
        while len(clipped):
            first = int(clipped[0])
            begin, end = max(0, first - reach), min(first + hop + lookahead, len(known))
            new = signal.part(slice(first, end))
            found = self._newest(new.after(known[begin:first]), max(end - first, (hop + lookahead) // 2))
            social[first:end], result[first:end] = (v[first - begin :] for v in found)
            finished = first + hop if end < len(known) else end
            known[first:finished] = (social[first:finished] + result[first:finished]) / 2
            clipped = clipped[np.searchsorted(clipped, finished) :]
        return {"social": social, "autoregressive": result}

    def _newest(self, signal: ClippedSignal, frames: int) -> tuple[Array, Array]:
        """Both estimates of a signal of which no more than the last `frames` are clipped."""
        share = np.count_nonzero(signal.mask) / (frames * signal.samples.shape[1])
        if len(signal.samples) < SHORT or share < self.spared:
            draws = DRAWS if len(signal.samples) >= SHORT else 0
            interpolated = autoregressive(signal, self.alone, newest=frames, draws=draws).mean
            return interpolated, interpolated
        social = newest_sparsity(signal, self.threshold, window=self.window, beyond=self.beyond)
        return drawn_together(social, autoregressive(signal, self.after, start=social, newest=frames), signal.mask)


def drawn_together(social: Array, interpolated: Estimate, clipped: Mask) -> tuple[Array, Array]:
    """Two estimates (frames, 1) whose plain mean is their mean weighted by how sure they are: the less sure one is drawn to the other.

    Interpolation says how far it may be off at each sample. How far social sparsity is off is not known, but it is about as far as both
    are from each other in the mean over all that is clipped.
    """
    apart = interpolated.mean - social
    off, unsure = np.mean(np.square(apart), where=clipped) + np.finfo(float).tiny, np.square(interpolated.deviation)
    weight = unsure / (off + unsure)
    return (
        interpolated.mean - np.minimum(2 * weight, 1) * apart,
        social + np.minimum(2 - 2 * weight, 1) * apart,
    )


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


QUICK_RECIPE = QuickRecipe(rough=ARModel(4096, (32, 64), work=2e6), fine=ARModel(4096, (128,), work=2e6))
"""Windows of 93 ms; the work bounds what one window may take to about a millisecond."""

LIVE_RECIPE = LiveRecipe(
    reach=8192,
    hop=1792,
    lookahead=512,
    threshold=FallingThreshold(48, 0.2, 0.0007, 0.87, 1.5),
    window=8192,
    beyond=1024,
    after=ARModel(4096, (256, 512, 512), work=2.4e7),
    spared=0.25,
    alone=ARModel(4096, (64, 128, 256, 512, 512), work=1.2e7),
)
"""At the bend of the curve that `python -m declipper.training.studies.live.levers` draws: what is gained beyond costs more than the machine
of a listener has. hop and lookahead are about those of the usual latency at 48 kHz, so that a listener's window is one piece."""

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
