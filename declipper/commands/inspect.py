"""`declipper inspect`: the clipping of recordings, in words, as JSON, and as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from declipper import pipeline
from declipper.archive.job import Settings
from declipper.archive.tree import Picking, is_archive
from declipper.clipping.levels import Threshold
from declipper.commands.archives import Archive, archive_options, inspect_archive
from declipper.commands.options import threshold_option
from declipper.commands.recordings import (
    check_input,
    check_picture,
    each,
    files_argument,
    opened,
    refuse_without_archive,
    stream_option,
    truncated_option,
)
from declipper.files.recording import Truncated
from declipper.measure.plot import plot_clipping
from declipper.soundtrack import streams_of
from declipper.terminal.console import by_stream, numbered, print_json, printable, stdout, story, summary, table
from declipper.terminal.progress import Display
from declipper.workers.machine import cores


@click.command()
@files_argument
@threshold_option
@truncated_option
@stream_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file.")
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Write a PNG: waveform with clipped runs marked, and the histogram of levels."
)
@archive_options
@click.option("-j", "--jobs", type=click.IntRange(1), default=cores, help="Processes that share folders. Usual: one for each core.")
@click.option("--overwrite", is_flag=True, help="Replace a picture that exists.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def inspect(
    files: tuple[str, ...],
    threshold: Threshold | None,
    truncated: Truncated,
    stream: int | None,
    as_json: bool,
    plot: Path | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    scheduler: str | None,
    jobs: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Report the clipping of FILES: levels per channel and polarity, runs, what came after. Nothing is changed.

    Of folders, or addresses such as s3://bucket/folder, there is a line for each recording, those that are clipped most first.
    """
    settings = Settings("best", threshold=threshold, truncated=truncated, stream=stream)
    if scheduler or any(map(is_archive, files)):
        if plot is not None:
            raise click.UsageError("--plot takes a recording, not folders; call it once for each")
        inspect_archive(Archive(files, Picking(include, exclude), scheduler, jobs, None, quiet, as_json), settings)
        return
    refuse_without_archive(include=include, exclude=exclude)
    check_picture(plot, files, overwrite=overwrite)
    check_input(files)

    def work(name: str, display: Display) -> None:
        with opened(name, settings) as recording:
            sounds = streams_of(recording) if stream is None else [recording]
            reports = [pipeline.inspect(one, threshold, progress=display.update) for one in sounds]
            display.hide()
            if plot is not None:
                plot_clipping(recording, reports[0].levels, path=plot)
            if as_json:
                values = [r.as_dict() | ({"notes": one.notes} if one.notes else {}) for one, r in zip(sounds, reports, strict=True)]
                print_json({"file": recording.name} | by_stream(sounds, values))
                return
            lines = numbered(sounds, [summary(report) + story(report) for report in reports])
            for one, report, line in zip(sounds, reports, lines, strict=True):
                with stdout():
                    notes = "".join(f"\n  note: {note}" for note in one.notes)
                    click.echo(f"{printable(recording.name)}: {line}{notes}\n{table(report)}")

    each(files, work, quiet=quiet)
