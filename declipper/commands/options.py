"""What several commands of the command line ask for in the same way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from declipper.clipping.levels import Threshold
from declipper.engine.session import PROVIDERS, SHIPPED, shipped_model
from declipper.workers.machine import bytes_of


def _threshold(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Threshold | None:
    """'-3' or '-3,-2.5': dBFS for both polarities, or for the positive and the negative one; as linear levels."""
    if value is None:
        return None
    try:
        levels = [float(part) for part in value.split(",")]
    except ValueError:
        levels = []
    if len(levels) not in (1, 2) or not all(-120 <= level <= 40 for level in levels):
        raise click.BadParameter(f"{value!r} is not one dBFS value or two with a comma, for example -3 or -3,-2.5")
    return Threshold.at_dbfs(levels[0], levels[-1])


def threshold_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--threshold."""
    return click.option(
        "--threshold", callback=_threshold, metavar="dBFS", help="Clip level by hand, in dBFS: one value, or positive,negative."
    )(command)


def memory_of(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    """'800M', '4G' or '1.5 GiB', as bytes."""
    size = None if value is None else bytes_of(value)
    if value is not None and not size:
        raise click.BadParameter(f"{value!r} is not a size such as 800M or 4G")
    return size


def _model(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
    """The name of a shipped model stands for its file."""
    return shipped_model(str(value)) if str(value) in SHIPPED and not Path(str(value)).exists() else value


def model_option(usual: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--model, in place of what is usual."""
    text = f"A model file, or {', '.join(SHIPPED[:-1])} or {SHIPPED[-1]}, in place of {usual}."
    return click.option("--model", type=click.Path(path_type=Path, readable=False), callback=_model, help=text)


def device_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--device, on which the network runs."""
    return click.option("--device", type=click.Choice(["auto", *PROVIDERS]), default="auto", show_default=True)(command)
