"""One worker process, as the process that started it sees it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from typing import Any

from declipper.errors import WorkerError
from declipper.workers.messages import receive, send
from declipper.workers.worker import GRACE, OUT_OF_MEMORY

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")
"""What keeps linear algebra in one thread: the cores are shared by processes already, and each further thread costs memory."""
INSIDE = "DECLIPPER_WORKER"
"""The environment variable that says of a process that it is a worker: workers have none of their own."""
PROGRAM = "import sys; sys.path[:] = {path!r}; from declipper.workers.worker import main; main()"
"""What a worker runs: it finds the same packages."""
OWN_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""On Windows, keeps Ctrl-C from the worker; elsewhere the pool's threads hold signals off, and a worker inherits that."""


def can_start() -> bool:
    """Whether this process can have workers: not a worker itself, and none that has its interpreter within another program."""
    return bool(sys.executable) and not getattr(sys, "frozen", False) and INSIDE not in os.environ


class WorkerEnded(Exception):
    """A worker process ended in the middle of a task; the text says how."""


class WorkerProcess:
    """A process that does tasks one by one, for one thread at a time."""

    def __init__(self) -> None:
        """Start it. Raises WorkerError where the system does not let it."""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM.format(path=[str(entry) for entry in sys.path])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | ONE_THREAD | {INSIDE: "1"},
                creationflags=OWN_GROUP,
            )
        except OSError as error:
            raise WorkerError(f"a worker process cannot be started ({error.strerror}); use fewer jobs, with -j") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._tasks, self._outcomes = self._process.stdin, self._process.stdout

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def call(self, task: bytes) -> Any:
        """The result of a pickled task, or the exception that it raises. Raises WorkerEnded where the process did not live to tell it."""
        try:
            send(self._tasks, task)
            outcome = receive(self._outcomes)
        except (EOFError, OSError, ValueError) as error:  # ValueError: another thread has closed the pipe
            self.end()
            raise WorkerEnded(self._how()) from error
        went_well, result = pickle.loads(outcome)
        if went_well:
            return result
        raise result

    def close(self) -> None:
        """Let it end: what it is doing is interrupted. Does not wait for that."""
        with suppress(OSError):
            self._tasks.close()

    def end(self) -> None:
        """Wait until it has ended; it has GRACE seconds to do so by itself."""
        self.close()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        """Close what is left of a process that has ended."""
        self._outcomes.close()

    def _how(self) -> str:
        """How it ended, as the end of a sentence."""
        code = self._process.returncode
        if code == OUT_OF_MEMORY:
            return "ran out of memory"
        if code is not None and code < 0:
            return f"was killed (signal {-code})"
        return f"ended with exit code {code}"
