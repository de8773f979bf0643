"""What `declipper fix` does with an archive of many short recordings, and with very many tasks on a cluster.

`python -m declipper.training.judging.archives` makes recordings of a second each and restores them with two workers: once undisturbed, once
killed with SIGKILL half way and called again. Then it sends tasks that do nothing through a dask scheduler, in processes of its own. It
writes results/archives.md: memory from beginning to end, what was done twice, whether both results are the same, and how many tasks were
under way.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import psutil
import soundfile

from declipper.archive.cluster import cluster
from declipper.archive.folders import LocalFolder, Stamp
from declipper.archive.job import Outcome
from declipper.archive.manifest import DONE, NAME, Manifest, read
from declipper.archive.run import Done, restore
from declipper.archive.tree import Item, Task

RESULTS = Path(__file__).parents[1] / "results"
RATE = 44100
"""Of the recordings, in Hz."""
FOLDER = 500
"""Recordings in one folder."""
LEVEL = 0.5
"""At which they are clipped."""
UNCLIPPED = 5
"""One in so many is not clipped."""
POINTS = 0.1, 0.25, 0.5, 0.75, 1.0
"""Shares of the work at which the memory is told."""
THREADS = 4
"""Of the one worker that does nothing."""


def write_recordings(folder: Path, count: int) -> None:
    """Recordings of a second in 16 bits: five sines each, clipped, but every UNCLIPPED-th one."""
    time_axis = np.arange(RATE) / RATE
    for number in range(count):
        rng = np.random.default_rng(number)
        audio = np.sum(np.sin(2 * np.pi * time_axis * rng.uniform(80, 900, (5, 1)) + rng.uniform(0, 6, (5, 1))), axis=0)
        audio *= (0.9 * LEVEL if number % UNCLIPPED == 0 else 1.0) / np.abs(audio).max()
        path = folder / f"{number // FOLDER:03}" / f"{number:06}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.clip(audio, -LEVEL, LEVEL), RATE, "PCM_16")


@dataclass
class Memory:
    """The resident memory of a process in MiB, by the share of the work that was done. family: with all processes that it started."""

    name: str
    process: psutil.Process
    family: bool = False
    at: dict[float, float] = field(default_factory=dict)

    def look(self, share: float) -> None:
        """Note the memory for each of POINTS that has been reached."""
        for point in POINTS:
            if share >= point and point not in self.at:
                processes = [self.process, *(self.process.children(recursive=True) if self.family else ())]
                self.at[point] = sum(process.memory_info().rss for process in processes if process.is_running()) / (1 << 20)


def table(memories: Sequence[Memory]) -> str:
    """A row for each."""
    rows = ["| done | " + " | ".join(f"{point:.0%}" for point in POINTS) + " |", "|" + "---|" * (1 + len(POINTS))]
    for memory in memories:
        found = (f"{memory.at[point]:.0f}" if point in memory.at else "-" for point in POINTS)
        rows.append(f"| {memory.name} | " + " | ".join(found) + " |")
    return "\n".join(rows)


def count_done(out: Path) -> int:
    """Lines on recordings that are done, in the manifest as it is now."""
    manifest = out / NAME
    return manifest.read_bytes().count(b'"seconds"') if manifest.exists() else 0


def start(recordings: Path, out: Path) -> subprocess.Popen[bytes]:
    """`declipper fix` on all recordings, with two workers and the level given."""
    options = ["--quality", "live", "--threshold", f"{20 * np.log10(LEVEL) - 0.01:.3f}", "-j", "2", "-q"]
    return subprocess.Popen([sys.executable, "-m", "declipper", "fix", str(recordings), "-o", str(out), *options])


def digest(out: Path) -> str:
    """SHA-256 of the names and contents of all results."""
    found = hashlib.sha256()
    for path in sorted(out.rglob("*.wav")):
        found.update(str(path.relative_to(out)).encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def restored(folder: Path, count: int) -> list[str]:
    """Lines of the report on `count` recordings."""
    recordings, whole, broken = folder / "in", folder / "whole", folder / "broken"
    write_recordings(recordings, count)
    process = start(recordings, whole)
    memory = Memory("uninterrupted", psutil.Process(process.pid), family=True)
    while process.poll() is None:
        memory.look((count_done(whole) + 4) / count)  # before the last ones are done, since the processes end with them
        time.sleep(0.05)
    process = start(recordings, broken)
    while count_done(broken) < count // 2 and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {line["input"] for line in read(broken / NAME, tell=click.echo) if line["result"] in DONE}
    start(recordings, broken).wait()
    ended = [line["input"] for line in read(broken / NAME, tell=click.echo) if line["result"] in DONE]
    same = "identical to" if digest(whole) == digest(broken) else "DIFFERENT from"
    return [
        f"{count} recordings of 1 s, -j 2; memory of all processes in MiB:\n",
        table([memory]),
        f"\nKilled with SIGKILL when {len(before)} were done, and called again: {len(ended) - len(before)} done by the second call, "
        f"{len(ended) - len(set(ended))} of them for the second time. {len(set(ended))} results, {same} those of the uninterrupted run.",
    ]


def nothing(task: Task) -> Outcome:
    """The work of the cluster."""
    return Outcome("unclipped", 0.0)


@dataclass(frozen=True)
class Dask:
    """A scheduler at `address` and its one worker, each in a process of its own."""

    address: str
    scheduler: psutil.Process
    worker: psutil.Process


@contextmanager
def dask(folder: Path) -> Iterator[Dask]:
    """A scheduler and a worker for as long as they are wanted."""
    address_file = folder / "scheduler.json"
    common = ["--scheduler-file", str(address_file), "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", *common], **quiet)]
    try:
        while not address_file.exists():
            time.sleep(0.1)
        options = ["--no-nanny", "--nthreads", str(THREADS), "--local-directory", str(folder)]
        started.append(subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_worker", *common, *options], **quiet))
        yield Dask(json.loads(address_file.read_text())["address"], *(psutil.Process(process.pid) for process in started))
    finally:
        for process in started:
            process.terminate()
            process.wait()


def sent(folder: Path, count: int) -> list[str]:
    """Lines of the report on `count` tasks that do nothing."""
    tasks = [Task(Item(LocalFolder("/archive"), f"{number:06}.wav", Stamp(0, None))) for number in range(count)]
    most = under_way = done = 0
    with dask(folder) as made, cluster(made.address, 1) as crew, Manifest(folder / NAME, tell=click.echo) as manifest:
        memories = [Memory("client", psutil.Process()), Memory("scheduler", made.scheduler), Memory("worker", made.worker)]
        started = time.process_time()

        def submitted(waiting: Sequence[Task]) -> Iterator[Task]:
            nonlocal most, under_way
            for task in waiting:
                under_way += 1
                most = max(most, under_way)
                yield task

        def tell(_: Done) -> None:
            nonlocal under_way, done
            under_way -= 1
            done += 1
            for memory in memories:
                memory.look(done / count)

        whole = restore(submitted(tasks), nothing, crew, manifest=manifest, settings="", tell=tell)
        spent = time.process_time() - started
    finished = {line["input"] for line in read(folder / NAME, tell=click.echo) if line["result"] in DONE}
    return [
        f"\n{count} tasks that do nothing, through a scheduler to {THREADS} threads; memory in MiB:\n",
        table(memories),
        f"\n{len(finished)} are done in the manifest{'' if whole else ' AND THE RUN STOPPED'}, at most {most} were under way at once, "
        f"{1000 * spent / count:.1f} ms of the client's CPU time each.",
    ]


@click.command()
@click.option("--files", default=10_000, show_default=True, help="Recordings of the archive; 0 for none.")
@click.option("--tasks", default=100_000, show_default=True, help="Tasks for the cluster; 0 for none.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=RESULTS / "archives.md", help="Where the figures go.")
def main(files: int, tasks: int, output: Path) -> None:
    """Measure, and write results/archives.md."""
    lines = ["# Archives\n\nMade by `python -m declipper.training.judging.archives`.\n"]
    for measure, count in ((restored, files), (sent, tasks)):
        with tempfile.TemporaryDirectory() as folder:
            lines += measure(Path(folder), count) if count else []
    output.write_text("\n".join(lines) + "\n")
    click.echo("\n".join(lines))


if __name__ == "__main__":
    main()
