"""Tries an installed plugin out: loads it as a host would, lets it restore a second of clipped tones, and says in a line what came of it.

That happens in a process of its own, `python -m declipper.plugins.doctor PLUGIN`, since a broken plugin can end the process it is in.
"""

from __future__ import annotations

import ctypes
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np

from declipper.clipping.arrays import Array
from declipper.plugins.clap import ClapPlugin
from declipper.plugins.lv2 import Lv2Plugin

RATE = 48000
LEVEL = 0.5
MARGIN = 0.999
"""Share of the level above which a sample may be taken for a clipped one."""
PATIENCE = 120
"""Seconds after which a plugin counts as hanging."""


def examine(plugin: Path) -> tuple[bool, str]:
    """Whether a plugin works, and what was found."""
    # in full, since the system's loader takes a bare name for that of a library of its own
    command = [sys.executable, "-m", "declipper.plugins.doctor", str(plugin.absolute())]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return False, f"hangs (no answer in {PATIENCE} s)"
    if done.returncode == 0:
        return True, done.stdout.strip()
    if done.returncode < 0:
        return False, f"crashes (signal {-done.returncode})"
    return False, "fails: " + (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def clipped_tones(channels: int) -> Array:
    """A second of clipped tones, (frames, channels) float32."""
    t = np.arange(RATE)[:, None] / RATE
    tones = [np.sin(2 * np.pi * f * (1 + 0.1 * np.arange(channels)) * t) for f in (220, 331, 497)]
    clipped: Array = np.clip(0.4 * np.sum(tones, axis=0), -LEVEL, LEVEL).astype(np.float32)
    return clipped


def verdict(before: Array, after: Array, latency: int) -> str:
    """What a plugin made of a signal clipped at LEVEL; raises ValueError where it did harm or nothing."""
    heard, after = before[: len(before) - latency], after[latency:]
    clipped, reliable = np.abs(heard) >= LEVEL, np.abs(heard) < MARGIN * LEVEL
    if not np.isfinite(after).all():
        raise ValueError("its output is not finite")
    if not np.array_equal(heard[reliable], after[reliable]):
        raise ValueError("it changed samples that are not clipped")
    raised = float(np.mean(np.abs(after[clipped]) > LEVEL))
    if raised == 0:
        raise ValueError("it restored nothing")
    return f"works: {100 * raised:.0f} % of the clipped samples raised, the others as they were"


def try_out(plugin: Path) -> str:
    """What was found, or an exception."""
    mono = "mono" in plugin.stem
    if plugin.suffix == ".lv2":
        for channels, name in ((1, "mono"), (2, "stereo")):
            lv2 = Lv2Plugin(plugin, f"urn:declipper:{name}", RATE)
            tones = clipped_tones(channels)
            finding = verdict(tones, lv2.process(tones), lv2.latency)
        return finding
    tones = clipped_tones(1 if mono else 2)
    if plugin.suffix == ".clap":
        clap = ClapPlugin(plugin, RATE)
        return verdict(tones, clap.process(tones), clap.latency)
    return _try_vst3(plugin, tones)


def _try_vst3(plugin: Path, tones: Array) -> str:
    try:
        pedalboard = importlib.import_module("pedalboard")
    except ImportError:
        binary = next(path for path in plugin.glob("Contents/*/*") if path.suffix in (".so", ".vst3", ""))
        library = ctypes.CDLL(str(binary))
        library.GetPluginFactory.restype = ctypes.c_void_p
        if hasattr(library, "ModuleEntry"):
            library.ModuleEntry(None)
        if not library.GetPluginFactory():
            raise ValueError("its factory is missing") from None
        return "loads; with pedalboard installed it would be tried out as well"
    vst3 = pedalboard.load_plugin(str(plugin))
    return verdict(tones, vst3(tones.T, RATE).T, 0)  # pedalboard takes the latency off


if __name__ == "__main__":
    try:
        print(try_out(Path(sys.argv[1])))
    except Exception as error:  # whatever a plugin does wrong is a finding
        sys.exit(str(error) or type(error).__name__)
