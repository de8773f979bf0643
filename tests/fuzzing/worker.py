"""A process that works on mutants one after another, with limits: its death, its silence and its hunger are outcomes like any other."""

from __future__ import annotations

import faulthandler
import importlib
import multiprocessing
import os
import re
import resource
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from .job import Job, Outcome, place

ROOM = 3 << 29
"""Bytes of address space that a worker gets on top of what it has after its imports: 1.5 GiB."""
LARGEST = 1 << 30
"""Bytes of memory that work on a file of less than 1 MB may take."""
PATIENCE = 20.0
"""Seconds of the processor that one mutant may take."""
LATE = 400.0
"""Seconds of the clock: many more, since others may be at work too."""
QUIET = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
"""Environment in which the same mutant takes the same memory."""
PAUSE = 0.2
FRAME = re.compile(r'File "([^"]*)", line \d+ in (\S+)')
"""A line of the traces of faulthandler, which begin with the innermost."""

Attempt = Callable[[Job], Outcome]


def environment(home: Path) -> dict[str, str]:
    """What a process is told, in which whatever it leaves in the user's folders or the temporary one can be seen."""
    folders = {"HOME": home, "XDG_CACHE_HOME": home / ".cache", "XDG_CONFIG_HOME": home / ".config", "TMPDIR": home}
    return os.environ | QUIET | {key: str(folder) for key, folder in folders.items()}


class Worker:
    """Runs an attempt in a process of its own, and begins a new one where that was lost."""

    def __init__(self, attempt: Attempt, home: Path, patience: float = PATIENCE) -> None:
        """attempt: a function of a module; home: a folder for what it leaves behind, see `environment`; patience: as `PATIENCE`."""
        self._named = attempt.__module__, attempt.__name__
        self._home = home
        self._trace = home.with_suffix(".trace")
        self._patience = patience
        self._process: multiprocessing.process.BaseProcess | None = None

    def run(self, job: Job) -> Outcome:
        """The outcome, whatever happens to the process."""
        if self._process is None:
            self._begin()
        assert self._process is not None
        started, begun = time.monotonic(), self._seconds()
        try:
            self._pipe.send(job)
            while not self._pipe.poll(PAUSE):
                if self._seconds() - begun > self._patience or time.monotonic() - started > LATE:
                    return self._hung()
            outcome, peak = self._pipe.recv()
        except (EOFError, ConnectionError):
            return self._crashed()
        if not outcome.failed and peak > LARGEST:
            return Outcome("memory", f"more than {LARGEST >> 20} MiB resident")
        return outcome if isinstance(outcome, Outcome) else Outcome("unexpected", str(outcome))

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._named, self._home, self._trace), daemon=True)
        self._process.start()
        theirs.close()
        if not self._pipe.poll(LATE):
            raise TimeoutError("the worker does not begin")
        self._pipe.recv()

    def _seconds(self) -> float:
        """Of the processor, that the process has used; 0 for one that is gone."""
        assert self._process is not None
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _hung(self) -> Outcome:
        assert self._process is not None
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGUSR1)
        time.sleep(5 * PAUSE)
        self.close()
        return Outcome("hang", self._where())

    def _crashed(self) -> Outcome:
        assert self._process is not None
        self._process.join(LATE)
        code = self._process.exitcode
        self.close()
        return Outcome("crash", f"{signal.Signals(-code).name if code and code < 0 else f'exit {code}'} {self._where()}".strip())

    def _where(self) -> str:
        """Where the process was, from the trace that it left."""
        frames = FRAME.findall(self._trace.read_text())
        return f"in {place(frames)}" if frames else ""


def _serve(pipe: Connection, named: tuple[str, str], home: Path, trace: Path) -> None:
    """The process: takes jobs, gives outcomes and the peak of its memory in bytes."""
    os.environ.update(environment(home))
    attempt: Attempt = getattr(importlib.import_module(named[0]), named[1])
    with trace.open("w") as traces, Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)  # decoders complain there
        faulthandler.enable(traces, all_threads=True)
        faulthandler.register(signal.SIGUSR1, traces, all_threads=True)
        limit = _memory("VmSize") + ROOM
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        pipe.send("ready")
        while True:
            try:
                job = pipe.recv()
            except EOFError:
                return
            Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
            pipe.send((attempt(job), _memory("VmHWM")))


def _memory(name: str) -> int:
    """Bytes of this process, as the kernel counts them under this name."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) << 10
