"""Where results go: names for them, and what they must not take the place of, told before the work begins."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import click


def target_of(name: str, output: str | None, suffix: str | None) -> Path:
    """Where the result for a recording goes; with -o -, only what it is called."""
    if output == "-":
        return Path(f"stdout.{suffix or 'wav'}")
    source = Path("stdin") if name == "-" else Path(name)
    plain = f"{source.stem}.declipped.{suffix or 'wav'}"
    if output is None:
        return source.parent / plain
    return Path(output) / plain if _is_folder(output) else Path(output)


def check_output(files: tuple[str, ...], output: str | None) -> None:
    """Raises UsageError where -o cannot take the results of so many recordings."""
    if output == "-" and len(files) > 1:
        raise click.UsageError("-o - takes one recording; name one, or a folder with -o")
    if output == "-" and sys.stdout is None:
        raise click.UsageError("-o - writes to standard output, which is closed; send it to a file or a program with > or |")
    if output == "-" and sys.stdout.isatty():
        raise click.UsageError("-o - would write audio to the terminal; send it to a file or a program with > or |")
    if output is not None and output != "-" and len(files) > 1 and not _is_folder(output):
        raise click.UsageError(f"-o {output} is not a folder, and {len(files)} recordings need one; make it first with mkdir")


def check_targets(files: tuple[str, ...], targets: list[Path], replacing: bool) -> None:
    """Raises UsageError where two recordings would become one file, or, when `replacing` files, one of the recordings."""
    for target, count in Counter(targets).items():
        if count > 1:
            raise click.UsageError(f"{len(files)} recordings, but more than one would become {target}; call declipper once for each")
    named = {_identity(0 if name == "-" else Path(name)): name for name in files} if replacing else {}
    named.pop(None, None)
    for name, target in zip(files, targets, strict=True):
        found = named.get(_identity(target))
        if found == name == "-":
            raise click.UsageError(f"{target} is the recording itself, which is never overwritten; choose another name with -o")
        if found not in (None, name):
            raise click.UsageError(f"{target} would be replaced, and is one of the recordings to restore; leave it or {name} out")


def check_picture(plot: Path | None, files: tuple[str, ...], overwrite: bool) -> None:
    """Raises UsageError for a picture that must not be written: above all where its name was forgotten and a recording's taken for it."""
    if plot is None:
        return
    if plot.suffix.lower() != ".png":
        raise click.UsageError(f"--plot {plot} is no name of a picture; give it one that ends in .png")
    if len(files) > 1:
        raise click.UsageError("--plot takes one recording; call it once for each")
    if _identity(plot) is not None and not overwrite:
        raise click.UsageError(f"--plot {plot} exists; use --overwrite to replace it or another name")
    if not _is_folder(str(plot.parent)):
        raise click.UsageError(f"--plot {plot}: there is no folder {plot.parent}; make it first")
    try:
        import matplotlib as _  # noqa: F401 - before hours of work, not after them
    except ImportError as error:
        raise click.UsageError('--plot needs matplotlib; pip install "declipper[plot]"') from error


def _is_folder(output: str) -> bool:
    try:
        return Path(output).is_dir()
    except OSError:  # such as a name that is too long
        return False


def _identity(file: Path | int) -> tuple[int, int] | None:
    """The same for two names of one file, or the number under which it is open; None for one that is not there."""
    try:
        found = os.stat(file)  # noqa: PTH116 - takes numbers too
    except OSError:
        return None
    return found.st_dev, found.st_ino
