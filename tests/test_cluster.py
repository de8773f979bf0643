"""Archives on a dask cluster: so many recordings under way, workers that die, a scheduler that is not there; and any other workers."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, clipped, write_audio

from declipper.archive.cluster import cluster
from declipper.archive.folders import LocalFolder, Stamp
from declipper.archive.job import Outcome
from declipper.archive.run import Crew, Done, run
from declipper.archive.tree import Item, Task
from declipper.errors import WorkerError


def tasks(names: Sequence[str]) -> list[Task]:
    return [Task(Item(LocalFolder("/archive"), name, Stamp(0, None))) for name in names]


def outcomes(work: Callable[[Task], Outcome], crew: Crew, names: Sequence[str]) -> dict[str, Outcome]:
    """What `run` makes of recordings of these names."""
    ended: list[Done] = []
    run(tasks(names), work, crew, begin=lambda _: None, finish=ended.extend)
    assert len(ended) == len(names)
    return {done.task.item.relative: done.outcome for done in ended}


@dataclass
class Watched(Executor):
    """Counts how many futures are not done, and how many recordings were begun and not told of as done."""

    pool: Executor
    under_way: int = 0
    most: int = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        return self.pool.submit(fn, *args, **kwargs)

    def finished(self, done: Sequence[Done]) -> None:
        self.under_way -= len(done)


def test_no_more_are_under_way_than_may_be_and_none_is_lost() -> None:
    bounds = iter([3, 3, 5, 1, 1, 1] + 1000 * [4])
    with ThreadPoolExecutor(4) as pool:
        watched = Watched(pool)
        ended: list[Done] = []

        def finish(done: Sequence[Done]) -> None:
            watched.finished(done)
            ended.extend(done)

        names = [str(number) for number in range(300)]
        crew = Crew(watched, lambda: next(bounds))
        assert run(tasks(names), lambda task: Outcome("restored", 0.0), crew, begin=lambda _: None, finish=finish)
    assert watched.most <= 5
    assert sorted(done.task.item.relative for done in ended) == sorted(names)


def test_what_would_fail_with_all_others_ends_the_run() -> None:
    begun: list[Task] = []
    ended: list[Done] = []

    def work(task: Task) -> Outcome:
        return Outcome("deferred", 0.0, error="full", stop=task.item.relative == "5")

    with ThreadPoolExecutor(1) as pool:
        crew = Crew(pool, lambda: 2)
        assert not run(tasks([str(number) for number in range(100)]), work, crew, begin=begun.extend, finish=ended.extend)
    assert 6 <= len(begun) <= 8
    assert len(ended) <= len(begun)


def test_workers_without_declipper_are_told() -> None:
    def missing(task: Task) -> Outcome:
        raise ModuleNotFoundError("No module named 'declipper'")

    with ThreadPoolExecutor(1) as pool, pytest.raises(WorkerError, match=r"No module named 'declipper'.*install this version"):
        outcomes(missing, Crew(pool, lambda: 1), ["a"])


class Untold:
    """What cannot be read in another process than that which made it."""

    def __reduce__(self) -> tuple[Callable[[int], Untold], tuple[int]]:
        return _told, (os.getpid(),)


def _told(process: int) -> Untold:
    if os.getpid() != process:
        raise AttributeError("of another version")
    return Untold()


def untold() -> Untold:
    return Untold()


@dataclass(frozen=True)
class Mortal:
    """Work of which workers die: of "poison" always, of "heavy" the first time. folder: keeps a mark for each death."""

    folder: Path

    def __call__(self, task: Task) -> Outcome:
        name = task.item.relative
        deaths = len(list(self.folder.glob(f"{name}*")))
        if name == "poison" or (name == "heavy" and not deaths):
            (self.folder / f"{name}{deaths}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome("restored", 0.0)


class WorkerDied(Exception):
    """Stands for what a scheduler says of all that a worker had when it died."""


@dataclass
class Shared(Executor):
    """Works on two recordings at once in one place, which dies of "poison", and takes the other with it. tried: how often each was."""

    tried: Counter[str] = field(default_factory=Counter)
    waiting: list[tuple[Future[Any], Callable[..., Any], Task]] = field(default_factory=list)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, fn, *args))
        return future

    def at_once(self) -> int:
        return 2

    def work(self) -> None:
        """Do what waits."""
        dies = any(task.item.relative == "poison" for _, _, task in self.waiting)
        for future, fn, task in self.waiting:
            self.tried[task.item.relative] += 1
            if dies:
                future.set_exception(WorkerDied())
            else:
                future.set_result(fn(task))
        self.waiting.clear()


def test_what_was_in_a_worker_that_died_of_another_recording_is_tried_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Shared()

    def waited(pending: Iterable[Future[Any]], **_: Any) -> tuple[set[Future[Any]], set[Future[Any]]]:
        place.work()
        return set(pending), set()

    monkeypatch.setattr("declipper.archive.run.wait", waited)
    crew = Crew(place, place.at_once, suspected=(WorkerDied,))
    ended = outcomes(lambda _: Outcome("restored", 0.0), crew, ["first", "second", "poison", "innocent", "last"])
    assert {name for name, outcome in ended.items() if outcome.result == "failed"} == {"poison"}
    assert place.tried == {"first": 1, "second": 1, "poison": 2, "innocent": 2, "last": 1}


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of two workers."""
    dask = pytest.importorskip("dask", reason="dask is not installed; pip install 'declipper[cluster]'")
    distributed = pytest.importorskip("distributed", reason="dask is not installed; pip install 'declipper[cluster]'")
    scratch = tmp_path_factory.mktemp("dask")
    settings = {"distributed.scheduler.allowed-failures": 0, "distributed.logging.distributed": "critical"}
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50, local_directory=scratch
        ) as made,
    ):
        yield made.scheduler_address


@pytest.mark.slow
def test_results_are_those_of_one_process(run: Run, tiny_model: Path, tmp_path: Path, scheduler: str) -> None:
    for number in range(4):
        write_audio(tmp_path / f"in{number}.wav", clipped(2000, 1, seed=number))
    (tmp_path / "bad.wav").write_bytes(b"nonsense")
    options = ("--include", "*.wav", "--model", tiny_model, "--threshold", "-6.03", "-q")
    alone = run("fix", tmp_path, "-o", tmp_path / "alone", "-j", "1", *options)
    spread = run("fix", tmp_path, "-o", tmp_path / "spread", "--exclude", "alone", "--scheduler", scheduler, *options)
    assert alone.code == spread.code == 1
    assert alone.error_line == spread.error_line
    for number in range(4):
        made = [tmp_path / folder / f"in{number}.declipped.wav" for folder in ("alone", "spread")]
        assert made[0].read_bytes() == made[1].read_bytes()


@pytest.mark.slow
def test_a_worker_that_dies_costs_a_second_try_and_two_give_the_recording_up(tmp_path: Path, scheduler: str) -> None:
    names = [str(number) for number in range(20)]
    with cluster(scheduler, 2) as crew:
        assert crew.at_once() == 2
        ended = outcomes(Mortal(tmp_path), crew, ["heavy", *names[:10], "poison", *names[10:]])
    failed = {name for name, outcome in ended.items() if outcome.result == "failed"}
    assert "poison" in failed
    assert "heavy" not in failed
    assert "two workers died of it" in ended["poison"].error
    assert failed <= {"poison"}
    assert len(list(tmp_path.glob("poison*"))) == 2
    assert len(list(tmp_path.glob("heavy*"))) == 1


@pytest.mark.slow
def test_a_result_that_cannot_be_fetched_is_an_error_and_no_wait_without_end(scheduler: str) -> None:
    with cluster(scheduler, 2) as crew:
        with pytest.raises(AttributeError, match="of another version"):
            crew.executor.submit(untold).result(timeout=120)
        assert crew.executor.submit(len, "whole").result(timeout=120) == 5


def test_a_scheduler_that_is_not_there_is_told(run: Run, song: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="dask is not installed; pip install 'declipper[cluster]'")
    monkeypatch.setattr("declipper.archive.cluster.PATIENCE", 0.5)
    before = threading.enumerate()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    outcome = run("fix", song, "-o", song.parent / "out", "--model", tiny_model, "--scheduler", address)
    assert outcome.code == 1
    assert f"{address}: no scheduler answers there" in outcome.error_line
    for odd in "nonsense", "tcp://no such host:1":
        assert f"{odd}: no scheduler answers there" in run("inspect", song, "--scheduler", odd).error_line
    assert not [thread for thread in threading.enumerate() if thread.name == "IO loop" and thread not in before]


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "dask", None)
    with pytest.raises(WorkerError, match=r"declipper\[cluster\]"), cluster("local", 1):
        pass
