"""What worker processes bring: speed by their number, what starting one takes, its memory, and how well many of them are kept busy.

`python -m declipper.training.judging.cores RECORDING` repeats a recording (the one under tests/data will do), clips it and writes
results/cores.md. More cores than a machine has are pretended: their workers sleep as long as windows would take.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import soundfile

from declipper import ClipLevels, DeclipStream, LevelDetector, Session
from declipper.clipping.arrays import Array
from declipper.detection.detector import detection_work
from declipper.engine.framing import Framing
from declipper.engine.work import restoring_work
from declipper.training.judging.benchmark import RATE, RESULTS, Cost, clipped_to_share, run, write
from declipper.workers import Workers, pool
from declipper.workers.in_order import InOrder

SHARE = 0.03
"""Of the samples that are clipped."""
MUCH = 0.1
"""The same where memory is measured: so much that every method is asked."""
PRETENDED = (16, 64)
"""Workers that sleep."""
ROUNDS = 20
"""Windows for each of them."""
SPREAD = 0.5
"""How differently long windows take: the standard deviation of the logarithm of their times."""
MANY = 1 << 40
"""Bytes of memory that never run short."""


def speeds(loop: Array, seconds: float, *, share: float = SHARE) -> list[str]:
    """Rows on `declipper fix` with one and two processes, on one file and on two."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = [folder / "one.wav", folder / "two.wav"]
        for source in sources:
            write(source, clipped_to_share(loop, share), seconds)

        def fix(quality: str, jobs: int, files: list[Path]) -> Cost:
            options = ["--quality", quality, "--overwrite", "-q", "-j", str(jobs), "-o", str(folder / "out")]
            return run([sys.executable, "-m", "declipper", "fix", *map(str, files), *options])

        (folder / "out").mkdir()
        for quality in ("best", "fast"):
            for files in (sources[:1], sources):
                one, two = (fix(quality, jobs, files) for jobs in (1, 2))
                audio = seconds * len(files)
                rows.append(
                    f"| {quality} | {len(files)} | {audio / one.wall:.2f}x | {audio / two.wall:.2f}x | {one.wall / two.wall:.2f} "
                    f"| {one.cpu / audio:.3f} | {two.cpu / audio:.3f} |"
                )
                click.echo(rows[-1])
    return rows


def start_up(quality: str) -> tuple[float, float]:
    """Seconds until a worker has loaded a model, by the clock and of CPU time."""
    session, started = Session(quality, "cpu"), time.perf_counter()
    with pool(2, memory=MANY) as workers:
        workers.submit(repr, session).result()
        used = workers.submit(resource.getrusage, resource.RUSAGE_SELF).result()
        return time.perf_counter() - started, used.ru_utime + used.ru_stime


def _peak(workers: Workers) -> float:
    """The most memory that any worker took so far, in MiB."""
    return max(workers.submit(resource.getrusage, resource.RUSAGE_SELF).result().ru_maxrss for _ in range(8)) / 1024


def memory(loop: Array) -> list[str]:
    """Rows on the most memory that a worker takes for a window, measured and as it is counted with."""
    rows = []
    for quality, rate in (("fast", RATE), ("fast", 2 * RATE), ("best", RATE)):
        session = Session(quality, "cpu")
        y = np.ascontiguousarray(np.resize(clipped_to_share(loop, MUCH), (Framing.whole(session.info, rate).window, 2)), np.float32)
        levels = ClipLevels.constant(0.999, -0.999, 2)
        with pool(2, memory=MANY) as workers:
            list(DeclipStream(rate, 2, levels, session).restored([y], workers))
            counted = restoring_work(session.info, rate, frames=len(y), levels=levels).memory
            rows.append(f"| {quality} | {rate} | {_peak(workers):.0f} | {counted >> 20} |")
            click.echo(rows[-1])
    with pool(2, memory=MANY) as workers:
        detector = LevelDetector(2, workers=workers)
        detector.push(np.resize(loop, (10 * RATE, 2)))
        detector.finish()
        rows.append(f"| the search for clipping | {RATE} | {_peak(workers):.0f} | {detection_work(1, 2).memory >> 20} |")
        click.echo(rows[-1])
    return rows


def transport() -> float:
    """Milliseconds that it takes to send a window of two channels to a worker, and one channel back."""
    window = np.zeros((131072, 2), np.float32)
    with pool(2, memory=MANY) as workers:
        workers.submit(np.ravel, window).result()
        started = time.perf_counter()
        for _ in range(50):
            workers.submit(np.ravel, window).result()
        return (time.perf_counter() - started) / 50 * 1000


def busy(number: int, seconds: float) -> float:
    """The share of their time for which so many workers work, on a recording whose windows take so long each on average."""
    rng = np.random.default_rng(0)
    times = rng.lognormal(sigma=SPREAD, size=ROUNDS * number)
    times *= seconds / times.mean()
    with pool(number, memory=MANY) as workers:
        list(workers.map(time.sleep, [0.0] * number))
        queue: InOrder[None, None] = InOrder(workers)
        started = time.perf_counter()
        for each in times:
            queue.add(None, time.sleep, [(float(each),)])
            list(queue.finished())
        list(queue.rest())
        return float(times.sum() / number / (time.perf_counter() - started))


@click.command()
@click.argument("recording", type=click.Path(path_type=Path, exists=True))
@click.option("--seconds", default=120.0, help="Length of the files.")
@click.option("--window", default=1.0, help="Seconds for which pretended windows are worked on.")
def main(recording: Path, seconds: float, window: float) -> None:
    """Measure on RECORDING (stereo, 44.1 kHz) and write results/cores.md."""
    loop, _ = soundfile.read(recording, always_2d=True)
    rows = speeds(loop, seconds)
    clock, cpu = start_up("best")
    most = memory(loop)
    sent = transport()
    kept = [f"| {number} | {ROUNDS * number} | {100 * busy(number, window):.0f} % |" for number in PRETENDED]
    text = "# Worker processes\n\nMade by `python -m declipper.training.judging.cores` on "
    text += f"{os.cpu_count()} cores ({platform.machine()}). Whole runs of `declipper fix`, start-up included, on stereo files of "
    text += f"{seconds:g} s at 44.1 kHz with {100 * SHARE:g} % of the samples clipped, beside each other in one run.\n\n"
    text += (
        "| quality | files | -j 1, real time | -j 2, real time | times faster | CPU s per s, -j 1 | -j 2 |\n|---|---|---|---|---|---|---|\n"
    )
    text += "\n".join(rows)
    text += (
        f"\n\nA worker has loaded its packages and the model of `best` after {clock:.2f} s, {cpu:.2f} s of CPU time. To send it a window "
    )
    text += f"of two channels, and one back, takes {sent:.1f} ms.\n\nThe most memory that a worker takes, in MiB:\n\n"
    text += "| for | sample rate | measured | counted with |\n|---|---|---|---|\n" + "\n".join(most)
    text += (
        f"\n\nWorkers that sleep {window:g} s a window on average (log-normal, {SPREAD:g}), in place of cores that this machine has not, "
    )
    text += "and the share of their time for which they have something to do, the end of the recording included, where they run out of "
    text += "windows:\n\n| workers | windows | busy |\n|---|---|---|\n" + "\n".join(kept) + "\n"
    (RESULTS / "cores.md").write_text(text)


if __name__ == "__main__":
    main()
