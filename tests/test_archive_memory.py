"""Memory between two recordings of an archive."""

from __future__ import annotations

import gc
import weakref

import psutil
import pytest

from declipper.archive.memory import release


class Buffer:
    """What refers to itself, and so waits for the garbage collector."""

    def __init__(self) -> None:
        self.itself = self
        self.bytes = bytearray(1 << 20)


def test_what_refers_to_itself_is_freed():
    gc.disable()
    try:
        left = weakref.ref(Buffer())
        assert left() is not None
        release()
        assert left() is None
    finally:
        gc.enable()
        gc.unfreeze()


@pytest.mark.skipif(not psutil.LINUX, reason="only the GNU C library keeps what was freed, and can be asked for it")
def test_what_was_freed_goes_back_to_the_system():
    small = [bytes(1000) for _ in range(200_000)]  # from the heap, and not, like what is large, mapped for itself
    last = bytes(1000)  # keeps the end of the heap
    process = psutil.Process()
    full = process.memory_info().rss
    del small
    release()
    gc.unfreeze()
    assert full - process.memory_info().rss > 100e6
    assert last
