"""The meters of `declipper live` in the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live as Screen
from rich.text import Text

from declipper.live.chain import Reading
from declipper.terminal.console import complain

WIDTH = 40
"""Letters of a full bar, which leaves room for its number on a terminal of 80."""
LOWEST = -60.0
"""dBFS at the left end of a bar, as on most level meters."""


def decibels(level: float) -> str:
    """A linear level in dB, in eight characters."""
    return f"{20 * math.log10(level):+8.1f}" if level > 0 else "    -inf"


def bar(level: float) -> str:
    """A level as a bar that is full at 0 dBFS."""
    share = 1 - 20 * math.log10(level) / LOWEST if level > 0 else 0.0
    return "#" * round(WIDTH * min(1.0, max(0.0, share)))


def meters(reading: Reading, listening: bool) -> str:
    """All meters as lines of text; `listening` tells the keys too."""
    lines = [
        f"input  {decibels(reading.peak_in)} dBFS  {bar(reading.peak_in)}",
        f"output {decibels(reading.peak_out)} dBFS  {bar(reading.peak_out)}",
        f"{reading.mode}, {100 * reading.clipped_share:.2f} % clipped, {decibels(reading.overload).strip()} dB over",
        f"latency {reading.latency_ms:.0f} ms, CPU {100 * reading.cpu_share:.0f} %, worker p99 {100 * reading.worker_p99:.0f} % of a hop, "
        f"{reading.xruns} xruns, {reading.late_times} times late ({reading.late_seconds:.2f} s dry)",
        f"restored in {reading.runs_in}",
    ]
    if reading.recorded_seconds:
        lines.append(f"recorded {reading.recorded_seconds:.0f} s, {reading.unrestored_seconds:.2f} s of it dry")
    if reading.problem:
        lines.append(reading.problem)
    if listening:
        lines.append("r restored, d dry, x difference, q quit")
    return "\n".join(lines)


@contextmanager
def screen(quiet: bool, listening: bool) -> Iterator[Callable[[Reading], None]]:
    """Shows readings on standard error, in place, where that is a terminal; elsewhere only problems, each once."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        told = {""}

        def tell(reading: Reading) -> None:
            if reading.problem not in told:
                told.add(reading.problem)
                complain(reading.problem)

        yield tell
        return
    with Screen(console=console, auto_refresh=False, transient=True) as shown:
        yield lambda reading: shown.update(Text(meters(reading, listening)), refresh=True)


def account(reading: Reading) -> str:
    """What became of the whole run, in a line for its end."""
    line = f"{reading.seconds:.1f} s, {100 * reading.clipped_in_all:.2f} % clipped, latency {reading.latency_ms:.0f} ms, "
    line += f"{reading.xruns} xruns, {reading.late_times} times late"
    line += f" ({reading.late_seconds:.2f} s dry)" if reading.late_times else ""
    return f"{line}, restored in {reading.runs_in}"
