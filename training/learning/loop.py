"""The training loop, on lightning-fabric: one process or many, on any device, averaged, judged, resumable.

What is learned is an `Objective`: where its batches come from, what its loss is, and how a network is judged by it. They are
`adapt.Adaptation`, which fine-tunes on a user's recordings, `pretrain.Supervised`, from examples with their truth, and `fit.Reclip`, from
clipped recordings alone.
"""

from __future__ import annotations

import atexit
import copy
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed, nn
from torch.nn.utils import clip_grad_norm_, parameters_to_vector, vector_to_parameters

from declipper.errors import DeclipperError
from declipper.pipeline import Progress, silent
from declipper.training.data.batches import Share, ahead
from declipper.training.learning import checkpoint
from declipper.training.learning.checkpoint import State

N = TypeVar("N", bound=nn.Module)
"""A kind of network: one of `kinds.Network` where checkpoints are kept, any other where none is."""
LONGEST_GRADIENT = 60.0
"""Norm that a gradient of a loss in dB is cut to, so that no batch throws the weights far off. Chosen by hand."""
LOWEST_RATE = 1e-6
"""Added to a learning rate that falls to nothing, so that the last steps still count for something."""
PARTS = 10000
"""Into so many parts a budget is divided to tell how much of it is spent: of a day, one is 9 seconds."""
YOUNG = 10
"""The average forgets 10 / (10 + steps) of itself in a step until its own decay is slower: it begins as a mean of what there is."""


@dataclass(frozen=True)
class Budget:
    """When training ends: after so many steps or minutes in all, whichever comes first; None: no limit.

    Minutes are those on the clock, scores and checkpoints included, of all runs that a checkpoint has been through. With `ends_early`,
    Ctrl-C ends training as if the time were up; without, it ends everything. pause: minutes after which training stops although the
    budget is not spent, so that it can be resumed in the same schedule; None: it does not. clock: gives seconds; another one than that on
    the wall, such as `time.process_time`, for measurements on a busy machine.
    """

    steps: int | None = None
    minutes: float | None = None
    ends_early: bool = True
    pause: float | None = None
    clock: Callable[[], float] = time.monotonic

    def spent(self, step: int, minutes: float) -> float:
        """The share of it that is spent; 1 or more: all of it."""
        return max(step / self.steps if self.steps else 0.0, minutes / self.minutes if self.minutes else 0.0)


@dataclass(frozen=True)
class Schedule:
    """How fast the weights move.

    rate: the highest learning rate, reached in a straight line over `warm_up` steps; `falls`: it then falls to nothing along a half cosine
    as the budget is spent. betas: Adam's. averaged: the decay, from step to step, of the average of the weights that is judged and kept.
    longest: the norm that a gradient is cut to.
    """

    rate: float
    warm_up: int
    falls: bool
    betas: tuple[float, float]
    averaged: float
    longest: float = LONGEST_GRADIENT

    def rate_at(self, step: int, spent: float) -> float:
        """The learning rate of a step, when such a share of the budget is spent."""
        rate = self.rate * min(1.0, (step + 1) / self.warm_up)
        return rate * 0.5 * (1 + math.cos(math.pi * min(1.0, spent))) + LOWEST_RATE if self.falls else rate


@dataclass(frozen=True)
class Journal:
    """Where training says how far it is. every: steps between two scores and checkpoints. log: a file that gets a line of JSON at each.

    checkpoint: None where none is kept. progress: is told at each step which part of the budget is spent, of PARTS.
    """

    checkpoint: Path | None
    every: int
    tell: Callable[[str], None]
    resume: bool = False
    log: Path | None = None
    progress: Progress = silent


class Objective(Protocol):
    """What is learned."""

    @property
    def schedule(self) -> Schedule:
        """How fast."""

    def batches(self, first_step: int, share: Share) -> Iterator[Any]:
        """Endless batches from a step on, `Tensors` of any kind, of which this process takes its share."""

    def loss(self, net: Any, batch: Any, *, average: Any, spent: float) -> Tensor:
        """What is minimised, of the network and the average of its weights, when such a share of the budget is spent."""

    def figures(self, net: Any) -> dict[str, float]:
        """Gains in dB on what is held back, by name; their mean is the score of the network."""


@dataclass(frozen=True)
class Learned(Generic[N]):
    """What came of it. best: the average of the weights when its score was highest. last: the average at the end. begun_with: a score."""

    best: N
    best_score: float
    last: N
    last_figures: dict[str, float]
    begun_with: float
    step: int
    minutes: float


def launched(device: str) -> Fabric:
    """One process, or one of those that torchrun or `fabric run` started. Raises DeclipperError for a device that is not there.

    In float32: with bfloat16, a network that weighs nearly exact estimates loses more than a decibel. The processes part before Python
    ends: a thread of theirs that still runs then aborts it (https://github.com/pytorch/pytorch/issues/190489).
    """
    local, world = (int(os.environ.get(name, 1)) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    strategy = "ddp" if world > 1 else "auto"
    try:
        fabric = Fabric(accelerator=device, devices=local, num_nodes=world // local, strategy=strategy)
    except (RuntimeError, ValueError) as error:
        raise DeclipperError(f"--device {device} cannot be used ({' '.join(str(error).split())}); use --device cpu") from error
    fabric.launch()
    if distributed.is_initialized():
        atexit.register(distributed.destroy_process_group)
    return fabric


def learn(net: N, objective: Objective, *, budget: Budget, journal: Journal, fabric: Fabric) -> Learned[N]:
    """Train a network until the budget is spent. Raises DeclipperError where the loss is not a number, or the checkpoint is broken."""
    net = fabric.to_device(net)
    schedule = objective.schedule
    state = State(net, copy.deepcopy(net), copy.deepcopy(net), torch.optim.Adam(net.parameters(), lr=schedule.rate, betas=schedule.betas))
    state.best_score = begun_with = _score(objective.figures(net))
    if journal.resume and journal.checkpoint is not None and journal.checkpoint.exists():
        _resume(state, objective, path=journal.checkpoint, tell=journal.tell)
    watch = _Watch(state, budget, journal, fabric)
    batches = ahead(objective.batches(state.step, Share(fabric.global_rank, fabric.world_size)))
    figures: dict[str, float] | None = None
    try:
        while (spent := watch.spent()) < 1 and not watch.paused():
            figures = None
            for group in state.optimizer.param_groups:
                group["lr"] = schedule.rate_at(state.step, spent)
            watch.losses.append(_step(state, objective, fabric.to_device(next(batches)), spent, fabric))
            state.follow(min(schedule.averaged, (1 + state.step) / (YOUNG + state.step)))
            if state.step % journal.every == 0:
                figures = _judged(state, objective)
                watch.report(figures)
    except KeyboardInterrupt:
        if not budget.ends_early:
            raise
        journal.tell("interrupted; the best weights so far are kept")
    if figures is None:
        figures = _judged(state, objective)
        if watch.losses:
            watch.report(figures)
    return Learned(state.best, state.best_score, state.average, figures, begun_with, state.step, state.minutes)


def _resume(state: State, objective: Objective, *, path: Path, tell: Callable[[str], None]) -> None:
    """Read the checkpoint into place; its best network is kept only where it is better than the one that training starts from now.

    What it is judged by may have changed since, and so may the model that training starts from.
    """
    begun_with, score = copy.deepcopy(state.net.state_dict()), state.best_score
    checkpoint.load(path, state)
    tell(f"resumed from {path} at step {state.step}")
    state.best_score = _score(objective.figures(state.best))
    if state.best_score < score:
        state.best.load_state_dict(begun_with)
        state.best_score, state.best_step = score, 0


def _step(state: State, objective: Objective, batch: Any, spent: float, fabric: Fabric) -> float:
    """One step down the gradient; returns the loss, that of all processes."""
    loss = objective.loss(state.net, batch, average=state.average, spent=spent)
    if not math.isfinite(loss.item()):
        raise DeclipperError(f"training diverged at step {state.step} (loss {loss.item()}); lower --rate")
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if fabric.world_size > 1:  # not by DistributedDataParallel, which lets no process group go (see `launched`)
        gradients = [p.grad for p in state.net.parameters() if p.grad is not None]
        vector_to_parameters(fabric.all_reduce(parameters_to_vector(gradients)), gradients)
    clip_grad_norm_(state.net.parameters(), objective.schedule.longest)
    state.optimizer.step()
    state.step += 1
    return float(fabric.all_reduce(loss.detach()).item() if fabric.world_size > 1 else loss.item())


def _score(figures: dict[str, float]) -> float:
    return sum(figures.values()) / max(1, len(figures))


def _judged(state: State, objective: Objective) -> dict[str, float]:
    """The figures of the averaged network, which is kept if its score is the best so far."""
    figures = objective.figures(state.average)
    if (score := _score(figures)) > state.best_score:
        state.best_score, state.best_step = score, state.step
        state.best.load_state_dict(state.average.state_dict())
    return figures


class _Watch:
    """The clock, what of the budget is spent, and the reports. losses: those since the last report."""

    def __init__(self, state: State, budget: Budget, journal: Journal, fabric: Fabric) -> None:
        self.losses: list[float] = []
        self._state, self._budget, self._journal, self._fabric = state, budget, journal, fabric
        self._first_step, self._minutes_before, self._begun = state.step, state.minutes, budget.clock()

    def spent(self) -> float:
        """The share of the budget that is spent, the same in all processes."""
        self._state.minutes = self._minutes_before + (self._budget.clock() - self._begun) / 60
        spent = self._budget.spent(self._state.step, self._state.minutes)
        self._journal.progress("learn", round(PARTS * min(1.0, spent)), PARTS)
        return float(self._fabric.broadcast(spent)) if self._fabric.world_size > 1 else spent

    def paused(self) -> bool:
        """Whether training is to stop before the budget is spent, the same in all processes."""
        paused = self._budget.pause is not None and self._state.minutes >= self._budget.pause
        return bool(self._fabric.broadcast(paused)) if self._fabric.world_size > 1 else paused

    def report(self, figures: dict[str, float]) -> None:
        """Say how far training is, log it and write a checkpoint."""
        state, journal = self._state, self._journal
        loss = sum(self.losses) / max(1, len(self.losses))
        self.losses = []
        speed = max(1, state.step - self._first_step) / (self._budget.clock() - self._begun)
        journal.tell(
            f"step {state.step}: loss {loss:.3f}, score {state.best_score:.2f} dB at best (step {state.best_step}), {speed:.1f} steps/s"
        )
        if not self._fabric.is_global_zero:
            return
        if journal.log is not None:
            row = {"step": state.step, "minutes": round(state.minutes, 1), "train": round(loss, 3)}
            with journal.log.open("a") as file:
                file.write(json.dumps(row | {name: round(value, 2) for name, value in figures.items()}) + "\n")
        if journal.checkpoint is not None and state.step >= journal.every:  # a run shorter than that is as soon begun anew
            checkpoint.save(journal.checkpoint, state, tell=journal.tell)
