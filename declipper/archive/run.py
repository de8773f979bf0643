"""The loop over the recordings of an archive: so many are under way at once, however many there are in all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any

from declipper import __version__
from declipper.archive.job import Outcome, Work
from declipper.archive.manifest import Manifest, line_for
from declipper.archive.tree import Task
from declipper.errors import DeclipperError, WorkerError

LOOK = 10.0
"""Seconds after which the crew is looked at again where nothing was done: it may have no workers left."""


@dataclass(frozen=True)
class Crew:
    """Whoever does the work. at_once: how many recordings may be under way now, which may change as workers come and go; raises
    WorkerError where none is left.

    lost: the errors that mean that workers died of a recording, which is then given up. suspected: those that mean that a worker died
    which had it, and perhaps others as well: it is tried once more, with nothing else under way, and given up if a worker dies then.
    """

    executor: Executor
    at_once: Callable[[], int]
    lost: tuple[type[Exception], ...] = ()
    suspected: tuple[type[Exception], ...] = ()


@dataclass(frozen=True)
class Done:
    """A task and its outcome."""

    task: Task
    outcome: Outcome


def run(
    tasks: Iterable[Task],
    work: Work,
    crew: Crew,
    *,
    begin: Callable[[Sequence[Task]], None],
    finish: Callable[[Sequence[Done]], None],
) -> bool:
    """Work on all tasks. begin: called with those that are about to be begun; finish: with those that are done, in any order.

    Returns whether all were worked on: False where an outcome says that no other can succeed; those under way were waited for then.
    Raises WorkerError where workers cannot do such work.
    """
    waiting = iter(tasks)
    pending: dict[Future[Outcome], Task] = {}
    suspects: list[Task] = []
    alone: Task | None = None
    going_on = True
    try:
        while True:
            new = list(islice(waiting, max(0, crew.at_once() - len(pending)))) if going_on and alone is None else []
            if new:
                begin(new)
            if going_on and not pending and not new:
                alone = suspects.pop() if suspects else None
                new = [alone] if alone else []
            for task in new:
                pending[crew.executor.submit(work, task)] = task
            if not pending:
                return going_on
            ended, _ = wait(pending, timeout=LOOK, return_when=FIRST_COMPLETED)
            again = {future for future in ended if alone is None and isinstance(_error(future), crew.suspected)}
            suspects += [pending.pop(future) for future in again]
            done = [Done(pending.pop(future), _outcome(future, (*crew.lost, *crew.suspected))) for future in ended - again]
            if done:
                finish(done)
            if any(one.outcome.stop for one in done):
                going_on = False
                pending = {future: task for future, task in pending.items() if not future.cancel()}
    finally:
        for future in pending:
            future.cancel()


def _error(future: Future[Outcome]) -> BaseException | None:
    return None if future.cancelled() else future.exception()


def _outcome(future: Future[Outcome], lost: tuple[type[Exception], ...]) -> Outcome:
    try:
        return future.result()
    except lost as error:
        said = str(error) if isinstance(error, WorkerError) else "two workers died of it, as for want of memory; restore it by itself"
        return Outcome("failed", 0.0, error=said)
    except (CancelledError, DeclipperError):
        raise
    except Exception as error:  # not of the work, which ends with an outcome, but of the way there
        said = " ".join(str(error).split())[:120]
        raise WorkerError(
            f"a worker cannot do this work ({type(error).__name__}: {said}); install this version of declipper wherever work is done"
        ) from error


def restore(tasks: Iterable[Task], work: Work, crew: Crew, *, manifest: Manifest, settings: str, tell: Callable[[Done], None]) -> bool:
    """`run`, with a line in the manifest for each task that is begun and each that is done, of which `tell` hears once it is there.

    settings: their digest. Raises NoRoom where the manifest cannot be written.
    """

    def begin(begun: Sequence[Task]) -> None:
        manifest.append([line_for(task, "begun", settings=settings) for task in begun], durable=False)

    def finish(ended: Sequence[Done]) -> None:
        manifest.append([_line(done, settings) for done in ended])
        for done in ended:
            tell(done)

    return run(tasks, work, crew, begin=begin, finish=finish)


def _line(done: Done, settings: str) -> dict[str, Any]:
    made = done.outcome
    line = line_for(done.task, made.result, settings=settings, output=made.output, written=made.written)
    return line | {"declipper": __version__, "seconds": round(made.seconds, 3)} | made.figures()
