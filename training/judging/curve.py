"""What training bought: `python -m declipper.training.judging.curve` draws the logs in results/ into results/training.png."""

from __future__ import annotations

import json
from pathlib import Path

import click
import matplotlib as mpl

RESULTS = Path(__file__).parents[1] / "results"
PREFIX = "dsdr_"
COLUMNS = 4


def draw(logs: list[Path], target: Path) -> None:
    """One panel for each log: validation dSDR of every input SDR in dB against the minutes of training."""
    mpl.use("Agg")
    from matplotlib import pyplot

    rows = -(-len(logs) // COLUMNS)
    figure, panels = pyplot.subplots(rows, COLUMNS, figsize=(3.6 * COLUMNS, 3.2 * rows), layout="constrained", squeeze=False)
    for axes in panels.flat[len(logs) :]:
        axes.set_visible(False)
    for axes, log in zip(panels.flat, logs, strict=False):
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
    """Draw every log of `declipper.training.learning.pretrain` in the folder."""
    draw(sorted(results.glob("*.jsonl")), results / "training.png")


if __name__ == "__main__":
    main()
