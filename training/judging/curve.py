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
"""Begins the names of the figures in the log of a model that restores."""
SHARES = ("found", "wrong", "intact marked")
"""The figures in the detector's log: of what was cut off, of what was marked, and of what was never clipped."""


def draw(logs: list[Path], target: Path) -> None:
    """One panel for each log: on the validation split, dSDR at every input SDR in dB, or shares, against the minutes of training."""
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(logs), figsize=(3.6 * len(logs), 3.2), layout="constrained", squeeze=False)
    for axes, log in zip(panels.flat, logs, strict=True):
        points = [json.loads(line) for line in log.read_text().splitlines()]
        gains = {key: f"{key.removeprefix(PREFIX)} dB" for key in points[-1] if key.startswith(PREFIX)}
        for key, label in (gains or {key: key for key in SHARES}).items():
            axes.plot([p["minutes"] for p in points], [p[key] for p in points], ".-")
            end = points[-1]["minutes"], points[-1][key]
            axes.annotate(label, end, (4, 0), textcoords="offset points", fontsize="x-small", va="center")
        axes.margins(x=0.12 if gains else 0.3)
        axes.set(title=log.stem, xlabel="minutes of training", ylabel="validation dSDR, dB" if gains else "share of the heights")
    figure.savefig(target, dpi=110)
    pyplot.close(figure)


@click.command()
@click.option("--results", type=click.Path(path_type=Path, exists=True), default=RESULTS, help="The folder with the logs.")
def main(results: Path) -> None:
    """Draw every log in the folder."""
    draw(sorted(results.glob("*.jsonl")), results / "training.png")


if __name__ == "__main__":
    main()
