"""Supervised training of the shipped models, from examples with their truth.

`python -m declipper.training.learning.pretrain SHELF VALIDATION_SHELF CHECKPOINT --minutes 90` trains a network without experts. A model
that sees experts' estimates is trained with --prepared, on files made by `declipper.training.data.prepare`; --start gives it the weights
to begin with. `training/results/fast-spectral.onnx` is the network over spectra for `fast` after 52 minutes: on validation data as good as
the shipped one, better on speech and worse on music, and so not shipped; training goes on from it.
`declipper.training.recipe` has the whole way from the corpora to a model.

What kind of network it is, its experts decide: where they tell a deviation, one that weighs their spectra, else a 1-D U-Net.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from declipper.engine.experts import LIVE, NONE, ExpertSet
from declipper.training.data.batches import Examples, Levels, Share
from declipper.training.data.degrade import Example, draw_example, draw_segment, threshold_for_sdr
from declipper.training.data.prepare import Prepared
from declipper.training.data.shelf import Shelf, Track
from declipper.training.learning.loop import Budget, Journal, Schedule, launched, learn
from declipper.training.learning.losses import beyond, clipped_in, emphasised_db, supervised_db
from declipper.training.model import spectral
from declipper.training.model.export import export, load
from declipper.training.model.kinds import Network
from declipper.training.model.network import SIZES, UNet, with_estimates, without_blocks
from declipper.training.model.spectral import SpectralNet

WINDOW = 16384
"""Frames of a training window of a U-Net, 0.37 s at 44.1 kHz; a model without experts runs on no more."""
LIVE_WINDOW = 4096
"""The same for `live`, about as long as the windows of a listener are."""
MIXERS = {LIVE: (0.1, 1)}
"""Doubt and sharpness of a U-Net, see `network.EstimateMixer`, by the experts."""
SPEECH_SHARE = 0.25
"""Share of the examples that are speech; there are far more recordings of it than of music, but they are short and much alike."""
EMPHASIS = 0.5
"""Share of the loss that counts errors after pre-emphasis: they are small where the level of all errors is, but heard."""
LEVELS = (3.0, 7.0, 10.0, 15.0, 20.0, 30.0, 40.0)
"""Input SDRs of the validation figures, dB: the survey's range and what lies above it."""
HELD = 48
"""Segments of a shelf that a network is judged by, at each of LEVELS."""
HELD_SEED = 7
"""Of their draw: any number, but always the same, so that runs compare."""
AT_ONCE = 16
"""Segments that are restored at once in judging, which bounds its memory."""
EVERY = 200
"""Steps between two scores and checkpoints: a few minutes on one core."""


def collate(examples: list[Example]) -> Examples:
    """Examples of one length as a batch."""
    x, y = (torch.from_numpy(np.stack([getattr(e, name) for e in examples]))[:, None] for name in ("x", "y"))
    levels = torch.tensor([(e.positive, e.negative) for e in examples], dtype=torch.float32)[:, None]
    clipped = clipped_in(y, Levels(levels[..., :1], levels[..., 1:]))
    return Examples(x, y, clipped, torch.from_numpy(np.stack([e.estimates for e in examples])))


def drawn(shelf: Shelf, *, music: list[Track], speech: list[Track], rng: np.random.Generator) -> Example | None:
    """A fresh example of WINDOW frames without estimates, or None where the draw clipped nothing."""
    tracks = speech if speech and rng.random() < SPEECH_SHARE else music
    return draw_example(draw_segment(shelf, tracks, frames=WINDOW, rng=rng), rng)


def window_of(data: Prepared, *, rng: np.random.Generator, longest: int = WINDOW) -> Example | None:
    """A random window of a random prepared example, at a random polarity, or None where it has nothing clipped."""
    frames, index = min(longest, data.header.frames), int(rng.integers(len(data.header.levels)))
    example = data.example(index, int(rng.integers(data.header.frames - frames + 1)), frames)
    if not np.any((example.y >= example.positive) | (example.y <= example.negative)):
        return None
    if rng.random() < 0.5:
        return example
    flipped = np.where(data.experts.signals[:, None], -example.estimates, example.estimates)
    return Example(-example.x, -example.y, -example.negative, -example.positive, flipped)


def held_segments(shelf: Shelf, levels: tuple[float, ...], *, count: int) -> dict[float, Examples]:
    """The same `count` segments of a shelf at each input SDR in dB, drawn with a fixed seed at their native rates."""
    rng = np.random.default_rng(HELD_SEED)
    segments = [draw_segment(shelf, shelf.tracks, frames=WINDOW, rng=rng, vary_rate=False) for _ in range(count)]
    sets = {}
    for level in levels:
        examples = []
        for s in segments:
            mu = np.float32(threshold_for_sdr(s, level))
            examples.append(Example(s / mu, np.clip(s / mu, -1, 1), 1.0, -1.0, np.zeros((0, WINDOW), np.float32)))
        sets[level] = collate(examples)
    return sets


def held_examples(data: Prepared, levels: tuple[float, ...]) -> dict[float, Examples]:
    """All prepared examples, each under the level in dB that its input SDR is nearest to."""
    nearest = [min(levels, key=lambda level: abs(level - row[2])) for row in data.header.levels]
    return {level: collate([data.example(i) for i, n in enumerate(nearest) if n == level]) for level in levels if level in nearest}


def restored(net: torch.nn.Module, batch: Examples) -> Tensor:
    """The network's estimate on a batch, for the clipped samples only meaningful."""
    out: Tensor = net(torch.cat([batch.y * ~batch.clipped, batch.y * batch.clipped, batch.estimates], dim=1))
    return out.float()


@torch.no_grad()
def gain_db(net: torch.nn.Module, held: Examples) -> float:
    """Mean dSDR in dB, with consistency enforced."""
    device, total = next(net.parameters()).device, 0.0
    for first in range(0, len(held), AT_ONCE):
        part = held[first : first + AT_ONCE].to(device)
        estimate = beyond(restored(net, part), part.y, part.clipped)
        total -= float(supervised_db(estimate, part.x, y=part.y, clipped=part.clipped)) * len(part)
    return total / len(held)


@dataclass(frozen=True)
class Supervised:
    """Learning from examples with their truth.

    draw: an example, or None where it would teach nothing. held: examples to judge by, by their input SDR in dB. size: examples of a batch.
    rate: the highest learning rate. refines: whether the network starts from one that weighs estimates already. exact: whether it has to be
    trained in single precision throughout; a U-Net that weighs nearly exact estimates loses more than a decibel otherwise.
    """

    draw: Callable[..., Example | None]
    held: dict[float, Examples]
    size: int
    rate: float
    seed: int
    refines: bool
    exact: bool

    @property
    def schedule(self) -> Schedule:
        """A long run that ends at rest."""
        return Schedule(self.rate, warm_up=200, falls=True, betas=(0.9, 0.98), averaged=0.999)

    def batches(self, first_step: int, share: Share) -> Iterator[Examples]:
        """Drawn in one row from the seed and the first step on."""
        rng = np.random.default_rng(self.seed + first_step)
        while True:
            examples: list[Example] = []
            while len(examples) < self.size:
                example = self.draw(rng=rng)
                if example is not None:
                    examples.append(example)
            yield collate([examples[index] for index in share.of(self.size)])

    def loss(self, net: Network, batch: Examples, *, average: Network, spent: float) -> Tensor:
        """Minus dSDR in dB, half of it after pre-emphasis, with a floor that falls from 10 to 60 dB as the budget is spent.

        First what is badly restored, which has more to teach than the last tenth of a decibel of what is nearly right; a network that
        refines has learned that.
        """
        with torch.autocast(batch.y.device.type, torch.bfloat16, enabled=not self.exact):
            estimate = restored(net, batch)
        floor = 10 ** -(1 + 5 * (1.0 if self.refines else min(1.0, spent)))
        plain, emphasised = (
            measure(estimate, batch.x, y=batch.y, clipped=batch.clipped, floor=floor) for measure in (supervised_db, emphasised_db)
        )
        return (1 - EMPHASIS) * plain + EMPHASIS * emphasised

    def figures(self, net: Network) -> dict[str, float]:
        """Mean dSDR in dB at each input SDR."""
        return {f"dsdr_{level:g}": gain_db(net, held) for level, held in self.held.items()}


def network(experts: ExpertSet, *, start: Path | None, size: str | None) -> Network:
    """A network that takes the estimates of these experts, with the weights of the model file `start` where there is one.

    Raises click.UsageError where that has a network of another kind.
    """
    begun = None if start is None else load(start)
    if experts.has_deviation:
        begun = SpectralNet(spectral.SIZES[experts.name]) if begun is None else begun
        if not isinstance(begun, SpectralNet) or begun.shape.estimates != int(experts.signals.sum()):
            raise click.UsageError(f"{start} does not weigh spectra of the {experts.name} experts; leave out --start")
        return begun
    begun = UNet(SIZES[size or "large"]) if begun is None else begun
    if not isinstance(begun, UNet):
        raise click.UsageError(f"{start} weighs spectra, which needs experts that tell a deviation; give another --start")
    begun = begun if size is None else without_blocks(begun, SIZES[size].blocks)
    if not experts.outputs:
        return begun
    doubt, sharpness = MIXERS[experts]
    return with_estimates(begun, len(experts.outputs), doubt=doubt, sharpness=sharpness)


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
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
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
    device: str,
) -> None:
    """Train; every EVERY steps write CHECKPOINT, and figures to a .jsonl beside it. Resume from CHECKPOINT where it exists."""
    fabric = launched(device)
    torch.manual_seed(seed)
    experts: ExpertSet = NONE
    draw: Callable[..., Example | None]
    if prepared:
        data, others = Prepared(shelf), Prepared(validation)
        experts, longest = data.experts, data.header.frames if data.experts.has_deviation else LIVE_WINDOW
        draw, held = partial(window_of, data, longest=longest), held_examples(others, LEVELS)
    else:
        opened = Shelf(shelf)
        music, speech = ([t for t in opened.tracks if (t.kind == "speech") == spoken] for spoken in (False, True))
        draw, held = partial(drawn, opened, music=music, speech=speech), held_segments(Shelf(validation), LEVELS, count=HELD)
    net = network(experts, start=start, size=size)
    weighs = isinstance(net, SpectralNet)  # from the start, since it begins as a mean
    refines = weighs or (start is not None and net.shape.inputs > 2)
    journal = Journal(checkpoint, EVERY, partial(click.echo, err=True), resume=True, log=checkpoint.with_suffix(".jsonl"))
    objective = Supervised(draw, held, batch, rate, seed, refines, exact=refines and not weighs)
    learned = learn(net, objective, budget=Budget(minutes=minutes, ends_early=False), journal=journal, fabric=fabric)
    if model is not None and fabric.is_global_zero:
        record = {
            "command": "declipper.training.learning.pretrain",
            "seed": seed,
            "step": learned.step,
            "minutes": round(learned.minutes, 1),
        }
        record |= {name: round(value, 2) for name, value in learned.last_figures.items()}
        export(learned.last.cpu(), model, experts=experts, windows=experts.windows, training=record)


if __name__ == "__main__":
    main()
