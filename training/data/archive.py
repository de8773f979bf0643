"""A user's own recordings as training data: found in folders, their clip levels detected, segments read from disk as they are needed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import torch

from declipper.clipping.arrays import Array, Mask
from declipper.clipping.levels import ClipLevels, Threshold, clip
from declipper.errors import DeclipperError
from declipper.files.formats import AUDIO
from declipper.files.libsndfile import encoded
from declipper.files.recording import Recording
from declipper.live.recorder import raw_name
from declipper.pipeline import levels_of
from declipper.training.data.batches import ALONE, Levels, Recorded, Share
from declipper.training.data.degrade import threshold_for_sdr

QUIET = 1e-3
"""Peak below which a segment is silent, -60 dBFS: nothing in it could be learned but noise. Chosen by hand."""
HELD_SHARE = 0.2
"""Share of each recording to score on, where there are too few recordings to hold whole ones back. Chosen by hand."""
HELD_BACK = 0.15
"""Share of the recordings to score on, where there are enough of them. Chosen by hand."""
FEWEST = 4
"""Recordings of which a whole one can be held back: with fewer, a quarter or more of the archive would not be learned from."""
ATTEMPTS = 100
"""Draws of a segment after which any is taken: the archive is nearly all silence then, or hardly ever reaches the level."""
COUNTED = 1_000_000
"""Samples of a recording, evenly spaced, by which the level for an input SDR is found: enough to be sure of it to a hundredth of a dB."""
SLACK = 1e-6
"""How far below their level samples count as clipped, relative to it: rounding in the division by the level."""


@dataclass(frozen=True, eq=False)
class Source:
    """One recording of the archive and where it clips, or if it is clean, where it is to be clipped.

    only: the frames that segments are drawn from, None for all of them.
    """

    path: Path
    sample_rate: int
    frames: int
    levels: ClipLevels
    clean: bool = False
    only: range | None = None

    @property
    def used(self) -> range:
        """The frames that segments are drawn from."""
        return range(self.frames) if self.only is None else self.only


@dataclass(frozen=True, eq=False)
class Split:
    """Recordings, so many in all. taught: those to learn from. held: those to score on, or the held-back ends of the same ones."""

    recordings: int
    taught: list[Source]
    held: list[Source]


@dataclass(frozen=True)
class Item:
    """A segment of one channel, (frames,) float32, divided by its larger clip level; positive and negative are what is left of the levels.

    whole: whether all of it is known. A clean segment is not clipped yet at its levels; one of a clipped recording that has no level there
    has its own peak for one. source: what it was drawn from. inner: the frames of the segment itself, where there is a margin around it.
    What is too short for a segment is followed by silence.
    """

    y: Array
    positive: float
    negative: float
    source: Source
    whole: bool
    inner: slice

    @property
    def reached(self) -> Mask:
        """Which samples of the segment itself are at or beyond its levels."""
        return np.asarray((self.y[self.inner] >= self.positive) | (self.y[self.inner] <= self.negative))

    @property
    def own_levels(self) -> tuple[float, float]:
        """The levels that the recording itself was clipped at, beyond its peak where all is known."""
        top = (1 + SLACK) * float(np.abs(self.y).max(initial=0))
        return (top, -top) if self.whole else (self.positive, self.negative)


def scan(
    folders: list[Path],
    shortest: int,
    *,
    clean: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    threshold: Threshold | None = None,
) -> list[Source]:
    """Every readable recording of `shortest` frames or more under `folders` (files are taken too), with its levels found.

    clean: the recordings are known not to clip, none is looked for. threshold: the levels by hand, see `levels_of`. What cannot be read
    is passed over, and so is what this program restored, which is no truth to learn from; `tell` gets a line that says why.
    """
    inside = {f for folder in folders if folder.is_dir() for f in folder.rglob("*") if f.suffix.lower() in AUDIO}
    ours = {f for f in inside if ".declipped." in f.name or raw_name(f) in inside}
    for path in sorted(ours):
        tell(f"{path}: left out, it is a restoration")
    files = sorted(inside - ours | {f for f in folders if f.is_file()})
    found = []
    for path in files:
        try:
            recording = Recording(path)
            if recording.frames < shortest:
                tell(f"{path}: left out, shorter than {shortest} samples")
                continue
            for _ in recording.blocks():  # whether all of it can be read
                pass
            levels = (
                ClipLevels.constant(float("inf"), -float("inf"), recording.channels) if clean else levels_of(recording, threshold).levels
            )
        except DeclipperError as error:
            tell(f"left out: {error}")
            continue
        found.append(Source(path, recording.sample_rate, recording.frames, levels, clean))
    return found


def to_clip(source: Source, input_sdr: float, levels: tuple[float, float]) -> Source:
    """A clean recording with the levels that leave it an input SDR in dB as a whole, in the ratio of the two levels given."""
    recording, (positive, negative) = Recording(source.path), levels
    step = max(1, source.frames // COUNTED)
    x = np.concatenate([block[::step].ravel() for block in recording.blocks()])
    if np.isinf(positive):
        ends = np.inf, -max(QUIET, threshold_for_sdr(-x, input_sdr, np.inf))
    else:
        level = max(QUIET, threshold_for_sdr(x, input_sdr, -negative / positive))
        ends = level, level * negative / positive
    return replace(source, levels=ClipLevels.constant(*ends, source.levels.channels))


def split(sources: list[Source], frames: int) -> Split:
    """Hold recordings back, or with fewer than FEWEST of them the end of each: a segment of so many frames if that is no more than half."""
    if len(sources) < FEWEST:
        borders = [s.frames - max(int(HELD_SHARE * s.frames), min(frames, s.frames // 2)) for s in sources]
        taught = [replace(s, only=range(border)) for s, border in zip(sources, borders, strict=True)]
        held = [replace(s, only=range(border, s.frames)) for s, border in zip(sources, borders, strict=True)]
    else:
        step = round(1 / HELD_BACK)
        taught, held = [s for i, s in enumerate(sources) if i % step], sources[::step]
    return Split(len(sources), taught, held)


def draw(sources: list[Source], frames: int, *, rng: np.random.Generator, margin: int = 0) -> Item:
    """A random segment that is not silent, of a recording drawn by its length; of a clean one it reaches the level.

    margin: frames on either side of it that come along, as far as the recording reaches.
    """
    weights = np.array([len(s.used) * s.levels.channels for s in sources], dtype=np.float64)
    item = None
    for _ in range(ATTEMPTS):
        source = sources[rng.choice(len(sources), p=weights / weights.sum())]
        channel, used = int(rng.integers(source.levels.channels)), source.used
        start = int(rng.integers(used.start, max(used.start, used.stop - frames) + 1))
        lacking = max(0, start + frames - used.stop)
        begin, end = max(0, start - margin), used.stop if lacking else min(source.frames, start + frames + margin)
        with soundfile.SoundFile(encoded(source.path)) as file:
            file.seek(begin)
            y = np.pad(file.read(end - begin, dtype="float32", always_2d=True)[:, channel], (0, lacking))
        positive, negative = (level[:, channel] for level in source.levels.between(begin, end))
        inner = slice(start - begin, start - begin + frames)
        item = _item(y, (float(positive.min()), float(negative.max())), source=source, inner=inner)
        if np.abs(y[inner]).max(initial=0) > QUIET and (not source.clean or item.reached.any()):
            break
    assert item is not None
    return item


def _item(y: Array, levels: tuple[float, float], *, source: Source, inner: slice) -> Item:
    positive, negative = levels
    finite = [level for level in (positive, -negative) if np.isfinite(level)]
    if not finite:
        peak = float(np.abs(y).max(initial=0)) or 1.0
        return Item((y / np.float32(peak)).astype(np.float32), 1 + SLACK, -1 - SLACK, source, True, inner)
    scale = max(finite)
    if not source.clean:  # a level that changes within the segment is taken at its lowest there
        y = clip(y, positive, negative)
    up, down = (
        float(np.float32(level)) for level in (positive / scale - SLACK, negative / scale + SLACK)
    )  # a sample can have these values
    return Item((y / np.float32(scale)).astype(np.float32), up, down, source, source.clean, inner)


def collate(items: list[Item]) -> Recorded:
    """Segments of one length as a batch."""
    y = torch.from_numpy(np.stack([i.y for i in items]))[:, None]
    levels = torch.tensor([i.own_levels for i in items], dtype=torch.float32)
    return Recorded(y, Levels(levels[:, :1, None], levels[:, 1:, None]), torch.tensor([float(i.source.sample_rate) for i in items]))


def batches(
    sources: list[Source],
    frames: int,
    *,
    size: int,
    seed: int,
    first_step: int = 0,
    share: Share = ALONE,
) -> Iterator[Recorded]:
    """Endless batches of `size` segments in all, of which this process draws its share.

    Item i of step s depends on (seed, s, i) alone: the same whether training was interrupted, and for any number of processes.
    """
    for step in itertools.count(first_step):
        yield collate([draw(sources, frames, rng=np.random.default_rng([seed, step, i])) for i in share.of(size)])
