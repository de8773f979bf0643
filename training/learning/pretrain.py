"""Supervised pre-training of the shipped models.

`python -m declipper.training.learning.pretrain SHELF VALIDATION_SHELF OUT.pt --minutes 90` trains a network without experts. A model that
sees experts' estimates is trained with --prepared, on files made by `declipper.training.data.prepare`; --start gives it the weights to
begin with.
"""

from __future__ import annotations

import json
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from declipper.engine.experts import BEST, FAST, LIVE, NONE, ExpertSet
from declipper.training.data.degrade import Example, draw_example, draw_segment, threshold_for_sdr
from declipper.training.data.prepare import Prepared
from declipper.training.data.shelf import Shelf, Track
from declipper.training.learning.losses import clipped_in, emphasised_db, supervised_db
from declipper.training.model.export import export, load
from declipper.training.model.network import SIZES, UNet, with_estimates, without_blocks

WINDOW = 16384
PANELS = {LIVE: (0.1, 1), FAST: (0.02, 2), BEST: (0.02, 2)}
"""Doubt and sharpness of the verdict on the experts (`network.Panel`): those that may be nearly exact are to be left alone."""
SPEECH_SHARE = 0.25
EMPHASIS = 0.5
"""Share of the loss that counts errors after pre-emphasis: they are small where the level of all errors is, but heard."""
LEVELS = (3.0, 7.0, 10.0, 15.0, 20.0, 30.0, 40.0)
"""Input SDRs of the validation figures, dB."""


Batch = tuple[Tensor, Tensor, Tensor, Tensor]


def collate(examples: list[Example]) -> Batch:
    """Truth, clipped signal and mask of clipped samples, each (batch, 1, time), and estimates (batch, experts, time)."""
    x = torch.from_numpy(np.stack([e.x for e in examples]))[:, None]
    y = torch.from_numpy(np.stack([e.y for e in examples]))[:, None]
    positive = torch.tensor([e.positive for e in examples], dtype=torch.float32)[:, None, None]
    negative = torch.tensor([e.negative for e in examples], dtype=torch.float32)[:, None, None]
    return x, y, clipped_in(y, positive, negative), torch.from_numpy(np.stack([e.estimates for e in examples]))


def drawn(shelf: Shelf, music: list[Track], speech: list[Track], rng: np.random.Generator) -> Example | None:
    """A fresh example of WINDOW frames without estimates, or None where the draw clipped nothing."""
    tracks = speech if speech and rng.random() < SPEECH_SHARE else music
    return draw_example(draw_segment(shelf, tracks, WINDOW, rng), rng)


def window_of(data: Prepared, rng: np.random.Generator) -> Example | None:
    """A random window of a random prepared example, at a random polarity, or None where it has nothing clipped."""
    frames, index = min(WINDOW, data.header.frames), int(rng.integers(len(data.header.levels)))
    example = data.example(index, int(rng.integers(data.header.frames - frames + 1)), frames)
    if not np.any((example.y >= example.positive) | (example.y <= example.negative)):
        return None
    if rng.random() < 0.5:
        return example
    flipped = np.where(data.experts.signals[:, None], -example.estimates, example.estimates)
    return Example(-example.x, -example.y, -example.negative, -example.positive, flipped)


def batches(draw: Callable[[np.random.Generator], Example | None], size: int, seed: int) -> Iterator[Batch]:
    """Endless random batches, drawn ahead by one thread."""
    ready: queue.Queue[Batch | Exception] = queue.Queue(8)

    def fill() -> None:
        rng = np.random.default_rng(seed)
        try:
            while True:
                examples: list[Example] = []
                while len(examples) < size:
                    example = draw(rng)
                    if example is not None:
                        examples.append(example)
                ready.put(collate(examples))
        except Exception as error:  # handed to the consumer
            ready.put(error)

    threading.Thread(target=fill, daemon=True).start()
    while True:
        batch = ready.get()
        if isinstance(batch, Exception):
            raise batch
        yield batch


def validation_set(shelf: Shelf, levels: tuple[float, ...], count: int) -> dict[float, Batch]:
    """The same `count` segments at each input SDR, drawn with a fixed seed at their native rates."""
    rng = np.random.default_rng(7)
    segments = [draw_segment(shelf, shelf.tracks, WINDOW, rng, vary_rate=False) for _ in range(count)]
    sets = {}
    for level in levels:
        examples = []
        for s in segments:
            mu = np.float32(threshold_for_sdr(s, level))
            examples.append(Example(s / mu, np.clip(s / mu, -1, 1), 1.0, -1.0, np.zeros((0, WINDOW), np.float32)))
        sets[level] = collate(examples)
    return sets


def prepared_set(data: Prepared, levels: tuple[float, ...]) -> dict[float, Batch]:
    """All prepared examples, each under the level that its input SDR is nearest to."""
    nearest = [min(levels, key=lambda level: abs(level - row[2])) for row in data.header.levels]
    return {level: collate([data.example(i) for i, n in enumerate(nearest) if n == level]) for level in levels if level in nearest}


def restore(net: torch.nn.Module, y: Tensor, clipped: Tensor, estimates: Tensor) -> Tensor:
    """The network's estimate on a batch, for the clipped samples only meaningful."""
    out: Tensor = net(torch.cat([y * ~clipped, y * clipped, estimates], dim=1))
    return out


@torch.no_grad()
def validate(net: torch.nn.Module, sets: dict[float, Batch]) -> dict[float, float]:
    """Mean dSDR in dB per input SDR, with consistency enforced."""
    scores = {}
    for level, (x, y, clipped, estimates) in sets.items():
        parts = []
        for i in range(0, len(x), 16):
            part = slice(i, i + 16)
            estimate = restore(net, y[part], clipped[part], estimates[part])
            estimate = torch.where(clipped[part], y[part].sign() * torch.maximum(estimate * y[part].sign(), y[part].abs()), y[part])
            parts.append(supervised_db(estimate, x[part], y[part], clipped[part]) * len(estimate))
        scores[level] = -float(sum(parts)) / len(x)
    return scores


@click.command()
@click.argument("shelf", type=click.Path(path_type=Path, exists=True))
@click.argument("validation", type=click.Path(path_type=Path, exists=True))
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--minutes", default=90.0, help="Length of the schedule.")
@click.option("--batch", default=16)
@click.option("--rate", default=1e-3, help="Highest learning rate; it falls to nothing along a half cosine.")
@click.option("--seed", default=0)
@click.option("--start", type=click.Path(path_type=Path, exists=True), help="Begin with the weights of this model file.")
@click.option("--size", type=click.Choice(list(SIZES)), help="Usual: large, or that of --start, which may only lose blocks.")
@click.option("--prepared", is_flag=True, help="SHELF and VALIDATION are files made by declipper.training.data.prepare.")
@click.option("--model", type=click.Path(path_type=Path), help="Export the averaged weights here at the end.")
def main(
    shelf: Path,
    validation: Path,
    checkpoint: Path,
    minutes: float,
    batch: int,
    rate: float,
    seed: int,
    start: Path | None,
    size: str | None,
    prepared: bool,
    model: Path | None,
) -> None:
    """Train, write CHECKPOINT every five minutes, resume from it where it exists."""
    torch.manual_seed(seed)
    net = load(start) if start is not None else UNet(**SIZES[size or "large"])
    net = without_blocks(net, SIZES[size]["blocks"]) if size is not None else net
    weighs_already = net.shape["inputs"] > 2
    experts: ExpertSet = NONE
    if prepared:
        data, held = Prepared(shelf), Prepared(validation)
        experts = data.experts
        deviation = experts.has_deviation
        net = with_estimates(net, len(experts.outputs) - deviation, *PANELS[experts], deviation)
        draw, sets = partial(window_of, data), prepared_set(held, LEVELS)
    else:
        opened = Shelf(shelf)
        kinds = ([t for t in opened.tracks if (t.kind == "speech") == speech] for speech in (False, True))
        draw, sets = partial(drawn, opened, *kinds), validation_set(Shelf(validation), LEVELS, 48)
    average = UNet(**net.shape)
    optimizer = torch.optim.Adam(net.parameters(), lr=rate, betas=(0.9, 0.98))
    step, spent = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["minutes"]
    else:
        average.load_state_dict(net.state_dict())
    log = checkpoint.with_suffix(".jsonl").open("a")
    losses = []
    tick = last_save = time.monotonic()
    for x, y, clipped, estimates in batches(draw, batch, seed + step):
        progress = min(1.0, spent / minutes)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * progress)) + 1e-6
        # in bfloat16 a network that weighs nearly exact estimates loses more than a decibel
        with torch.autocast("cpu", torch.bfloat16, enabled=not weighs_already):
            estimate = restore(net, y, clipped, estimates)
        # first what is badly restored, which has more to teach than the last tenth of a decibel of what is nearly right
        floor = 10 ** -(1 + 5 * (1.0 if weighs_already else progress))
        loss = (1 - EMPHASIS) * supervised_db(estimate.float(), x, y, clipped, floor)
        loss = loss + EMPHASIS * emphasised_db(estimate.float(), x, y, clipped, floor)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 60.0)
        optimizer.step()
        step += 1
        with torch.no_grad():
            decay = min(0.999, (1 + step) / (10 + step))
            for a, p in zip(average.parameters(), net.parameters(), strict=True):
                a.lerp_(p, 1 - decay)
        losses.append(loss.item())
        now = time.monotonic()
        spent += (now - tick) / 60
        tick = now
        if now - last_save > 300 or spent >= minutes:
            row = {"step": step, "minutes": round(spent, 1), "train": round(float(np.mean(losses)), 3)}
            row |= {f"dsdr_{level:g}": round(value, 2) for level, value in validate(average, sets).items()}
            log.write(json.dumps(row) + "\n")
            log.flush()
            losses = []
            state = {
                "net": net.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
                "minutes": spent,
            }
            torch.save(state, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").replace(checkpoint)
            tick = last_save = time.monotonic()
            if spent >= minutes:
                break
    if model is not None:
        record = {"command": "declipper.training.learning.pretrain", "seed": seed} | row
        export(average, model, experts=experts, windows=experts.windows, training=record)


if __name__ == "__main__":
    main()
