"""The plot of the studies: one bar for each row of a table."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl


def bars(rows: list[tuple[str, float]], label: str, *, path: Path, mark: float | None = None) -> None:
    """Write a picture of (name, value) rows, the first on top; `mark` draws a line at a value to compare with."""
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 0.6 + 0.33 * len(rows)), layout="constrained")
    axes.barh([name for name, _ in reversed(rows)], [value for _, value in reversed(rows)], color="#4477aa")
    axes.set_xlabel(label)
    if mark is not None:
        axes.axvline(mark, color="0.4", linewidth=0.8)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
