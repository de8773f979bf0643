"""The training loop for a user's own archive, on lightning-fabric: one process or many, resumable, best weights kept.

The objective is the paper's eq. 12 for gains of at least 1 and with stop-gradient: the averaged network restores the batch, the result is
turned up and clipped again, and the network learns to restore that (`losses.reclip_db`), and to reach the level where the recording
clips. Progress is judged by the re-clip score on held-back segments.
"""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from declipper.engine.experts import ExpertSet
from declipper.errors import DeclipperError
from declipper.training.data.archive import Batch
from declipper.training.judging.score import Validation, reclip_score
from declipper.training.learning.losses import consistent, estimator, reclip_db, seen, shortfall
from declipper.training.model.network import UNet

Batches = Iterator[Batch]
AVERAGE_DECAY = 0.995
WARM_UP = 100
CONSISTENCY_WEIGHT = 10.0
GAINS = (1.0, 4.0)


@dataclass
class Progress:
    """Where training stands: steps done, the best score so far and the step it was reached at, losses since the last report."""

    step: int = 0
    best: float = -math.inf
    best_step: int = 0


def fit(
    net: UNet,
    experts: ExpertSet,
    open_batches: Callable[[int, int, int], Batches],
    rows: Validation,
    fabric: Fabric,
    checkpoint: Path,
    steps: int | None,
    minutes: float | None,
    rate: float,
    seed: int,
    every: int,
    resume: bool,
    tell: Callable[[str], None],
    keep: bool = True,
) -> tuple[UNet, float, float]:
    """Train `net`, which sees `experts`; returns the best averaged network, its re-clip score, and the score it began with.

    open_batches(first_step, rank, world): the data. steps, minutes: whichever ends first. every: steps between two scores and checkpoints.
    Ctrl-C ends training as if the time were up; with `keep` off it ends everything. Raises DeclipperError when the loss is not a number.
    """
    average = copy.deepcopy(net)
    start_score = reclip_score(estimator(average, experts), rows)
    best, begun_with = copy.deepcopy(net), copy.deepcopy(net.state_dict())
    optimizer = torch.optim.Adam(net.parameters(), lr=rate, betas=(0.9, 0.99))
    progress = Progress(best=start_score)
    if resume and checkpoint.exists():
        progress = load(checkpoint, net, average, best, optimizer)
        tell(f"resumed from {checkpoint} at step {progress.step}")
        # the archive may have changed since, and so may the model that training starts from
        progress.best = reclip_score(estimator(best, experts), rows)
        if progress.best < start_score:
            best.load_state_dict(begun_with)
            progress.best, progress.best_step = start_score, 0
    net, average, rows = fabric.to_device(net), fabric.to_device(average), fabric.to_device(rows)
    for moments in optimizer.state.values():
        moments.update({name: fabric.to_device(value) for name, value in moments.items() if name != "step"})
    f = estimator(net, experts)
    data = open_batches(progress.step, fabric.global_rank, fabric.world_size)
    begun, losses = time.monotonic(), []
    first = progress.step
    try:
        while True:
            fraction = max(progress.step / steps if steps else 0.0, (time.monotonic() - begun) / 60 / minutes if minutes else 0.0)
            fraction = fabric.broadcast(fraction) if fabric.world_size > 1 else fraction
            if fraction >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, (progress.step + 1) / WARM_UP)
            y, positive, negative, rates = (fabric.to_device(t) for t in next(data))
            gains = _gains(seed, progress.step, len(y), fabric)
            optimizer.zero_grad()
            inputs, scale = seen(y, positive, negative, rates, experts)
            with torch.no_grad():
                x = consistent(average(inputs) * scale, y, positive, negative)
            loss = reclip_db(partial(f, rates=rates), x, gains, positive, negative)
            loss = loss + CONSISTENCY_WEIGHT * shortfall(net(inputs) * scale, y, positive, negative)
            if not math.isfinite(loss.item()):
                raise DeclipperError(f"training diverged at step {progress.step} (loss {loss.item()}); lower --rate")
            loss.backward()  # type: ignore[no-untyped-call]
            _share_gradients(net, fabric)
            torch.nn.utils.clip_grad_norm_(net.parameters(), 60.0)
            optimizer.step()
            progress.step += 1
            losses.append(fabric.all_reduce(loss.detach()).item() if fabric.world_size > 1 else loss.item())
            with torch.no_grad():
                for a, p in zip(average.parameters(), net.parameters(), strict=True):
                    a.lerp_(p, 1 - min(AVERAGE_DECAY, (1 + progress.step) / (10 + progress.step)))
            if progress.step % every == 0:
                _judge(average, best, experts, rows, progress)
                speed = (progress.step - first) / (time.monotonic() - begun)
                by_steps, by_time = ((steps or math.inf) - progress.step) / speed / 60, (minutes or math.inf) * (1 - fraction)
                tell(
                    f"step {progress.step}: loss {sum(losses) / len(losses):.3f}, re-clip score {progress.best:.2f} dB at best "
                    f"(step {progress.best_step}), {speed:.1f} steps/s, {min(by_steps, by_time):.0f} min left"
                )
                losses = []
                if fabric.is_global_zero:
                    save(checkpoint, net, average, best, optimizer, progress, tell)
    except KeyboardInterrupt:
        if not keep:
            raise
        tell("interrupted; the best weights so far are kept")
    _judge(average, best, experts, rows, progress)
    return best, progress.best, start_score


def _share_gradients(net: UNet, fabric: Fabric) -> None:
    """Give every process the mean of all gradients. Not by DistributedDataParallel, which lets no process group go (see `launched`)."""
    if fabric.world_size > 1:
        gradients = [p.grad for p in net.parameters() if p.grad is not None]
        vector_to_parameters(fabric.all_reduce(parameters_to_vector(gradients)), gradients)


def _gains(seed: int, step: int, count: int, fabric: Fabric) -> Tensor:
    """One gain per item, log-uniform over GAINS, the same for an item whatever the number of processes."""
    generator = torch.Generator().manual_seed((seed << 32) + step)
    draws = torch.rand(count * fabric.world_size, generator=generator)[fabric.global_rank :: fabric.world_size]
    low, high = (math.log(g) for g in GAINS)
    return fabric.to_device(torch.exp(low + (high - low) * draws))


def _judge(average: UNet, best: UNet, experts: ExpertSet, rows: Validation, progress: Progress) -> None:
    score = reclip_score(estimator(average, experts), rows)
    if score > progress.best:
        progress.best, progress.best_step = score, progress.step
        best.load_state_dict(average.state_dict())


def save(
    path: Path,
    net: UNet,
    average: UNet,
    best: UNet,
    optimizer: torch.optim.Adam,
    progress: Progress,
    tell: Callable[[str], None],
) -> None:
    """Write a checkpoint (safetensors) whole or not at all: on a full disk the last good one stays, and `tell` says so."""
    tensors = {}
    for name, module in (("net", net), ("average", average), ("best", best)):
        tensors |= {f"{name}/{key}": value.contiguous() for key, value in module.state_dict().items()}
    for key, parameter in net.named_parameters():
        for moment, value in optimizer.state[parameter].items():
            tensors[f"adam/{moment}/{key}"] = value.contiguous()
    record = {"step": str(progress.step), "best": str(progress.best), "best_step": str(progress.best_step)}
    part = path.with_suffix(".part")
    try:
        save_file(tensors, part, metadata={"shape": json.dumps(net.shape)} | record)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, SafetensorError) as error:
        tell(f"warning: checkpoint not written ({error}); the last good one is kept, training goes on")
    finally:
        part.unlink(missing_ok=True)


def load(path: Path, net: UNet, average: UNet, best: UNet, optimizer: torch.optim.Adam) -> Progress:
    """Read a checkpoint back into place. Raises DeclipperError when it is broken or belongs to another network."""
    try:
        with safe_open(path, "pt") as file:
            record = file.metadata()
            if json.loads(record["shape"]) != net.shape:
                raise DeclipperError(f"{path}: checkpoint of another network ({record['shape']}); delete it or leave out --resume")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise DeclipperError(f"{path}: broken checkpoint ({error}); delete it or leave out --resume") from error
    for name, module in (("net", net), ("average", average), ("best", best)):
        module.load_state_dict({k.removeprefix(f"{name}/"): v for k, v in tensors.items() if k.startswith(f"{name}/")})
    for key, parameter in net.named_parameters():
        moments = ("step", "exp_avg", "exp_avg_sq")
        optimizer.state[parameter] = {m: tensors[f"adam/{m}/{key}"] for m in moments if f"adam/{m}/{key}" in tensors}
    return Progress(int(record["step"]), float(record["best"]), int(record["best_step"]))
