"""From the corpora to a model, in one command: `python -m declipper.training.recipe CORPUS WORK --model fast` writes WORK/fast.onnx.

It fetches the corpora into CORPUS, decodes them, renders solo instruments, joins speech, works out the exact methods' estimates and
trains. What is done is not done again, so an interrupted run is started anew with the same command. It takes days on two cores.

It does not rebuild the shipped weights. Those were trained step by step, each step from the weights of the one before, while the methods
that the network sees changed from step to step, and so did its size; the methods that the earlier steps saw are no longer in the tree. And
training ends by the clock, after as many steps as a shared machine makes. The recipe goes the whole way at once with the methods as they
are, from the same corpora, on as many examples as the largest of those steps and for as long as all of them together. Judge what comes of
it by `python -m declipper.training.judging.evaluate CORPUS --model fast=WORK/fast.onnx` before it takes the place of a shipped model.
`models/README.md` tells the history of those.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click


@dataclass(frozen=True)
class Recipe:
    """What a model is made of.

    size: of a U-Net; None for the network that weighs spectra, whose size its experts decide. examples: with estimates; effects, coded: of
    sounds that are neither music nor speech, and through lossy codecs. minutes: of training.
    """

    size: str | None
    examples: int
    effects: int
    coded: int
    minutes: float


RECIPES = {
    "live": Recipe("small", 60000, 0, 0, 50),
    "fast": Recipe(None, 11500, 400, 400, 250),
    "best": Recipe(None, 8000, 250, 800, 330),
}
"""Figures from the history of the shipped models, see above."""
HELD = 400
"""Examples to judge by."""
BATCH, RATE = "8", "2e-3"
"""Examples of a batch and highest learning rate of a network that weighs spectra; a U-Net takes those of `pretrain`."""


@dataclass(frozen=True)
class Step:
    """One command of `declipper.training`, done once. makes: the file or folder that it writes."""

    name: str
    module: str
    arguments: tuple[str, ...]
    makes: Path


def steps(corpus: Path, work: Path, *, model: str, share: float = 1.0) -> list[Step]:
    """All that a model needs, in order; each reads what an earlier one made. share: of the examples and the minutes."""
    recipe = RECIPES[model]
    found: list[Step] = []

    def add(name: str, module: str, *arguments: object, makes: Path) -> Path:
        found.append(Step(name, f"declipper.training.{module}", tuple(map(str, arguments)), makes))
        return makes

    def shelf(name: str, source: Path, *options: str) -> Path:
        return add(f"{name} on a shelf", "data.shelf", source, out := work / f"{name}.i16", *options, makes=out)

    def prepare(out: Path, shelves: list[Path], count: int, *options: str) -> None:
        arguments = ("--examples", max(1, round(share * count)), "--experts", model, *options)
        add(f"{' '.join(['prepare', out.stem, *options])}", "data.prepare", out, *shelves, *arguments, makes=out)

    add("fetch", "data.corpus", corpus, makes=corpus)
    train, held = shelf("train", corpus, "--split", "train"), shelf("validation", corpus, "--split", "validation")
    solo = shelf("solo", add("solo", "data.solo", work / "solo", makes=work / "solo"), "--split", "all")
    speech = shelf("joined", add("join", "data.joined", train, work / "joined", makes=work / "joined"), "--split", "all")
    examples, others = work / f"{model}.prep", work / f"{model}-held.prep"
    prepare(examples, [train, solo, speech], recipe.examples)
    if recipe.effects:
        effects = shelf("effects", corpus, "--split", "train", "--effects")
        prepare(examples, [effects], recipe.effects, "--seed", "1", "--append")
    if recipe.coded:
        prepare(examples, [train, solo, speech], recipe.coded, "--seed", "2", "--append", "--coded")
    prepare(others, [held], HELD)
    how = ("--batch", BATCH, "--rate", RATE) if recipe.size is None else ("--size", recipe.size)
    out = work / f"{model}.onnx"
    files = (examples, others, out.with_suffix(".checkpoint"))
    add(model, "learning.pretrain", *files, "--prepared", "--minutes", share * recipe.minutes, *how, "--model", out, makes=out)
    return found


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path))
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--model", type=click.Choice(list(RECIPES)), required=True)
@click.option("--share", default=1.0, help="Of examples and minutes. 0.01 shows whether the way is clear; the model is of no use then.")
def main(corpus: Path, work: Path, model: str, share: float) -> None:
    """Make MODEL from the corpora in CORPUS, which are fetched where they are missing; WORK takes all that is made on the way."""
    work.mkdir(parents=True, exist_ok=True)
    for step in steps(corpus, work, model=model, share=share):
        done = work / f"{step.name.replace(' ', '_')}.done"
        if not done.exists():
            click.echo(f"{step.name}: python -m {step.module} {' '.join(step.arguments)}", err=True)
            subprocess.run([sys.executable, "-m", step.module, *step.arguments], check=True)
            done.touch()


if __name__ == "__main__":
    main()
