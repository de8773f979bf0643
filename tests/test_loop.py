"""The training loop: averaging, interruption, checkpoints, several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file
from tapes import FRAMES, pairs, small
from torch import nn

from declipper.engine.experts import NONE
from declipper.errors import DeclipperError
from declipper.training.data.archive import Source, batches, scan
from declipper.training.data.batches import Recorded, Share
from declipper.training.learning import checkpoint as checkpoints
from declipper.training.learning.fit import Reclip
from declipper.training.learning.loop import Budget, Journal, Learned, learn
from declipper.training.learning.reclipping import score

pytestmark = pytest.mark.usefixtures("one_thread")


def judge(sources: list[Source], seed: int = 0) -> Callable[[nn.Module], float]:
    """The re-clip score on six segments."""
    return partial(score, held=pairs(sources, 6, base=small(), seed=seed))


@dataclass(frozen=True)
class Run:
    """One run of the loop on recordings, with a checkpoint every four steps."""

    sources: list[Source]
    checkpoint: Path
    judge: Callable[[nn.Module], float] | None = None
    rate: float = 1e-3
    tell: Callable[[str], None] = lambda _: None

    def to(self, steps: int, resume: bool = False) -> Learned:
        objective = Reclip(NONE, self.batches, self.judge or judge(self.sources), self.rate, 0)
        journal = Journal(self.checkpoint, 4, self.tell, resume)
        return learn(small(), objective, budget=Budget(steps), journal=journal, fabric=Fabric(accelerator="cpu", devices=1))

    def batches(self, first_step: int, share: Share) -> Iterator[Recorded]:
        return batches(self.sources, FRAMES, size=4, seed=0, first_step=first_step, share=share)


def test_training_improves_the_score(tapes: Path, tmp_path: Path) -> None:
    learned = Run(scan([tapes], FRAMES), tmp_path / "c", rate=3e-3).to(40)
    assert learned.best_score > learned.begun_with + 0.3


def test_resumed_training_ends_with_the_same_weights(tapes: Path, tmp_path: Path) -> None:
    sources = scan([tapes], FRAMES)
    whole = Run(sources, tmp_path / "whole").to(12)
    Run(sources, tmp_path / "parts").to(8)
    parts = Run(sources, tmp_path / "parts").to(12, resume=True)
    assert (whole.best_score, whole.begun_with, whole.step) == (parts.best_score, parts.begun_with, parts.step)
    for one, other in (whole.best, parts.best), (whole.last, parts.last):
        assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_resumed_training_is_judged_by_the_archive_it_has_now(tapes: Path, tmp_path: Path) -> None:
    """A checkpoint may come from other recordings, or from a network that began at random: its own figures count for nothing."""
    sources = scan([tapes], FRAMES)
    before = Run(sources, tmp_path / "c").to(8)
    other = judge(sources[:1], seed=3)
    after = Run(sources, tmp_path / "c", other).to(8, resume=True)
    assert after.begun_with == pytest.approx(other(small()))
    assert after.best_score == pytest.approx(other(after.best))
    assert after.best_score >= after.begun_with
    assert after.best_score != before.best_score


def test_minutes_count_in_all_runs_that_a_checkpoint_has_been_through(tapes: Path, tmp_path: Path) -> None:
    first = Run(scan([tapes], FRAMES), tmp_path / "c").to(4)
    assert first.minutes > 0
    budget = Budget(steps=8, minutes=first.minutes)
    assert budget.spent(0, 0.0) == 0
    assert budget.spent(first.step, 0.0) == pytest.approx(0.5)
    assert budget.spent(first.step, first.minutes) == pytest.approx(1.0)
    second = Run(scan([tapes], FRAMES), tmp_path / "c").to(8, resume=True)
    assert second.minutes > first.minutes


def test_a_full_disk_keeps_the_last_checkpoint(tapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = scan([tapes], FRAMES)
    Run(sources, tmp_path / "c").to(4)
    good = (tmp_path / "c").read_bytes()

    def full(_tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    said: list[str] = []
    Run(sources, tmp_path / "c", tell=said.append).to(8)
    assert (tmp_path / "c").read_bytes() == good
    assert any("No space left" in line for line in said)
    assert list(tmp_path.glob("*.part")) == []


def test_broken_and_foreign_checkpoints_are_refused(tapes: Path, tmp_path: Path) -> None:
    run = Run(scan([tapes], FRAMES), tmp_path / "c")
    run.checkpoint.write_bytes(b"nonsense")
    with pytest.raises(DeclipperError, match="broken checkpoint"):
        run.to(4, resume=True)
    save_file({"weight": torch.zeros(1)}, run.checkpoint)
    with pytest.raises(DeclipperError, match="broken checkpoint"):
        run.to(4, resume=True)


TWO_PROCESSES = """
import sys
from pathlib import Path
import torch
from declipper.engine.experts import NONE
from declipper.training.data.archive import batches, scan
from declipper.training.learning.fit import Reclip
from declipper.training.learning.loop import Budget, Journal, launched, learn
from declipper.training.model.network import Shape, UNet

folder, devices = Path(sys.argv[1]), int(sys.argv[2])
torch.manual_seed(3)
torch.set_num_threads(1)
sources = scan([folder], 2048)
fabric = launched("cpu")
tell = (lambda line: print(line.split(", ")[0])) if fabric.is_global_zero else (lambda line: None)
data = lambda first_step, share: batches(sources, 2048, size=4, seed=0, first_step=first_step, share=share)
objective = Reclip(NONE, data, lambda net: float(sum(p.sum() for p in net.parameters())), 1e-3, 0)
net, journal = UNet(Shape((8, 12), (4, 4), (1, 1))), Journal(folder / f"{devices}.checkpoint", 2, tell)
learn(net, objective, budget=Budget(8), journal=journal, fabric=fabric)
"""


@pytest.mark.slow
def test_two_processes_give_the_loss_curve_of_one(tapes: Path) -> None:
    curves = []
    for devices in ("1", "2"):
        script = tapes / "run.py"
        script.write_text(TWO_PROCESSES)
        # by the loopback address alone: a host name may not resolve
        launcher = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", devices]
        command = [sys.executable, "-W", "ignore", *(launcher if devices == "2" else []), script, tapes, devices]
        done = subprocess.run(command, capture_output=True, env=os.environ | {"GLOO_SOCKET_IFNAME": "lo"}, check=False)
        assert done.returncode == 0, done.stderr.decode()
        lines = [line for line in done.stdout.decode().splitlines() if line.startswith("step")]
        curves.append([float(line.split("loss ")[1]) for line in lines])
    assert len(curves[0]) == 4
    assert np.allclose(curves[0], curves[1], atol=2e-3)
