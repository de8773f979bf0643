"""Workers on this machine: this process for one at a time, or processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from declipper.archive.run import Crew
from declipper.errors import WorkerError
from declipper.signals import STOPPING

T = TypeVar("T")


class _Here(Executor):
    """Does everything at once, in this thread."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@contextmanager
def pool(jobs: int) -> Iterator[Crew]:
    """`jobs` workers. Raises WorkerError where one of several died. On leaving early, what they are at is broken off."""
    if jobs == 1:
        yield Crew(_Here(), lambda: 1)
        return
    executor = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield Crew(executor, lambda: 2 * jobs)
    except BrokenProcessPool as error:
        raise WorkerError("a worker died, as for want of memory; call declipper again, with a smaller -j") from error
    except BaseException:
        for process in list(executor._processes.values()):
            process.terminate()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """In a worker: the first process alone answers to Ctrl-C; a worker ends with it, and breaks its work off when told to."""

    def stop(_number: int, _frame: object) -> None:
        raise SystemExit

    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
