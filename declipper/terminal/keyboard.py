"""Single keys from the terminal, without waiting and without Enter; nothing where no terminal is being watched."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any

try:
    import termios
    import tty
except ImportError:  # Windows has neither
    termios = tty = None  # type: ignore[assignment]


class Keyboard:
    """Use as a context manager: the terminal is set back on leaving."""

    def __enter__(self) -> Keyboard:
        self._kept: list[Any] | None = None
        self._terminal = _terminal() if termios is not None else None
        if self._terminal is not None:
            self._kept = termios.tcgetattr(self._terminal)
            tty.setcbreak(self._terminal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._terminal is not None and self._kept is not None:
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._kept)
            os.close(self._terminal)

    @property
    def listening(self) -> bool:
        """Whether there is a terminal to listen to."""
        return self._kept is not None

    def pressed(self) -> str:
        """The keys pressed since the last call."""
        keys = ""
        while self._terminal is not None and select.select([self._terminal], [], [], 0)[0]:
            piece = os.read(self._terminal, 64)
            if not piece:  # the terminal is gone
                break
            keys += piece.decode("ascii", "ignore")
        return keys


def _terminal() -> int | None:
    """Standard input; where that is a pipe and standard error a terminal, this terminal, unless it has another program in front."""
    if sys.stdin is not None and sys.stdin.isatty():
        number = sys.stdin.fileno()
        with suppress(OSError):  # no terminal that could stop us
            if os.tcgetpgrp(number) != os.getpgrp():
                return None
        return os.dup(number)
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        return None
    try:
        # a program before the pipe may read keys itself, and will set the terminal back
        free = os.tcgetpgrp(terminal) == os.getpgrp() and bool(termios.tcgetattr(terminal)[3] & termios.ICANON)
    except (OSError, termios.error):
        free = False
    if free:
        return terminal
    os.close(terminal)
    return None
