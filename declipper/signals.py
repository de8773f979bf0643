"""The signals that end the program: the first one ends the work, those that follow do no harm."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))
"""They may reach every process of the program, as Ctrl-C does; the first process answers, and tells the others when to stop. SIGBREAK is
Windows' own: Ctrl-Break, and all that reaches a program that was started in a group of its own."""
AGAIN = 0.02
"""Seconds after which a signal that came during an import is looked at again."""
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

    An import is waited for, on systems that have timers: an extension module that is being initialised may lose an exception, or make
    another one of it.
    """
    over, has_timer = False, hasattr(signal, "setitimer")

    def stop(_number: int, frame: FrameType | None) -> None:
        nonlocal over
        if over:
            return
        if has_timer and _is_importing(frame):
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
            return
        over = True
        raise Interrupted

    try:
        if has_timer:
            signal.signal(signal.SIGALRM, stop)
        for number in STOPPING:
            if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:  # nohup has a hangup ignored
                signal.signal(number, stop)
        yield
    except KeyboardInterrupt:
        print("declipper: interrupted; nothing half written is left", file=sys.stderr, flush=True)
        raise SystemExit(INTERRUPTED) from None
    finally:
        over = True
        for number in (*STOPPING, *((signal.SIGALRM,) if has_timer else ())):
            signal.signal(number, signal.SIG_IGN)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def open_standard_streams() -> None:
    """Give every standard stream that is closed a place to go to, or the next file that is opened would get its number, and its text.

    What the encoding of standard output lacks, as that of a Windows console may, is written as in Python, for example \\u65e5.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - to the end of the program
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.encoding.lower().replace("-", "") != "utf8":
        sys.stdout.reconfigure(errors="backslashreplace")
