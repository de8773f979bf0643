"""Pictures of clipping: a recording's waveform with its clipped runs and the histogram of its levels; before and after."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from declipper.clipping.arrays import Array
from declipper.clipping.levels import ClipLevels, mask_of
from declipper.errors import OutputError
from declipper.files.recording import Recording, encoded
from declipper.pipeline import levels_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 1200
CLOSE_UP_MS = 12.0
RED, BLUE, GREEN = "#c0392b", "#34495e", "#27ae60"


def plot_clipping(recording: Recording, threshold: tuple[float, float] | None, path: Path) -> None:
    """Write a PNG of the recording: one row per channel with its envelope, clipped stretches in red, and the histogram of amplitudes.

    Raises OutputError when the picture cannot be written.
    """
    levels, _ = levels_of(recording, threshold)
    edges = np.linspace(0, recording.frames, min(COLUMNS, recording.frames) + 1).astype(np.int64)
    low = np.full((len(edges) - 1, recording.channels), np.inf)
    high = -low
    above, below = np.zeros((2, *low.shape), dtype=bool)
    bins = np.linspace(-1.5, 1.5, 601)
    histogram = np.zeros((600, recording.channels))
    start = 0
    for block in recording.blocks():
        columns = np.searchsorted(edges, np.arange(start, start + len(block)), side="right") - 1
        np.minimum.at(low, columns, block)
        np.maximum.at(high, columns, block)
        positive, negative = levels.between(start, start + len(block))
        np.logical_or.at(above, columns, block >= positive)
        np.logical_or.at(below, columns, block <= negative)
        for channel in range(recording.channels):
            histogram[:, channel] += np.histogram(block[:, channel], bins)[0]
        start += len(block)
    _draw(recording, levels, (0.5 * (edges[1:] + edges[:-1])) / recording.sample_rate, low, high, above, below, bins, histogram, path)


def _draw(
    recording: Recording,
    levels: ClipLevels,
    seconds: Array,
    low: Array,
    high: Array,
    above: np.ndarray,
    below: np.ndarray,
    bins: Array,
    histogram: Array,
    path: Path,
) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 2.4 * recording.channels), layout="constrained")
    axes = figure.subplots(recording.channels, 2, squeeze=False, sharey=True, width_ratios=(5, 1))
    for channel, (wave, counts) in enumerate(axes):
        wave.fill_between(seconds, low[:, channel], high[:, channel], color=BLUE, linewidth=0.3)
        for edge, clipped in ((high, above), (low, below)):
            hit = clipped[:, channel]
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


def plot_restoration(recording: Recording, fixed: Path, threshold: tuple[float, float] | None, path: Path) -> None:
    """Write a PNG of the place with the most clipping: the recording, and in green what the restoration in the file `fixed` made of it.

    Raises OutputError when the picture cannot be written.
    """
    from matplotlib.figure import Figure

    levels, _ = levels_of(recording, threshold)
    frames = min(recording.frames, int(CLOSE_UP_MS * 1e-3 * recording.sample_rate))
    most, place, channel, start = -1.0, 0, 0, 0
    for block in recording.blocks():
        cells = len(block) // frames
        if not cells:
            break  # less than one of them is left
        counts = mask_of(block, levels, start)[: cells * frames].reshape(cells, frames, -1).sum(axis=1)
        if counts.max() > most:
            most = float(counts.max())
            cell, channel = (int(i) for i in np.unravel_index(counts.argmax(), counts.shape))
            place = start + cell * frames
        start += len(block)
    before, after = (_stretch(file, place, frames)[:, channel] for file in (recording.path, fixed))
    milliseconds = np.arange(len(before)) / recording.sample_rate * 1000
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(milliseconds, after, color=GREEN, label="restored")
    axes.plot(milliseconds, before, color=BLUE, label="clipped recording")
    axes.set(xlabel=f"milliseconds from {place / recording.sample_rate:.3f} s, channel {channel + 1}", ylabel="full scale = 1")
    axes.margins(x=0)
    axes.legend(loc="upper right", frameon=False)
    _save(figure, path)


def _stretch(path: Path, start: int, frames: int) -> Array:
    with soundfile.SoundFile(encoded(path)) as file:
        file.seek(start)
        part: Array = file.read(frames, always_2d=True)
        return part


def _save(figure: Figure, path: Path) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        figure.savefig(part, dpi=110, format="png")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: the picture cannot be written ({error.strerror}); choose another name") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
