"""What the plugin's core gains and costs, beside `declipper live`: python tests/gains.py SHELF... > gains.md.

SHELF is written by declipper.training.data.shelf; the pieces are those of `python -m declipper.training.studies.live.levers`, clipped at
a known level. They are restored in stereo, the second channel upside down.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from material import by_core

from declipper.clipping.levels import ClipLevels, clip
from declipper.clipping.windows import at_rate, frames_in
from declipper.engine.framing import USUAL_DELAY, Framing
from declipper.engine.session import Session, shipped_model
from declipper.engine.stream import DeclipStream
from declipper.plugins.constants import FRAMING, RECIPE
from declipper.training.data.degrade import sdr, threshold_for_sdr
from declipper.training.data.shelf import Shelf
from declipper.training.studies.live.levers import INPUT_SDRS, SECONDS, pieces

Restorer = Callable[[np.ndarray, int, float], np.ndarray]
"""Restores (frames, channels) at a sample rate, clipped at a level."""


def core(y: np.ndarray, sample_rate: int, level: float) -> np.ndarray:
    """As the plugin does."""
    return by_core(y, sample_rate, level, level)


def stream(session: Session, framing: Callable[[int], Framing]) -> Restorer:
    """As a model does in Python, with the windows that there are at a sample rate."""

    def restored(y: np.ndarray, sample_rate: int, level: float) -> np.ndarray:
        levels = ClipLevels.constant(level, -level, y.shape[1])
        declipped = DeclipStream(sample_rate, y.shape[1], levels, session, framing=framing(sample_rate))
        return np.concatenate([declipped.push(y), declipped.flush()])

    return restored


def plugin_windows(sample_rate: int, past: int = 0) -> Framing:
    """The windows of the core. past: frames at 44.1 kHz that the methods see as they were restored."""
    lengths = {name: at_rate(frames, sample_rate) for name, frames in FRAMING.items()}
    return Framing(**lengths, past=at_rate(past, sample_rate) if past else 0)


def cpu_seconds() -> float:
    """Of this process, and of those that it ran."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def table(rows: dict[str, list[str]]) -> str:
    """A column for each input SDR."""
    head = "| | " + " | ".join(f"{level} dB" for level in INPUT_SDRS) + " |\n|---" + "|---" * len(INPUT_SDRS) + "|\n"
    return head + "".join(f"| {name} | " + " | ".join(cells) + " |\n" for name, cells in rows.items())


def main() -> None:
    chosen = pieces([Shelf(Path(path)) for path in sys.argv[1:]])
    live, plugin = Session("live", "cpu"), Session(shipped_model("plugin"), "cpu")
    ways: dict[str, Restorer] = {
        "the plugin": core,
        "the same in Python": stream(live, lambda rate: plugin_windows(rate, RECIPE.reach)),
        "`declipper live` at 80 ms": stream(live, lambda rate: Framing.live(live.info, rate, frames_in(USUAL_DELAY, rate))),
        "with the two quick estimates of `plugin.onnx`": stream(plugin, plugin_windows),
    }
    gains: dict[str, list[str]] = {name: [] for name in ways}
    costs: dict[str, list[str]] = {name: [] for name in ways}
    apart = []
    for input_sdr in INPUT_SDRS:
        gained, spent, most = {name: [] for name in ways}, {name: [] for name in ways}, []
        for x, rate in chosen:
            level = float(np.float32(threshold_for_sdr(x, input_sdr)))
            y = clip(x, level, -level).astype(np.float32)
            found = {}
            for name, restore in ways.items():
                before = cpu_seconds()
                found[name] = restore(np.column_stack([y, -y]), rate, level)[:, 0]
                spent[name].append((cpu_seconds() - before) / SECONDS)
                gained[name].append(sdr(x, found[name]) - sdr(x, y))
            most.append(np.abs(found["the plugin"] - found["the same in Python"]).max() / np.abs(x).max())
        for name in ways:
            gains[name].append(f"{np.mean(gained[name]):.2f}")
            costs[name].append(f"{100 * np.mean(spent[name]):.1f} %")
        apart.append(f"{np.median(most):.0e}")
    print("# What the plugin gains, and costs\n\nMade by `tests/gains.py`.\n")
    print(f"dSDR in dB by input SDR, the mean over {len(chosen)} pieces of {SECONDS:g} s, the level known:\n\n{table(gains)}")
    print(f"The share of one core that this takes in stereo; the plugin's core is started anew for each piece:\n\n{table(costs)}")
    print("How far the plugin and the same in Python are from each other at most, in parts of the peak; the median over the pieces:\n")
    print(table({"difference": apart}), end="")


if __name__ == "__main__":
    main()
