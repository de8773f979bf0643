"""The setting of the paper's audio experiments, scaled to what two cores do: data, networks, objectives, training, measurement.

22.05 kHz, segments of one second (22016 samples), clipped at mu = 0.1 of full scale; segments that do not clip are dropped. All
methods have the same network, the same number of steps and the same batches; what differs is the objective.
"""

from __future__ import annotations

import math
import time
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
from declipper.training.learning.losses import (
    Estimator,
    amplitude_equivariance,
    clipped_in,
    consistent,
    draw_gains,
    h,
    measurement_consistency,
    self_supervised,
    supervised,
)
from declipper.training.model.network import Shape, UNet

SAMPLE_RATE = 22050
"""The paper's, in Hz."""
FRAMES = 22016
"""One second, rounded to what the network divides by."""
MU = 0.1
"""Level of the clipping, relative to full scale; it and GAINS and WEIGHT are the paper's."""
GAINS = (0.1, 2.0)
"""Least and greatest gain of L_EI."""
WEIGHT = 1.0
"""Of L_EI beside L_MC."""
SEGMENTS = 6000
"""To train on; this and the next two are what two cores do in the time there was."""
STEPS = 1000
"""Of training."""
BATCH = 8
"""Segments of a step."""
RATE = 5e-4
"""Highest learning rate; it rises for the first twentieth of the steps, then falls."""
SHAPE = Shape((64, 96, 128, 128), (8, 4, 4, 4), (1, 1, 1, 1))
"""Of the networks: small enough that seven of them are trained in a day on two cores."""


@dataclass(frozen=True)
class Method:
    """What is minimised: one row of Table 1.

    reference: the squared error to the truth (supervised). consistency, equivariance: L_MC and L_EI. share: of the training segments that
    are used.
    """

    name: str
    reference: bool = False
    consistency: bool = False
    equivariance: bool = False
    bias: bool = False
    stop_gradient: bool = True
    share: float = 1.0


METHODS = (
    Method("supervised", reference=True),
    Method("supervised, 5 % of the data", reference=True, share=0.05),
    Method("supervised + L_EI", reference=True, equivariance=True),
    Method("self-supervised (L_MC + L_EI)", consistency=True, equivariance=True),
    Method("L_MC alone", consistency=True),
    Method("self-supervised, with bias", consistency=True, equivariance=True, bias=True),
    Method("self-supervised, gradient through the target too", consistency=True, equivariance=True, stop_gradient=False),
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


def objective(method: Method, f: Estimator, *, x: Tensor, gains: Tensor, levels: Levels) -> Tensor:
    """The loss of a method on a batch of clean segments x, which only supervised methods look at."""
    y = h(x, levels)
    if method.consistency and method.equivariance:
        return self_supervised(f, y, gains=gains, levels=levels, weight=WEIGHT, stop_gradient=method.stop_gradient)
    estimate = f(y, levels)
    if method.consistency:
        return measurement_consistency(estimate, y, levels=levels)
    loss = supervised(estimate, x)
    if method.equivariance:
        loss = loss + WEIGHT * amplitude_equivariance(f, estimate, gains=gains, levels=levels, stop_gradient=method.stop_gradient)
    return loss


def levels_at(mu: float = 1.0) -> Levels:
    """The levels in units of the training level."""
    return Levels(torch.tensor(mu), torch.tensor(-mu))


def learned(method: Method, data: Array, *, seed: int, steps: int, cache: Path) -> tuple[UNet, float]:
    """The network that `method` learns from segments `data` in `steps` steps, and the minutes that took; kept in the file `cache`."""
    torch.manual_seed(seed)
    net = UNet(replace(SHAPE, bias=method.bias))
    if cache.exists():
        state = torch.load(cache, weights_only=True)
        net.load_state_dict(state["net"])
        return net, state["minutes"]
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1, pct_start=0.05)
    f, count = network_estimator(net), max(1, int(method.share * len(data)))
    begun, total = time.monotonic(), 0.0
    for step in range(steps):
        x = torch.from_numpy(data[rng.integers(count, size=BATCH)] / np.float32(MU))[:, None]
        with torch.autocast("cpu", torch.bfloat16):
            loss = objective(method, f, x=x, gains=draw_gains(BATCH, GAINS, generator=generator), levels=levels_at())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item()
        if step % 100 == 99:
            click.echo(f"{method.name}: step {step + 1}, loss {total / 100:.4f}, {time.monotonic() - begun:.0f} s", err=True)
            total = 0.0
    minutes = (time.monotonic() - begun) / 60
    cache.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"net": net.state_dict(), "minutes": minutes}, cache)
    return net, minutes


@torch.no_grad()
def restored(net: nn.Module, x: Array, gain: float = 1.0) -> Array:
    """Segments x (count, FRAMES), times `gain`, clipped at MU * gain, through f and the hard blend of eq. 13; at the scale of x again."""
    f, out = network_estimator(net), []
    for first in range(0, len(x), BATCH):
        y = h(torch.from_numpy(x[first : first + BATCH] / np.float32(MU))[:, None] * gain, levels_at(gain))
        x_hat = consistent(f(y, levels_at(gain)), y, levels=levels_at(gain))
        out.append(x_hat[:, 0].numpy() * np.float32(MU / gain))
    return np.concatenate(out)


def cache_of(work: Path, method: Method, *, trained_on: str, seed: int) -> Path:
    """Where the weights of one run are kept, for all studies."""
    return work / f"{method.name} on {trained_on}, seed {seed}.pt".replace(" ", "_").replace("%", "percent")


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
