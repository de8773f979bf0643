"""The manifest of an archive: a file of lines, JSON each, that tells what became of every recording, and so where a run has to go on.

Before a recording is worked on, a line says so ("begun"); when it is done, a line says how it ended, and is on the disk before anything
else is begun. The last line on a recording holds. So a run may end at any moment, and only what was under way is done again.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Literal, get_args

from declipper.archive.folders import Stamp, Tell
from declipper.archive.tree import Task
from declipper.errors import InputError, NoRoom, OutputError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

VERSION = 1
"""Of the lines: raised whenever a reader of the old ones would misunderstand the new."""
NAME = "declipper.jsonl"
"""What the manifest in the folder of the results is called."""
Result = Literal["begun", "restored", "unclipped", "failed", "deferred"]
"""begun: no more is known; restored; unclipped: nothing was clipped; failed: the recording cannot be restored, which is not tried again
unless asked for; deferred: a disk, a store or a file of the same name was in the way, so the next run tries again."""
RESULTS: tuple[Result, ...] = get_args(Result)
DONE: tuple[Result, ...] = ("restored", "unclipped")
BEHIND_ALL = (1 << 31) - 2
"""A byte that no manifest reaches, and the last one but one that Windows' C library locks: there, nobody can read what is locked."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the last line on a recording says.

    settings: digest of those used; output, written: the result, relative to its folder. claims: names there that are this recording's:
    what lies under them now came from it, or nothing did.
    """

    result: Result
    stamp: Stamp
    settings: str
    output: str | None
    written: Stamp | None
    claims: tuple[str, ...]

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Entry:
        """Raises KeyError or TypeError for a line that lacks something."""
        written = None if line["output_size"] is None else Stamp(line["output_size"], line["output_mtime"])
        return cls(line["result"], Stamp(line["size"], line["mtime"]), line["settings"], line["output"], written, tuple(line["claims"]))

    def owns(self, output: str, found: Stamp | None) -> bool:
        """Whether the file `found` under a name there is the result of this recording, as it was written."""
        return output in self.claims and (self.written is None or output != self.output or self.written == found)


def line_for(task: Task, result: Result, *, settings: str, output: str | None = None, written: Stamp | None = None) -> dict[str, Any]:
    """What every line has: the recording and its stamp, the digest of the settings, the result, and where it is."""
    item = task.item
    claims = task.claims if result not in DONE else (output,) if output else ()
    return {
        "manifest": VERSION,
        "input": item.name,
        "size": item.stamp.size,
        "mtime": item.stamp.mtime,
        "settings": settings,
        "result": result,
        "output": output,
        "output_size": written and written.size,
        "output_mtime": written and written.mtime,
        "claims": list(claims),
    }


def as_json(values: Mapping[str, Any]) -> str:
    """An object as a line of JSON, which has no infinity: null instead, for example for the loudness of silence."""
    return json.dumps(_finite(values), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read(path: Path, *, tell: Tell) -> Iterator[dict[str, Any]]:
    """The lines of a manifest, but not a last one that was torn off, of which `tell` gets a line.

    Raises InputError for what is no manifest, or one of another version, with the number of the line.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    tell(f"{path}: its last line is torn, as a full disk or a power cut leaves it; that recording counts as not done")
                    return
                yield _checked(path, number, raw)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its name and permissions") from error


def _checked(path: Path, number: int, raw: bytes) -> dict[str, Any]:
    try:
        line = json.loads(raw)
        version = line["manifest"]
        if version == VERSION:
            if line["result"] not in RESULTS or not isinstance(line["input"], str):
                raise ValueError("result")  # noqa: TRY301
            Entry.of(line)
            return dict(line)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        begin = raw[:20].decode("utf-8", "replace").strip()
        raise InputError(
            f"{path}: line {number} is not of a manifest, it begins with {begin!r}; repair or remove it, or choose another folder with -o"
        ) from error
    raise InputError(
        f"{path}: line {number} is of manifest version {version!r}, and this declipper knows {VERSION}; "
        "update declipper, or choose another folder with -o"
    )


class Manifest:
    """A manifest to go on with, or a new one: use as a context manager. No other run can open it meanwhile."""

    def __init__(self, path: Path, *, tell: Tell) -> None:
        """tell: gets a line where the last line was torn. Raises InputError for what is no manifest of this version, OutputError."""
        self.path = path
        self.entries: dict[str, Entry] = {}
        """The last line on each recording, by its name, as it was when the manifest was opened."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another folder with -o") from error
        try:
            self._claim()
            for line in read(path, tell=tell):
                self.entries[line["input"]] = Entry.of(line)
            self._repair()
        except BaseException:
            self._file.close()
            raise

    def _claim(self) -> None:
        try:
            _lock(self._file)
        except (BlockingIOError, PermissionError) as error:
            raise OutputError(f"{self.path}: another declipper is at work there; wait for its end, or choose another -o") from error
        except OSError:  # a file system without locks
            pass

    def _repair(self) -> None:
        """Cut off a torn last line."""
        with self.path.open("rb") as file:
            whole = size = file.seek(0, os.SEEK_END)
            while whole:
                begin = max(0, whole - 4096)
                file.seek(begin)
                found = file.read(whole - begin).rfind(b"\n")
                if found >= 0:
                    whole = begin + found + 1
                    break
                whole = begin
        if whole < size:
            self._file.truncate(whole)

    def append(self, lines: Sequence[Mapping[str, Any]], *, durable: bool = True) -> None:
        """Add lines, all or none. durable: they are on the disk on return. Raises NoRoom where the disk is full or broken."""
        raw = "".join(as_json(line) + "\n" for line in lines).encode()
        size = os.fstat(self._file.fileno()).st_size
        try:
            rest = memoryview(raw)
            while rest:
                rest = rest[self._file.write(rest) :]
            if durable:
                os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(size)
            raise NoRoom(
                f"{self.path}: cannot be written ({error.strerror}); free some room, and the same call goes on where it stopped"
            ) from error

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _lock(file: FileIO) -> None:
    """Lock a file until it is closed. Raises BlockingIOError, on Windows PermissionError, where somebody else has locked it."""
    if sys.platform == "win32":
        file.seek(BEHIND_ALL)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
