"""Writes what is installed beside the program: a man page for each command, by click-man, and completions for bash, zsh and fish, by click.

python packaging/share.py           # into packaging/share
python packaging/share.py FOLDER
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
from click.shell_completion import get_completion_class
from click_man.core import generate_man_page

import declipper
from declipper.commands.main import SUMMARIES, cli

COMPLETIONS = {
    "bash": "bash-completion/completions/declipper",
    "zsh": "zsh/site-functions/_declipper",
    "fish": "fish/vendor_completions.d/declipper.fish",
}
"""Where each shell looks, below share."""


def write(share: Path) -> None:
    """Write all of it below a folder."""
    pages = share / "man" / "man1"
    pages.mkdir(parents=True, exist_ok=True)
    _write_pages(pages, click.Context(_whole(), info_name="declipper"))
    for shell, place in COMPLETIONS.items():
        source = get_completion_class(shell)
        assert source is not None
        target = share / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source(cli, {}, "declipper", "_DECLIPPER_COMPLETE").source())


def _whole() -> click.Group:
    """The command with all its commands loaded."""
    with click.Context(cli) as context:
        loaded = {name: cli.resolve_command(context, [name])[1] for name in (*SUMMARIES, *cli.commands)}
    return click.Group("declipper", {name: command for name, command in loaded.items() if command}, params=cli.params, help=cli.help)


def _write_pages(pages: Path, context: click.Context) -> None:
    """The page of a command, and those of its own commands; without a date, so that they are the same on every day."""
    page = generate_man_page(context, version=declipper.__version__, date=" ")
    (pages / f"{context.command_path.replace(' ', '-')}.1").write_text(re.sub(r"[ \t]+$", "", page, flags=re.MULTILINE))
    if isinstance(context.command, click.Group):
        for name, command in context.command.commands.items():
            _write_pages(pages, click.Context(command, info_name=name, parent=context))


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "share")
