"""Cost and punctuality of `declipper live`: how long the worker takes for a hop, beside how long a hop lasts.

`python -m declipper.training.judging.live_benchmark RECORDING` repeats a recording (the one under tests/data will do), clipped so that
nearly every hop has work to do, and writes results/live.md. Each row says what restored, C++ where the plugin's package is installed and
runs the model (`declipper.live.core`), else Python. Without a device it goes through as fast as it can; then, where jackd is
installed, in real time through JACK's dummy driver, `--minutes` for each block size. The soak is `--minutes 60 --blocks 256 --latencies
80`. What machine and server lose by themselves is measured before and after with a callback that only fills its block with zeros.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from typing import Any

import click
import numpy as np
import soundfile
import soxr

from declipper.clipping.arrays import Array
from declipper.commands.live import USUAL_MODELS
from declipper.engine.session import Session, shipped_model
from declipper.errors import DeviceError
from declipper.live.chain import Chain
from declipper.live.devices import Callback, Wanted, choose, portaudio
from declipper.live.feed import Feed
from declipper.live.player import Player
from declipper.live.transport import listen, rehearse
from declipper.live.worker import Tally
from declipper.training.judging.benchmark import clipped_to_share

RESULTS = Path(__file__).parents[1] / "results"
RATE = 48000
"""Of the devices, in Hz: what most run at."""
SHARE = 0.05
"""Share of samples clipped, so that nearly every hop has work to do."""
IDLE = 1.0
"""Minutes for which an idle callback is measured before a run, and again after it, at most."""
SETTLED = 5.0
"""Seconds after which memory should not grow any more."""
AT_FULL_SPEED = (20, 40, 80)
"""Latencies of the runs at full speed, milliseconds: those of `declipper live`."""


def repeated(loop: Array, seconds: float) -> Iterator[Array]:
    """The recording over and over, in blocks of a tenth of a second."""
    tenths = itertools.cycle(range(0, len(loop) - RATE // 10, RATE // 10))
    for begin in itertools.islice(tenths, round(10 * seconds)):
        yield loop[begin : begin + RATE // 10]


def memory_mib() -> float:
    """Resident memory of this process and the worker's now."""
    processes = ["self", *(str(child.pid) for child in active_children())]
    pages = sum(int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in processes)
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def timing(tally: Tally, frames: int) -> str:
    """Times over the length of so many frames, as cells of a table: p50, p99, longest."""
    return " | ".join(f"{100 * t * RATE / frames:.0f} %" for t in (tally.percentile(50), tally.percentile(99), tally.longest))


@contextmanager
def jack(block: int) -> Iterator[None]:
    """A JACK server on the dummy driver, and PortAudio told of it."""
    command = ["jackd", "-R", "-P10", "-d", "dummy", "-r", str(RATE), "-p", str(block)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sounddevice = portaudio()
    try:
        for _ in range(50):
            time.sleep(0.2)
            if server.poll() is not None:
                raise DeviceError("jackd ended at once; is another one running? Set JACK_DEFAULT_SERVER to a name of its own")
            sounddevice._terminate()
            sounddevice._initialize()
            if any("JACK" in api["name"] and api["devices"] for api in sounddevice.query_hostapis()):
                break
        else:
            raise DeviceError("jackd did not start within 10 s; see what jackd -r -d dummy says")
        yield
    finally:
        sounddevice._terminate()
        server.terminate()
        server.wait()
        sounddevice._initialize()  # which its own way out expects


def at_full_speed(loop: Array, session: Session, latency: int, seconds: float) -> str:
    """A row of the first table."""
    with Chain(RATE, 2, session=session, latency=latency / 1000) as chain:
        started, cpu = time.monotonic(), time.process_time()
        rehearse(chain, repeated(loop, seconds), show=lambda _reading: None)
        wall, cpu = time.monotonic() - started, time.process_time() - cpu
        framing = chain.framing
        model = f"`{session.info.name}` | {chain.engine.runs_in}"
        lengths = f"{framing.window} | {1000 * framing.hop / RATE:.1f} ms | {1000 * framing.lookahead / RATE:.1f} ms"
        times = timing(chain.worker.tally, framing.hop)
        return f"| {latency} ms | {model} | {lengths} | {seconds / wall:.1f}x | {100 * cpu / seconds:.0f} % | {times} |"


class Timed:
    """A callback whose calls are timed, and that counts before which of them the device says that it lost something."""

    def __init__(self, callback: Callback) -> None:
        """What it finds lies in shared memory, as the callback runs in the process that plays."""
        self._callback = callback
        self.calls = RawValue(Tally)
        self.lost = RawValue(ctypes.c_int64)

    def __call__(self, out: Array, frames: int, moment: Any, status: Any) -> None:
        """As PortAudio calls it."""
        started = time.perf_counter()
        self._callback(out, frames, moment, status)
        self.calls.timed(time.perf_counter() - started)
        self.lost.value += bool(status)


def silent(out: Array, *_: object) -> None:
    """A callback that does next to nothing."""
    out.fill(0)


def player(callback: Timed, gathered: int) -> Player:
    """What `declipper live` plays a recording with, through JACK; gathered: frames of a call, 0: a block of the device."""
    return Player(choose(portaudio(), Wanted(output="system", sample_rate=RATE, channels=2, duplex=False)), callback, blocksize=gathered)


def idle(minutes: float, gathered: int) -> int:
    """Blocks lost by a callback that does next to nothing: what machine and server lose by themselves."""
    timed = Timed(silent)
    playing = player(timed, gathered)
    playing.start()
    time.sleep(60 * minutes)
    playing.close()
    return int(timed.lost.value)


def in_real_time(loop: Array, session: Session, latency: int, block: int, gathered: int, minutes: float) -> str:
    """A row of the second table."""
    before = idle(min(minutes, IDLE), gathered)
    with Chain(RATE, 2, session=session, latency=latency / 1000) as chain:
        feed = Feed(chain, repeated(loop, 60 * minutes))
        timed = Timed(feed.callback)
        started, cpu, memory = time.monotonic(), time.process_time(), list[float]()

        def watch(_reading: object) -> None:
            if time.monotonic() - started > SETTLED:
                memory[1:] = [memory_mib()]  # the first and the last

        listen(chain, player(timed, gathered), feed=feed, show=watch)
        cpu = time.process_time() - cpu + chain.worker.tally.cpu + chain.monitor.gauges.cpu
        share = cpu / (time.monotonic() - started)
        reading = chain.reading()
    lost = (before + idle(min(minutes, IDLE), gathered)) / 2 / min(minutes, IDLE)
    xruns = f"{reading.xruns / minutes:.1f} | {lost:.1f}"
    late = f"{reading.late_times} | {reading.late_seconds:.2f} s | {memory[0]:.0f} -> {memory[-1]:.0f} MiB"
    times = f"{timing(chain.worker.tally, chain.framing.hop)} | {timing(timed.calls, gathered or block)}"
    run = f"{latency} ms | {chain.engine.runs_in} | {block} | {gathered or block} | {reading.latency_ms:.0f} ms | {100 * share:.0f} %"
    return f"| {run} | {times} | {xruns} | {late} |"


def numbers(_context: click.Context, _parameter: click.Parameter, value: str) -> list[int]:
    """'64,256' as a list."""
    return [int(part) for part in value.split(",") if part]


def usual_model(latency: int) -> str:
    """The name of the shipped model that `declipper live` takes at a latency in milliseconds."""
    return USUAL_MODELS.get(f"{latency}ms", "live")


@click.command()
@click.argument("recording", type=click.Path(path_type=Path, exists=True))
@click.option("--seconds", default=60.0, show_default=True, help="Length of each run at full speed.")
@click.option("--minutes", default=10.0, show_default=True, help="Length of each run in real time.")
@click.option("--latencies", default="80", show_default=True, callback=numbers, help="Milliseconds, of the runs in real time.")
@click.option("--blocks", default="64,128,256,512,1024,2048", show_default=True, callback=numbers, help="Periods of the JACK server.")
@click.option("--blocksize", default=0, show_default=True, help="Frames of a call, as of declipper live; 0: a period.")
@click.option("--model", type=click.Path(path_type=Path), help="A model file instead of the shipped ones.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "live.md", show_default=True)
def main(
    recording: Path,
    seconds: float,
    minutes: float,
    latencies: list[int],
    blocks: list[int],
    blocksize: int,
    model: Path | None,
    output: Path,
) -> None:
    """Measure on RECORDING (stereo) and write a report."""
    audio, rate = soundfile.read(recording, always_2d=True)
    loop = clipped_to_share(soxr.resample(audio, rate, RATE), SHARE).astype(np.float32)
    sessions = {each: Session(model or shipped_model(usual_model(each)), "cpu") for each in {*AT_FULL_SPEED, *latencies}}
    output.parent.mkdir(exist_ok=True)
    text = "# Cost and punctuality of declipper live\n\n"
    text += f"Stereo at 48 kHz, {100 * SHARE:g} % of samples clipped; made by\n"
    text += f"`python -m declipper.training.judging.live_benchmark` on {os.cpu_count()} cores ({platform.machine()}). CPU is of one core.\n"
    text += "Worker: time for one window, over the length of a hop; callback: time of one call, over the length of a block; beside what\n"
    text += "is lost, what a callback loses that only writes zeros, in the same process, a minute before and a minute after.\n\n"
    text += "## At full speed\n\n"
    text += "| latency | model | runs in | window | hop | look-ahead | real time | CPU | worker p50 | p99 | longest |\n"
    text += "|---" * 11 + "|\n"
    for latency in AT_FULL_SPEED:
        row = at_full_speed(loop, sessions[latency], latency, seconds)
        click.echo(row)
        text += row + "\n"
    if shutil.which("jackd") and blocks:
        text += f"\n## In real time, through JACK's dummy driver, {minutes:g} min each\n\n"
        text += "| latency | runs in | block | call | in all | CPU | worker p50 | p99 | longest | callback p50 | p99 | longest "
        text += "| xruns a minute | of an idle callback | late | dry | memory |\n" + "|---" * 17 + "|\n"
        for latency, block in itertools.product(latencies, blocks):
            with jack(block):
                row = in_real_time(loop, sessions[latency], latency, block, blocksize, minutes)
            click.echo(row)
            text += row + "\n"
            output.write_text(text)
    output.write_text(text)


if __name__ == "__main__":
    main()
