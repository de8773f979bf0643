"""Single keys from the terminal, without waiting and without Enter; nothing where standard input is no terminal."""

from __future__ import annotations

import os
import select
import sys
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
        if termios is not None and sys.stdin is not None and sys.stdin.isatty():
            self._kept = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._kept is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._kept)

    @property
    def listening(self) -> bool:
        """Whether there is a terminal to listen to."""
        return self._kept is not None

    def pressed(self) -> str:
        """The keys pressed since the last call."""
        keys = ""
        while self._kept is not None and select.select([sys.stdin], [], [], 0)[0]:
            piece = os.read(sys.stdin.fileno(), 64)
            if not piece:  # the terminal is gone
                break
            keys += piece.decode("ascii", "ignore")
        return keys
