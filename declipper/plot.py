"""Pictures of clipping: a recording's waveform with its clipped runs and the histogram of its levels; before and after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from declipper.arrays import Array
from declipper.clipping import ClipLevels, mask_of
from declipper.errors import OutputError
from declipper.files import Recording
from declipper.pipeline import levels_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 1200
RED, BLUE, GREEN = "#c0392b", "#34495e", "#27ae60"


def plot_clipping(recording: Recording, threshold: tuple[float, float] | None, path: Path) -> None:
    """Write a PNG of the recording: one row per channel with its envelope, clipped stretches in red, and the histogram of amplitudes.

    Raises OutputError when the picture cannot be written.
    """
    levels, _ = levels_of(recording, threshold)
    edges = np.linspace(0, recording.frames, min(COLUMNS, recording.frames) + 1).astype(np.int64)
    low = np.full((len(edges) - 1, recording.channels), np.inf)
    high = -low
    marked = np.zeros(low.shape, dtype=bool)
    bins = np.linspace(-1.5, 1.5, 601)
    histogram = np.zeros((600, recording.channels))
    start = 0
    for block in recording.blocks():
        columns = np.searchsorted(edges, np.arange(start, start + len(block)), side="right") - 1
        np.minimum.at(low, columns, block)
        np.maximum.at(high, columns, block)
        np.logical_or.at(marked, columns, mask_of(block, levels, start))
        for channel in range(recording.channels):
            histogram[:, channel] += np.histogram(block[:, channel], bins)[0]
        start += len(block)
    _draw(recording, levels, (0.5 * (edges[1:] + edges[:-1])) / recording.sample_rate, low, high, marked, bins, histogram, path)


def _draw(
    recording: Recording,
    levels: ClipLevels,
    seconds: Array,
    low: Array,
    high: Array,
    marked: np.ndarray,
    bins: Array,
    histogram: Array,
    path: Path,
) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 2.4 * recording.channels), layout="constrained")
    axes = figure.subplots(recording.channels, 2, squeeze=False, sharey=True, width_ratios=(5, 1))
    for channel, (wave, counts) in enumerate(axes):
        wave.fill_between(seconds, low[:, channel], high[:, channel], color=BLUE, linewidth=0.3)
        there = marked[:, channel]
        for edge, side in ((high, 1), (low, -1)):
            level = (levels.positive if side > 0 else -levels.negative)[:, channel].min()
            hit = there & (side * edge[:, channel] >= level)
            wave.plot(seconds[hit], edge[hit, channel], ".", color=RED, markersize=3)
        counts.barh(bins[:-1], np.log10(1 + histogram[:, channel]), height=np.diff(bins), align="edge", color=BLUE)
        for level in (levels.positive[:, channel], levels.negative[:, channel]):
            if np.isfinite(level).all():
                counts.axhline(float(np.median(level)), color=RED, linewidth=0.8)
        wave.set(ylabel=f"channel {channel + 1}", xlim=(0, recording.frames / recording.sample_rate))
        counts.set(xticks=[])
    axes[-1][0].set_xlabel("seconds; clipped stretches in red")
    axes[-1][1].set_xlabel("samples (log)")
    _save(figure, path)


def plot_restoration(before: Array, after: Array, levels: ClipLevels, sample_rate: int, start: int, path: Path, frames: int = 300) -> None:
    """Write a PNG of one stretch of one channel, (frames,) each: the recording, and in green what the restoration put above the level."""
    from matplotlib.figure import Figure

    part = slice(start, start + frames)
    milliseconds = np.arange(frames) / sample_rate * 1000
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(milliseconds, after[part], color=GREEN, label="restored")
    axes.plot(milliseconds, before[part], color=BLUE, label="clipped recording")
    for level in (levels.positive[0, 0], levels.negative[0, 0]):
        if np.isfinite(level):
            axes.axhline(level, color=RED, linewidth=0.8, linestyle=":")
    axes.set(xlabel="milliseconds", ylabel="full scale = 1", xlim=(0, milliseconds[-1]))
    axes.legend(loc="upper right", frameon=False)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    try:
        figure.savefig(path, dpi=110, format="png")
    except OSError as error:
        raise OutputError(f"{path}: the picture cannot be written ({error.strerror}); choose another name") from error
