"""Files that are hidden until they are whole, locked while their program lives; what a program that was killed left is swept away."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from declipper.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed
    fcntl = None  # type: ignore[assignment]

LONGEST_STEM = 40
"""Letters of a name that its hidden file begins with: with what is added, file systems that take 255 bytes take it."""
LONG_AGO = 24 * 3600.0
"""Seconds after which a hidden file counts as left behind where there are no locks: work on one recording takes hours at most."""
NAME = re.compile(rf"\..{{0,{LONGEST_STEM}}}\.[0-9a-f]{{16}}\.declipper-part(\.\w+)?", re.DOTALL)
"""Names of hidden files."""


class HiddenFile:
    """An empty file of this program beside `target`, which gets its name later; others of its kind that nobody works on are removed.

    It has the permissions that the user gives new files. Raises OSError where it cannot be made.
    """

    def __init__(self, target: Path, suffix: str) -> None:
        """suffix: what the hidden name ends in."""
        sweep(target.parent)
        self.path = target.with_name(f".{target.stem[:LONGEST_STEM]}.{secrets.token_hex(8)}.declipper-part{suffix}")
        try:
            self._lock = self.path.open("xb", buffering=0)
            while not (_locked(self._lock, wait=True) and _same(self._lock, self.path)):  # swept away before it was locked
                self._lock.close()
                self._lock = self.path.open("xb", buffering=0)
        except OSError:
            raise
        except BaseException:
            self.path.unlink(missing_ok=True)
            raise
        if fcntl is None:
            self._lock.close()  # an open file could not get another name

    def remove(self) -> None:
        """Let go of the file, and remove it where it still has its hidden name."""
        self.path.unlink(missing_ok=True)
        self._lock.close()


def put_in_place(part: Path, target: Path, *, overwrite: bool) -> None:
    """Give a hidden file that is whole its name. Raises OutputError if that is taken and `overwrite` is off."""
    try:
        if overwrite or not _linked(part, target):
            part.replace(target)
    except FileExistsError as error:
        raise OutputError(f"{target}: exists; use --overwrite to replace it or -o for another name") from error
    except OSError as error:
        raise OutputError(f"{target}: cannot be put in place ({error.strerror}); check its name and the folder's permissions") from error


def _linked(part: Path, target: Path) -> bool:
    """Give a file a further name, which nothing else can have got meanwhile. False on a file system without hard links."""
    try:
        os.link(part, target)
    except OSError:
        if os.path.lexists(target):
            raise
        return False
    return True


@contextmanager
def whole(target: Path, *, what: str, overwrite: bool) -> Iterator[Path]:
    """A hidden file to be written, which becomes `target` where no exception comes. what: it is, for the error.

    Raises OutputError where it cannot be written.
    """
    try:
        hidden = HiddenFile(target, target.suffix)
        try:
            yield hidden.path
            put_in_place(hidden.path, target, overwrite=overwrite)
        finally:
            hidden.remove()
    except OSError as error:
        raise OutputError(f"{target}: {what} cannot be written ({error.strerror}); choose another name") from error


def sweep(folder: Path) -> None:
    """Remove the hidden files in a folder that belong to no living program; quietly leaves what cannot be looked at."""
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            if NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_if_left(Path(entry.path))


def _remove_if_left(path: Path) -> None:
    with suppress(OSError):
        if fcntl is None:  # whoever works on it may have closed it for a moment
            if time.time() - path.stat().st_mtime > LONG_AGO:
                path.unlink()
            return
        with path.open("r+b", buffering=0) as file:
            if _locked(file, wait=False):
                path.unlink()


def _locked(file: FileIO, *, wait: bool) -> bool:
    """Lock a file. Where its file system, or the system, has no locks, True for who waits, since nobody else can have one either."""
    if fcntl is None:
        return wait
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return wait
    return True


def _same(file: FileIO, path: Path) -> bool:
    """Whether an open file still has this name."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False
