"""`declipper report`: what the manifest of an archive says, and pages to judge restorations by."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path

import click

from declipper import pipeline
from declipper.archive.job import Settings
from declipper.archive.manifest import read
from declipper.archive.report import Row, most_clipped, rows, table, text
from declipper.clipping.levels import Threshold
from declipper.commands.options import threshold_option
from declipper.commands.recordings import check_written, stream_option, truncated_option
from declipper.errors import InputError
from declipper.files.formats import FORMATS
from declipper.files.recording import Truncated
from declipper.media.formats import CONTAINERS
from declipper.page.output import INDEX, write_page, write_pages
from declipper.terminal.console import SOME_FAILED, complain, printable, stdout
from declipper.terminal.progress import showing

NAMED = 10
"""Recordings clipped most that are named where nothing else is asked for."""


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
@click.option("--csv", "as_csv", is_flag=True, help="Of a manifest: a table with a line for each recording.")
@click.option(
    "--worst", type=click.IntRange(0), help=f"Of a manifest: how many of those clipped most are named. Usual: {NAMED}; all with --html."
)
@click.option(
    "--html", type=click.Path(path_type=Path), help="Of a manifest: a folder for a page about each recording, and an index of them."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The page about a recording. Usual: named after its restoration.")
@threshold_option
@truncated_option
@stream_option
@click.option("--overwrite", is_flag=True, help="Replace pages that exist.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def report(
    files: tuple[Path, ...],
    as_csv: bool,
    worst: int | None,
    html: Path | None,
    output: Path | None,
    threshold: Threshold | None,
    truncated: Truncated,
    stream: int | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Make a page to judge a restoration by, or tell what became of an archive.

    A recording and its restoration, as in "report song.wav song.declipped.wav", become one HTML file: to hear before and after at the same
    loudness, see what was clipped, and choose without knowing which is which. It needs no network.

    The manifest of an archive, as in "report restored/declipper.jsonl", is summed up: totals, those clipped most, those that failed. With
    --html each recording gets its page.
    """
    settings = Settings("best", threshold=threshold, truncated=truncated, stream=stream)

    def make(original: Path, restored: Path, page: Path) -> None:
        before, after = (settings.opened(path, click.format_filename(path)) for path in (original, restored))
        with showing([1], quiet=quiet) as display, display.recording(before.name, 1):
            found = pipeline.inspect(before, threshold, progress=display.update)
        write_page(before, after, found, path=page, overwrite=overwrite)

    if len(files) > 2:
        raise click.UsageError(f"{len(files)} files are named; name the manifest of an archive, or a recording and its restoration")
    if len(files) == 2:
        if as_csv or worst is not None or html:
            raise click.UsageError("--csv, --worst and --html are for the manifest of an archive, and two recordings are named")
        output = output or files[1].with_suffix(".html")
        check_written("-o", output, ending=".html", overwrite=overwrite)
        make(*files, output)
        return
    if output or (not html and (threshold or stream)):
        raise click.UsageError("-o, --threshold and --stream are for a page; name a recording and its restoration")
    if files[0].suffix.lower() in (*FORMATS, *CONTAINERS):
        raise click.UsageError(f"{files[0]} is a recording; name its restoration after it")
    found = rows(read(files[0], tell=complain))
    if html:
        _pages(found, files[0], html, worst=worst, make=make, overwrite=overwrite)
    else:
        _tell(found, as_csv=as_csv, worst=NAMED if worst is None else worst)


def _tell(found: list[Row], *, as_csv: bool, worst: int) -> None:
    """Print what a manifest says."""
    if as_csv:
        lines = io.StringIO()
        csv.writer(lines).writerows(table(found))
        shown = lines.getvalue().encode("utf-8", "replace").decode().rstrip("\r\n")
    else:
        shown = "\n".join(map(printable, text(found, worst=worst).split("\n")))
    with stdout():
        click.echo(shown)


def _pages(
    found: list[Row], manifest: Path, folder: Path, *, worst: int | None, make: Callable[[Path, Path, Path], None], overwrite: bool
) -> None:
    """Write a page about each recording of a manifest, or about the `worst` alone, and the index of them."""
    check_written("--html", folder / INDEX, ending=".html", overwrite=overwrite, made=True)
    clipped = most_clipped(found)
    chosen = clipped[:worst] if worst is not None else clipped + [row for row in found if row not in clipped]

    def page_of(row: Row, target: Path) -> None:
        if not Path(row.input).is_file():
            raise InputError(f"{row.input}: is not there; call report from the folder where fix was called")
        make(Path(row.input), manifest.parent / row.output, target)

    failed = write_pages(chosen, folder, title=str(manifest.parent.resolve().name), make=page_of, overwrite=overwrite)
    for problem in failed:
        complain(problem)
    if failed:
        sys.exit(SOME_FAILED)
