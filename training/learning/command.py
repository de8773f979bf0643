"""What `declipper train` does: scan the archive, hold recordings back, score, train, score again, export."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

import declipper
from declipper.clipping.levels import Threshold
from declipper.engine.session import ModelInfo, Session, shipped_model
from declipper.errors import InputError, ModelError, NothingToLearn, OutputError
from declipper.training.data.archive import Part, Source, batches, scan, split
from declipper.training.data.batches import Recorded, Share
from declipper.training.learning.fit import Reclip
from declipper.training.learning.loop import Budget, Journal, launched, learn
from declipper.training.learning.validation import Validation, held_back
from declipper.training.model.export import export, load
from declipper.training.model.kinds import Network

WINDOW = 32768
"""Frames of a segment, 0.74 s at 44.1 kHz: spectra need the length."""
HELD_BACK = 48
"""Segments to score on: as many as take a few seconds on two cores."""
EVERY = 200
"""Steps between two scores and checkpoints: a few minutes on two cores."""
MOST_COST = 0.5
"""Most CPU seconds for a second of audio that the experts of a model to be trained may take: they work anew in every step."""
LEAST_GAIN_DB = 0.05
"""A re-clip score that rises by less is not worth a new model: nobody hears it, and chance on HELD_BACK segments makes as much."""


@dataclass(frozen=True)
class Archive:
    """The recordings to learn from: files and folders. threshold: their clip levels by hand, see `declipper.pipeline.levels_of`.

    clean: others, which are taken for unclipped and are learned from as well; scores are of the clipped ones alone.
    """

    clipped: tuple[Path, ...]
    clean: tuple[Path, ...] = ()
    threshold: Threshold | None = None


@dataclass(frozen=True)
class Start:
    """Where training starts: at a model, None for the shipped `fast`, or at random weights in its shape, or where a checkpoint left off."""

    base: Path | None = None
    from_scratch: bool = False
    resume: bool = False


@dataclass(frozen=True)
class Settings:
    """How it is trained: segments of a batch, learning rate, seed of all that is random, and on what: auto, cpu or cuda."""

    batch: int = 8
    rate: float = 1e-4
    seed: int = 0
    device: str = "auto"


def train(archive: Archive, target: Path, *, start: Start, budget: Budget, settings: Settings, tell: Callable[[str], None]) -> bool:
    """Fine-tune a model on the recordings of an archive; returns whether `target` was written.

    It is written only if the re-clip score on held-back segments got better, or if training began from scratch. A checkpoint lies beside
    it until then. Raises NothingToLearn for such an archive, InputError for one that is not there, ModelError for a model that cannot be
    learned with, OutputError where `target` cannot be written.
    """
    _check(target)
    base = start.base if start.base is not None else shipped_model("fast")
    info = Session(base, "cpu").info
    if info.experts.cost > MOST_COST:
        raise ModelError(f"{base}: {info.name} sees estimates that take too long to work out in every step; start from fast or live")
    fabric = launched(settings.device)
    tell = tell if fabric.is_global_zero else _silent
    torch.manual_seed(settings.seed)
    net = load(base)
    if start.from_scratch:
        net.start()
    lessons = _lessons(archive, min(WINDOW, info.windows.window), settings.seed, tell)
    objective = Reclip(info.experts, partial(_batches, lessons, settings), lessons.validation, settings.rate, settings.seed)
    journal = Journal(target.with_suffix(".checkpoint"), EVERY, tell, start.resume)
    learned = learn(net, objective, budget=budget, journal=journal, fabric=fabric)
    before, after = learned.begun_with, learned.best_score
    tell(f"re-clip score on {len(lessons.validation)} held-back segments: {before:.2f} dB before, {after:.2f} dB after")
    if after <= before + LEAST_GAIN_DB and not start.from_scratch:
        tell(f"not better than {base.name}: {target} is not written, keep using what you have")
        return False
    if fabric.is_global_zero:
        record = {
            "base": "none" if start.from_scratch else info.name,
            "base_checksum": info.checksum[:16],
            "recordings": lessons.recordings,
            "clean_recordings": len(lessons.clean),
            "seed": settings.seed,
        }
        record |= {"reclip_before_db": round(before, 3), "reclip_after_db": round(after, 3), "declipper": declipper.__version__}
        _put(learned.best.cpu(), target, info=info, record=record)
        journal.checkpoint.unlink(missing_ok=True)
    return True


@dataclass(frozen=True)
class _Lessons:
    """What an archive holds: recordings to learn from, of each that part, clean ones as well, and segments to score on."""

    recordings: int
    taught: list[Source]
    part: Part
    clean: list[Source]
    validation: Validation
    frames: int


def _lessons(archive: Archive, frames: int, seed: int, tell: Callable[[str], None]) -> _Lessons:
    """Hold some of an archive back. Raises NothingToLearn where nothing can be."""
    sources = _clipped(archive, frames, tell)
    taught, held = split(sources)
    part: Part = "taught" if taught is held else "whole"
    clean = _clean(archive, frames, tell)
    rows = held_back(held, frames, count=HELD_BACK, seed=seed, part="held" if taught is held else "whole")
    if not rows.segments and taught is not held:  # what was held back whole is silent, or has no peaks that are known
        taught, part, rows = sources, "taught", held_back(sources, frames, count=HELD_BACK, seed=seed, part="held")
    if not rows.segments:
        first = archive.clipped[0]
        raise NothingToLearn(f"{first}: nothing that could be held back for scoring was found; give more or longer recordings")
    return _Lessons(len(sources), taught, part, clean, rows, frames)


def _batches(lessons: _Lessons, settings: Settings, first_step: int, share: Share) -> Iterator[Recorded]:
    sources, size = lessons.taught + lessons.clean, settings.batch
    return batches(sources, lessons.frames, size=size, seed=settings.seed, part=lessons.part, first_step=first_step, share=share)


def _silent(_line: str) -> None:
    """Only the first process speaks."""


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


def _clean(archive: Archive, frames: int, tell: Callable[[str], None]) -> list[Source]:
    sources = _found(archive.clean, frames, clean=True, archive=archive, tell=tell) if archive.clean else []
    if sources:
        tell(f"{len(sources)} clean recordings, {_minutes(sources):.1f} minutes")
    return sources


def _clipped(archive: Archive, frames: int, tell: Callable[[str], None]) -> list[Source]:
    sources = _found(archive.clipped, frames, clean=False, archive=archive, tell=tell)
    clipped = sum(source.levels.any for source in sources)
    tell(f"{len(sources)} recordings, {_minutes(sources):.1f} minutes, {clipped} of them clipped")
    if not clipped:
        raise NothingToLearn(
            f"{archive.clipped[0]}: none of {len(sources)} recordings is clipped, so there is nothing to adapt to; name clipped recordings"
        )
    return sources


def _minutes(sources: list[Source]) -> float:
    return sum(source.frames / source.sample_rate for source in sources) / 60


def _check(target: Path) -> None:
    """Raises OutputError where the model could not be written in the end."""
    if not target.parent.is_dir():
        raise OutputError(f"{target}: there is no folder {target.parent}; make it first")
    if target.is_dir():
        raise OutputError(f"{target}: is a folder; give the model a name in it")
    try:
        tempfile.TemporaryDirectory(prefix=".declipper-", dir=target.parent).cleanup()
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror}); choose another place with -o") from error


def _put(net: Network, target: Path, *, info: ModelInfo, record: dict[str, object]) -> None:
    """Export into a hidden folder beside `target`, then move the file into place."""
    try:
        with tempfile.TemporaryDirectory(prefix=".declipper-", dir=target.parent) as folder:
            draft = Path(folder) / target.name
            export(net, draft, experts=info.experts, windows=info.windows, training=record)
            draft.replace(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror}); choose another place with -o") from error
