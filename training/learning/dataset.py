"""What an archive gives to learn from and to be judged by: its recordings, some of them held back, and pairs drawn from them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from declipper.clipping.levels import Threshold
from declipper.engine.experts import ExpertSet
from declipper.errors import InputError, NothingToLearn
from declipper.training.data.archive import Item, Part, Source, draw, scan, split
from declipper.training.data.prepare import CUTS, Cut
from declipper.training.learning.reclipping import Overload, Pair, PairMaker

BLIND = 32768
"""Frames of a segment for a model without experts, 0.74 s at 44.1 kHz."""
HELD_BACK = 48
"""Segments to score on: the mean over them is sure to a tenth of a decibel, and its difference between two models to less."""
TOGETHER = 32
"""Pairs that are made together: enough to see how they are damaged, and few enough to stop between them when the time is up."""
CLEAN_SHARE = 0.8
"""Share of the pairs that come from clean recordings, where there are any: their whole truth is known. Chosen by hand."""
FRUITLESS = 5
"""So many draws of TOGETHER segments without one that teaches anything, and there is nothing to learn from."""


@dataclass(frozen=True)
class Archive:
    """The recordings to learn from: files and folders. threshold: their clip levels by hand, see `declipper.pipeline.levels_of`.

    clean: others, which are taken for unclipped and are learned from as well; scores are of the clipped ones alone.
    """

    clipped: tuple[Path, ...]
    clean: tuple[Path, ...] = ()
    threshold: Threshold | None = None

    @property
    def name(self) -> Path:
        """What messages call it by."""
        return self.clipped[0]


@dataclass(frozen=True)
class Dataset:
    """The recordings of an archive. taught: to learn from, of each that part. held: to score on, likewise. clean: to learn from as well."""

    name: Path
    recordings: int
    taught: list[Source]
    taught_part: Part
    held: list[Source]
    held_part: Part
    clean: list[Source]
    cut: Cut

    def to_learn(self, rng: np.random.Generator) -> Item:
        """A random segment to learn from."""
        if self.clean and rng.random() < CLEAN_SHARE:
            return draw(self.clean, self.cut.frames, rng=rng, margin=self.cut.margin)
        return draw(self.taught, self.cut.frames, rng=rng, part=self.taught_part, margin=self.cut.margin)

    def to_score(self, rng: np.random.Generator) -> Item:
        """A random segment to score on."""
        return draw(self.held, self.cut.frames, rng=rng, part=self.held_part, margin=self.cut.margin)


@dataclass(frozen=True)
class HeldOut:
    """Pairs that were held back, and how the archive is clipped."""

    pairs: list[Pair]
    overload: Overload


def cut_for(experts: ExpertSet) -> Cut:
    """How pairs are cut for a model that sees these experts."""
    return CUTS.get(experts.name, Cut(experts, BLIND, 0))


def dataset_of(archive: Archive, cut: Cut, tell: Callable[[str], None]) -> Dataset:
    """Find the recordings of an archive and hold some back. Raises NothingToLearn where there is nothing to adapt to."""
    sources = _found(archive.clipped, cut.frames, clean=False, archive=archive, tell=tell)
    clipped = sum(source.levels.any for source in sources)
    tell(f"{len(sources)} recordings, {_minutes(sources):.1f} minutes, {clipped} of them clipped")
    if not clipped:
        raise NothingToLearn(
            f"{archive.name}: none of {len(sources)} recordings is clipped, so there is nothing to adapt to; name clipped recordings"
        )
    clean = _found(archive.clean, cut.frames, clean=True, archive=archive, tell=tell) if archive.clean else []
    if clean:
        tell(f"{len(clean)} clean recordings, {_minutes(clean):.1f} minutes")
    taught, held = split(sources)
    parts: tuple[Part, Part] = ("taught", "held") if taught is held else ("whole", "whole")
    return Dataset(archive.name, len(sources), taught, parts[0], held, parts[1], clean, cut)


def held_back(dataset: Dataset, maker: PairMaker, *, seed: int) -> HeldOut:
    """Pairs to score on. Raises NothingToLearn where none could be made."""
    rng = np.random.default_rng([seed, 1])
    segments = maker.seen([dataset.to_score(rng) for _ in range(HELD_BACK)])
    overload = Overload.of(segments)
    if not overload.damages:  # what was held back is clipped nowhere
        overload = Overload.of(maker.seen([dataset.to_learn(rng) for _ in range(HELD_BACK)]))
    pairs = [pair for pair in maker.pairs(segments, overload, rng) if pair.weights.any()] if overload.damages else []
    if not pairs:
        raise NothingToLearn(f"{dataset.name}: nothing that could be held back for scoring was found; give more or longer recordings")
    return HeldOut(pairs, overload)


def pairs_of(dataset: Dataset, maker: PairMaker, *, like: Overload, seed: int, rank: int) -> Iterator[list[Pair]]:
    """Endless pairs to learn from, TOGETHER at a time. Raises NothingToLearn where they teach nothing."""
    fruitless = 0
    for index in itertools.count():
        rng = np.random.default_rng([seed, 2, rank, index])
        made = maker.pairs(maker.seen([dataset.to_learn(rng) for _ in range(TOGETHER)]), like, rng)
        fruitless = 0 if made else fruitless + 1
        if fruitless == FRUITLESS:
            raise NothingToLearn(f"{dataset.name}: nothing found that is loud enough to be clipped further; give more recordings")
        yield made


def _found(paths: tuple[Path, ...], frames: int, *, clean: bool, archive: Archive, tell: Callable[[str], None]) -> list[Source]:
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise InputError(f"{missing[0]}: no such file or folder; check the name")
    sources = scan(list(paths), frames, clean=clean, tell=tell, threshold=None if clean else archive.threshold)
    if not sources:
        raise NothingToLearn(
            f"{paths[0]}: no recording found that could be read; name a folder with audio files of {frames} samples or more"
        )
    return sources


def _minutes(sources: list[Source]) -> float:
    return sum(source.frames / source.sample_rate for source in sources) / 60
