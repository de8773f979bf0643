"""What `declipper train` does: scan the archive, hold recordings back, score, train, score again, export."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

import declipper
from declipper.engine.session import ModelInfo, Session, shipped_model
from declipper.errors import ModelError, OutputError
from declipper.pipeline import Progress, silent
from declipper.training.data.archive import batches
from declipper.training.data.prepare import Cut
from declipper.training.learning.dataset import HELD_BACK, Archive, Dataset, cut_for, dataset_of, held_back
from declipper.training.learning.finetuning import LEAST_GAIN_DB, FineTuning, Settings, advice, pairs_wanted
from declipper.training.learning.fit import Reclip
from declipper.training.learning.loop import Budget, Journal, Learned, launched, learn
from declipper.training.learning.reclipping import PairMaker, score
from declipper.training.model.export import export, load
from declipper.training.model.kinds import Network
from declipper.workers.machine import ITSELF, cores
from declipper.workers.pool import Work, pool

EVERY = 250
"""Steps between two scores and checkpoints: a minute of one core, of which the score takes 3 seconds."""
MOST_COST = 0.5
"""Most CPU seconds for a second of audio that the experts of a model may take that is trained from random weights: they work anew in every
step."""


@dataclass(frozen=True)
class Reports:
    """Who hears how far training is: `tell` gets lines for a person, `progress` the step, and how much of it is done."""

    tell: Callable[[str], None]
    progress: Progress = silent


@dataclass(frozen=True)
class Start:
    """Where training starts: at a model, None for the shipped `fast`, or at random weights in its shape, or where a checkpoint left off."""

    base: Path | None = None
    from_scratch: bool = False
    resume: bool = False


def train(
    archive: Archive,
    target: Path,
    *,
    start: Start,
    budget: Budget,
    settings: Settings,
    reports: Reports,
    watch: Callable[[nn.Module, float], None] | None = None,
) -> bool:
    """Fine-tune a model on the recordings of an archive; returns whether `target` was written.

    It is written only if the score on held-back segments got better, or if training began from scratch. A checkpoint lies beside
    it until then. watch: is told of each network that is judged on the way, and of its score. Raises NothingToLearn for such an archive,
    InputError for one that is not there, ModelError for a model that cannot be learned with, OutputError where `target` cannot be written.
    """
    begun = budget.clock()
    _check(target)
    base = start.base if start.base is not None else shipped_model("fast")
    info = Session(base, "cpu").info
    if start.from_scratch and info.experts.cost > MOST_COST:
        raise ModelError(f"{base}: {info.name} sees estimates that take too long to work out in every step; start from fast or live")
    fabric = launched(settings.device)
    reports = reports if fabric.is_global_zero else Reports(lambda _: None)  # only the first process speaks
    tell = reports.tell
    torch.manual_seed(settings.seed)
    dataset = dataset_of(archive, cut_for(info.experts), tell)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".declipper-", dir=target.parent)))
        work = _work(dataset.cut, HELD_BACK + (0 if start.from_scratch else pairs_wanted(budget, settings)))
        workers = stack.enter_context(pool(settings.jobs or cores(), tell=tell)).for_work(work)
        maker = PairMaker(info.experts, fabric.to_device(load(base)), workers)
        journal = Journal(target.with_suffix(".checkpoint"), EVERY, tell, start.resume, log := folder / "log.jsonl", reports.progress)
        held = held_back(dataset, maker, seed=settings.seed)

        def judge(net: nn.Module) -> float:
            figure = score(net, held.pairs)
            if watch is not None:
                watch(net, figure)
            return figure

        if start.from_scratch:
            learned = _from_scratch(held.dataset, maker, judge, settings=settings, budget=budget, journal=journal, fabric=fabric)
        else:
            learned = FineTuning(held, judge, settings, folder, fabric, begun).run(maker, budget, journal)
        advised = advice(log, learned.begun_with)
    before, after = learned.begun_with, learned.best_score
    gained, sure = max(0.0, after - before), held.sure_gain(maker.base, learned.best)
    told = f"{held.score_name} on {len(held.pairs)} held-back segments" + (" of the clean recordings" if dataset.clean else "")
    tell(f"{told}: {before:.2f} dB before, {after:.2f} dB after, {gained:.2f} dB gained")
    if start.from_scratch:
        tell(f"{base.name} itself restores them by {score(maker.base, held.pairs):.2f} dB")
    elif sure <= LEAST_GAIN_DB:
        surely = "surely " if gained > LEAST_GAIN_DB else ""
        tell(f"not {surely}better than {base.name} on these recordings: {target} is not written, keep using what you have")
        return False
    tell("the new model is for recordings like these: the same voice or instruments, clipped alike; for others it may be worse")
    if not held.known:
        tell("the highest peaks are lost in all of them, and the score guesses them: listen before and after, or give --clean ones")
    tell(advised)
    if fabric.is_global_zero:
        record = {
            "base": "none" if start.from_scratch else info.name,
            "base_checksum": info.checksum[:16],
            "recordings": dataset.clipped.recordings,
            "clean_recordings": dataset.clean.recordings if dataset.clean else 0,
            "seed": settings.seed,
            "score": held.score_name,
        }
        record |= {"score_before_db": round(before, 3), "score_after_db": round(after, 3), "declipper": declipper.__version__}
        _put(learned.best.cpu(), target, info=info, record=record)
        journal.checkpoint.unlink(missing_ok=True)
    return True


def _from_scratch(
    dataset: Dataset,
    maker: PairMaker,
    judge: Callable[[nn.Module], float],
    *,
    settings: Settings,
    budget: Budget,
    journal: Journal,
    fabric: Fabric,
) -> Learned[Network]:
    """Train random weights by the paper's own objective."""
    net = copy.deepcopy(maker.base)
    net.start()
    recordings = partial(batches, dataset.taught, dataset.cut.frames, size=settings.batch, seed=settings.seed)
    objective = Reclip(maker.experts, recordings, judge, settings.rate, settings.seed)
    return learn(net, objective, budget=budget, journal=journal, fabric=fabric)


def _work(cut: Cut, count: int) -> Work:
    """Working out the estimates of so many pairs."""
    return Work(2 * count * cut.experts.cost * (cut.frames + 2 * cut.margin) / 44100, ITSELF)


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
