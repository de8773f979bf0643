"""The loop: makes mutants, has them worked on, counts the outcomes and keeps the smallest mutants that fail."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from . import job as work
from . import shell
from .job import Job, Outcome
from .models import MODEL_MUTATIONS
from .mutations import MUTATIONS
from .ogg import with_checksums
from .seeds import Seed
from .tags import TAG_MUTATIONS
from .worker import PATIENCE, Attempt, Worker

KINDS = (*MUTATIONS, *TAG_MUTATIONS, *MODEL_MUTATIONS)
MODEL_SHARE = 0.15
"""Share of the mutants that are models, where both are asked for."""
KEPT = 2
"""Mutants kept of each cause: the smallest."""
THRESHOLDS = (None, None, 0.4999, 0.3)
"""Levels to work with: found, or given, linear."""


@dataclass(frozen=True)
class Mutant:
    """A recording and a model, one of them damaged. kind: how."""

    kind: str
    recording: Seed
    model: bytes
    threshold: float | None = None
    way: tuple[str, ...] | None = None
    """The call of the command line, None for a worker."""


@dataclass
class Findings:
    """Counts of outcomes by kind of mutant, and the causes of failures."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)

    @property
    def failures(self) -> int:
        """Mutants that failed."""
        return sum(self.causes.values())

    def table(self) -> str:
        """Counts by kind of mutant (rows) and outcome (columns), and below that the causes."""
        kinds = list(dict.fromkeys(kind for kind, _ in self.counts))
        verdicts = ["restored", "refused", *sorted({verdict for _, verdict in self.counts} - {"restored", "refused"})]
        lines = [f"{'':16}" + "".join(f"{verdict:>18}" for verdict in verdicts)]
        lines += [f"{kind:16}" + "".join(f"{self.counts[kind, verdict]:>18}" for verdict in verdicts) for kind in kinds]
        lines += [f"{'all':16}" + "".join(f"{sum(self.counts[kind, verdict] for kind in kinds):>18}" for verdict in verdicts)]
        return "\n".join([*lines, *(f"{count:6} {cause}" for cause, count in self.causes.most_common())])


def mutants(
    seeds: Sequence[Seed], model: bytes, *, seed: int, kinds: Sequence[str] = KINDS, through_shell: float = 0.0
) -> Iterator[Mutant]:
    """Without end, and the same for the same arguments. through_shell: share of those that go through the command line."""
    models = [kind for kind in kinds if kind in MODEL_MUTATIONS]
    others = [kind for kind in kinds if kind not in MODEL_MUTATIONS]
    number = 0
    while True:
        rng = np.random.default_rng([seed, number])
        number += 1
        victim, other = (seeds[int(place)] for place in rng.integers(0, len(seeds), 2))
        damaged = bool(models) and (not others or rng.random() < MODEL_SHARE)
        kind = str(rng.choice(models if damaged else others))
        way = shell.WAYS[int(rng.integers(len(shell.WAYS)))] if rng.random() < through_shell else None
        threshold = THRESHOLDS[int(rng.integers(len(THRESHOLDS)))]
        if damaged:
            yield Mutant(kind, victim, MODEL_MUTATIONS[kind](model, rng), threshold, way)
            continue
        data = (MUTATIONS | TAG_MUTATIONS)[kind](victim.data, rng, other.data)
        if victim.suffix == ".ogg" and rng.random() < 0.7:
            data = with_checksums(data)
        yield Mutant(kind, Seed(victim.name, victim.suffix, data), model, threshold, way)


def as_they_are(seeds: Sequence[Seed], model: bytes) -> list[Mutant]:
    """The files of a corpus: recordings with the sound model, models with the first recording."""
    recordings = [seed for seed in seeds if seed.suffix != ".onnx"]
    spoilt = [seed for seed in seeds if seed.suffix == ".onnx"]
    return [*(Mutant("kept", seed, model) for seed in recordings), *(Mutant("kept", recordings[0], seed.data) for seed in spoilt)]


class Harness:
    """Works on mutants in a scratch folder of its own: use as a context manager."""

    def __init__(self, keep: Path | None = None, *, attempt: Attempt = work.attempt, patience: float = PATIENCE) -> None:
        """keep: a folder for mutants that fail, in one folder for each cause. patience: see `Worker`."""
        self._keep = keep
        self._scratch = Path(tempfile.mkdtemp(prefix="declipper-fuzz-"))
        self._home = self._scratch / "home"
        self._home.mkdir()
        self._worker = Worker(attempt, self._home, patience)
        self._patience = patience
        self.findings = Findings()

    def __enter__(self) -> Harness:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.close()
        shutil.rmtree(self._scratch)

    def run(self, stream: Iterable[Mutant], *, seconds: float = np.inf, most: float = np.inf) -> Findings:
        """Work on mutants until the time is over or so many are done."""
        end = time.monotonic() + seconds
        for number, mutant in enumerate(stream):
            if number >= most or time.monotonic() > end:
                break
            self.take(mutant)
        return self.findings

    def take(self, mutant: Mutant) -> Outcome:
        """Work on one mutant and count what becomes of it."""
        folder = self._scratch / "work"
        folder.mkdir()
        recording, model = folder / f"mutant{mutant.recording.suffix}", self._scratch / "model.onnx"
        recording.write_bytes(mutant.recording.data)
        model.write_bytes(mutant.model)
        job = Job(recording, model, threshold=mutant.threshold)
        outcome = self._worker.run(job) if mutant.way is None else shell.attempt(job, mutant.way, self._home, self._patience)
        shutil.rmtree(folder)
        for left in self._home.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        self.findings.counts[mutant.kind, outcome.verdict] += 1
        if outcome.failed:
            cause = f"{outcome.verdict}: {outcome.cause or mutant.kind}"
            self.findings.causes[cause] += 1
            self._save(cause, mutant)
        return outcome

    def _save(self, cause: str, mutant: Mutant) -> None:
        if self._keep is None:
            return
        folder = self._keep / re.sub(r"[^\w.]+", "-", cause)[:100].strip("-")
        folder.mkdir(parents=True, exist_ok=True)
        of_model = mutant.kind in MODEL_MUTATIONS
        data, suffix = (mutant.model, ".onnx") if of_model else (mutant.recording.data, mutant.recording.suffix)
        (folder / f"{mutant.kind.replace(' ', '-')}-{hashlib.sha256(data).hexdigest()[:8]}{suffix}").write_bytes(data)
        for path in sorted(folder.iterdir(), key=_size)[KEPT:]:
            path.unlink()


def _size(path: Path) -> int:
    return path.stat().st_size
