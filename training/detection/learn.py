"""Teaches the detector on a pool of examples: `python -m declipper.training.detection.learn POOL VALIDATION OUT --minutes 60`.

One thread, in bfloat16 where that is exact enough. Every few minutes OUT gets a checkpoint, from which a later call with the same OUT
resumes, and OUT/log.jsonl a line. The learning rate falls along a cosine over the minutes that are given.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn

from declipper.training.detection.network import SHAPE, Detector
from declipper.training.detection.pool import Pool

CROP = 32768
"""Frames of a training window: 0.74 s at 44.1 kHz."""
BATCH = 6
RATE, WARM_UP = 2e-3, 200
AVERAGE = 0.998
"""Decay of the averaged weights, which are what is exported."""
MISSED = 2.0
"""How much more a missed sample costs than an extra one: it pins the crest that it stands on."""
QUIET = 0.03
"""Weight of a sample at zero, when one at the crop's peak has 1."""
REPORT_SECONDS = 150.0
TESTED = 128
"""Crops of the validation pool that each report looks at."""
THRESHOLD = 0.3
"""Of the probability, for the shares in the log: what restored best after codecs."""


def loss_of(logits: Tensor, y: Tensor, cut: Tensor) -> Tensor:
    """Cross entropy weighted by height; all are (batch, 1, frames)."""
    height = y.abs() / y.abs().amax(dim=2, keepdim=True).clamp_min(1e-9)
    weight = (QUIET + height) * (1 + (MISSED - 1) * cut)
    each = nn.functional.binary_cross_entropy_with_logits(logits, cut, reduction="none")
    return (weight * each).sum() / weight.sum()


class Learner:
    """The network, its average, the optimiser, and how far they are."""

    def __init__(self, out: Path, minutes: float, start: Path | None = None, rate: float = RATE) -> None:
        """start: a checkpoint whose averaged weights a new run begins at."""
        self.rate, self.checkpoint = rate, out / "checkpoint.pt"
        self.net, self.average = Detector(**SHAPE), Detector(**SHAPE)
        if start is not None:
            self.net.load_state_dict(torch.load(start, weights_only=True)["average"])
        self.average.load_state_dict(self.net.state_dict())
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=rate, weight_decay=1e-4, betas=(0.9, 0.98))
        self.step, self.seconds, self.whole = 0, 0.0, 60 * minutes
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True)
            self.net.load_state_dict(state["net"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.seconds = state["step"], state["seconds"]

    def save(self) -> None:
        """Write the checkpoint, never half."""
        state = {"net": self.net.state_dict(), "average": self.average.state_dict(), "optimizer": self.optimizer.state_dict()}
        state |= {"step": self.step, "seconds": self.seconds, "shape": self.net.shape}
        torch.save(state, self.checkpoint.with_suffix(".new"))
        self.checkpoint.with_suffix(".new").replace(self.checkpoint)

    def learn(self, y: Tensor, cut: Tensor) -> float:
        """One step on a batch; returns its loss."""
        progress = min(1.0, self.seconds / self.whole)
        rate = self.rate * min(1.0, (self.step + 1) / WARM_UP) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = self.net(y)
        loss = loss_of(logits.float(), y, cut)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        decay = min(AVERAGE, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
        self.step += 1
        return float(loss.detach())


@torch.no_grad()
def judged(net: Detector, y: Tensor, cut: Tensor) -> dict[str, float]:
    """Loss, and by height: the share of what was cut off that is found, of what is found that is wrong, and marks where nothing was cut."""
    logits = torch.cat([net(part) for part in y.split(8)])
    height = y.abs() / y.abs().amax(dim=2, keepdim=True).clamp_min(1e-9)
    found = (torch.sigmoid(logits) > THRESHOLD).float() * height
    intact = cut.amax(dim=2) == 0
    total = float((cut * height).sum())
    return {
        "validation": float(loss_of(logits, y, cut)),
        "found": float((found * cut).sum()) / total,
        "wrong": float((found * (1 - cut)).sum()) / max(1.0, float(found.sum())),
        "intact marked": float(found.squeeze(1)[intact.squeeze(1)].sum() / height.squeeze(1)[intact.squeeze(1)].sum()),
    }


@click.command()
@click.argument("pool", type=click.Path(path_type=Path, exists=True))
@click.argument("validation", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--minutes", default=60.0, show_default=True, help="Of CPU time, all calls together.")
@click.option("--start", type=click.Path(path_type=Path, exists=True), help="A checkpoint to begin at, where OUT has none.")
@click.option("--rate", default=RATE, show_default=True, help="Highest learning rate.")
@click.option("--seed", default=0, show_default=True)
def main(pool: Path, validation: Path, out: Path, minutes: float, start: Path | None, rate: float, seed: int) -> None:
    """Teach the detector."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    learner, examples = Learner(out, minutes, start, rate), Pool(pool)
    y, cut = (torch.from_numpy(v)[:, None] for v in Pool(validation).crops(TESTED, CROP, np.random.default_rng(0)))
    rng = np.random.default_rng([seed, learner.step])
    reported, losses = time.monotonic(), []
    while learner.seconds < learner.whole:
        begun = time.process_time()
        losses.append(learner.learn(*(torch.from_numpy(v)[:, None] for v in examples.crops(BATCH, CROP, rng))))
        learner.seconds += time.process_time() - begun
        if time.monotonic() - reported > REPORT_SECONDS or learner.seconds >= learner.whole:
            count = examples.refresh()
            line: dict[str, Any] = {"step": learner.step, "minutes": round(learner.seconds / 60, 2), "examples": count}
            line |= {"loss": float(np.mean(losses)), **judged(learner.average, y, cut)}
            with (out / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            learner.save()
            reported, losses = time.monotonic(), []


if __name__ == "__main__":
    main()
