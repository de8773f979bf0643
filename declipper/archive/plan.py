"""What is left to do of an archive: what its manifest does not call done, or calls done of another recording or with other settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from declipper.archive.folders import Folder
from declipper.archive.manifest import DONE, Entry
from declipper.archive.tree import Item, Task, restored_name


@dataclass(frozen=True)
class Plan:
    """What to do, and how many recordings are left out: done before, failed before, or their results are there from elsewhere."""

    tasks: list[Task]
    done: int
    failed: int
    existing: int


@dataclass(frozen=True)
class Rules:
    """What counts as left to do.

    settings: digest of those of this run. suffix: of the results' format, without the dot, None for the usual one. copies: whether
    recordings in which nothing is clipped are found among the results under their own names. overwrite: whether files that are in the
    way give way; skip_existing: whether recordings are left out instead. retry_failed: whether those that failed are tried again.
    """

    settings: str
    suffix: str | None = None
    copies: bool = True
    overwrite: bool = False
    skip_existing: bool = False
    retry_failed: bool = False


def plan(items: Iterable[Item], entries: Mapping[str, Entry], out: Folder, rules: Rules) -> Plan:
    """Raises StoreError where the folder of the results does not answer."""
    stamp = out.look_up()
    tasks = []
    done = failed = existing = 0
    for item in items:
        entry = entries.get(item.name)
        if entry is not None and entry.stamp == item.stamp and entry.settings == rules.settings:
            if entry.result in DONE and (entry.output is None or stamp(entry.output) is not None):
                done += 1
                continue
            if entry.result == "failed" and not rules.retry_failed:
                failed += 1
                continue
        names = (restored_name(item.relative, rules.suffix), *((item.relative,) if rules.copies else ()))
        found = {name: stamp(name) for name in names}
        own = {name for name in names if entry is not None and found[name] is not None and entry.owns(name, found[name])}
        if rules.skip_existing and found[names[0]] is not None and names[0] not in own:
            existing += 1
            continue
        claims = tuple(name for name in names if found[name] is None or name in own or rules.overwrite)
        tasks.append(Task(item, frozenset(names if rules.overwrite else own), claims))
    return Plan(tasks, done, failed, existing)
