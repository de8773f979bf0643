"""The recordings under way: each has a folder, and a worker process while something is done with it; both go when its tab is closed."""

from __future__ import annotations

import json
import pickle
import secrets
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from declipper.errors import DeclipperError
from declipper.web.work import PROGRESS, RECORDING
from declipper.workers.pool import leave_signals_to_others
from declipper.workers.process import WorkerEnded, WorkerProcess

MOST_JOBS = 16
"""Recordings at once: with the bound on each, the disk is bounded."""
FORGOTTEN = 180.0
"""Seconds without a word from its tab after which a job goes. A tab asks twice a second, and once a minute when it is in the background."""
LONGEST_NAME = 120
"""Letters of a name that are shown: file systems take 255 bytes."""

State = Literal["receiving", "inspecting", "inspected", "restoring", "restored", "failed"]


class TooMany(Exception):
    """There are MOST_JOBS already."""


@dataclass(eq=False)
class Job:
    """One recording. result: of the last thing that was done; error: one line; seen: when its tab was last heard of."""

    folder: Path
    name: str
    state: State = "receiving"
    result: Any = None
    error: str = ""
    key: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    seen: float = field(default_factory=time.monotonic)
    worker: WorkerProcess | None = None
    removed: bool = False

    @property
    def recording(self) -> Path:
        """Where the upload goes."""
        return self.folder / RECORDING

    @property
    def busy(self) -> bool:
        """Whether anything is being done with it."""
        return self.state in ("receiving", "inspecting", "restoring")

    @property
    def restored_name(self) -> str:
        """What its restoration is called for the user."""
        return f"{Path(self.name).stem}.declipped.wav"

    def progress(self) -> dict[str, Any]:
        """How far the work is: the step, and the share of it that is done; empty before it begins, and where Windows just replaces it."""
        try:
            return dict(json.loads((self.folder / PROGRESS).read_text()))
        except (FileNotFoundError, PermissionError):
            return {}


def shown_name(name: str) -> str:
    """A name as it is shown: its last part, what can be printed of it, and not all of a long one."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if letter.isprintable())[:LONGEST_NAME].strip() or "recording"


class Jobs:
    """All recordings under way, in folders below one."""

    def __init__(self, root: Path, workers: int) -> None:
        """workers: how many processes work at once; what comes on top waits."""
        self._root = root
        self._jobs: dict[str, Job] = {}
        self._idle: list[WorkerProcess] = []
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(workers, "declipper-job", initializer=leave_signals_to_others)

    def new(self, name: str) -> Job:
        """A job with an empty folder. Raises TooMany."""
        with self._lock:
            if len(self._jobs) >= MOST_JOBS:
                raise TooMany
            job = Job(self._root / secrets.token_hex(8), shown_name(name))
            job.folder.mkdir()
            self._jobs[job.key] = job
        return job

    def find(self, key: str) -> Job | None:
        """The job of that key, of which its tab was just heard."""
        job = self._jobs.get(key)
        if job is not None:
            job.seen = time.monotonic()
        return job

    def start(self, job: Job, doing: State, done: State, function: Callable[..., Any], *args: Any) -> None:
        """Have a worker process do something with a job: `doing` and `done` are its states meanwhile and afterwards."""
        job.state, job.error = doing, ""
        (job.folder / PROGRESS).unlink(missing_ok=True)
        self._threads.submit(self._run, job, done, pickle.dumps((function, args, {})))

    def _run(self, job: Job, done: State, task: bytes) -> None:
        """In a thread: the work, and what came of it."""
        try:
            job.result = self._called(job, task)
            job.state = done
        except WorkerEnded as error:
            job.error = f"{job.name}: the process that worked on it {error}"
        except DeclipperError as error:
            job.error = str(error)
        except Exception as error:  # whatever it was, its tab must be told
            job.error = f"{job.name}: failed unexpectedly ({type(error).__name__}: {error}); please report this"
        if job.error:
            job.state = "failed"
        if job.removed:
            self._clear(job)

    def _called(self, job: Job, task: bytes) -> Any:
        """What a worker process makes of a task: one that is idle, or a new one. Raises what the task raises, and WorkerEnded."""
        with self._lock:
            if job.removed:
                return None
            worker = job.worker = self._idle.pop() if self._idle else WorkerProcess()
        lives = True
        try:
            return worker.call(task)
        except WorkerEnded:
            lives = False
            raise
        finally:
            with self._lock:
                job.worker = None
                lives = lives and not job.removed  # a job that is removed has closed its worker
                if lives:
                    self._idle.append(worker)
            if not lives:
                worker.end()
                worker.forget()

    def remove(self, job: Job) -> None:
        """Have no more of a job: what is being done is interrupted, and its folder goes."""
        with self._lock:
            job.removed = True
            self._jobs.pop(job.key, None)
            worker = job.worker
        if worker is None:
            self._clear(job)
        else:
            worker.close()

    def _clear(self, job: Job) -> None:
        shutil.rmtree(job.folder, ignore_errors=True)

    def forget_closed(self) -> None:
        """Remove the jobs whose tabs have not been heard of."""
        now = time.monotonic()
        for job in list(self._jobs.values()):
            if now - job.seen > FORGOTTEN and job.state != "receiving":
                self.remove(job)

    def close(self) -> None:
        """Remove all jobs, and wait until nothing works any more."""
        for job in list(self._jobs.values()):
            self.remove(job)
        self._threads.shutdown(cancel_futures=True)
        for worker in self._idle:
            worker.end()
            worker.forget()
