"""Which recordings of an archive are taken, and where in the mirrored tree the result of each goes."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from declipper.archive.addresses import ADDRESS, folder_at
from declipper.archive.folders import Folder, LocalFolder, Stamp, Tell
from declipper.files.formats import AUDIO


@dataclass(frozen=True, slots=True)
class Item:
    """A recording of an archive: the folder that the user named, and the recording's name relative to it, as it is mirrored."""

    folder: Folder
    relative: str
    stamp: Stamp

    @property
    def name(self) -> str:
        """Its whole name."""
        return self.folder.name(self.relative)


@dataclass(frozen=True, slots=True)
class Task:
    """A recording to restore. replaced: names among the results that give way to its own; claims: those that are its, or still free."""

    item: Item
    replaced: frozenset[str] = frozenset()
    claims: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picking:
    """Which files below a folder are taken: those that fit one of `include`, where there are any, and none of `exclude`.

    A pattern without / is for the name of the file, or of a folder on the way to it, one with / for the whole name from the folder on.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, relative: str) -> bool:
        """Whether a file, which has to have the ending of an audio file, is taken."""
        if posixpath.splitext(relative)[1].lower() not in AUDIO:
            return False
        included = not self.include or any(_fits(relative, pattern) for pattern in self.include)
        return included and not any(_fits(relative, pattern) for pattern in self.exclude)


def _fits(relative: str, pattern: str) -> bool:
    if "/" in pattern:
        return fnmatchcase(relative, pattern.removeprefix("./"))
    return any(fnmatchcase(part, pattern) for part in relative.split("/"))


def is_archive(name: str) -> bool:
    """Whether a name on the command line is of a folder on this machine, or an address of whatever there is elsewhere."""
    return name != "-" and (ADDRESS.match(name) is not None or folder_at(name).exists())


def items(names: Iterable[str], picking: Picking, *, out: Folder | None, tell: Tell) -> Iterator[Item]:
    """Every recording that is meant: those below the folders named, but not in `out`, and the files named, each of them once.

    tell: gets a line for what is not there or cannot be looked at. Raises StoreError for a store that does not answer.
    """
    seen = set()
    for name in names:
        folder = folder_at(name)
        if folder.exists():
            found: Iterator[Item] = (Item(folder, relative, stamp) for relative, stamp in folder.files(picking.takes, leave=out, tell=tell))
        else:
            split = posixpath.split if ADDRESS.match(folder.address) else os.path.split
            parent, last = split(folder.address)
            holder = folder_at(parent)
            stamp = holder.stamp(last)
            if stamp is None:
                tell(f"{name}: no such file or folder; check the name")
                continue
            found = iter([Item(holder, last, stamp)])
        for item in found:
            if item.name not in seen:
                seen.add(item.name)
                yield item


def restored_name(relative: str, suffix: str | None) -> str:
    """What the result for a recording is called: NAME.declipped.wav, in its folder. suffix: of another format, without the dot."""
    path = PurePosixPath(relative)
    return str(path.with_name(f"{path.stem}.declipped.{suffix or 'wav'}"))


def collision(chosen: Iterable[Item], out: Folder, *, suffix: str | None, copies: bool) -> str:
    """In words, two recordings that would become one file, or one that a result would replace; '' where there are none.

    copies: whether recordings in which nothing is clipped go into `out` under their own names.
    """
    chosen = list(chosen)
    real = {item.folder: resolved(item.folder) for item in chosen}
    recordings = {real[item.folder].name(item.relative): item for item in chosen}
    claimed: dict[str, Item] = {}
    place = resolved(out)
    for item in chosen:
        for target in (restored_name(item.relative, suffix), *((item.relative,) if copies else ())):
            other = claimed.setdefault(target, item)
            if other is not item:
                return (
                    f"{other.name} and {item.name} would both become {out.name(target)}; leave one out with --exclude, "
                    "or call declipper once for each, with a folder of its own"
                )
            if place.name(target) in recordings:
                return f"{out.name(target)} is one of the recordings to restore; choose another folder with -o"
    return ""


def resolved(folder: Folder) -> Folder:
    """The folder without symbolic links on the way to it."""
    return LocalFolder(os.path.realpath(folder.address)) if isinstance(folder, LocalFolder) else folder
