"""What the last training of each shipped model bought: `python -m declipper.training.judging.curve` draws it into results/training.png.

The logs are those that `declipper.training.learning.pretrain` wrote beside its checkpoint.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import matplotlib as mpl

RESULTS = Path(__file__).parents[1] / "results"
PREFIX = "dsdr_"
"""Begins the names of the figures in a log."""


def draw(logs: list[Path], target: Path) -> None:
    """One panel for each log: validation dSDR of every input SDR in dB against the minutes of training."""
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(logs), figsize=(3.6 * len(logs), 3.2), layout="constrained", squeeze=False)
    for axes, log in zip(panels.flat, logs, strict=True):
        points = [json.loads(line) for line in log.read_text().splitlines()]
        for key in (key for key in points[-1] if key.startswith(PREFIX)):
            axes.plot([p["minutes"] for p in points], [p[key] for p in points], ".-")
            end, label = (points[-1]["minutes"], points[-1][key]), f"{key.removeprefix(PREFIX)} dB"
            axes.annotate(label, end, (4, 0), textcoords="offset points", fontsize="x-small", va="center")
        axes.margins(x=0.12)
        axes.set(title=log.stem, xlabel="minutes of training", ylabel="validation dSDR, dB")
    figure.savefig(target, dpi=110)
    pyplot.close(figure)


@click.command()
@click.option("--results", type=click.Path(path_type=Path, exists=True), default=RESULTS, help="The folder with the logs.")
def main(results: Path) -> None:
    """Draw every log in the folder."""
    draw(sorted(results.glob("*.jsonl")), results / "training.png")


if __name__ == "__main__":
    main()
