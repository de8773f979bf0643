"""Folders on other machines and in the clouds, as fsspec reaches them: a file is fetched to be read, and put in place when it is whole."""

from __future__ import annotations

import posixpath
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from declipper.archive.folders import Folder, Stamp, Tell
from declipper.errors import DeclipperError, OutputError, StoreError

OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "swift"}
"""Protocols of stores in which a file appears when all of it has arrived, and not before, so that it needs no hidden name."""
TIMES = ("mtime", "LastModified", "updated", "last_modified", "created")
"""Under which of these names each file system of fsspec tells when a file was written last."""


@dataclass(frozen=True)
class StoreFolder:
    """A `Folder` at an address such as s3://bucket/folder; keys and endpoints are those that fsspec and the store's library find."""

    address: str

    @classmethod
    def opened(cls, address: str) -> StoreFolder:
        """The folder at an address. Raises StoreError where fsspec, or what it needs for such an address, is not installed."""
        folder = cls(address.rstrip("/"))
        try:
            with _told(address):
                folder._reached()
        except ImportError as error:
            wanted = 'pip install "declipper[cluster]"' if error.name == "fsspec" else str(error)
            raise StoreError(f"{address}: such addresses need another package; {wanted}") from error
        return folder

    def _reached(self) -> tuple[Any, str]:
        """fsspec's file system, of which it keeps one in each process, and the folder's path in it."""
        from fsspec.core import url_to_fs

        system, path = url_to_fs(self.address)
        return system, path.rstrip("/")

    def _at(self, relative: str) -> tuple[Any, str]:
        system, path = self._reached()
        return system, f"{path}/{relative}"

    def exists(self) -> bool:
        """See `Folder.exists`. Raises StoreError for a store that does not answer."""
        system, path = self._reached()
        with _told(self.address):
            system.invalidate_cache()
            return bool(system.isdir(path or "/"))

    def name(self, relative: str) -> str:
        """The address of a file in it."""
        return f"{self.address}/{relative}"

    def files(self, taken: Callable[[str], bool], *, leave: Folder | None = None, tell: Tell) -> Iterator[tuple[str, Stamp]]:
        """See `Folder.files`. Raises StoreError for a store that does not answer."""
        left = leave.address + "/" if leave is not None else None
        for relative, stamp in self._listed():
            hidden = any(part.startswith(".") for part in relative.split("/"))
            if not hidden and taken(relative) and not (left and self.name(relative).startswith(left)):
                yield relative, stamp

    def _listed(self) -> Iterator[tuple[str, Stamp]]:
        """All files below it, in order."""
        system, root = self._reached()
        with _told(self.address):
            system.invalidate_cache()
            found = system.find(root or "/", detail=True)
        for path, info in sorted(found.items()):
            relative = path.removeprefix(root).lstrip("/")
            if relative:
                yield relative, _stamp(info)

    def stamp(self, relative: str) -> Stamp | None:
        """As the store has it now. Raises StoreError for a store that does not answer."""
        system, path = self._at(relative)
        with _told(self.name(relative)):
            system.invalidate_cache()
            try:
                return _stamp(system.info(path))
            except FileNotFoundError:
                return None

    def look_up(self) -> Callable[[str], Stamp | None]:
        """From one listing. Raises StoreError for a store that does not answer."""
        return dict(self._listed()).get if self.exists() else lambda _: None

    @contextmanager
    def reading(self, relative: str) -> Iterator[Path]:
        """A temporary copy. Raises StoreError where it cannot be fetched."""
        system, path = self._at(relative)
        with tempfile.TemporaryDirectory(prefix="declipper-") as scratch:
            local = Path(scratch) / posixpath.basename(relative)
            with _told(self.name(relative)):
                system.get_file(path, str(local))
            yield local

    @contextmanager
    def writing(self, relative: str, *, replace: bool) -> Iterator[Path]:
        """A temporary file, which is sent afterwards. Raises StoreError where that fails, OutputError where something is there."""
        if not replace and self.stamp(relative) is not None:
            raise OutputError(f"{self.name(relative)}: exists; use --overwrite to replace it or -o for another name")
        with tempfile.TemporaryDirectory(prefix="declipper-") as scratch:
            local = Path(scratch) / posixpath.basename(relative)
            yield local
            if local.exists():
                self.copy(local, relative, replace=replace)

    def copy(self, source: Path, relative: str, *, replace: bool) -> None:
        """Sends it. Raises StoreError where it does not arrive, OutputError where something is there."""
        name = self.name(relative)
        if not replace and self.stamp(relative) is not None:
            raise OutputError(f"{name}: exists; use --overwrite to replace it or -o for another name")
        system, path = self._at(relative)
        protocols = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
        with _told(name):
            if protocols & OBJECT_STORES:
                system.put_file(str(source), path)
            else:
                folder, last = posixpath.split(path)
                hidden = f"{folder}/.{last[:40]}.{secrets.token_hex(8)}.declipper-part"
                system.makedirs(folder, exist_ok=True)
                try:
                    system.put_file(str(source), hidden)
                    system.mv(hidden, path)
                finally:
                    if system.exists(hidden):
                        system.rm_file(hidden)
        arrived = self.stamp(relative)
        if arrived is None or arrived.size != source.stat().st_size:
            raise StoreError(f"{name}: did not arrive whole; check the room in the store and call declipper again")


def _stamp(info: dict[str, Any]) -> Stamp:
    time = next((info[key] for key in TIMES if info.get(key) is not None), None)
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    return Stamp(int(info.get("size") or 0), time.timestamp() if isinstance(time, datetime) else time)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Whatever a store says, in one line; each has errors of its own."""
    try:
        yield
    except (DeclipperError, ImportError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:200] or "no reason given"
        raise StoreError(f"{name}: the store says {type(error).__name__}: {said}; check the address and your credentials") from error
