"""What runs in a worker process: it takes one task after another from its standard input and writes what came of each to its output.

The pipe that tasks come through is also what ties the worker to the process that started it. When that process closes it, or is no more,
for whatever reason, the task under way is interrupted, so that it can remove what it has half written, and the worker ends.
"""

from __future__ import annotations

import _thread
import errno
import os
import pickle
import signal
import threading
import time
import traceback
from queue import SimpleQueue
from typing import IO, Any

from declipper.workers.messages import receive, send

GRACE = 5.0
"""Seconds that a task may take to end once it is interrupted; calls into libraries, which cannot be interrupted, take a second at most."""
OUT_OF_MEMORY = errno.ENOMEM
"""Exit code of a worker whose memory did not suffice: a fresh one may have better luck."""


def main() -> None:
    """Work until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what `interrupt_main` calls; real signals do not reach a worker
    incoming, outgoing = _pipes()
    tasks: SimpleQueue[bytes | None] = SimpleQueue()
    try:
        threading.Thread(target=_listen, args=(incoming, tasks), daemon=True).start()
        while (task := tasks.get()) is not None:
            send(outgoing, _outcome(task))
    except (KeyboardInterrupt, BrokenPipeError):
        pass


def _pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and output for messages alone: what libraries print goes to standard error.

    Without buffers, whose locks a thread that still reads would hold as the interpreter ends.
    """
    incoming, outgoing = (os.fdopen(os.dup(number), mode, buffering=0) for number, mode in ((0, "rb"), (1, "wb")))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return incoming, outgoing


def _listen(incoming: IO[bytes], tasks: SimpleQueue[bytes | None]) -> None:
    """Hand the tasks on as they come; at their end interrupt the one under way."""
    try:
        while True:
            tasks.put(receive(incoming))
    except (EOFError, OSError):
        _thread.interrupt_main()
        tasks.put(None)
        time.sleep(GRACE)
        os._exit(1)


def _outcome(task: bytes) -> bytes:
    """Whether the task went well, and its result or the exception that it ended with."""
    try:
        function, args, kwargs = pickle.loads(task)
        return pickle.dumps((True, function(*args, **kwargs)), pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception as error:
        return pickle.dumps((False, _portable(error)), pickle.HIGHEST_PROTOCOL)


def _portable(error: Exception) -> Any:
    """The same exception, with its traceback in words, or one that says as much where it cannot be sent."""
    error.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
