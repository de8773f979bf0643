"""The command line of the DAW plugin: `declipper plugin install`, `list`, `uninstall`, `doctor`, `model`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from declipper.errors import OutputError
from declipper.plugins import own_model
from declipper.plugins.doctor import examine
from declipper.plugins.install import FORMATS, install, installed, shipped, uninstall
from declipper.terminal.console import stdout


def _kinds(_context: click.Context, _parameter: click.Parameter, value: str) -> list[str]:
    kinds = list(dict.fromkeys(value.split(",")))
    unknown = [kind for kind in kinds if kind not in FORMATS]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(FORMATS)}")
    return kinds


def _where(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that all commands share."""
    command = click.option("--dest", type=click.Path(path_type=Path), help="A folder in place of the user's own plugin folders.")(command)
    return click.option(
        "--format", "kinds", callback=_kinds, default=",".join(FORMATS), show_default=True, help="Formats, with commas between."
    )(command)


@click.group("plugin")
def plugin() -> None:
    """Install the plugin for DAWs: LV2, VST3, CLAP."""


@plugin.command("install")
@_where
@click.option("--from", "source", type=click.Path(path_type=Path), help="A build's bin folder in place of the installed package.")
def install_command(kinds: list[str], dest: Path | None, source: Path | None) -> None:
    """Copy the plugins to where hosts look for them; older ones are replaced."""
    _print(install(source or shipped(), kinds, destination=dest))


@plugin.command("list")
@_where
def list_command(kinds: list[str], dest: Path | None) -> None:
    """Print the plugins in place. Your own model comes last, where there is one."""
    own = own_model.in_place()
    _print(installed(kinds, dest) + ([own] if own else []))


@plugin.command("uninstall")
@_where
def uninstall_command(kinds: list[str], dest: Path | None) -> None:
    """Remove our plugins, and nothing else."""
    _print(uninstall(kinds, dest))


@plugin.command("doctor")
@_where
def doctor_command(kinds: list[str], dest: Path | None) -> None:
    """Load every plugin in place as a host would, and restore a second of clipped tones with it."""
    found = installed(kinds, dest)
    if not found:
        raise OutputError("no plugin is in place; declipper plugin install puts it there")
    well = True
    for path in found:
        healthy, finding = examine(path)
        well &= healthy
        with stdout():
            click.echo(f"{click.format_filename(path)}: {finding}")
    if not well:
        sys.exit(1)


@plugin.command("model")
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--shipped", is_flag=True, help="Take your own model away again.")
def model_command(model: Path | None, shipped: bool) -> None:
    """Run a model of your own in the DAW.

    Every plugin runs MODEL, a file that declipper train --model live wrote, from when it is next put on a track; what is open keeps the
    model it has. With --shipped, plugins run again the one they were built with.
    """
    if (model is None) != shipped:
        raise click.UsageError("give either a model file or --shipped")
    at = own_model.put(model) if model else own_model.put_away()
    _print([at] if at else [])


def _print(paths: list[Path]) -> None:
    with stdout():
        for path in paths:
            click.echo(click.format_filename(path))
