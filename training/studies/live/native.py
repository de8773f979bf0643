"""What social sparsity on the newest samples costs in C++: `python -m declipper.training.studies.live.native` writes native.md.

It compiles the prototype in packaging/plugin/prototype with g++, as the plugin's core is compiled (SSE2), lets both restore the end of the
recording under tests/data, clipped at several levels, and compares results and CPU time. It answers whether Python's live path should run
on the C++ core.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import soundfile

from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.clipping.signal import ClippedSignal
from declipper.engine.recipes import LIVE_RECIPE
from declipper.methods.social_sparsity import social_sparsity
from declipper.training.data.degrade import threshold_for_sdr

ROOT = Path(__file__).parents[3]
PROTOTYPE = ROOT / "packaging" / "plugin" / "prototype"
RECORDING = ROOT / "tests" / "data" / "loop_amen_full.flac"
RESULTS = Path(__file__).parents[1] / "results"
INPUT_SDRS = (5, 10, 20)
"""In dB."""
TIMES = 10
"""Restorations of which the fastest counts in Python, and the mean in C++."""
HOPS = 8
"""Windows of the recording."""
NEW = LIVE_RECIPE.hop + LIVE_RECIPE.lookahead
"""Frames of a window that a listener's stream has not finished."""


def compiled(folder: Path) -> Path:
    """The prototype's program, built into a folder. Raises CalledProcessError where it does not compile."""
    program = folder / "restore"
    sources = [str(PROTOTYPE / name) for name in ("restore.cpp", "social_sparsity.cpp")]
    subprocess.run(["g++", "-O3", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-Wno-psabi", *sources, "-o", str(program)], check=True)
    return program


def restored(program: Path, signal: ClippedSignal, *, window: int, beyond: int, times: int = 1) -> tuple[Array, float]:
    """What the program makes of a signal (frames, 1), and CPU seconds for it."""
    threshold = LIVE_RECIPE.threshold
    levels = np.where(signal.mask, signal.side * np.where(signal.mask, signal.level, 0), 0)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in", Path(folder) / "out"
        source.write_bytes(np.concatenate([signal.samples, levels]).astype("<f4").tobytes())
        schedule = (threshold.iterations, threshold.first, threshold.last, threshold.momentum, threshold.step)
        words = [program, source, target, len(levels), window, beyond, *schedule, times]
        told = subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout
        return np.fromfile(target, "<f4")[:, None], float(told) / 1e6


def newest(x: Array, end: int, level: float, sample_rate: int) -> ClippedSignal:
    """A signal (frames,) that ends at a frame and of which a window of a listener at its end is clipped; what is before is known."""
    part = x[max(0, end - NEW - LIVE_RECIPE.reach) : end, None].astype(np.float32)
    y = ClippedSignal(clip(part[-NEW:], level, -level), np.array(level), np.array(-level), sample_rate)
    return y.after(part[:-NEW])


def most_clipped(x: Array, level: float) -> list[int]:
    """Where the HOPS windows end that have the most samples beyond a level."""
    counts = np.add.reduceat(np.abs(x) >= level, np.arange(0, len(x) - NEW, NEW))
    ends: list[int] = ((np.argsort(counts, kind="stable")[-HOPS:] + 1) * NEW).tolist()
    return ends


@click.command()
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Where native.md goes.")
def main(results: Path) -> None:
    """Measure on the recording that the tests have."""
    audio, sample_rate = soundfile.read(RECORDING, always_2d=True)
    x, window, beyond = audio[:, 0], LIVE_RECIPE.window, LIVE_RECIPE.beyond
    text = "# Social sparsity on the newest samples, in Python and in C++\n\nMade by `python -m declipper.training.studies.live.native`: "
    text += f"windows of {window} and {window // 4} frames, {LIVE_RECIPE.threshold.iterations} iterations, the {HOPS} windows of a "
    text += "listener in the recording under tests/data in which most is clipped. C++ is the prototype in packaging/plugin/prototype, for "
    text += "SSE2. Times are CPU milliseconds for one of them.\n\n"
    text += "| input SDR, dB | Python | C++ | ratio | largest difference, relative to the level |\n|---|---|---|---|---|\n"
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(Path(folder))
        for input_sdr in INPUT_SDRS:
            level, python, native, apart = float(np.float32(threshold_for_sdr(x, input_sdr))), 0.0, 0.0, 0.0
            for end in most_clipped(x, level):
                signal = newest(x, end, level, sample_rate)
                best = np.inf
                for _ in range(TIMES):
                    started = time.process_time()
                    found = social_sparsity(signal, LIVE_RECIPE.threshold, window=window, beyond=beyond)
                    best = min(best, time.process_time() - started)
                other, took = restored(program, signal, window=window, beyond=beyond, times=TIMES)
                python, native, apart = python + best, native + took, max(apart, float(np.abs(found - other).max()) / level)
            text += f"| {input_sdr} | {1e3 * python / HOPS:.2f} | {1e3 * native / HOPS:.2f} | {python / native:.1f} | {apart:.1e} |\n"
    text += (
        "\nSocial sparsity is about half of what `live` costs in Python; the rest, the autoregressive model, is mostly LAPACK already.\n"
    )
    (results / "native.md").write_text(text)
    click.echo(text)


if __name__ == "__main__":
    main()
