"""What an archive gives to learn from and to be judged by: its recordings, some of them held back, and pairs drawn from them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from declipper.clipping.levels import Threshold
from declipper.engine.experts import ExpertSet
from declipper.errors import InputError, NothingToLearn
from declipper.training.data.archive import Item, Source, Split, draw, scan, split, to_clip
from declipper.training.data.prepare import CUTS, Cut
from declipper.training.learning.pairs import Pair
from declipper.training.learning.reclipping import Damage, Overload, PairMaker, Seen, gains_db, sure_gain

BLIND = 32768
"""Frames of a segment for a model without experts, 0.74 s at 44.1 kHz."""
HELD_BACK = 48
"""Segments to score on: the mean over them is sure to a tenth of a decibel, and its difference between two models to less."""
TOGETHER = 32
"""Pairs that are made together: enough to see how they are damaged, and few enough to stop between them when the time is up."""
SHORTEST = 0.25
"""Of a segment: shorter recordings are left out. What is shorter than a segment is followed by silence, which teaches nothing."""
CLEAN_SHARE = 0.8
"""Share of the pairs that come from clean recordings, where there are any: their whole truth is known. Chosen by hand."""
FRUITLESS = 5
"""So many draws of TOGETHER segments without one that teaches anything, and there is nothing to learn from."""


@dataclass(frozen=True)
class Archive:
    """The recordings to learn from: files and folders. threshold: their clip levels by hand, see `declipper.pipeline.levels_of`.

    Those among them in which no clipping is found teach nothing: it may have been missed, and what was cut off would pass for truth. clean:
    others of the same sounds, which are known to be unclipped. Where there are any, most is learned from them, and scores are theirs.
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
    """The clipped recordings of an archive, the clean ones, None where there are none, and how segments of them are cut."""

    name: Path
    clipped: Split
    clean: Split | None
    cut: Cut

    @property
    def taught(self) -> list[Source]:
        """All that may be learned from."""
        return self.clipped.taught + (self.clean.taught if self.clean else [])

    def to_learn(self, rng: np.random.Generator) -> Item:
        """A random segment to learn from."""
        chosen = self.clean if self.clean and rng.random() < CLEAN_SHARE else self.clipped
        return self.drawn(chosen.taught, rng)

    def clipping(self, damages: tuple[Damage, ...], rng: np.random.Generator) -> Dataset:
        """The same, each clean recording to be clipped as some recording of the archive is: at one pair of levels, as heavily."""
        if not self.clean:
            return self

        def each(sources: list[Source]) -> list[Source]:
            chosen = [damages[index] for index in rng.integers(len(damages), size=len(sources))]
            return [to_clip(source, damage.input_sdr, damage.levels) for source, damage in zip(sources, chosen, strict=True)]

        return replace(self, clean=Split(self.clean.recordings, each(self.clean.taught), each(self.clean.held)))

    def drawn(self, sources: list[Source], rng: np.random.Generator) -> Item:
        """A random segment of some of its recordings."""
        return draw(sources, self.cut.frames, rng=rng, margin=self.cut.margin)


@dataclass(frozen=True)
class HeldOut:
    """Pairs that were held back, how the archive is clipped, and its recordings, with levels for the clean ones."""

    pairs: list[Pair]
    overload: Overload
    dataset: Dataset

    @property
    def known(self) -> bool:
        """Whether all of their truth is known, as of clean recordings."""
        return all(pair.whole for pair in self.pairs)

    def sure_gain(self, base: nn.Module, net: nn.Module) -> float:
        """What is sure of the gain in dB of one network over another."""
        return sure_gain(gains_db(base, self.pairs), gains_db(net, self.pairs))

    @property
    def score_name(self) -> str:
        """What the score on them is."""
        return "dSDR" if self.known else "re-clip score"


def cut_for(experts: ExpertSet) -> Cut:
    """How pairs are cut for a model that sees these experts."""
    return CUTS.get(experts.name, Cut(experts, BLIND, 0))


def dataset_of(archive: Archive, cut: Cut, tell: Callable[[str], None]) -> Dataset:
    """Find the recordings of an archive and hold some back. Raises NothingToLearn where there is nothing to adapt to."""
    sources = _found(archive.clipped, cut.frames, clean=False, archive=archive, tell=tell)
    clipped = [source for source in sources if source.levels.any]
    tell(f"{len(sources)} recordings, {len(clipped)} of them clipped, {_minutes(clipped):.1f} minutes of those")
    if not clipped:
        raise NothingToLearn(
            f"{archive.name}: none of {len(sources)} recordings is clipped, so there is nothing to adapt to; name clipped recordings"
        )
    clean = _found(archive.clean, cut.frames, clean=True, archive=archive, tell=tell) if archive.clean else []
    if clean:
        tell(f"{len(clean)} clean recordings, {_minutes(clean):.1f} minutes")
    return Dataset(archive.name, split(clipped, cut.frames), split(clean, cut.frames) if clean else None, cut)


def held_back(dataset: Dataset, maker: PairMaker, *, seed: int) -> HeldOut:
    """Pairs to score on, from clean recordings where there are any. Raises NothingToLearn where none could be made."""
    rng = np.random.default_rng([seed, 1])
    nothing = NothingToLearn(f"{dataset.name}: nothing that could be held back for scoring was found; give more or longer recordings")

    def seen(sources: list[Source]) -> list[Seen]:
        """As many segments of each recording."""
        order = rng.permutation(len(sources))
        return maker.seen([dataset.drawn([sources[order[index % len(order)]]], rng) for index in range(HELD_BACK)])

    segments = seen(dataset.clipped.held)
    overload = Overload.of(segments)
    if not overload.damages:  # what was held back is clipped nowhere
        overload = Overload.of(seen(dataset.clipped.taught))
    if not overload.damages:
        raise nothing
    dataset = dataset.clipping(overload.recordings, rng)
    if dataset.clean:
        segments = seen(dataset.clean.held)
    pairs = [pair for pair in maker.pairs(segments, overload, rng) if pair.weights.any()]
    if not pairs:
        raise nothing
    return HeldOut(pairs, overload, dataset)


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
    shortest = round(SHORTEST * frames)
    sources = scan(list(paths), shortest, clean=clean, tell=tell, threshold=None if clean else archive.threshold)
    if not sources:
        raise NothingToLearn(
            f"{paths[0]}: no recording found that could be read; name a folder with audio files of {shortest} samples or more"
        )
    return sources


def _minutes(sources: list[Source]) -> float:
    return sum(source.frames / source.sample_rate for source in sources) / 60
