"""`declipper report`: what the manifest of an archive says."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import click

from declipper.archive.manifest import read
from declipper.archive.report import rows, table, text
from declipper.terminal.console import complain, printable, stdout


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path, readable=False))
@click.option("--csv", "as_csv", is_flag=True, help="A table with a line for each recording.")
@click.option("--worst", type=click.IntRange(0), default=10, show_default=True, help="How many of those clipped most are named.")
def report(manifest: Path, as_csv: bool, worst: int) -> None:
    """Tell what became of an archive, from the declipper.jsonl among its results: totals, those clipped most, those that failed."""
    found = rows(read(manifest, tell=complain))
    if as_csv:
        lines = io.StringIO()
        csv.writer(lines).writerows(table(found))
        shown = lines.getvalue().encode("utf-8", "replace").decode().rstrip("\r\n")
    else:
        shown = "\n".join(map(printable, text(found, worst=worst).split("\n")))
    with stdout():
        click.echo(shown)
