"""What a user's own archive teaches a model that restores already: the objective of fine-tuning.

The network restores segments that were clipped further. It learns by what is known of their truth, and, since the highest peaks of all are
never known, by guesses as well: by what the average of its own weights, and it itself before it learned, make of the segments as they were
recorded. As the network gets better, so do the guesses. That is a mean teacher (Tarvainen and Valpola, "Mean teachers are better role
models", 2017) whose pupil sees a heavier damage than the teacher does, and an anchor where there is truth.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from declipper.training.data.batches import Share
from declipper.training.learning.loop import Schedule
from declipper.training.learning.losses import supervised_db, weighted_db
from declipper.training.learning.pairs import Pair, PairBatch, Pool, batch_of
from declipper.training.learning.pretrain import restored
from declipper.training.learning.reclipping import KNOWN, guessed

WINDOW = 16384
"""Frames of a pair that a step takes, as in pretraining."""
LEARNED = 0.5
"""Share of a guess that comes from the average of the weights; the rest is as the network guessed before it learned. With 1, a voice of the
train split was restored with peaks ever higher; with 0.5 more was gained there, and as much on a telephone voice."""
ATTEMPTS = 100
"""Draws of a window after which one without clipped samples is taken."""


@dataclass(frozen=True)
class Adaptation:
    """Fine-tuning on pairs. size: of a batch. rate: the highest learning rate. judge: gives the score of a network on what is held back."""

    pairs: Pool
    judge: Callable[[nn.Module], float]
    size: int
    rate: float
    seed: int

    @property
    def schedule(self) -> Schedule:
        """A short run: a young average, and a rate that falls as the time is spent."""
        return Schedule(self.rate, warm_up=100, falls=True, betas=(0.9, 0.99), averaged=0.995)

    def batches(self, first_step: int, share: Share) -> Iterator[PairBatch]:
        """Item i of step s depends on the seed, s and i alone."""
        for step in itertools.count(first_step):
            yield batch_of([self._window(np.random.default_rng([self.seed, step, i])) for i in share.of(self.size)])

    def _window(self, rng: np.random.Generator) -> Pair:
        """A random window of a random pair, in which something is clipped."""
        for _ in range(ATTEMPTS):
            whole = self.pairs.pair(int(rng.integers(len(self.pairs))))
            frames = min(WINDOW, len(whole.y))
            pair = whole.window(int(rng.integers(len(whole.y) - frames + 1)), frames)
            if pair.clips:
                break
        return pair

    def loss(self, net: nn.Module, batch: PairBatch, *, average: nn.Module, spent: float) -> Tensor:
        """Minus dSDR in dB, by what is known and by guesses."""
        again = batch.again
        with torch.no_grad():
            guess = torch.lerp(batch.gains * batch.first, guessed(average, batch), LEARNED)
        estimate = restored(net, again)
        known = weighted_db(estimate, guess, y=again.y, weights=batch.weights).mean()
        return KNOWN * known + (1 - KNOWN) * supervised_db(estimate, guess, y=again.y, clipped=again.clipped)

    def figures(self, net: nn.Module) -> dict[str, float]:
        """The score on what is held back."""
        return {"score": self.judge(net)}
