"""`fix` and `inspect` on whole archives: what is asked of them, the workers, a line for each recording, and what it came to."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from declipper.archive.addresses import folder_at
from declipper.archive.cluster import cluster
from declipper.archive.folders import Folder, LocalFolder
from declipper.archive.job import Inspecting, Outcome, Restoring, Settings, Unclipped
from declipper.archive.manifest import NAME, Manifest
from declipper.archive.plan import Plan, Rules, plan
from declipper.archive.run import Crew, Done, restore, run
from declipper.archive.tree import Item, Picking, Task, collision, items, resolved, restored_name
from declipper.errors import InputError, WorkerError
from declipper.terminal.console import SOME_FAILED, complain, outcome, print_json, printable, stdout, summary
from declipper.terminal.progress import Display, showing
from declipper.workers import IN_PROCESS, Work, Workers, pool
from declipper.workers.machine import ITSELF
from declipper.workers.pool import START_UP

T = TypeVar("T")


def archive_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--include, --exclude and --scheduler."""
    for option in (
        click.option(
            "--scheduler", metavar="ADDRESS", help="Of a dask cluster that works on folders; local makes one. declipper[cluster]."
        ),
        click.option("--exclude", multiple=True, metavar="GLOB", help="Leave these out of folders; a folder's name leaves out all in it."),
        click.option("--include", multiple=True, metavar="GLOB", help="Take only these from folders, for example '*.flac' or 'live/*'."),
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class Archive:
    """What a call names, who works on it, and what it shows.

    names: folders, files and addresses. scheduler: None for workers on this machine. memory: that those may take, None for all.
    """

    names: tuple[str, ...]
    picking: Picking
    scheduler: str | None
    jobs: int
    memory: int | None
    quiet: bool
    as_json: bool
    verbose: bool = False


@dataclass(frozen=True)
class Results:
    """Where results go. manifest: a file on this machine, None for the usual one. The rest are options of `declipper fix`."""

    output: str | None
    manifest: Path | None
    unclipped: Unclipped
    overwrite: bool
    skip_existing: bool
    retry_failed: bool

    @property
    def folder(self) -> Folder:
        """Raises UsageError where none is named, or one that cannot take what is asked for."""
        if self.output is None or self.output == "-":
            raise click.UsageError("an archive needs a folder for its results; name one with -o, which is made where it is not there")
        folder = folder_at(self.output)
        if self.unclipped == "link" and not isinstance(folder, LocalFolder):
            raise click.UsageError(f"--unclipped link: there are no links in {self.output}; use copy or skip")
        if self.manifest is None and not isinstance(folder, LocalFolder):
            raise click.UsageError(
                f"-o {self.output} cannot be appended to; name a file on this machine with --manifest, which is copied there"
            )
        return folder


def fix_archive(archive: Archive, settings: Settings, results: Results) -> None:
    """Restore all that a manifest does not call done. Exits with 1 where something failed."""
    out = results.folder
    failed = _Failures()
    chosen = _chosen(archive, settings, out, failed, copies=results.unclipped != "skip")
    checksum = settings.session().info.checksum
    work = Restoring(settings, checksum, out, results.unclipped)
    place = results.manifest or Path(out.name(NAME))
    with _kept_at(place, out), Manifest(place, tell=complain) as manifest:
        rules = Rules(
            settings.digest(checksum, results.unclipped),
            settings.suffix,
            copies=results.unclipped != "skip",
            overwrite=results.overwrite,
            skip_existing=results.skip_existing,
            retry_failed=results.retry_failed,
        )
        todo = plan(chosen, manifest.entries, out, rules)
        count: Counter[str] = Counter()
        sizes = [task.item.stamp.size for task in todo.tasks]
        with _crew(archive, todo.tasks) as crew, showing(sizes, quiet=archive.quiet) as display:

            def tell(done: Done) -> None:
                count[done.outcome.result] += 1
                display.hide()
                if done.outcome.error:
                    failed.told(done.task.item, done.outcome)
                else:
                    _tell_restored(archive, done, out, display)
                display.finished(done.task.item.stamp.size)

            whole = restore(todo.tasks, work, crew, manifest=manifest, settings=rules.settings, tell=tell)
    if not archive.quiet:
        click.echo(_total(count, todo, str(place)), err=True)
    if not whole:
        complain("stopped, since the others would fail as well; the same call goes on where this one stopped")
    if failed.any or todo.failed or not whole:
        sys.exit(SOME_FAILED)


def inspect_archive(archive: Archive, settings: Settings, results: Results | None = None) -> None:
    """Report on every recording, those that are clipped most first. results: where the restorations would go, for a dry run."""
    out = results.folder if results else None
    failed = _Failures()
    chosen = _chosen(archive, settings, out, failed, copies=results is not None and results.unclipped != "skip")
    found: list[Done] = []
    tasks = [Task(item) for item in chosen]
    sizes = [item.stamp.size for item in chosen]
    with _crew(archive, tasks) as crew, showing(sizes, quiet=archive.quiet) as display:

        def finish(ended: Sequence[Done]) -> None:
            for done in ended:
                if done.outcome.report is None:
                    failed.told(done.task.item, done.outcome)
                else:
                    found.append(done)
                display.finished(done.task.item.stamp.size)

        run(tasks, Inspecting(settings), crew, begin=lambda _: None, finish=finish)
    found.sort(key=lambda done: (-done.outcome.report.clipped_percent if done.outcome.report else 0.0, done.task.item.name))
    for done in found:
        _tell_inspected(archive, done, out.name(restored_name(done.task.item.relative, settings.suffix)) if out else None)
    if failed.any:
        sys.exit(SOME_FAILED)


class _Failures:
    """What failed, each told in a line."""

    def __init__(self) -> None:
        self.any = False

    def line(self, text: str) -> None:
        """Of what could not even be looked at."""
        self.any = True
        complain(text)

    def told(self, item: Item, outcome: Outcome) -> None:
        """Of a recording."""
        self.line(outcome.error if outcome.error.startswith(item.name) else f"{click.format_filename(item.name)}: {outcome.error}")


def _chosen(archive: Archive, settings: Settings, out: Folder | None, failed: _Failures, *, copies: bool) -> list[Item]:
    """The recordings of an archive, the longest first: workers that take one after the other then end nearest to each other.

    Raises UsageError where results would meet, InputError where there are none.
    """
    for name in archive.names:
        if out is not None and resolved(folder_at(name)) == resolved(out):
            raise click.UsageError(f"-o {name} is the folder of the recordings; choose another one, which may be in it")
    chosen = list(items(archive.names, archive.picking, out=out, tell=failed.line))
    if not chosen and failed.any:
        sys.exit(SOME_FAILED)
    if not chosen:
        names = ", ".join(archive.names)
        raise InputError(f"{names}: no recordings in there; check the name, and --include and --exclude")
    problem = collision(chosen, out, suffix=settings.suffix, copies=copies) if out else ""
    if problem:
        raise click.UsageError(problem)
    return sorted(chosen, key=lambda item: -item.stamp.size)


@contextmanager
def _crew(archive: Archive, tasks: Sequence[Task]) -> Iterator[Crew]:
    """Who works on these recordings, each of which is taken to be as much work as it is to start a worker, or more.

    A recording that is longer than an even share of them all is worked on by all workers together, so that none is idle over it.
    """
    if archive.scheduler:
        with cluster(archive.scheduler, archive.jobs) as crew:
            yield crew
        return
    share = sum(task.item.stamp.size for task in tasks) / archive.jobs
    with pool(archive.jobs, memory=archive.memory, tell=complain) as started:
        workers = started.for_work(Work(START_UP * len(tasks), ITSELF))
        together = _Together(started, workers, {task.item.name for task in tasks if task.item.stamp.size > share})
        yield Crew(together, lambda: max(1, min(2 * archive.jobs, workers.ahead)), lost=(WorkerError,))


class _Together(Executor):
    """Gives each worker one recording at a time, but those that are named to all of them: they share its windows out."""

    def __init__(self, all_of_them: Workers, workers: Workers, shared: set[str]) -> None:
        self._all, self._workers, self._shared = all_of_them, workers, shared

    def submit(self, work: Callable[..., T], /, *tasks: Any, **_: Any) -> Future[T]:
        """A future for what becomes of one task, which is done where all share it. work: see `declipper.archive.job.Work`."""
        (task,) = tasks
        if task.item.name in self._shared:
            return IN_PROCESS.submit(work, task, workers=self._all)
        return self._workers.submit(work, task)


@contextmanager
def _kept_at(manifest: Path, out: Folder) -> Iterator[None]:
    """For results in a store, fetches the manifest that another machine left there, and in the end puts a copy there, whatever happens."""
    if isinstance(out, LocalFolder):
        yield
        return
    if not manifest.exists() and out.stamp(NAME) is not None:
        with out.reading(NAME) as copy:
            shutil.copyfile(copy, manifest)
    try:
        yield
    finally:
        if manifest.exists():
            out.copy(manifest, NAME, replace=True)


def _tell_restored(archive: Archive, done: Done, out: Folder, display: Display) -> None:
    made = done.outcome
    shown = click.format_filename(out.name(made.output)) if made.output else None
    name = click.format_filename(done.task.item.name)
    if archive.as_json:
        print_json({"file": name, "result": made.result, "output": shown} | made.figures())
    elif made.fixed is not None:
        line = outcome(made, verbose=archive.verbose)
        display.say(printable(name) + (f" -> {printable(shown)}" if shown else "") + f": {line}")


def _tell_inspected(archive: Archive, done: Done, target: str | None) -> None:
    made, name = done.outcome, click.format_filename(done.task.item.name)
    if made.report is None:
        return
    becomes = target if made.report.clipped_samples else None
    dry = {"output": becomes, "dry_run": True} if target else {}
    if archive.as_json:
        print_json({"file": name} | made.figures() | dry)
    elif not (target and archive.quiet):
        notes = "".join(f"\n  note: {note}" for note in made.notes)
        line = printable(name) + (f" would become {printable(becomes)}" if becomes else "") + f": {summary(made.report)}{notes}"
        with stdout():
            click.echo(line, err=target is not None)


def _total(count: Counter[str], todo: Plan, manifest: str) -> str:
    parts = [f"{count['restored']} restored", f"{count['unclipped']} not clipped"]
    parts += [f"{n} failed" for n in (count["failed"] + count["deferred"],) if n]
    parts += [f"{todo.done} done before"] if todo.done else []
    parts += [f"{todo.failed} failed before (--retry-failed tries them again)"] if todo.failed else []
    parts += [f"{todo.existing} left out, their results exist"] if todo.existing else []
    return f"{', '.join(parts)}; declipper report {printable(click.format_filename(manifest))} tells more"
