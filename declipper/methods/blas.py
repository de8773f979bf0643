"""One BLAS thread for as long as the experts work.

The experts solve thousands of small equations. Linear algebra libraries share each among several threads, which makes them slower,
fifteen times in the worst case, and rounds differently. The setting belongs to the whole process, so it is made when the first thread
begins such work and given back when the last one ends it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController


@lru_cache(1)
def _controller() -> Any:
    """Knows the libraries that are loaded; looking for them takes 10 ms, so it is done once."""
    return ThreadpoolController()


class _SharedLimit:
    """The limit, and how many are under it at this moment."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._limiter: Any = None

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limiter = _controller().limit(limits=1, user_api="blas")
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limiter.restore_original_limits()


_limit = _SharedLimit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within this, BLAS works in one thread, in all threads of the process. It may be nested; it costs 20 microseconds."""
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()
