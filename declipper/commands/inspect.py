"""`declipper inspect`: the clipping of recordings, in words, as JSON, and as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from declipper import pipeline
from declipper.clipping.levels import Threshold
from declipper.commands.console import print_json, printable, progress_bar, stdout, story, summary, table
from declipper.commands.options import threshold_option
from declipper.commands.recordings import check_input, check_picture, each, files_argument, opened, truncated_option
from declipper.measure.plot import plot_clipping


@click.command()
@files_argument
@threshold_option
@truncated_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file.")
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Write a PNG: waveform with clipped runs marked, and the histogram of levels."
)
@click.option("--overwrite", is_flag=True, help="Replace a picture that exists.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def inspect(
    files: tuple[str, ...], threshold: Threshold | None, truncated: str, as_json: bool, plot: Path | None, overwrite: bool, quiet: bool
) -> None:
    """Report the clipping of FILES: levels per channel and polarity, runs, what came after. Nothing is changed."""
    check_picture(plot, files, overwrite=overwrite)
    check_input(files)

    def work(name: str) -> None:
        with opened(name, truncated=truncated) as recording:
            with progress_bar(recording.name, quiet) as progress:
                report = pipeline.inspect(recording, threshold, progress=progress)
            if plot is not None:
                plot_clipping(recording, report.levels, path=plot)
            if as_json:
                print_json({"file": recording.name} | report.as_dict() | ({"notes": recording.notes} if recording.notes else {}))
            else:
                with stdout():
                    notes = "".join(f"\n  note: {note}" for note in recording.notes)
                    click.echo(f"{printable(recording.name)}: {summary(report)}{story(report)}{notes}\n{table(report)}")

    each(files, work)
