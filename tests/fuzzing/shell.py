"""The same through the command line, as a process of its own: what it prints, how it ends, what it leaves behind."""

from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import soundfile

from .job import Job, Outcome, difference, digest, out_of_memory
from .worker import LARGEST, LATE, PATIENCE, ROOM, environment

SPACE = ROOM + (1 << 30)
"""Bytes of address space: what the program takes to begin, and `ROOM`."""
ENDINGS = (0, 1, 2)
"""Exit codes: all went well, a file failed, wrong usage or a model that does not work."""
PAUSE = 0.02
WAYS: tuple[tuple[str, ...], ...] = (
    ("fix", "{recording}", "-o", "{target}"),
    ("fix", "{recording}", "-o", "{folder}/restored.flac", "--headroom", "limit"),
    ("fix", "{recording}", "-o", "{folder}/restored.ogg"),
    ("fix", "{recording}", "-o", "{target}", "--subtype", "PCM_16", "--match-loudness"),
    ("fix", "{recording}", "-o", "{folder}/restored.aiff", "--json", "-v"),
    ("inspect", "{recording}", "--json"),
)
"""Ways to call the program; the model is named where there is one to name."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: exit code or minus the signal, None where it had to be ended; what it said; its peak of memory in bytes."""

    code: int | None
    errors: str
    peak: int


def called(arguments: list[str], home: Path, patience: float) -> Ended:
    """Run the program with limits, and wait for it."""
    command = [sys.executable, "-m", "declipper", *arguments]
    with (home.with_suffix(".err")).open("w+b") as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment(home))
        resource.prlimit(process.pid, resource.RLIMIT_AS, (SPACE, SPACE))
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (math.ceil(patience), math.ceil(patience)))
        started = time.monotonic()
        while True:
            done, status, usage = os.wait4(process.pid, os.WNOHANG)
            if done:
                process.returncode = os.waitstatus_to_exitcode(status)
                code: int | None = process.returncode
                break
            if time.monotonic() - started > LATE:
                process.kill()
                process.wait()
                code = None
                break
            time.sleep(PAUSE)
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    return Ended(code, text, usage.ru_maxrss << 10 if code is not None else 0)


def attempt(job: Job, way: tuple[str, ...], home: Path, patience: float = PATIENCE) -> Outcome:
    """Call the program on a job in one of the `WAYS`, and judge how it ended."""
    folder = job.recording.parent
    names = {"recording": job.recording, "target": job.target, "folder": folder}
    arguments = [argument.format(**names) for argument in way]
    if way[0] == "fix":
        arguments += ["--model", str(job.model), "-j", "1"]
    if job.threshold is not None:
        arguments += ["--threshold", f"{20 * math.log10(job.threshold):.6f}"]
    before = digest(job.recording)
    ended = called(arguments, home, patience)
    outcome = _ending(ended)
    if outcome.failed:
        return outcome
    if digest(job.recording) != before:
        return Outcome("changed input")
    made = [Path(argument) for argument in arguments[1:] if argument.startswith(f"{folder}/restored")] if ended.code == 0 else []
    for target in made:
        try:
            wrong = difference(replace(job, output=target.name), sys.maxsize)
        except (soundfile.LibsndfileError, MemoryError) as error:
            return Outcome("unreadable output", str(error))
        if wrong:
            return Outcome("changed sample", wrong)
    left = [*folder.iterdir(), *(path for path in home.rglob("*") if path.is_file())]
    stray = sorted(path.name for path in left if path not in (job.recording, *made))
    return Outcome("stray file", ", ".join(stray)) if stray else outcome


def _ending(ended: Ended) -> Outcome:
    """What exit code, messages and memory say."""
    if ended.code in (None, -signal.SIGXCPU, -signal.SIGKILL):
        return Outcome("hang", "command line")
    assert ended.code is not None
    if ended.code < 0:
        return Outcome("crash", f"{signal.Signals(-ended.code).name} command line")
    if "failed unexpectedly" in ended.errors or "Traceback" in ended.errors:
        reason = ended.errors.partition("failed unexpectedly (")[2] or ended.errors.splitlines()[-1]
        return Outcome("memory" if out_of_memory(reason) else "unexpected", f"command line, {reason.partition(':')[0]}")
    if ended.peak > LARGEST or out_of_memory(ended.errors):
        return Outcome("memory", "command line")
    if ended.code not in ENDINGS:
        return Outcome("unexpected", f"exit code {ended.code}")
    spoken = [line for line in ended.errors.splitlines() if "Warning" in line]
    if spoken:
        return Outcome("warning", f"command line, {spoken[0]}")
    if (ended.code > 0) != ended.errors.startswith("declipper: "):
        return Outcome("unexpected", f"exit code {ended.code} without its line")
    return Outcome("refused" if ended.code else "restored")
