"""An executor whose tasks run in worker processes, for work that is longer than it takes to start them."""

from __future__ import annotations

import pickle
import signal
import warnings
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import LifoQueue
from threading import Lock
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from declipper.errors import WorkerError
from declipper.signals import STOPPING
from declipper.workers.machine import free_memory, jobs_within
from declipper.workers.process import WorkerEnded, WorkerProcess, can_start

P = ParamSpec("P")
T = TypeVar("T")

START_UP = 1.0
"""Seconds of work that a worker must have to be worth its start: loading packages and model takes half of that
(`declipper.training.judging.cores`)."""
AHEAD = 8
"""Tasks for each worker that are worth having under way: enough to go on with while the one that is next in order takes long, and while
most windows need no work (`declipper.training.judging.cores` shows what it brings)."""


@dataclass(frozen=True)
class Work:
    """How much there is to do. seconds: CPU time of all tasks, by an estimate; memory: bytes that one worker takes for them at most."""

    seconds: float
    memory: int


class Workers(Executor):
    """Where tasks are done: in this process, or in others."""

    ahead: int = 0
    """Tasks that are worth having under way at once; 0 where they are done one by one as they are submitted."""

    @abstractmethod
    def for_work(self, work: Work) -> Workers:
        """Who is best to do this: these, or this process itself where the work is shorter than starting workers, or memory is short."""


class InProcess(Workers):
    """Does each task at once, in this process and thread."""

    def for_work(self, work: Work) -> Workers:
        """This process."""
        return self

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A future that is done."""
        future: Future[T] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


IN_PROCESS = InProcess()


def pool(jobs: int, *, memory: int | None = None, tell: Callable[[str], None] | None = None) -> Workers:
    """An executor that does up to so many tasks at once, each in a worker process.

    One job alone is done in this process, and so is everything where it cannot start others: in a worker, and in a program that has the
    interpreter built in.

    memory: bytes that all of it may take; None asks the system what is free. tell: shows a line for each worker that died; None warns.
    Raises ValueError for no jobs. Use it as a context manager: the workers are started when they are needed, and ended on leaving.

    >>> with pool(4) as workers:
    ...     futures = [workers.submit(restore, file) for file in files]
    """
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more, got {jobs}")
    return IN_PROCESS if jobs == 1 or not can_start() else _Pool(jobs, free_memory() if memory is None else memory, tell or _warn)


class _Pool(Workers):
    """Worker processes, each with a thread of this process that hands it one task after another.

    Functions, arguments and results have to be picklable, and functions to be found in a module, not in the script that runs. What a task
    raises is raised by `Future.result`. The work of a worker that died is done again, once, in a fresh one; if that dies as well, the
    result is a WorkerError. Ctrl-C and its like reach this process alone. On leaving a `with` block by an exception, such as Interrupted,
    tasks under way are interrupted, by a KeyboardInterrupt, and have GRACE seconds to tidy up; so they are when this process is killed.
    """

    def __init__(self, jobs: int, memory: int, tell: Callable[[str], None]) -> None:
        self._jobs, self._memory, self._tell = jobs, memory, tell
        self._threads = ThreadPoolExecutor(jobs, "declipper-worker", initializer=leave_signals_to_others)
        # a place for each worker that there may be, None before it is started; those that run are taken first
        self._places: LifoQueue[WorkerProcess | None] = LifoQueue()
        self._open = 0
        self._alive: set[WorkerProcess] = set()
        self._lock = Lock()
        self._ended = False

    @property
    def ahead(self) -> int:  # type: ignore[override]
        """Tasks that are worth having under way at once."""
        return AHEAD * (self._open or self._jobs)

    def for_work(self, work: Work) -> Workers:
        """These workers, as many as have enough to do and room. Not to be called while tasks are under way."""
        useful = max(self._open, int(work.seconds / START_UP))
        jobs = min(jobs_within(self._memory, self._jobs, each=work.memory), useful)
        if jobs < 2:
            return IN_PROCESS
        self._resize(jobs)
        return self

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A future for the result of `function`, which runs in a worker process."""
        if not self._open:
            self._resize(self._jobs)
        return self._threads.submit(self._call, function, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers: when all is done, or with `cancel_futures` at once, by interrupting what is under way. It always waits."""
        try:
            if not cancel_futures:
                self._threads.shutdown()
        finally:
            self._ended = True
            with self._lock:
                ending = list(self._alive)
            for worker in ending:
                worker.close()
            for worker in ending:
                worker.end()
            self._threads.shutdown(cancel_futures=True)
            for worker in ending:
                worker.forget()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.shutdown(cancel_futures=kind is not None)

    def _resize(self, jobs: int) -> None:
        """Have so many places; workers that are too many are ended."""
        running = [worker for worker in (self._places.get() for _ in range(self._open)) if worker is not None]
        for worker in running[jobs:]:
            worker.end()
            self._drop(worker)
        for place in [*[None] * (jobs - len(running)), *running[:jobs]]:
            self._places.put(place)
        self._open = jobs

    def _call(self, function: Callable[..., T], args: Any, kwargs: Any) -> T:
        """Do a task in a worker that is idle, and again in a fresh one where it dies."""
        task = pickle.dumps((function, args, kwargs), pickle.HIGHEST_PROTOCOL)
        worker = self._places.get()
        try:
            for tries_left in (1, 0):
                worker = worker or self._started()
                try:
                    result: T = worker.call(task)
                except WorkerEnded as ended:
                    said = f"worker process {worker.pid} {ended}"
                    self._drop(worker)
                    worker = None
                    if self._ended:
                        raise CancelledError from ended
                    if not tries_left:
                        raise WorkerError(
                            f"{said}, as one before it did over the same work; with a smaller -j there is more memory"
                        ) from ended
                    self._tell(f"{said}; its work is done again")
                else:
                    return result
            raise AssertionError
        finally:
            self._places.put(worker)

    def _started(self) -> WorkerProcess:
        with self._lock:
            if self._ended:
                raise CancelledError
            worker = WorkerProcess()
            self._alive.add(worker)
        return worker

    def _drop(self, worker: WorkerProcess) -> None:
        with self._lock:
            self._alive.discard(worker)
        worker.forget()


def _warn(line: str) -> None:
    warnings.warn(line, RuntimeWarning, stacklevel=2)


def leave_signals_to_others() -> None:
    """Hold off in this thread, and in the processes that it starts, the signals that end the program."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
