"""The signals that end the program: the first one ends the work, those that follow do no harm."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""They may reach every process of the program, as Ctrl-C does; the first process answers, and tells the others when to stop."""
INTERRUPTED = 130
"""Exit code of what Ctrl-C ended, by the custom of shells 128 and the number of the signal."""


class Interrupted(KeyboardInterrupt):
    """A signal came that ends the program.

    Of a plain KeyboardInterrupt Python remembers that it passed through code run from C, as in the initialisation of an extension module,
    and then ends the process by SIGINT whatever exit code it was given.
    """


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, the first of `STOPPING` raises Interrupted, which ends the program with one line; afterwards they are ignored.

    A second one must not break off the removal of what is half written, nor, later on, the end of the interpreter. While Python code may
    still have to answer to one that came already, a handler that does nothing stands in for SIG_IGN, which Python would complain about.
    """
    over = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal over
        if not over:
            over = True
            raise Interrupted

    try:
        for number in STOPPING:
            if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:  # nohup has a hangup ignored
                signal.signal(number, stop)
        yield
    except KeyboardInterrupt:
        print("declipper: interrupted; nothing half written is left", file=sys.stderr, flush=True)
        raise SystemExit(INTERRUPTED) from None
    finally:
        over = True
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)


def open_standard_streams() -> None:
    """Give every standard stream that is closed a place to go to, or the next file that is opened would get its number, and its text."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - to the end of the program
