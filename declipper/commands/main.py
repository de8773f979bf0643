"""The command `declipper`: its commands by name, shell completion, and how errors and Ctrl-C end a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click
from click.shell_completion import get_completion_class

import declipper
from declipper.errors import DeclipperError, ModelError
from declipper.signals import INTERRUPTED, interruptible, open_standard_streams
from declipper.terminal.console import SOME_FAILED, USAGE, complain, complain_of_bug, sole_use_of_stderr, stdout

SUMMARIES = {
    "fix": "Restore clipped recordings.",
    "inspect": "Report the clipping of recordings.",
    "live": "Restore what is played while it is played.",
    "plugin": "Install the plugin for DAWs.",
    "report": "Make a page to judge by, or sum up an archive.",
    "serve": "The same in a browser, on this machine.",
    "train": "Learn from clipped recordings.",
}
"""Each command, in the module of `declipper.commands` that has its name, and what the list of commands says of it."""


class _Commands(click.Group):
    """Loads a command's module when it is called; the list of commands, and its completion, do without."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*SUMMARIES, *super().list_commands(ctx)])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in SUMMARIES:
            return click.Command(cmd_name, short_help=SUMMARIES[cmd_name])
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name in SUMMARIES:
            command = getattr(import_module(f"declipper.commands.{name}"), name)
        return name, command, rest

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _aborted():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> object:
        with _aborted():
            return super().invoke(ctx)


@contextmanager
def _aborted() -> Iterator[None]:
    """Ends with Abort where a signal came: of KeyboardInterrupt, click itself would make an empty line first."""
    try:
        yield
    except KeyboardInterrupt as interrupted:
        raise click.Abort from interrupted


@click.group(cls=_Commands, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(declipper.__version__, prog_name="declipper")
def cli() -> None:
    """Restore clipped recordings."""


@cli.command(short_help="Print a completion script for a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script, for example: declipper completion bash >> ~/.bashrc."""
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "declipper", "_DECLIPPER_COMPLETE").source())


def main() -> None:
    """Turns errors and Ctrl-C into one line and an exit code."""
    open_standard_streams()
    with interruptible(), sole_use_of_stderr():
        try:
            with stdout():
                cli.main(prog_name="declipper", standalone_mode=False)
        except (click.exceptions.Abort, KeyboardInterrupt):
            complain("interrupted; nothing half written is left")
            sys.exit(INTERRUPTED)
        except click.ClickException as error:
            command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "declipper"
            complain(f"{error.format_message()} (see {command} --help)")
            sys.exit(USAGE)
        except DeclipperError as error:
            complain(error)
            sys.exit(USAGE if isinstance(error, ModelError) else SOME_FAILED)
        except OSError as error:
            complain(f"{error.filename}: {error.strerror}; check names and permissions")
            sys.exit(SOME_FAILED)
        except Exception as error:
            complain_of_bug(error)
            sys.exit(SOME_FAILED)
