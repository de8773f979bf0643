"""The command line of learning: `declipper train`, and `declipper fix --adapt`, which trains for one recording."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import click

from declipper.clipping.levels import Threshold
from declipper.commands.options import model_option
from declipper.engine.session import Session
from declipper.errors import NothingToLearn, OutputError
from declipper.terminal.progress import Display, showing


def minutes_of(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    """'5m', '90s', '1h' or a number of minutes."""
    units = {"s": 1 / 60, "m": 1.0, "h": 60.0}
    if value is None:
        return None
    try:
        minutes = float(value.rstrip("smh")) * units.get(value[-1:], 1.0)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 10000:
        raise click.BadParameter(f"{value!r} is not a time such as 90s, 5m or 1h")
    return minutes


@click.command()
@click.argument("archive", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The new model file, for declipper fix --model.")
@model_option("the fast one, to start from")
@click.option("--clean", multiple=True, type=click.Path(path_type=Path, readable=False), help="Unclipped ones, which teach more and judge.")
@click.option("--from-scratch", is_flag=True, help="Start from random weights.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="How long to train. Usual: 30, unless --steps is given.")
@click.option("--steps", type=click.IntRange(1), help="How many steps to train.")
@click.option("--batch", type=click.IntRange(1), default=4, show_default=True, help="Segments a step.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=1e-3, show_default=True, help="Highest learning rate.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint beside the output.")
@click.option("--overwrite", is_flag=True, help="Replace a model file that exists.")
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
def train(
    archive: tuple[Path, ...],
    output: Path,
    model: Path | None,
    clean: tuple[Path, ...],
    from_scratch: bool,
    minutes: float | None,
    steps: int | None,
    batch: int,
    rate: float,
    seed: int,
    device: str,
    resume: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Learn from the clipped recordings in ARCHIVE (files and folders); no clean ones are needed.

    The new model is written only if it restores held-back recordings better than the one it started from. Where nothing can be gained,
    that is said after about five minutes.
    """
    if output.exists() and not overwrite:
        raise OutputError(f"{output}: exists; use --overwrite to replace it or -o for another name")
    minutes = 30.0 if minutes is None and steps is None else minutes
    learning = _learning()
    with showing([1], quiet=quiet) as display, display.recording(str(output), 1):
        learning.train(
            learning.Archive(archive, clean),
            output,
            start=learning.Start(model, from_scratch, resume),
            budget=learning.Budget(steps, minutes),
            settings=learning.Settings(batch, rate, seed, device),
            reports=learning.Reports(display.say, display.update),
        )


def _learning() -> ModuleType:
    """`declipper.training.learning.command`, which is an extra."""
    try:
        return importlib.import_module("declipper.training.learning.command")
    except ImportError as error:
        raise click.UsageError(f'training needs more packages ({error.name} is missing); pip install "declipper[train]"') from error


def adapted(
    recording: Path, target: Path, *, model: Path | None, minutes: float, device: str, threshold: Threshold | None, display: Display
) -> Session | None:
    """A session with the model fine-tuned on one recording, or None where that did not help, or there is nothing to learn from."""
    learning = _learning()
    where = device if device in ("cpu", "cuda") else "auto"
    try:
        better = learning.train(
            learning.Archive((recording,), threshold=threshold),
            target,
            start=learning.Start(model),
            budget=learning.Budget(minutes=minutes, ends_early=False),
            settings=learning.Settings(device=where),
            reports=learning.Reports(display.say, display.update),
        )
    except NothingToLearn as error:
        display.say(f"{error}; the model stays as it is")
        return None
    return Session(target, device) if better else None
