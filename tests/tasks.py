"""Tasks for worker processes, which find them here."""

from __future__ import annotations

import os
import time
from pathlib import Path

from declipper.workers import IN_PROCESS, pool


def square(number: int) -> int:
    return number * number


def late_first(number: int) -> int:
    """The first one is done last."""
    time.sleep(0.3 if number == 0 else 0.0)
    return number


def fail(text: str) -> None:
    raise ValueError(text)


def end(marker: Path | None, out_of_memory: bool = False) -> str:
    """End the worker; with a marker, only where that is not there yet."""
    if marker is not None and marker.exists():
        return "done"
    if marker is not None:
        marker.touch()
    if out_of_memory:
        raise MemoryError
    os._exit(7)


def tidy(half_written: Path) -> None:
    """Hold a file that is to be gone however this ends."""
    half_written.touch()
    try:
        while True:
            time.sleep(0.01)
    finally:
        half_written.unlink()


def threads() -> str | None:
    return os.environ.get("OPENBLAS_NUM_THREADS")


def has_workers() -> bool:
    return pool(4) is not IN_PROCESS
