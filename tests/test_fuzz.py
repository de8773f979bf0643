"""The fuzz harness finds what is planted, and nothing among the kinds of damage that the program is known to bear."""

from __future__ import annotations

import mmap
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import write_model
from fuzzing.harness import Harness, Mutant, as_they_are, mutants
from fuzzing.job import Job, Outcome, attempt, attempt_reading, restore
from fuzzing.ogg import with_checksums
from fuzzing.seeds import Seed, kept, recordings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts memory and time from /proc")

CORPUS = Path(__file__).parent / "data" / "fuzz"
BORNE = ("flips", "truncation", "chunk size", "splice", "insertion")
PATIENCE = 3.0


@pytest.fixture(scope="module")
def seeds() -> list[Seed]:
    return recordings()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_model(tmp_path_factory.mktemp("model") / "tiny.onnx", (1.0, 1.3)).read_bytes()


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with Harness(tmp_path_factory.mktemp("failed")) as one:
        yield one


def crash(_job: Job) -> int:
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def hang(_job: Job) -> int:
    while True:
        pass


def bomb(_job: Job) -> int:
    return len(np.ones(1 << 28))


def resident(job: Job) -> int:
    np.zeros(1100 << 20, np.uint8)[:: mmap.PAGESIZE] = 1
    return restore(job)


def defect(_job: Job) -> int:
    return {"known": 1}["unknown"]


def warning(job: Job) -> int:
    warnings.warn("odd", RuntimeWarning, stacklevel=1)
    return restore(job)


def half_written(job: Job) -> int:
    clipped = restore(job)
    job.target.write_bytes(job.target.read_bytes()[:20])
    return clipped


def _spoilt(job: Job, where: Callable[[np.ndarray], np.ndarray], value: float) -> int:
    clipped = restore(job)
    audio, rate = soundfile.read(job.target, dtype="float32")
    source = soundfile.read(job.recording, dtype="float32")[0]
    audio[tuple(np.argwhere(where(np.abs(source)))[0])] = value
    soundfile.write(job.target, audio, rate, "FLOAT")
    return clipped


def reliable(job: Job) -> int:
    return _spoilt(job, lambda size: size < 0.2, 0.25)


def below(job: Job) -> int:
    return _spoilt(job, lambda size: size >= 0.5, 0.45)


def overwritten(job: Job) -> int:
    clipped = restore(job)
    job.recording.write_bytes(job.recording.read_bytes() + b"\0")
    return clipped


def stray(job: Job) -> int:
    (job.recording.parent / ".left.part").touch()
    return restore(job)


FAULTS = {
    crash: "crash",
    hang: "hang",
    bomb: "memory",
    resident: "memory",
    defect: "unexpected",
    warning: "warning",
    half_written: "unreadable output",
    reliable: "changed sample",
    below: "changed sample",
    overwritten: "changed input",
    stray: "stray file",
}


def planted(job: Job) -> Outcome:
    """As `attempt`, by the fault whose name stands in the model file, with a sound model."""
    (fault,) = (fault for fault in FAULTS if fault.__name__ == job.model.read_text())
    return attempt(replace(job, model=write_model(job.model.with_name("sound.onnx"), (1.0, 1.3))), fault)


@pytest.fixture(scope="module")
def planting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with Harness(tmp_path_factory.mktemp("planted") / "kept", attempt=planted, patience=PATIENCE) as one:
        yield one


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_planted_faults_are_found(planting: Harness, seeds: list[Seed], fault: Callable[[Job], int]) -> None:
    before = planting.findings.failures
    outcome = planting.take(Mutant("planted", seeds[0], fault.__name__.encode(), threshold=0.4999))
    assert outcome.verdict == FAULTS[fault], outcome
    assert planting.findings.failures == before + 1


def test_failures_are_kept_under_their_cause(tmp_path: Path, seeds: list[Seed]) -> None:
    with Harness(tmp_path, attempt=planted) as harness:
        harness.run([Mutant("planted", seed, b"defect") for seed in seeds[:5]])
    (folder,) = tmp_path.iterdir()
    assert folder.name == "unexpected-KeyError-in-tests-test_fuzz.py-defect"
    sizes = sorted(len(seed.data) for seed in seeds[:5])
    assert sorted(path.stat().st_size for path in folder.iterdir()) == sizes[:2]
    assert "5 unexpected: KeyError" in harness.findings.table()


def test_sound_files_of_every_format_pass(harness: Harness, seeds: list[Seed], model: bytes) -> None:
    assert len({seed.suffix for seed in seeds}) == 15
    outcomes = [harness.take(mutant) for mutant in as_they_are(seeds, model)]
    assert {o.verdict for o in outcomes} <= {"restored", "refused"}, harness.findings.table()
    assert sum(o.verdict == "refused" for o in outcomes) <= 2


def test_damage_that_is_borne(harness: Harness, seeds: list[Seed], model: bytes) -> None:
    findings = harness.run(mutants(seeds, model, seed=1, kinds=BORNE), most=60)
    assert not findings.failures, findings.table()


@pytest.mark.parametrize("seed", kept(CORPUS), ids=lambda seed: seed.name)
def test_files_that_failed_once(harness: Harness, seeds: list[Seed], model: bytes, seed: Seed) -> None:
    recording, damaged = (seeds[0], seed.data) if seed.suffix == ".onnx" else (seed, model)
    outcome = harness.take(Mutant("kept", recording, damaged))
    assert not outcome.failed, outcome


def test_the_same_seed_makes_the_same_mutants(seeds: list[Seed], model: bytes) -> None:
    first, second, other = (list(islice(mutants(seeds, model, seed=seed, through_shell=0.5), 40)) for seed in (1, 1, 2))
    assert first == second
    assert first != other
    assert {mutant.way is None for mutant in first} == {True, False}


def test_checksums_of_ogg_pages(seeds: list[Seed]) -> None:
    data = next(seed.data for seed in seeds if seed.suffix == ".ogg")
    assert with_checksums(data) == data
    assert with_checksums(data[:22] + b"\1\2\3\4" + data[26:]) == data


def test_mutants_that_are_only_read(seeds: list[Seed], model: bytes) -> None:
    with Harness(attempt=attempt_reading) as harness:
        findings = harness.run(as_they_are(seeds[:3], model))
        harness.take(replace(as_they_are(seeds[:1], model)[0], recording=Seed("nonsense", ".wav", b"nonsense")))
    assert findings.counts == {("kept", "read"): 3, ("kept", "refused"): 1}
