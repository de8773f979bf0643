"""What `declipper train` does: scan the archive, hold recordings back, score, train, score again, export."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import distributed

import declipper
from declipper.clipping.levels import Threshold
from declipper.engine.session import ModelInfo, Session, shipped_model
from declipper.errors import DeclipperError, InputError, ModelError, NothingToLearn, OutputError
from declipper.training.data.archive import Part, Source, batches, scan, split
from declipper.training.judging.score import validation
from declipper.training.learning.fit import fit
from declipper.training.model.export import export, load
from declipper.training.model.network import UNet

WINDOW = 32768
"""Frames of a segment: spectra need the length."""
HELD_BACK = 48
EVERY = 200
"""Steps between two scores and checkpoints."""
MOST_COST = 0.5
"""Most CPU seconds for a second of audio that the experts of a model to be trained may take: they work anew in every step."""
LEAST_GAIN_DB = 0.05
"""A re-clip score that rises by less is not worth a new model."""


def train(
    archive: list[Path],
    target: Path,
    clean: list[Path],
    base: Path | None,
    from_scratch: bool,
    steps: int | None,
    minutes: float | None,
    batch: int,
    rate: float,
    seed: int,
    device: str,
    resume: bool,
    tell: Callable[[str], None],
    threshold: Threshold | None = None,
    keep: bool = True,
) -> bool:
    """Fine-tune the model `base` (None: the shipped one) on the recordings of `archive`; returns whether `target` was written.

    Recordings under `clean` are taken for unclipped, and learned from as well. Scores are of the archive alone.
    It is written only if the re-clip score on held-back segments got better, or if training began from scratch. threshold: the clip
    levels by hand, see `levels_of`. keep: whether Ctrl-C keeps what was learned until then. Raises NothingToLearn for such an archive,
    InputError for one that is not there, OutputError where `target` cannot be written.
    """
    _check(target)
    start = base if base is not None else shipped_model("fast")
    info = Session(start, "cpu").info
    if info.experts.cost > MOST_COST:
        raise ModelError(f"{start}: {info.name} sees estimates that take too long to work out in every step; start from fast or live")
    fabric = launched(device)
    tell = tell if fabric.is_global_zero else _silent
    torch.manual_seed(seed)
    net = load(start)
    if from_scratch:
        net.start()
    frames = min(WINDOW, info.windows.window)
    sources = _usable(archive, frames, threshold, tell)
    teaching, held = split(sources)
    part: Part = "taught" if teaching is held else "whole"
    unclipped = _clean(clean, frames, tell)
    rows = validation(held, frames, HELD_BACK, seed, "held" if teaching is held else "whole")
    if not rows and teaching is not held:  # what was held back whole is silent, or has no peaks that are known
        teaching, part, rows = sources, "taught", validation(sources, frames, HELD_BACK, seed, "held")
    if not rows:
        raise NothingToLearn(f"{archive[0]}: nothing that could be held back for scoring was found; give more or longer recordings")
    data = partial(_open, teaching + unclipped, frames, batch, seed, part)
    checkpoint = target.with_suffix(".checkpoint")
    trained, score, before = fit(net, info.experts, data, rows, fabric, checkpoint, steps, minutes, rate, seed, EVERY, resume, tell, keep)
    better = score > before + LEAST_GAIN_DB
    tell(f"re-clip score on {len(rows)} held-back segments: {before:.2f} dB before, {score:.2f} dB after")
    if not better and not from_scratch:
        tell(f"not better than {start.name}: {target} is not written, keep using what you have")
        return False
    if fabric.is_global_zero:
        record = {
            "base": "none" if from_scratch else info.name,
            "base_checksum": info.checksum[:16],
            "recordings": len(sources),
            "clean_recordings": len(unclipped),
            "seed": seed,
        }
        record |= {"reclip_before_db": round(before, 3), "reclip_after_db": round(score, 3), "declipper": declipper.__version__}
        _put(trained, target, info, record)
        checkpoint.unlink(missing_ok=True)
    return True


def launched(device: str) -> Fabric:
    """One process, or one of those that torchrun or `fabric run` started. Raises DeclipperError for a device that is not there.

    In float32: with bfloat16, a network that weighs nearly exact estimates loses more than a decibel. The processes part before Python
    ends: a thread of theirs that still runs then aborts it (https://github.com/pytorch/pytorch/issues/190489).
    """
    local, world = (int(os.environ.get(name, 1)) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    strategy = "ddp" if world > 1 else "auto"
    try:
        fabric = Fabric(accelerator=device, devices=local, num_nodes=world // local, strategy=strategy)
    except (RuntimeError, ValueError) as error:
        raise DeclipperError(f"--device {device} cannot be used ({' '.join(str(error).split())}); use --device cpu") from error
    fabric.launch()
    if distributed.is_initialized():
        atexit.register(distributed.destroy_process_group)
    return fabric


def _silent(_line: str) -> None:
    """Only the first process speaks."""


def _open(sources: list[Source], frames: int, batch: int, seed: int, part: Part, first: int, rank: int, world: int) -> object:
    return batches(sources, frames, batch, seed, first, rank, world, part)


def _found(paths: list[Path], clean: bool, frames: int, tell: Callable[[str], None], threshold: Threshold | None = None) -> list[Source]:
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise InputError(f"{missing[0]}: no such file or folder; check the name")
    sources = scan(paths, frames, clean, tell, threshold)
    if not sources:
        raise NothingToLearn(
            f"{paths[0]}: no recording found that could be read; name a folder with audio files of {frames} samples or more"
        )
    return sources


def _clean(clean: list[Path], frames: int, tell: Callable[[str], None]) -> list[Source]:
    sources = _found(clean, True, frames, tell) if clean else []
    if sources:
        tell(f"{len(sources)} clean recordings, {sum(s.frames / s.sample_rate for s in sources) / 60:.1f} minutes")
    return sources


def _usable(archive: list[Path], frames: int, threshold: Threshold | None, tell: Callable[[str], None]) -> list[Source]:
    sources = _found(archive, False, frames, tell, threshold)
    clipped = sum(source.levels.any for source in sources)
    seconds = sum(source.frames / source.sample_rate for source in sources)
    tell(f"{len(sources)} recordings, {seconds / 60:.1f} minutes, {clipped} of them clipped")
    if not clipped:
        raise NothingToLearn(
            f"{archive[0]}: none of {len(sources)} recordings is clipped, so there is nothing to adapt to; name clipped recordings"
        )
    return sources


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


def _put(net: UNet, target: Path, info: ModelInfo, record: dict[str, object]) -> None:
    """Export into a hidden folder beside `target`, then move the file into place."""
    try:
        with tempfile.TemporaryDirectory(prefix=".declipper-", dir=target.parent) as folder:
            draft = Path(folder) / target.name
            export(net, draft, experts=info.experts, windows=info.windows, training=record)
            draft.replace(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror}); choose another place with -o") from error
