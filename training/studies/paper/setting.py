"""The setting of the paper's audio experiments, scaled to what two cores do: data, networks, objectives, training, measurement.

22.05 kHz, segments of one second (22016 samples), clipped at mu = 0.1 of full scale; segments that do not clip are dropped. All
methods have the same network, the same number of steps and the same batches; what differs is the objective.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click
import numpy as np
import pesq
import soxr
import torch
from torch import Tensor, nn

from declipper.clipping.arrays import Array
from declipper.training.data.batches import Levels
from declipper.training.data.degrade import sdr
from declipper.training.data.shelf import Shelf
from declipper.training.learning.loop import Budget, Journal, Learned, launched, learn
from declipper.training.learning.losses import Estimator, clipped_in, consistent, h
from declipper.training.model.kinds import Network
from declipper.training.model.network import Shape, UNet
from declipper.training.studies.objectives import CONSISTENT, SELF_SUPERVISED, SUPERVISED, Teaching, Terms, schedule

SAMPLE_RATE = 22050
"""The paper's, in Hz."""
FRAMES = 22016
"""One second, rounded to what the network divides by."""
MU = 0.1
"""Level of the clipping, relative to full scale: the paper's."""
SEGMENTS = 6000
"""To train on; this and the next two are what two cores can do."""
STEPS = 20000
"""Of training."""
BATCH = 8
"""Segments of a step."""
RATE = 5e-4
"""Highest learning rate; it rises for the first twentieth of the steps, then falls."""
SHAPE = Shape((48, 64, 96, 128, 128), (4, 4, 2, 2, 2), (1, 1, 1, 1, 1))
"""Of the networks: five levels down and five up, as in the paper. The patches of four samples and the residual blocks are the product's;
with them an output sees some four thousand samples."""
JUDGED_EVERY = 500
"""Steps between two figures and checkpoints."""
HELD_BACK = 48
"""Segments that are not trained on, of which the curves are drawn."""


@dataclass(frozen=True)
class Method:
    """What is minimised, by which network: one row of Table 1. share: of the training segments that are used."""

    name: str
    terms: Terms
    bias: bool = False
    share: float = 1.0


METHODS = (
    Method("supervised", SUPERVISED),
    Method("supervised, 5 % of the data", SUPERVISED, share=0.05),
    Method("supervised + L_EI", replace(SUPERVISED, equivariance=1.0)),
    Method("self-supervised (L_MC + L_EI)", SELF_SUPERVISED),
    Method("L_MC alone", CONSISTENT),
    Method("self-supervised, with bias", SELF_SUPERVISED, bias=True),
    Method("self-supervised, gradient through the target too", replace(SELF_SUPERVISED, stop_gradient=False)),
)
"""The rows of Table 1, and one more."""


def arguments(command: Callable[..., None]) -> Callable[..., None]:
    """What every study is told: shelves to train and to test on, where weights are kept, how long to train."""
    folder = click.Path(path_type=Path)
    command = click.option("--steps", default=STEPS, show_default=True)(command)
    command = click.option("--work", type=folder, default="studies", show_default=True, help="Folder that keeps trained weights.")(command)
    command = click.argument("test", type=click.Path(path_type=Path, exists=True))(command)
    return click.argument("train", type=click.Path(path_type=Path, exists=True))(command)


def segments(shelf: Shelf, kind: str, *, count: int, seed: int) -> Array:
    """`count` segments (count, FRAMES) float32 of recordings of one kind, each above MU somewhere, at 22.05 kHz and the file's scale."""
    rng = np.random.default_rng(seed)
    tracks = [t for t in shelf.tracks if t.kind == kind and t.frames > 1.1 * t.sample_rate]
    found: list[Array] = []
    while len(found) < count:
        track = tracks[rng.integers(len(tracks))]
        needed = math.ceil(FRAMES / SAMPLE_RATE * track.sample_rate) + 64
        if needed >= track.frames:
            continue
        read = shelf.read(track, int(rng.integers(track.frames - needed)), needed)
        segment = soxr.resample(read, track.sample_rate, SAMPLE_RATE, quality="MQ")[:FRAMES]
        if len(segment) == FRAMES and np.abs(segment).max() > MU:
            found.append(segment.astype(np.float32))
    return np.stack(found)


def network_estimator(net: nn.Module) -> Estimator:
    """f as the paper has it: in units of the training level, so that nothing but the network makes it homogeneous."""

    def f(y: Tensor, levels: Levels) -> Tensor:
        clipped = clipped_in(y, levels)
        result: Tensor = net(torch.cat([y * ~clipped, y * clipped], dim=1))
        return result.float()

    return f


def levels_at(mu: float = 1.0) -> Levels:
    """The levels in units of the training level."""
    return Levels(torch.tensor(mu), torch.tensor(-mu))


def log_of(work: Path, method: Method, *, trained_on: str, seed: int, steps: int) -> Path:
    """The log of one run, of which all studies know the name."""
    return work / f"{method.name} on {trained_on}, {steps} steps, seed {seed}.jsonl".replace(" ", "_").replace("%", "percent")


def learned(method: Method, data: Array, *, seed: int, steps: int, work: Path, trained_on: str) -> Learned[Network]:
    """What `method` learns from all but HELD_BACK of the segments `data`; kept in the folder `work`, where an interrupted run goes on.

    The curve of the held-back segments' SDR is written to `log_of`, a line of JSON every JUDGED_EVERY steps.
    """
    work.mkdir(parents=True, exist_ok=True)
    log = log_of(work, method, trained_on=trained_on, seed=seed, steps=steps)
    torch.manual_seed(seed)
    journal = Journal(
        checkpoint=log.with_suffix(".checkpoint"),
        every=JUDGED_EVERY,
        tell=lambda text: click.echo(f"{method.name}: {text}", err=True),
        resume=True,
        log=log,
    )
    taught, held_back = data[:-HELD_BACK], data[-HELD_BACK:]
    teaching = Teaching(
        method.terms,
        partial(batch, taught[: max(1, int(method.share * len(taught)))]),
        network_estimator,
        levels_at(),
        schedule=schedule(RATE, steps),
        seed=seed,
        half=True,
        judge=lambda net: {"sdr": mean_sdr(held_back, restored(net, held_back))},
    )
    budget = Budget(steps=steps, ends_early=False)
    return learn(UNet(replace(SHAPE, bias=method.bias)), teaching, budget=budget, journal=journal, fabric=launched("cpu"))


def batch(data: Array, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Clean segments (batch, 1, FRAMES) of `data` (count, FRAMES) in units of MU, and the same clipped."""
    x = torch.from_numpy(data[rng.integers(len(data), size=BATCH)] / np.float32(MU))[:, None]
    return x, h(x, levels_at())


@torch.no_grad()
def restored(net: nn.Module, x: Array, gain: float = 1.0) -> Array:
    """Segments x (count, FRAMES), times `gain`, clipped at MU * gain, through f and the hard blend of eq. 13; at the scale of x again."""
    f, out = network_estimator(net), []
    for first in range(0, len(x), BATCH):
        y = h(torch.from_numpy(x[first : first + BATCH] / np.float32(MU))[:, None] * gain, levels_at(gain))
        x_hat = consistent(f(y, levels_at(gain)), y, levels=levels_at(gain))
        out.append(x_hat[:, 0].numpy() * np.float32(MU / gain))
    return np.concatenate(out)


def verdict(holds: bool) -> str:
    """How the tables say whether a claim of the paper was found true."""
    return "confirmed" if holds else "not confirmed"


def mean_sdr(x: Array, estimate: Array) -> float:
    """Mean over segments of the SDR in dB."""
    return float(np.mean([sdr(a, b) for a, b in zip(x, estimate, strict=True)]))


def mean_pesq(x: Array, estimate: Array, at_once: int = 5) -> float:
    """Mean wide-band PESQ over runs of `at_once` speech segments."""
    runs = (len(x) // at_once, at_once * FRAMES)
    pairs = zip(x[: runs[0] * at_once].reshape(runs), estimate[: runs[0] * at_once].reshape(runs), strict=True)
    at_16k = partial(soxr.resample, in_rate=SAMPLE_RATE, out_rate=16000)
    return float(np.mean([pesq.pesq(16000, at_16k(a), at_16k(b), "wb") for a, b in pairs]))
