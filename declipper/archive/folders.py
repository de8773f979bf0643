"""A folder on this machine: which files are in it, and how a result gets into it whole; and which folder an address stands for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from declipper.errors import FULL, NoRoom, OutputError
from declipper.files.hidden import HiddenFile, put_in_place

Tell = Callable[[str], None]
"""Called with a line for the user."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells that a file has changed: its bytes, and when it was written last, in seconds since 1970, None where nobody keeps that."""

    size: int
    mtime: float | None


class Folder(Protocol):
    """A folder, wherever it is. It may be sent to other processes. Files in it are named relative to it, with / between the parts.

    All raise StoreError where a store does not do what is asked of it, and OutputError for what cannot be written.
    """

    @property
    def address(self) -> str:
        """The folder's own name."""

    def exists(self) -> bool:
        """Whether it is there, and a folder."""

    def name(self, relative: str) -> str:
        """The whole name of a file in it."""

    def files(self, taken: Callable[[str], bool], *, leave: Folder | None = None, tell: Tell) -> Iterator[tuple[str, Stamp]]:
        """The files below it that are `taken` by their relative names, in order, but no hidden ones, and none in the folder `leave`.

        Symbolic links are followed to files below this folder, and not out of it. tell: gets a line for what cannot be looked at.
        """

    def stamp(self, relative: str) -> Stamp | None:
        """Of a file in it, None where there is none."""

    def look_up(self) -> Callable[[str], Stamp | None]:
        """A function like `stamp` for many calls, of which a store need not be asked for each; it tells what is there now."""

    def reading(self, relative: str) -> AbstractContextManager[Path]:
        """The file, as one on this machine."""

    def writing(self, relative: str, *, replace: bool) -> AbstractContextManager[Path]:
        """Where to put a whole file on this machine, which is in its place afterwards; nothing happens where none is put there."""

    def copy(self, source: Path, relative: str, *, replace: bool) -> None:
        """Puts a copy of a file on this machine into its place."""


@dataclass(frozen=True)
class LocalFolder:
    """A `Folder` on this machine, at an absolute path."""

    address: str

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.address)

    def exists(self) -> bool:
        """See `Folder.exists`."""
        return os.path.isdir(self.address)  # noqa: PTH112 - False for a name that is too long

    def name(self, relative: str) -> str:
        """The path of a file in it."""
        return os.path.join(self.address, relative.replace("/", os.sep))  # noqa: PTH118 - Path would be slow for a million names

    def files(self, taken: Callable[[str], bool], *, leave: Folder | None = None, tell: Tell) -> Iterator[tuple[str, Stamp]]:
        """See `Folder.files`. What `tell` hears of are folders that may not be read."""
        left = os.path.realpath(leave.address) if isinstance(leave, LocalFolder) else None
        real = os.path.realpath(self.address)

        def unreadable(error: OSError) -> None:
            tell(f"{error.filename}: cannot be read ({error.strerror}); check its permissions")

        for folder, folders, names in os.walk(real, onerror=unreadable):
            folders[:] = sorted(f for f in folders if not f.startswith(".") and os.path.join(folder, f) != left)  # noqa: PTH118
            for name in sorted(names):
                path = os.path.join(folder, name)  # noqa: PTH118
                relative = os.path.relpath(path, real).replace(os.sep, "/")
                if name.startswith(".") or not taken(relative):
                    continue
                link = os.path.islink(path)  # noqa: PTH114
                if not link or os.path.realpath(path).startswith(os.path.join(real, "")):  # noqa: PTH118
                    stamp = self.stamp(relative)
                    if stamp is not None:
                        yield relative, stamp

    def stamp(self, relative: str) -> Stamp | None:
        """From the file system."""
        try:
            found = os.stat(self.name(relative))  # noqa: PTH116
        except OSError:
            return None
        return Stamp(found.st_size, found.st_mtime)

    def look_up(self) -> Callable[[str], Stamp | None]:
        """`stamp` itself, which costs microseconds."""
        return self.stamp

    @contextmanager
    def reading(self, relative: str) -> Iterator[Path]:
        """The file as it is."""
        yield Path(self.name(relative))

    @contextmanager
    def writing(self, relative: str, *, replace: bool) -> Iterator[Path]:
        """Its place itself, in a folder made for it: who writes there does so whole or not at all, as `Writer` does."""
        yield self._place(relative)

    def copy(self, source: Path, relative: str, *, replace: bool) -> None:
        """With the time of its last change."""
        target = self._place(relative)
        try:
            hidden = HiddenFile(target, target.suffix)
            try:
                shutil.copyfile(source, hidden.path)
                with hidden.path.open("rb+") as file:
                    os.fsync(file.fileno())
                changed = source.stat()
                os.utime(hidden.path, ns=(changed.st_atime_ns, changed.st_mtime_ns))
                put_in_place(hidden.path, target, overwrite=replace)
            finally:
                hidden.remove()
        except OSError as error:
            raise _unwritable(target, error) from error

    def link(self, source: Path, relative: str, *, replace: bool) -> None:
        """Puts a symbolic link to a file into its place. Raises OutputError."""
        target = self._place(relative)
        try:
            if replace:
                target.unlink(missing_ok=True)
            target.symlink_to(source.resolve())
        except FileExistsError as error:
            raise OutputError(f"{target}: exists; use --overwrite to replace it or -o for another name") from error
        except OSError as error:
            raise _unwritable(target, error) from error

    def _place(self, relative: str) -> Path:
        """The path of a file, with the folders made that it is to be in."""
        path = Path(self.name(relative))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(path.parent, error) from error
        return path


def _unwritable(path: Path, error: OSError) -> OutputError:
    kind = NoRoom if error.errno in FULL else OutputError
    return kind(f"{path}: cannot be written ({error.strerror}); check the room on the disk and the permissions, or choose another folder")
