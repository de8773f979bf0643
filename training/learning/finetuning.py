"""Fine-tuning from beginning to end: pairs, a trial that tells whether anything is gained, more pairs, and the rest of the time."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_fabric import Fabric
from torch import nn

from declipper.training.learning.adapt import Adaptation
from declipper.training.learning.dataset import HeldOut, pairs_of
from declipper.training.learning.loop import PARTS, Budget, Journal, Learned, learn
from declipper.training.learning.pairs import Pool
from declipper.training.learning.reclipping import PairMaker
from declipper.training.model.kinds import Network

MOST = 800
"""Pairs: beyond that a voice gained little more; two gigabytes at most."""
PREPARING = 0.25
"""Share of the time that making pairs may take."""
TRIAL = 5.0
"""Minutes after which it is judged whether anything can be gained."""
TRIAL_STEPS = 400
"""Steps that it takes at least to judge that: on a voice, half of what there is to gain."""
SHORTEST = 0.01
"""Minutes of training at least, when making pairs took all the time there was."""
LEAST_GAIN_DB = 0.05
"""A gain that is surely no more than this is not worth a new model: nobody hears it, and chance makes as much."""


@dataclass(frozen=True)
class Settings:
    """How it is trained: segments of a batch, learning rate, seed of all that is random, and on what: auto, cpu or cuda.

    jobs: processes that work out estimates, None for one on each core.
    """

    batch: int = 4
    rate: float = 1e-3
    seed: int = 0
    device: str = "auto"
    jobs: int | None = None


def pairs_wanted(budget: Budget, settings: Settings) -> int:
    """How many pairs are worth making: no more than the steps of a budget can take."""
    return MOST if budget.steps is None else min(MOST, budget.steps * settings.batch)


@dataclass(frozen=True)
class FineTuning:
    """One fine-tuning.

    held: what was held back, and the recordings to learn from. judge: see `Adaptation`. folder: for the pairs, while it lasts. begun: when,
    by the budget's clock.
    """

    held: HeldOut
    judge: Callable[[nn.Module], float]
    settings: Settings
    folder: Path
    fabric: Fabric
    begun: float

    def run(self, maker: PairMaker, budget: Budget, journal: Journal) -> Learned[Network]:
        """Adapt the network of a maker until the budget is spent, or until a trial shows that nothing is gained."""
        pool = Pool(self.folder / "pairs", maker.experts, self.held.dataset.cut.frames)
        objective = Adaptation(pool, self.judge, self.settings.batch, self.settings.rate, self.settings.seed)
        made = pairs_of(self.held.dataset, maker, like=self.held.overload, seed=self.settings.seed, rank=self.fabric.global_rank)
        goal = pairs_wanted(budget, self.settings)
        minutes = float("inf") if budget.minutes is None else budget.minutes

        def minutes_spent() -> float:
            return (budget.clock() - self.begun) / 60

        def prepared(until: float) -> None:
            while not len(pool) or (len(pool) < goal and minutes_spent() < until):
                pool.add(next(made))
                share = max(len(pool) / goal, minutes_spent() / until)
                journal.progress("prepare", round(PARTS * min(1.0, share)), PARTS)
            journal.tell(f"{len(pool)} pairs after {minutes_spent():.1f} minutes")

        def trained(journal: Journal, before: float = 0.0, pause: float | None = None) -> Learned[Network]:
            left = None if minutes == float("inf") else before + max(minutes - minutes_spent(), SHORTEST)
            stop = None if pause is None else max(pause - minutes_spent(), SHORTEST)
            own = replace(budget, minutes=left, pause=stop)
            return learn(copy.deepcopy(maker.base), objective, budget=own, journal=journal, fabric=self.fabric)

        tried = TRIAL < minutes < float("inf") and not journal.resume
        prepared(min(PREPARING * minutes, 0.5 * TRIAL) if tried else PREPARING * minutes)
        learned = trained(journal, pause=TRIAL if tried else None)
        if not tried:
            return learned
        over = self._fruitless(learned, maker.base) or minutes_spent() < TRIAL  # or all was done, or it was interrupted
        if self.fabric.broadcast(over):
            return learned
        if len(pool) < goal and minutes_spent() < PREPARING * minutes:
            prepared(PREPARING * minutes)
        self.fabric.barrier()  # until the first process has written its checkpoint
        goes_on = learned.step >= journal.every  # there is no checkpoint of less
        return trained(replace(journal, resume=goes_on), learned.minutes if goes_on else 0.0)

    def _fruitless(self, learned: Learned[Network], base: nn.Module) -> bool:
        """Whether a trial was long enough and brought nothing that is sure."""
        return learned.step >= TRIAL_STEPS and self.held.sure_gain(base, learned.best) <= LEAST_GAIN_DB


def advice(log: Path, begun_with: float) -> str:
    """What twice the time T would bring at most, by the scores S(t) in the log of a journal and the one that training began with.

    The learning rate falls to nothing at T, so that a score always flattens towards its end: that it does says nothing. But in a run of
    T / 2 the rate would have fallen by then, and its score at the end would have been S(T / 2) or more. So the doubling from T / 2 to T
    brought S(T) - S(T / 2) at most, and doublings bring less and less. How much less is not known, and nothing is said of it.
    """
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    early, late = ([row["score"] for row in rows if (row["minutes"] > rows[-1]["minutes"] / 2) == is_late] for is_late in (False, True))
    if not early or len(late) < 2:
        return "too short to tell whether more training is worth it"
    before = max(begun_with, *early)
    rise = max(0.0, max(late) - before)
    worth = "would bring as much at most" if rise > LEAST_GAIN_DB else "is not worth it"
    return f"the second half of the time brought {rise:.2f} dB: twice the time {worth}"
