"""`-j`: any number of processes makes the same file, and whoever is killed, nothing half written and nobody is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from conftest import Run, clipped, write_audio, write_model

from declipper import ClipLevels, DeclipStream, LevelDetector, Session, declip
from declipper.archive.manifest import NAME, read
from declipper.engine.session import shipped_model
from declipper.errors import ModelError
from declipper.workers import IN_PROCESS, Workers, pool
from declipper.workers.pool import InProcess
from tests.test_workers import wait_for

RATE = 8000
SECONDS = 17
"""Of a recording that counts as work enough for two workers, and no more."""


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with pool(3) as workers:
        yield workers


@pytest.mark.parametrize("quality", ["fast", "best"])
def test_workers_give_the_same_bits_for_any_blocks(quality: str, workers: Workers) -> None:
    """At a low rate, at which windows of three seconds are cheap. One channel is clipped less, so that `best` hears it for the other."""
    y = clipped(40000).astype(np.float32) * np.array([1.0, 0.7], np.float32)
    session, levels = Session(quality, "cpu"), ClipLevels.constant(0.5, -0.5, 2)
    stream = DeclipStream(RATE, 2, levels, session)
    whole = np.concatenate([stream.push(y), stream.flush()])
    assert not np.array_equal(whole, y)
    for size in (len(y), 777):
        blocks = (y[begin : begin + size] for begin in range(0, len(y), size))
        assert np.array_equal(np.concatenate([*stream.restored(blocks, workers)]), whole)


def test_a_device_that_all_would_share_stays_with_this_process(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    y = clipped(4 * RATE, 1).astype(np.float32)
    session = Session(shipped_model("plugin"), "cpu")
    stream = DeclipStream(RATE, 1, ClipLevels.constant(0.5, -0.5), session)
    whole = np.concatenate([*stream.restored([y], workers)])
    monkeypatch.setattr(session, "on_cpu", False)
    assert np.array_equal(np.concatenate([*stream.restored([y], workers)]), whole)


def test_workers_find_the_same_levels(workers: Workers) -> None:
    y = clipped(4 * 44100, level=0.4).astype(np.float32)
    alone, together = LevelDetector(2), LevelDetector(2, workers=workers)
    for detector in (alone, together):
        for begin in range(0, len(y), 100000):
            detector.push(y[begin : begin + 100000])
    one, other = alone.finish(), together.finish()
    assert one.found == other.found
    assert one.levels.any
    assert np.array_equal(one.levels.positive, other.levels.positive)
    assert np.array_equal(one.levels.runs.bound, other.levels.runs.bound)


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_audio(tmp_path_factory.mktemp("recording") / "take.wav", clipped(SECONDS * 44100), subtype="PCM_16")


@pytest.fixture(scope="module")
def restored(take: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """By one process."""
    target = tmp_path_factory.mktemp("one") / "out.wav"
    process = started(take, target, tiny_model, "1")
    assert process.communicate() == (b"", b"")
    return target.read_bytes()


def started(take: Path, target: Path, model: Path, jobs: str) -> subprocess.Popen[bytes]:
    """`declipper fix`, in a process group of its own, with the level given, which leaves out the search for it."""
    command = [sys.executable, "-m", "declipper", "fix", take, "-o", target, "--model", model, "-j", jobs, "--threshold", "-6.1", "-q"]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def workers_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children()
    except psutil.NoSuchProcess:
        return []


def test_any_number_of_processes_makes_the_same_file(take: Path, restored: bytes, tiny_model: Path, tmp_path: Path) -> None:
    process = started(take, tmp_path / "out.wav", tiny_model, "2")
    wait_for(lambda: len(workers_of(process)) == 2)
    assert process.communicate() == (b"", b"")
    assert (tmp_path / "out.wav").read_bytes() == restored


def test_the_one_recording_of_a_folder_is_shared_by_all_workers(take: Path, restored: bytes, tiny_model: Path, tmp_path: Path) -> None:
    process = started(take.parent, tmp_path / "out", tiny_model, "2")
    wait_for(lambda: len(workers_of(process)) == 2)
    assert process.communicate() == (b"", b"")
    assert (tmp_path / "out" / "take.declipped.wav").read_bytes() == restored


def test_the_longest_recording_of_a_folder_comes_first_and_is_shared(
    run: Run, take: Path, restored: bytes, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared: list[str] = []
    together = IN_PROCESS.submit

    def submit(work: Callable[..., Any], task: Any, **kept: Any) -> Future[Any]:
        shared.append(task.item.relative)
        return together(work, task, **kept)

    monkeypatch.setattr(InProcess, "submit", staticmethod(submit))
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in "a.wav", "b.wav":
        write_audio(folder / name, clipped(2000), subtype="PCM_16")
    shutil.copy(take, folder / "take.wav")
    assert run("fix", folder, "-o", out, "--model", tiny_model, "-j", "2", "--threshold", "-6.1", "-q").code == 0
    assert shared == ["take.wav"]
    assert next(iter(read(out / NAME, tell=print)))["input"] == str(folder / "take.wav")
    assert (out / "take.declipped.wav").read_bytes() == restored


def test_a_pipe_gives_the_same_samples(take: Path, restored: bytes, tiny_model: Path) -> None:
    command = [sys.executable, "-m", "declipper", "fix", "-", "-o", "-", "--model", tiny_model, "-j", "3", "--threshold", "-6.1", "-q"]
    done = subprocess.run(list(map(str, command)), input=take.read_bytes(), capture_output=True, check=True)
    assert done.stdout == restored


def test_a_worker_that_is_killed_costs_a_line(take: Path, restored: bytes, tiny_model: Path, tmp_path: Path) -> None:
    process = started(take, tmp_path / "out.wav", tiny_model, "2")
    wait_for(lambda: workers_of(process))
    victim = workers_of(process)[0]
    victim.kill()
    _, errors = process.communicate()
    assert process.returncode == 0
    assert errors.decode() == f"declipper: worker process {victim.pid} was killed (signal 9); its work is done again\n"
    assert (tmp_path / "out.wav").read_bytes() == restored


def test_work_that_no_worker_survives_fails_its_file(take: Path, tiny_model: Path, tmp_path: Path) -> None:
    process = started(take, tmp_path / "out.wav", tiny_model, "2")
    while process.poll() is None:
        for worker in workers_of(process):
            worker.kill()
        time.sleep(0.01)
    lines = process.communicate()[1].decode().splitlines()
    assert process.returncode == 1
    failed = [line for line in lines if not line.endswith("its work is done again")]
    assert len(failed) == 1 < len(lines)
    assert failed[0].startswith(f"declipper: {take}: worker process ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nobody_and_nothing(number: int, take: Path, tiny_model: Path, tmp_path: Path) -> None:
    process = started(take, tmp_path / "out.wav", tiny_model, "2")
    wait_for(lambda: len(workers_of(process)) == 2)
    left = workers_of(process)
    os.killpg(process.pid, number)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.decode() == "declipper: interrupted; what was finished is kept, nothing half written is left\n"
    assert not any(worker.is_running() for worker in left)
    assert not list(tmp_path.iterdir())


def test_a_script_that_guards_nothing_may_ask_for_jobs(take: Path, tiny_model: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np, soundfile\n"
        "from declipper import ClipLevels, declip\n"
        f"y, rate = soundfile.read({str(take)!r})\n"
        f"one, two = (declip(y, rate, {str(tiny_model)!r}, levels=ClipLevels.constant(0.5, -0.5, 2), jobs=jobs) for jobs in (1, 2))\n"
        "print(np.array_equal(one, two), not np.array_equal(one, y))\n"
    )
    assert subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout == "True True\n"


def test_a_model_that_was_replaced_meanwhile_is_not_taken(workers: Workers, tmp_path: Path) -> None:
    session = Session(write_model(tmp_path / "model.onnx", (1.0, 1.3)), "cpu")
    write_model(tmp_path / "model.onnx", (1.0, 1.4))
    stream = DeclipStream(44100, 1, ClipLevels.constant(0.5, -0.5), session)
    with pytest.raises(ModelError, match="was replaced while it was in use"):
        list(stream.restored([clipped(9000, 1)], workers))


def test_declip_refuses_no_jobs(tiny_session: Session) -> None:
    with pytest.raises(ValueError, match="jobs must be 1 or more, got 0"):
        declip(np.zeros((9, 1)), RATE, session=tiny_session, jobs=0)
