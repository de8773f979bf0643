"""Tries an installed plugin: loads it as a host would, restores a second of clipped tones with it, and says in one line what came of it.

That happens in a process of its own, `python -m declipper.plugins.doctor PLUGIN FINDING`, since a broken plugin can end the process it is
in. What was found goes into the file FINDING and not through a pipe: what a plugin has started may outlive it and keep a pipe open.
The hosts are part of the installed package, since this is a command for users.
"""

from __future__ import annotations

import ctypes
import importlib
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from declipper.clipping.arrays import Array
from declipper.plugins.clap import ClapPlugin
from declipper.plugins.lv2 import Lv2Plugin

RATE = 48000
"""Sample rate in hertz of the test signal, the most usual one in hosts."""
LEVEL = 0.5
"""At which the test signal is clipped, positive and negative."""
MARGIN = 0.999
"""Samples above this share of the level may be taken for clipped ones: the tracker puts its level a little below the tops."""
PATIENCE = 120
"""Seconds after which a plugin counts as hanging; a slow machine needs a few for a sound one."""


def examine(plugin: Path) -> tuple[bool, str]:
    """Whether a plugin works, and in one line what was found."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        finding = Path(folder) / "finding"
        # in full, since the system's loader takes a bare name for that of a library of its own
        command = [sys.executable, "-m", "declipper.plugins.doctor", str(plugin.absolute()), str(finding)]
        try:
            silent = subprocess.DEVNULL
            code = subprocess.run(command, stdin=silent, stdout=silent, stderr=silent, timeout=PATIENCE, check=False).returncode
        except subprocess.TimeoutExpired:
            return False, f"hangs (no answer in {PATIENCE} s)"
        found = finding.read_text("utf-8") if finding.exists() else ""
    if code == 0:
        return True, found
    if code < 0:
        return False, f"crashes (signal {-code})"
    return False, f"fails: {found or f'exit code {code}'}"


def clipped_tones(channels: int) -> Array:
    """A second of clipped tones, (frames, channels) float32."""
    t = np.arange(RATE)[:, None] / RATE
    tones = [np.sin(2 * np.pi * f * (1 + 0.1 * np.arange(channels)) * t) for f in (220, 331, 497)]
    clipped: Array = np.clip(0.4 * np.sum(tones, axis=0), -LEVEL, LEVEL).astype(np.float32)
    return clipped


def judged(before: Array, after: Array, *, latency: int) -> str:
    """What a plugin made of a signal clipped at LEVEL, as a sentence. Both are (frames, channels); `after` comes `latency` frames late.

    Raises ValueError where the plugin did harm, or nothing.
    """
    before, after = before[: len(before) - latency], after[latency:]
    clipped, reliable = np.abs(before) >= LEVEL, np.abs(before) < MARGIN * LEVEL
    if not np.isfinite(after).all():
        raise ValueError("its output is not finite")
    if not np.array_equal(before[reliable], after[reliable]):
        raise ValueError("it changed samples that are not clipped")
    raised = float(np.mean(np.abs(after[clipped]) > LEVEL))
    if raised == 0:
        raise ValueError("it restored nothing")
    return f"works: {100 * raised:.0f} % of the clipped samples raised, the others as they were"


def tried(plugin: Path) -> str:
    """What a plugin made of clipped tones, as a sentence. Raises whatever goes wrong with it."""
    mono = "mono" in plugin.stem
    if plugin.suffix == ".lv2":
        for channels, name in ((1, "mono"), (2, "stereo")):
            lv2 = Lv2Plugin(plugin, f"urn:declipper:{name}", sample_rate=RATE)
            tones = clipped_tones(channels)
            finding = judged(tones, lv2.process(tones), latency=lv2.latency)
        return f"{finding}; model: {lv2.words('model')}"
    tones = clipped_tones(1 if mono else 2)
    if plugin.suffix == ".clap":
        clap = ClapPlugin(plugin, RATE)
        return f"{judged(tones, clap.process(tones), latency=clap.latency)}; model: {clap.words('model')}"
    return _tried_vst3(plugin, tones)


def _tried_vst3(plugin: Path, tones: Array) -> str:
    """As `tried`, with pedalboard as the host; without it, the plugin is loaded and no more."""
    binary = next((path for path in plugin.glob("Contents/*/*") if path.suffix in (".so", ".vst3", "")), plugin)
    try:
        pedalboard = importlib.import_module("pedalboard")
    except ImportError:
        library = ctypes.CDLL(str(binary))
        library.GetPluginFactory.restype = ctypes.c_void_p
        if hasattr(library, "ModuleEntry"):
            library.ModuleEntry(None)
        if not library.GetPluginFactory():
            raise ValueError("its factory is missing") from None
        return "loads; with pedalboard installed it would be tried out as well"
    # hosts made with JUCE, such as this one, look for the file itself in a bundle on Windows
    vst3 = pedalboard.load_plugin(str(binary if sys.platform == "win32" else plugin))
    finding = judged(tones, vst3(tones.T, RATE).T, latency=0)  # pedalboard takes the latency off
    return f"{finding}; model: {vst3.parameters['model'].string_value}"


def _tell(plugin: Path, finding: Path) -> int:
    """Writes what was found, in one line, and returns the exit code."""
    try:
        said, code = tried(plugin), 0
    except Exception as error:  # whatever a plugin does wrong is a finding
        said, code = (str(error).strip().splitlines() or [type(error).__name__])[-1], 1
    finding.write_text(said, "utf-8")
    return code


if __name__ == "__main__":
    sys.exit(_tell(Path(sys.argv[1]), Path(sys.argv[2])))
