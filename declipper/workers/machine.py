"""How many cores and how much memory this process may use: what the machine has, less what control groups keep from it.

Containers, batch systems and service managers limit programs by control groups on Linux. Version 2 has all limits in one tree of folders,
version 1 a tree for each kind. A limit counts for everything below its folder, so the tightest one on the way up is the one that holds.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil

ROOT = Path("/")
ITSELF = 700 << 20
"""Bytes that the program itself takes at most, without its workers (training/results/benchmark.md)."""
UNLIMITED = 1 << 60
"""Bytes of memory from which version 1 means that there is no limit."""
SIZE = re.compile(r"(\d+(?:\.\d*)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


def cores(root: Path = ROOT) -> int:
    """The cores that this process may use: those it is bound to, and no more than its control groups grant; `root` has their files."""
    if hasattr(os, "process_cpu_count"):
        bound = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):
        bound = len(os.sched_getaffinity(0))
    else:
        bound = os.cpu_count()
    return max(1, math.ceil(min([bound or 1, *map(_cores_granted, _control_groups(root))])))


def free_memory(root: Path = ROOT) -> int:
    """Bytes that may still be taken without anything being pushed out of memory, or the process being ended for it."""
    available: int = psutil.virtual_memory().available
    return int(max(0, min([available, *map(_memory_left, _control_groups(root))])))


def jobs_within(memory: int, jobs: int, *, each: int) -> int:
    """How many of so many workers have room in so many bytes, where each takes `each` and the program itself ITSELF; at least one."""
    return max(1, min(jobs, (memory - ITSELF) // each))


def bytes_of(text: str) -> int | None:
    """The bytes that a text such as 800M, 4G or 1.5 GiB means, in powers of 1024; None for what is no size."""
    found = SIZE.fullmatch(text.strip())
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " ")) if found else None


def _control_groups(root: Path) -> Iterator[Path]:
    """The folders of the control groups that this process is in, and of those above them.

    A container may see a group under a path that it has only outside; its own then lies where the tree begins.
    """
    mounted = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # another system than Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        trees = [mounted / name for name in {controllers, *controllers.split(",")}] if controllers else [mounted, mounted / "unified"]
        inside = PurePosixPath(path.lstrip("/"))
        yield from (tree / group for tree in trees for group in (inside, *inside.parents))


def _cores_granted(group: Path) -> float:
    """Cores whose time a control group may use, infinity where it says nothing."""
    text = _text(group / "cpu.max") or f"{_text(group / 'cpu.cfs_quota_us')} {_text(group / 'cpu.cfs_period_us')}"
    quota, period = (_number(part) for part in [*text.split(), "", ""][:2])
    return quota / period if quota > 0 and 0 < period < math.inf else math.inf


def _memory_left(group: Path) -> float:
    """Bytes that the processes of a control group may still take, infinity where it says nothing.

    What the system keeps of files that nobody reads at the moment counts as used, and goes when room is needed.
    """
    for limit, used, kept in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        bytes_ = _number(_text(group / limit))
        if bytes_ < UNLIMITED:
            figures = dict(line.split()[:2] for line in _text(group / "memory.stat").splitlines() if " " in line)
            return bytes_ - float(_text(group / used) or 0) + float(figures.get(kept, 0))
    return math.inf


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _number(text: str) -> float:
    """A number of a control group; -1 and `max` and nothing mean that there is no limit."""
    return float(text) if text.isdigit() else math.inf
