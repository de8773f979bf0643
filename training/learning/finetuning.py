"""Fine-tuning from beginning to end: pairs, a trial that tells whether anything is gained, more pairs, and the rest of the time."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_fabric import Fabric
from torch import nn

from declipper.training.learning.adapt import Adaptation
from declipper.training.learning.dataset import Dataset, HeldOut, pairs_of
from declipper.training.learning.loop import PARTS, Budget, Journal, Learned, learn
from declipper.training.learning.reclipping import PairMaker, Pool
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
"""A re-clip score that rises by less is not worth a new model: nobody hears it, and chance makes as much."""
RISING_DB = 0.05
"""A score that rose by as much in the last third of the time may rise further."""


@dataclass(frozen=True)
class Settings:
    """How it is trained: segments of a batch, learning rate, seed of all that is random, and on what: auto, cpu or cuda."""

    batch: int = 4
    rate: float = 1e-3
    seed: int = 0
    device: str = "auto"


def pairs_wanted(budget: Budget, settings: Settings) -> int:
    """How many pairs are worth making: no more than the steps of a budget can take."""
    return MOST if budget.steps is None else min(MOST, budget.steps * settings.batch)


@dataclass(frozen=True)
class FineTuning:
    """One fine-tuning. folder: for the pairs, while it lasts. watch: see `Adaptation`. begun: when, by `time.monotonic`."""

    dataset: Dataset
    held: HeldOut
    settings: Settings
    folder: Path
    fabric: Fabric
    begun: float
    watch: Callable[[nn.Module, float], None] | None = None

    def run(self, maker: PairMaker, budget: Budget, journal: Journal) -> Learned[Network]:
        """Adapt the network of a maker until the budget is spent, or until a trial shows that nothing is gained."""
        pool = Pool(self.folder / "pairs", maker.experts, self.dataset.cut.frames)
        objective = Adaptation(pool, self.held.pairs, self.settings.batch, self.settings.rate, self.settings.seed, self.watch)
        made = pairs_of(self.dataset, maker, like=self.held.overload, seed=self.settings.seed, rank=self.fabric.global_rank)
        goal = pairs_wanted(budget, self.settings)
        minutes = float("inf") if budget.minutes is None else budget.minutes

        def prepared(until: float) -> None:
            while not len(pool) or (len(pool) < goal and self._minutes < until):
                pool.add(next(made))
                share = max(len(pool) / goal, self._minutes / until)
                journal.progress("prepare", round(PARTS * min(1.0, share)), PARTS)
            journal.tell(f"{len(pool)} pairs after {self._minutes:.1f} minutes")

        def trained(journal: Journal, before: float = 0.0, pause: float | None = None) -> Learned[Network]:
            left = None if minutes == float("inf") else before + max(minutes - self._minutes, SHORTEST)
            stop = None if pause is None else max(pause - self._minutes, SHORTEST)
            own = replace(budget, minutes=left, pause=stop)
            return learn(copy.deepcopy(maker.base), objective, budget=own, journal=journal, fabric=self.fabric)

        tried = TRIAL < minutes < float("inf") and not journal.resume
        prepared(min(PREPARING * minutes, 0.5 * TRIAL) if tried else PREPARING * minutes)
        learned = trained(journal, pause=TRIAL if tried else None)
        if not tried or self.fabric.broadcast(self._over(learned)):
            return learned
        if len(pool) < goal and self._minutes < PREPARING * minutes:
            prepared(PREPARING * minutes)
        self.fabric.barrier()  # until the first process has written its checkpoint
        goes_on = learned.step >= journal.every  # there is no checkpoint of less
        return trained(replace(journal, resume=goes_on), learned.minutes if goes_on else 0.0)

    @property
    def _minutes(self) -> float:
        return (time.monotonic() - self.begun) / 60

    def _over(self, learned: Learned[Network]) -> bool:
        """Whether training ends after the trial: for lack of gain, or because it was all there was to do, or was interrupted."""
        fruitless = learned.step >= TRIAL_STEPS and learned.best_score <= learned.begun_with + LEAST_GAIN_DB
        return fruitless or self._minutes < TRIAL


def advice(log: Path) -> str:
    """Whether more training is worth it, by the scores in the log of a journal."""
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    if len(rows) < 3:
        return "too short to tell whether more training is worth it"
    late = rows[-1]["minutes"] * 2 / 3
    early, last = (max((row["reclip"] for row in rows if (row["minutes"] > late) == is_last), default=-1e9) for is_last in (False, True))
    if last > early + RISING_DB:
        return f"the score rose by {last - early:.2f} dB in the last third of the time: more --minutes are worth it"
    return "the score has stopped rising: more training of this kind is not worth it"
