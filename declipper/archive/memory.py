"""Memory between two recordings of an archive."""

from __future__ import annotations

import ctypes
import gc
import sys


def release() -> None:
    """Give back what the last recording has left, so that thousands of them take no more memory than one.

    That is objects which refer to each other, and what the C library keeps of what was freed. What is there after the first recording,
    packages and the network above all, stays for good, and is not looked at again.
    """
    gc.collect()
    if not gc.get_freeze_count():
        gc.freeze()
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):  # the GNU C library's
        library.malloc_trim(0)
