"""Pictures of clipping: a recording's waveform with its clipped runs and the histogram of its levels; before and after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Array, Mask
from declipper.clipping.levels import ClipLevels, mask_of
from declipper.files.hidden import whole
from declipper.files.recording import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 1200
"""Columns of an envelope: about one for each dot that the picture is wide."""
AMPLITUDES = np.linspace(-1.5, 1.5, 601)
"""Edges of the histogram's bins: steps of 0.005 up to 3.5 dB above full scale, beyond which hardly any recording goes."""
CLOSE_UP_MS = 12.0
"""Length of a close-up: one or two periods of a low tone, so that single samples can still be told apart."""
RED, BLUE, GREEN = "#c0392b", "#34495e", "#27ae60"
"""What is clipped, what was recorded, what was restored."""


@dataclass(frozen=True)
class Envelope:
    """A recording column by column of a picture; each array is (columns, channels) but `edges` (frames) and `histogram` (bins, channels).

    low, high: the lowest and the highest sample. above, below: whether a sample of the positive or the negative polarity is clipped.
    """

    edges: npt.NDArray[np.int64]
    low: Array
    high: Array
    above: Mask
    below: Mask
    histogram: Array

    @property
    def middles(self) -> Array:
        """The frame in the middle of each column."""
        return 0.5 * (self.edges[1:] + self.edges[:-1])


def plot_clipping(recording: Recording, levels: ClipLevels, *, path: Path) -> None:
    """Write a PNG of the recording: one row per channel with its envelope, clipped stretches in red, and the histogram of amplitudes.

    levels: those of the recording. Raises OutputError when the picture cannot be written.
    """
    from matplotlib.figure import Figure

    envelope = envelope_of(recording, levels)
    seconds = envelope.middles / recording.sample_rate
    figure = Figure(figsize=(11, 2.4 * recording.channels), layout="constrained")
    axes = figure.subplots(recording.channels, 2, squeeze=False, sharey=True, width_ratios=(5, 1))
    for channel, (wave, counts) in enumerate(axes):
        wave.fill_between(seconds, envelope.low[:, channel], envelope.high[:, channel], color=BLUE, linewidth=0.3)
        for edge, clipped in ((envelope.high, envelope.above), (envelope.low, envelope.below)):
            hit = clipped[:, channel]
            wave.plot(seconds[hit], edge[hit, channel], ".", color=RED, markersize=3)
        bars = np.log10(1 + envelope.histogram[:, channel])
        counts.barh(AMPLITUDES[:-1], bars, height=np.diff(AMPLITUDES), align="edge", color=BLUE)
        for side, heights in zip((1, -1), levels.heights(channel), strict=True):
            if len(heights):
                counts.axhline(side * float(np.median(heights)), color=RED, linewidth=0.8)
        wave.set(ylabel=f"channel {channel + 1}", xlim=(0, recording.frames / recording.sample_rate))
        counts.set(xticks=[])
    axes[-1][0].set_xlabel("seconds; clipped stretches in red")
    axes[-1][1].set_xlabel("samples (log)")
    _save(figure, path)


def envelope_of(recording: Recording, levels: ClipLevels) -> Envelope:
    """The recording at the width of a picture, in one pass over the file."""
    edges = np.linspace(0, recording.frames, min(COLUMNS, recording.frames) + 1).astype(np.int64)
    low = np.full((len(edges) - 1, recording.channels), np.inf)
    high = -low
    above, below = np.zeros((2, *low.shape), dtype=bool)
    histogram = np.zeros((len(AMPLITUDES) - 1, recording.channels))
    start = 0
    for block in recording.blocks():
        columns = np.searchsorted(edges, np.arange(start, start + len(block)), side="right") - 1
        np.minimum.at(low, columns, block)
        np.maximum.at(high, columns, block)
        positive, negative = levels.between(start, start + len(block))
        np.logical_or.at(above, columns, block >= positive)
        np.logical_or.at(below, columns, block <= negative)
        for channel in range(recording.channels):
            histogram[:, channel] += np.histogram(block[:, channel], AMPLITUDES)[0]
        start += len(block)
    return Envelope(edges, low, high, above, below, histogram)


def plot_restoration(recording: Recording, fixed: Recording, *, levels: ClipLevels, path: Path) -> None:
    """Write a PNG of the place with the most clipping: the recording, and in green what the restoration `fixed` made of it.

    levels: those of the recording. Raises OutputError when the picture cannot be written.
    """
    from matplotlib.figure import Figure

    frames = min(recording.frames, int(CLOSE_UP_MS * 1e-3 * recording.sample_rate))
    place, channel = _most_clipped(recording, levels, frames=frames)
    before, after = (_stretch(one, start=place, frames=frames)[:, channel] for one in (recording, fixed))
    milliseconds = np.arange(len(before)) / recording.sample_rate * 1000
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(milliseconds, after, color=GREEN, label="restored")
    axes.plot(milliseconds, before, color=BLUE, label="clipped recording")
    axes.set(xlabel=f"milliseconds from {place / recording.sample_rate:.3f} s, channel {channel + 1}", ylabel="full scale = 1")
    axes.margins(x=0)
    axes.legend(loc="upper right", frameon=False)
    _save(figure, path)


def _most_clipped(recording: Recording, levels: ClipLevels, *, frames: int) -> tuple[int, int]:
    """The first frame and the channel of the stretch of so many frames that has the most clipped samples."""
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
    return place, channel


def _stretch(recording: Recording, *, start: int, frames: int) -> Array:
    """Samples (frames, channels) of a recording from one frame on."""
    parts, first = [], 0
    for block in recording.blocks():
        parts.append(block[max(0, start - first) : max(0, start + frames - first)])
        first += len(block)
        if first >= start + frames:
            break
    return np.concatenate(parts)


def _save(figure: Figure, path: Path) -> None:
    """Write the picture beside its place, and move it there when it is whole."""
    with whole(path, what="the picture", overwrite=True) as part:
        figure.savefig(part, dpi=110, format="png")
