"""Speed and memory of `declipper fix` beside ffmpeg's adeclip, as whole processes on the same files in one run.

`python -m declipper.training.judging.benchmark RECORDING` repeats a recording (the one under tests/data will do) to the lengths below,
clips it to the shares below and writes results/benchmark.md. The two-hour file is 1.3 GB, its restoration 2.6 GB.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import soundfile

from declipper import declip
from declipper.clipping.arrays import Array
from declipper.training.judging.evaluate import ADECLIP

RESULTS = Path(__file__).parents[1] / "results"
RATE = 44100
"""Of the files, in Hz."""


@dataclass(frozen=True)
class Cost:
    """One command: wall and CPU seconds, and the largest resident memory of its largest process in MiB."""

    wall: float
    cpu: float
    memory_mib: float


LAUNCHER = """
import json, resource, subprocess, sys, time
before = time.monotonic()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"wall": time.monotonic() - before, "cpu": used.ru_utime + used.ru_stime, "memory_mib": used.ru_maxrss / 1024}))
"""
"""A small process that starts the command: Linux counts the memory of the process that starts another as that one's as well."""


def run(command: list[str]) -> Cost:
    """Run a command to its end. Raises CalledProcessError when it fails."""
    return Cost(**json.loads(subprocess.check_output([sys.executable, "-S", "-c", LAUNCHER, *command])))


def clipped_to_share(audio: Array, share: float) -> Array:
    """Clip at the level that `share` of the samples exceed, and bring that level to full scale."""
    level = float(np.quantile(np.abs(audio), 1 - share))
    return np.clip(audio / level, -1.0, 1.0)


def write(path: Path, loop: Array, seconds: float) -> None:
    """Repeat `loop` (frames, 2) to a 16-bit stereo WAV of a length, in bounded memory."""
    frames = int(seconds * RATE)
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        while frames > 0:
            file.write(loop[:frames])
            frames -= min(len(loop), frames)


@click.command()
@click.argument("recording", type=click.Path(path_type=Path, exists=True))
@click.option("--hours", default=2.0, help="Length of the long file, for the memory.")
def main(recording: Path, hours: float) -> None:
    """Measure on RECORDING (stereo, 44.1 kHz) and write results/benchmark.md."""
    loop, _ = soundfile.read(recording, always_2d=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.wav", Path(folder) / "target.wav"

        def fix(quality: str, jobs: int) -> Cost:
            options = ["--quality", quality, "--overwrite", "-q", "-j", str(jobs)]
            return run([sys.executable, "-m", "declipper", "fix", str(source), "-o", str(target), *options])

        def row(name: str, share: float, seconds: float, cost: Cost) -> None:
            speed = f"{seconds / cost.wall:.1f}x | {cost.cpu / seconds:.3f}"
            rows.append(f"| {name} | {100 * share:g} % | {seconds:g} s | {speed} | {cost.memory_mib:.0f} MiB |")
            click.echo(rows[-1])

        cores = os.cpu_count() or 1
        for share in (0.0, 0.01, 0.03, 0.3):
            damaged = clipped_to_share(loop, share) if share else 0.5 * declip(loop, RATE)
            for seconds in (30.0, 120.0):
                write(source, damaged, seconds)
                row(f"fast, {cores} processes", share, seconds, fix("fast", cores))
                if seconds == 30.0:
                    row("ffmpeg adeclip", share, seconds, run(["ffmpeg", "-y", "-i", str(source), "-af", ADECLIP, str(target)]))
                    row(f"best, {cores} processes", share, seconds, fix("best", cores))
                    row("best, 1 process", share, seconds, fix("best", 1))
                else:
                    row("fast, 1 process", share, seconds, fix("fast", 1))
        write(source, clipped_to_share(loop, 0.01), 3600 * hours)
        row(f"fast, {cores} processes", 0.01, 3600 * hours, fix("fast", cores))
    text = "# Speed and memory\n\nWhole processes, start-up included, on stereo files at 44.1 kHz; made by\n"
    text += f"`python -m declipper.training.judging.benchmark` on {cores} cores ({platform.machine()}). "
    text += f"The memory is that of the largest process. adeclip is ffmpeg's `{ADECLIP}`.\n\n"
    text += "| program | clipped | length | real time | CPU s per s | memory |\n|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "benchmark.md").write_text(text)


if __name__ == "__main__":
    main()
