"""What training bought: `python -m declipper.training.curve` draws the logs in results/ into results/training.png."""

from __future__ import annotations

import json
from pathlib import Path

import click
import matplotlib as mpl

RESULTS = Path(__file__).parent / "results"
PREFIX = "dsdr_"


def draw(logs: list[Path], target: Path) -> None:
    """One panel for each log: validation dSDR of every input SDR against the minutes of training."""
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(logs), figsize=(4.5 * len(logs), 3.6), layout="constrained", squeeze=False)
    for axes, log in zip(panels[0], logs, strict=True):
        rows = [json.loads(line) for line in log.read_text().splitlines()]
        for key in (key for key in rows[-1] if key.startswith(PREFIX)):
            axes.plot([row["minutes"] for row in rows], [row[key] for row in rows], ".-", label=f"{key.removeprefix(PREFIX)} dB input SDR")
        axes.set(title=log.stem, xlabel="minutes of training", ylabel="validation dSDR, dB")
    panels[0, -1].legend(fontsize="small")
    figure.savefig(target, dpi=110)
    pyplot.close(figure)


@click.command()
@click.option("--results", type=click.Path(path_type=Path, exists=True), default=RESULTS, help="The folder with the logs.")
def main(results: Path) -> None:
    """Draw every log of `declipper.training.pretrain` in the folder."""
    draw(sorted(results.glob("*.jsonl")), results / "training.png")


if __name__ == "__main__":
    main()
