"""A user's own recordings as training data: found in folders, their clip levels detected, segments read from disk as they are needed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import torch
from torch import Tensor

from declipper.clipping.arrays import Array
from declipper.clipping.levels import ClipLevels, Threshold, clip
from declipper.errors import DeclipperError
from declipper.files.libsndfile import encoded
from declipper.files.recording import Recording
from declipper.live.recorder import raw_name
from declipper.pipeline import levels_of

ENDINGS = {f".{name.lower()}" for name in soundfile.available_formats()} | {".aif", ".opus", ".oga", ".wave"}
QUIET = 1e-3
HELD_SHARE = 0.2
"""Share of each recording to score on, where there are too few recordings to hold whole ones back."""
Part = Literal["whole", "taught", "held"]
Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""y (batch, 1, frames), its levels (batch, 1, 1), and sample rates (batch,)."""


@dataclass(frozen=True, eq=False)
class Source:
    """One recording of the archive and where it clips."""

    path: Path
    sample_rate: int
    frames: int
    levels: ClipLevels


@dataclass(frozen=True)
class Item:
    """A segment of one channel, (frames,) float32, divided by its larger clip level; positive and negative are what is left of the levels.

    A segment of a recording that does not clip has its own peak for a level, so nothing in it is clipped.
    """

    y: Array
    positive: float
    negative: float
    sample_rate: int


def scan(
    folders: list[Path],
    shortest: int,
    clean: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    threshold: Threshold | None = None,
) -> list[Source]:
    """Every readable recording of `shortest` frames or more under `folders` (files are taken too), with its levels found.

    clean: the recordings are known not to clip, none is looked for. threshold: the levels by hand, see `levels_of`. What cannot be read
    is passed over, and so is what this program restored, which is no truth to learn from; `tell` gets a line that says why.
    """
    inside = {f for folder in folders if folder.is_dir() for f in folder.rglob("*") if f.suffix.lower() in ENDINGS}
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
        found.append(Source(path, recording.sample_rate, recording.frames, levels))
    return found


def split(sources: list[Source], share: float = 0.15) -> tuple[list[Source], list[Source]]:
    """Sources to learn from and sources held back; with fewer than four recordings each is used for both, see `draw`."""
    if len(sources) < 4:
        return sources, sources
    step = max(2, round(1 / share))
    return [s for i, s in enumerate(sources) if i % step], sources[::step]


def draw(sources: list[Source], frames: int, rng: np.random.Generator, part: Part = "whole") -> Item:
    """A random segment that is not silent, of a recording drawn by its length, from that part of it.

    What is taught and what is held back share nothing, unless a recording has not room for a segment of each.
    """
    weights = np.array([s.frames * s.levels.channels for s in sources], dtype=np.float64)
    item = None
    for _ in range(100):
        source = sources[rng.choice(len(sources), p=weights / weights.sum())]
        channel = int(rng.integers(source.levels.channels))
        border = source.frames - max(frames, int(HELD_SHARE * source.frames))
        first = border if part == "held" else 0
        last = max(0, border - frames) if part == "taught" else source.frames - frames
        start = int(rng.integers(first, last + 1))
        with soundfile.SoundFile(encoded(source.path)) as file:
            file.seek(start)
            y = file.read(frames, dtype="float32", always_2d=True)[:, channel]
        positive, negative = (level[:, channel] for level in source.levels.between(start, start + frames))
        item = _item(y, float(positive.min()), float(negative.max()), source.sample_rate)
        if np.abs(y).max(initial=0) > QUIET:
            break
    assert item is not None
    return item


def _item(y: Array, positive: float, negative: float, sample_rate: int) -> Item:
    finite = [level for level in (positive, -negative) if np.isfinite(level)]
    if not finite:
        peak = float(np.abs(y).max(initial=0)) or 1.0
        return Item((y / np.float32(peak)).astype(np.float32), 1 + 1e-6, -1 - 1e-6, sample_rate)
    scale = max(finite)
    # a level that changes within the segment is taken at its lowest there
    y = clip(y, positive, negative)
    return Item((y / np.float32(scale)).astype(np.float32), positive / scale - 1e-6, negative / scale + 1e-6, sample_rate)


def collate(items: list[Item]) -> Batch:
    """See `Batch`."""
    y = torch.from_numpy(np.stack([i.y for i in items]))[:, None]
    levels = torch.tensor([[i.positive, i.negative] for i in items], dtype=torch.float32)
    return y, levels[:, :1, None], levels[:, 1:, None], torch.tensor([float(i.sample_rate) for i in items])


def batches(
    sources: list[Source],
    frames: int,
    size: int,
    seed: int,
    first_step: int = 0,
    rank: int = 0,
    world: int = 1,
    part: Part = "whole",
) -> Iterator[Batch]:
    """Endless batches for one of `world` processes, read ahead by a thread; all processes together see `size` items a step.

    Item i of step s depends on (seed, s, i) alone: the same whether training was interrupted, and for any number of processes.
    """
    ready: queue.Queue[Batch | Exception] = queue.Queue(4)

    def fill() -> None:
        step = first_step
        while True:
            try:
                items = [draw(sources, frames, np.random.default_rng([seed, step, i]), part) for i in range(rank, size, world)]
                ready.put(collate(items))
            except Exception as error:  # handed to the consumer
                ready.put(error)
                return
            step += 1

    threading.Thread(target=fill, daemon=True).start()
    while True:
        batch = ready.get()
        if isinstance(batch, Exception):
            raise batch
        yield batch
