"""Workers of a dask cluster (distributed): one that runs somewhere, reached at its scheduler's address, or one made here."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

from declipper.archive.run import Crew
from declipper.errors import WorkerError

P = ParamSpec("P")
T = TypeVar("T")

LOCAL = "local"
"""In place of an address: a cluster of this machine's processes, for as long as the run takes."""
KEPT = 50
"""Messages that dask keeps for those who look for its errors, a thousand otherwise, and as many kilobytes and more."""
PATIENCE = 10.0
"""Seconds for the scheduler to answer, and for a first worker to be there."""
CENSUS = 2.0
"""Seconds between two looks at how many workers there are."""
ABSENCE = 60.0
"""Seconds without any worker after which none is expected to come back."""
DEATHS = 0
"""Deaths of a worker that dask forgives a recording: none, since it counts them for all that the worker had, and what had a part in one is
tried again by itself. A scheduler elsewhere has a setting of its own: distributed.scheduler.allowed-failures."""


@contextmanager
def cluster(address: str, jobs: int) -> Iterator[Crew]:
    """The workers of the scheduler at `address`, or, for LOCAL, `jobs` processes.

    Raises WorkerError where dask is not installed, the scheduler does not answer or has no workers, or is lost during the run.
    """
    try:
        dask: Any = import_module("dask")
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise WorkerError('--scheduler needs dask; pip install "declipper[cluster]"') from error
    settings = {
        "distributed.scheduler.allowed-failures": DEATHS,
        "distributed.logging.distributed": "critical",
        "distributed.admin.low-level-log-length": KEPT,
    }
    with ExitStack() as stack:
        stack.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.CRITICAL)  # dask would tell the death of a worker in many lines
        stack.enter_context(dask.config.set(settings))
        try:
            if address == LOCAL:
                scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="declipper-"))
                made = distributed.LocalCluster(
                    n_workers=jobs, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL, local_directory=scratch
                )
                address = stack.enter_context(made).scheduler_address
            client = stack.enter_context(_connected(distributed.Client, address))
        except Exception as error:  # dask raises many types for an address that it cannot use
            raise WorkerError(
                f"{address}: no scheduler answers there ({_said(error)}); check the address, or start dask scheduler"
            ) from error
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise WorkerError(f"{address}: the scheduler has no workers; start some with: dask worker {address}") from error
        try:
            yield Crew(_Tasks(client), _AtOnce(client), suspected=(distributed.scheduler.KilledWorker,))
        except (distributed.CancelledError, distributed.comm.CommClosedError) as error:
            raise WorkerError(f"{address}: the scheduler was lost; the same call goes on where this one stopped") from error


def _connected(client_type: Any, address: str) -> Any:
    """A dask client of the scheduler at `address`.

    One that cannot connect is closed at once. Dask leaves that to the garbage collector, and a collection that falls into the start of
    another client waits for ever for a lock that its own thread holds.
    """
    client = client_type.__new__(client_type)
    try:
        client.__init__(address, timeout=PATIENCE, set_as_default=False)
    except BaseException:
        client.close()
        client._loop_runner.stop()  # the thread of its loop, which dask leaves running where connecting failed
        raise
    return client


class _Tasks(Executor):
    """Sends functions to the workers of a dask client.

    Dask's own executor leaves a future undone for ever where its result cannot be fetched: where the worker dies that has it, and a second
    one in making it again.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A future for the result of `function`, which runs in a worker."""
        future: Future[T] = Future()
        task = self._client.submit(function, *args, pure=False, **kwargs)
        task.add_done_callback(lambda done: _settle(future, done))
        future.add_done_callback(lambda done: task.cancel() if done.cancelled() else None)
        return future


def _settle(future: Future[T], task: Any) -> None:
    """Have a future end as a task of dask has ended."""
    if task.cancelled():
        future.cancel()
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(task.result())
    except BaseException as error:
        future.set_exception(error)


class _AtOnce:
    """How many recordings may be under way: one for each thread of the workers that are there, counted every CENSUS seconds.

    No more, since all that wait at a worker are suspected if it dies.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._counted = float("-inf")
        self._threads = 1
        self._seen = time.monotonic()

    def __call__(self) -> int:
        if time.monotonic() - self._counted > CENSUS:
            self._threads = max(1, found := self._client.scheduler_info(n_workers=0)["total_threads"])
            self._counted = time.monotonic()
            self._seen = self._counted if found else self._seen
            if self._counted - self._seen > ABSENCE:
                raise WorkerError("the scheduler has no workers any more; the same call goes on where this one stopped")
        return self._threads


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
