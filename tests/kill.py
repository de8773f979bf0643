"""Ends `declipper fix` at random moments, fills its disk and takes its folder away: what may be left is counted, what may not is an error.

    python -m tests.kill --runs 20

Allowed: no output or a whole one, and after `kill -9`, which nobody can catch, a hidden file beside it, which the next run into that
folder removes. SIGINT and SIGTERM end with one line, exit code 130 and nothing left, from the moment on at which the program answers
to signals, a few hundredths of a second after its process began. A full disk and a folder that is gone end with one line and exit code 1.
Exits with 1 where anything else happened. The disk is a small tmpfs, for which one has to be root; else that is left out.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from tests.conftest import clipped, write_audio, write_model
from tests.fuzzing.worker import environment

SECONDS = 30
"""Length of the recording: a second or two of work."""
PATIENCE = 120.0
"""Seconds after which a run counts as hanging."""
SIGNALS = {"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}
WAYS = (*SIGNALS, "full disk", "folder removed")
INTERRUPTED = 130
ALLOWED = ("finished", "stopped", "hidden file left")


@dataclass(frozen=True)
class Scene:
    """What all runs share. output: digest of the whole output; seconds: how long an undisturbed run takes."""

    recording: Path
    model: Path
    home: Path
    output: str
    size: int
    seconds: float


@contextmanager
def scene() -> Iterator[Scene]:
    """Makes the recording and the model, and runs once undisturbed."""
    with tempfile.TemporaryDirectory(prefix="declipper-kill-") as name:
        folder = Path(name)
        (folder / "home").mkdir()
        recording = write_audio(folder / "take.wav", clipped(SECONDS * 44100), subtype="PCM_16")
        model = write_model(folder / "tiny.onnx", (1.0, 1.3))
        first = Scene(recording, model, folder / "home", "", 0, 0.0)
        whole, started = folder / "whole.wav", time.monotonic()
        code, errors = _ended(_started(first, whole))
        if code != 0:
            raise RuntimeError(f"an undisturbed run failed: {errors}")
        yield Scene(recording, model, folder / "home", _digest(whole), whole.stat().st_size, time.monotonic() - started)


def attempt(scene: Scene, way: str, rng: Generator) -> str:
    """One run, disturbed in this way at a random moment. Returns what became of it."""
    before = _digest(scene.recording)
    with tempfile.TemporaryDirectory(prefix="declipper-kill-") as name:
        folder = Path(name) / "out"
        folder.mkdir()
        target = folder / "restored.wav"
        if way == "full disk":
            with _small_disk(folder, int(rng.integers(1 << 14, scene.size))):
                found = _judged(scene, target, way, *_ended(_started(scene, target)))
        else:
            process = _started(scene, target)
            moment = time.monotonic() + float(rng.uniform(0, scene.seconds))
            _wait_until_it_answers(process)
            time.sleep(max(0.0, moment - time.monotonic()))
            if way in SIGNALS:
                process.send_signal(SIGNALS[way])
            else:
                shutil.rmtree(folder)
            found = _judged(scene, target, way, *_ended(process))
        if found == "hidden file left" and _ended(_started(scene, folder / "again.wav"))[0] == 0 and len(list(folder.iterdir())) > 1:
            found = "hidden file stays"
    return found if _digest(scene.recording) == before else "changed input"


def _started(scene: Scene, target: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "declipper", "fix", str(scene.recording), "-o", str(target), "--model", str(scene.model), "-j", "1"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment(scene.home))


def _wait_until_it_answers(process: subprocess.Popen[bytes]) -> None:
    """Wait until the process has a handler for SIGTERM, or has ended."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
        if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.001)


def _ended(process: subprocess.Popen[bytes]) -> tuple[int | None, str]:
    """Exit code, None where it hung; and what it said."""
    try:
        _, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None, ""
    return process.returncode, errors.decode(errors="replace")


def _judged(scene: Scene, target: Path, way: str, code: int | None, errors: str) -> str:
    """What is left under the final name and beside it, and how the run ended."""
    if code is None:
        return "hang"
    if "Traceback" in errors or "failed unexpectedly" in errors:
        return "traceback"
    there = sorted(target.parent.iterdir()) if target.parent.exists() else []
    if target in there and _digest(target) != scene.output:
        return "half written"
    hidden = [path for path in there if path != target]
    if way == "kill -9" and code == -signal.SIGKILL:
        return "hidden file left" if hidden else "stopped"
    if hidden:
        return "stray file"
    if code == 0:
        return "finished" if target in there or way == "folder removed" else "nothing written"
    expected = INTERRUPTED if way in SIGNALS else 1
    if code != expected or len(errors.splitlines()) != 1:
        return f"exit code {code}, {len(errors.splitlines())} lines"
    return "stopped"


@contextmanager
def _small_disk(folder: Path, size: int) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description="Ends declipper at random moments and counts what is left.")
    parser.add_argument("--runs", type=int, default=20, help="runs in all, shared by the ways to end one")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs have it ignored, and so would ours
    rng = np.random.default_rng(arguments.seed)
    ways = [way for way in WAYS if way != "full disk" or os.geteuid() == 0]
    with scene() as here:
        found = Counter((way, attempt(here, way, rng)) for way in (ways[number % len(ways)] for number in range(arguments.runs)))
    for (way, outcome), count in sorted(found.items()):
        print(f"{way:16}{count:6}  {outcome}{'' if outcome in ALLOWED else ', which must not happen'}")
    return 0 if all(outcome in ALLOWED for _, outcome in found) else 1


if __name__ == "__main__":
    sys.exit(main())
