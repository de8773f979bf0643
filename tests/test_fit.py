"""Learning from an archive: what is read, how it is scored, and that interruption changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file

from declipper.clipping.levels import ClipLevels, Threshold, clipped_mask
from declipper.engine.experts import NONE
from declipper.errors import DeclipperError, InputError, OutputError
from declipper.training.data.archive import Source, batches, collate, draw, scan, split
from declipper.training.data.batches import Recorded, Share, ahead
from declipper.training.learning import checkpoint as checkpoints
from declipper.training.learning.command import Archive, Settings, Start, train
from declipper.training.learning.fit import Reclip
from declipper.training.learning.loop import Budget, Journal, Learned, learn
from declipper.training.learning.losses import estimator
from declipper.training.learning.validation import Validation, held_back, runs_without
from declipper.training.model.network import Shape, UNet

FRAMES = 2048


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from threads, and wait long for them on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Four clipped recordings, one that is not clipped, one too short, one broken, one that is no audio."""
    folder = tmp_path / "tapes" / "deep"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    t = np.arange(30000) / 16000
    for index in range(5):
        x = np.sin(2 * np.pi * (150 + 70 * index) * t) * (1 + np.sin(2 * np.pi * 2 * t)) + 0.05 * rng.standard_normal(len(t))
        y = np.clip(x, -0.5, 0.6) if index < 4 else 0.3 * x
        soundfile.write(folder / f"{index}.wav", np.stack([y] * (1 + index % 2), axis=1), 16000, subtype="PCM_16")
    soundfile.write(folder / "short.wav", np.zeros(100), 16000)
    (folder / "broken.flac").write_bytes(b"fLaC but not really")
    (folder / "notes.txt").write_text("side A")
    return tmp_path / "tapes"


def test_scan_finds_levels_and_says_what_it_leaves_out(archive: Path) -> None:
    said: list[str] = []
    sources = scan([archive], FRAMES, tell=said.append)
    assert [s.path.name for s in sources] == ["0.wav", "1.wav", "2.wav", "3.wav", "4.wav"]
    assert [s.levels.any for s in sources] == [True, True, True, True, False]
    assert sources[1].levels.channels == 2
    assert sources[0].levels.positive[0, 0] == pytest.approx(0.6, abs=1e-3)
    assert sources[0].levels.negative[0, 0] == pytest.approx(-0.5, abs=1e-3)
    assert len(said) == 2
    assert "broken.flac" in said[0]
    assert "short.wav" in said[1]


def test_restorations_are_not_taken_for_recordings(archive: Path) -> None:
    for name in ("0.declipped.wav", "take.wav", "take.raw.wav"):
        (archive / name).write_bytes((archive / "deep" / "0.wav").read_bytes())
    said: list[str] = []
    found = [s.path.name for s in scan([archive], FRAMES, tell=said.append)]
    assert found == ["0.wav", "1.wav", "2.wav", "3.wav", "4.wav", "take.raw.wav"]
    assert sum("is a restoration" in line for line in said) == 2
    assert [s.path.name for s in scan([archive / "0.declipped.wav"], FRAMES)] == ["0.declipped.wav"]


@pytest.mark.parametrize("options", [{"clean": True}, {"threshold": Threshold(0.5, 0.5)}])
def test_a_truncated_recording_is_left_out_whatever_is_known_of_its_levels(archive: Path, options: dict[str, Any]) -> None:
    audio, rate = soundfile.read(archive / "deep" / "1.wav")
    soundfile.write(archive / "cut.flac", audio, rate)
    whole = (archive / "cut.flac").read_bytes()
    (archive / "cut.flac").write_bytes(whole[: len(whole) // 2])
    said: list[str] = []
    assert "cut.flac" not in [s.path.name for s in scan([archive], FRAMES, tell=said.append, **options)]
    assert any("cut.flac" in line for line in said)


@pytest.mark.parametrize("frames", [5000, 9000, 30000])
def test_what_is_held_back_of_a_recording_is_not_taught(tmp_path: Path, frames: int) -> None:
    """Each sample is its own position, so a segment tells where it was taken from."""
    path = tmp_path / "ramp.wav"
    soundfile.write(path, np.linspace(0.5, 1, frames), 8000, subtype="FLOAT")
    source = Source(path, 8000, frames, ClipLevels.constant(1.0, -np.inf, 1))
    rng = np.random.default_rng(0)
    taught, held = (np.concatenate([draw([source], FRAMES, rng=rng, part=part).y for _ in range(40)]) for part in ("taught", "held"))
    assert taught.max() < held.min()
    assert held.max() == pytest.approx(1.0, abs=0.02)


def test_items_are_divided_by_their_level(archive: Path) -> None:
    sources = scan([archive], FRAMES)
    rng = np.random.default_rng(0)
    for source in sources[:4]:
        item = draw([source], FRAMES, rng=rng)
        assert item.y.shape == (FRAMES,)
        assert item.y.max() <= 1.001
        assert item.positive == pytest.approx(1.0, abs=1e-3)
        assert item.negative == pytest.approx(-0.5 / 0.6, abs=1e-2)
    unclipped = draw(sources[4:], FRAMES, rng=rng)
    assert np.abs(unclipped.y).max() == pytest.approx(1.0, abs=1e-3)
    assert not np.any(clipped_mask(unclipped.y, unclipped.positive, unclipped.negative))


def test_processes_share_one_stream_of_items(archive: Path) -> None:
    sources = scan([archive], FRAMES)
    whole = batches(sources, FRAMES, size=4, seed=1)
    parts = [batches(sources, FRAMES, size=4, seed=1, share=Share(rank, 2)) for rank in (0, 1)]
    for _ in range(2):
        y = next(whole).y
        halves = [next(part).y for part in parts]
        assert torch.equal(y[0::2], halves[0])
        assert torch.equal(y[1::2], halves[1])
    next(whole)
    assert torch.equal(next(whole).y, next(batches(sources, FRAMES, size=4, seed=1, first_step=3)).y)


def test_what_is_drawn_ahead_comes_in_its_order_and_errors_where_they_were_due() -> None:
    def items() -> Iterator[int]:
        yield from range(20)
        raise OSError(5, "the disk is gone")

    found = ahead(items())
    assert [next(found) for _ in range(20)] == list(range(20))
    with pytest.raises(OSError, match="the disk is gone"):
        next(found)


def test_recordings_are_held_back_whole_where_there_are_enough(archive: Path) -> None:
    sources = scan([archive], FRAMES)
    teaching, held = split(sources)
    assert not set(teaching) & set(held)
    assert set(teaching) | set(held) == set(sources)
    assert split(sources[:2]) == (sources[:2], sources[:2])


def test_score_is_zero_for_the_input_and_high_for_the_truth(archive: Path) -> None:
    sources = scan([archive], FRAMES)
    validation = held_back(sources, FRAMES, count=9, seed=0)
    assert validation.segments
    assert validation.score(lambda y, *_: y) == pytest.approx(0, abs=0.01)
    truths = iter([segment.truth for segment in validation.segments])
    assert validation.score(lambda *_: next(truths)) > 35


def test_peaks_that_the_recording_clips_are_not_scored() -> None:
    runs = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1], bool)
    spoilt = np.array([0, 0, 1, 0, 1, 0, 0, 0, 0], bool)
    assert np.array_equal(runs_without(runs, spoilt), np.array([1, 1, 0, 0, 0, 0, 0, 0, 1], bool))
    assert not runs_without(np.zeros(4, bool), np.ones(4, bool)).any()


def test_score_prefers_segments_that_are_known_throughout(tmp_path: Path) -> None:
    x = np.sin(np.arange(8 * FRAMES) / 9) * np.repeat([0.3, 1.0], 4 * FRAMES)
    soundfile.write(tmp_path / "half.wav", np.clip(x, -0.5, 0.5), 16000, subtype="FLOAT")
    validation = held_back(scan([tmp_path], FRAMES), FRAMES, count=5, seed=0)
    assert validation.segments
    for segment in validation.segments:
        assert segment.again.y.abs().max() < segment.truth.abs().max()
        assert not segment.known[segment.truth.abs() > 0.999].any()


def test_clean_recordings_are_taken_for_unclipped(archive: Path) -> None:
    sources = scan([archive], FRAMES, clean=True)
    assert len(sources) == 5
    assert not any(s.levels.any for s in sources)


def small() -> UNet:
    torch.manual_seed(3)
    return UNet(Shape((8, 12), (4, 4), (1, 1)))


@dataclass(frozen=True)
class Run:
    """One run of the loop on recordings, with a checkpoint every four steps."""

    sources: list[Source]
    checkpoint: Path
    validation: Validation | None = None
    rate: float = 1e-3
    tell: Callable[[str], None] = lambda _: None

    def to(self, steps: int, resume: bool = False) -> Learned:
        validation = held_back(self.sources, FRAMES, count=6, seed=0) if self.validation is None else self.validation
        objective = Reclip(NONE, self.batches, validation, self.rate, 0)
        journal = Journal(self.checkpoint, 4, self.tell, resume)
        return learn(small(), objective, budget=Budget(steps), journal=journal, fabric=Fabric(accelerator="cpu", devices=1))

    def batches(self, first: int, share: Share) -> Iterator[Recorded]:
        return batches(self.sources, FRAMES, size=4, seed=0, first_step=first, share=share)


def test_training_improves_the_score(archive: Path, tmp_path: Path) -> None:
    learned = Run(scan([archive], FRAMES), tmp_path / "c", rate=3e-3).to(40)
    assert learned.best_score > learned.begun_with + 0.3


def test_resumed_training_ends_with_the_same_weights(archive: Path, tmp_path: Path) -> None:
    sources = scan([archive], FRAMES)
    whole = Run(sources, tmp_path / "whole").to(12)
    Run(sources, tmp_path / "parts").to(8)
    parts = Run(sources, tmp_path / "parts").to(12, resume=True)
    assert (whole.best_score, whole.begun_with, whole.step) == (parts.best_score, parts.begun_with, parts.step)
    for one, other in (whole.best, parts.best), (whole.last, parts.last):
        assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_resumed_training_is_judged_by_the_archive_it_has_now(archive: Path, tmp_path: Path) -> None:
    """A checkpoint may come from other recordings, or from a network that began at random: its own figures count for nothing."""
    sources = scan([archive], FRAMES)
    before = Run(sources, tmp_path / "c").to(8)
    validation = held_back(sources[:1], FRAMES, count=6, seed=3)
    after = Run(sources, tmp_path / "c", validation).to(8, resume=True)
    assert after.begun_with == pytest.approx(validation.score(estimator(small())))
    assert after.best_score == pytest.approx(validation.score(estimator(after.best)))
    assert after.best_score >= after.begun_with
    assert after.best_score != before.best_score


def test_minutes_count_in_all_runs_that_a_checkpoint_has_been_through(archive: Path, tmp_path: Path) -> None:
    first = Run(scan([archive], FRAMES), tmp_path / "c").to(4)
    assert first.minutes > 0
    budget = Budget(steps=8, minutes=first.minutes)
    assert budget.spent(0, 0.0) == 0
    assert budget.spent(first.step, 0.0) == pytest.approx(0.5)
    assert budget.spent(first.step, first.minutes) == pytest.approx(1.0)
    second = Run(scan([archive], FRAMES), tmp_path / "c").to(8, resume=True)
    assert second.minutes > first.minutes


def test_a_full_disk_keeps_the_last_checkpoint(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = scan([archive], FRAMES)
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


def test_broken_and_foreign_checkpoints_are_refused(archive: Path, tmp_path: Path) -> None:
    run = Run(scan([archive], FRAMES), tmp_path / "c")
    run.checkpoint.write_bytes(b"nonsense")
    with pytest.raises(DeclipperError, match="broken checkpoint"):
        run.to(4, resume=True)
    save_file({"weight": torch.zeros(1)}, run.checkpoint)
    with pytest.raises(DeclipperError, match="broken checkpoint"):
        run.to(4, resume=True)


def trained(recordings: Path, target: Path) -> bool:
    settings = Settings(batch=2, device="cpu")
    return train(Archive((recordings,)), target, start=Start(), budget=Budget(steps=1), settings=settings, tell=lambda _: None)


def test_archives_with_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        trained(tmp_path / "none", tmp_path / "m.onnx")
    with pytest.raises(InputError, match="no recording found"):
        trained(tmp_path, tmp_path / "m.onnx")
    soundfile.write(tmp_path / "clean.wav", 0.1 * np.random.default_rng(0).standard_normal(40000), 16000)
    with pytest.raises(InputError, match="none of 1 recordings is clipped"):
        trained(tmp_path, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_a_target_that_cannot_be_written_is_refused_before_training(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(OutputError, match=r"folder\.onnx: is a folder"):
        trained(archive, tmp_path / "folder.onnx")
    with pytest.raises(OutputError, match="there is no folder"):
        trained(archive, tmp_path / "none" / "m.onnx")


def test_collated_levels_broadcast(archive: Path) -> None:
    recorded = collate([draw(scan([archive], FRAMES), FRAMES, rng=np.random.default_rng(i)) for i in range(3)])
    assert recorded.y.shape == (3, 1, FRAMES)
    assert recorded.levels.positive.shape == recorded.levels.negative.shape == (3, 1, 1)
    assert recorded.rates.tolist() == [16000.0] * 3
    assert estimator(small())(recorded.y, recorded.levels).shape == recorded.y.shape


def test_levels_that_change_are_taken_at_their_lowest(tmp_path: Path) -> None:
    path = tmp_path / "fade.wav"
    soundfile.write(path, np.clip(np.sin(np.arange(4096) / 9), -0.5, 0.5) * np.linspace(1, 0.5, 4096), 8000, subtype="FLOAT")
    levels = ClipLevels(np.array([0, 4095]), np.array([[0.5], [0.25]]), np.array([[-0.5], [-0.25]]))
    item = draw([Source(path, 8000, 4096, levels)], 4096, rng=np.random.default_rng(0))
    assert item.y.max() <= 1.0 + 1e-6


TWO_PROCESSES = """
import sys
from pathlib import Path
import torch
from declipper.engine.experts import NONE
from declipper.training.data.archive import batches, scan
from declipper.training.learning.fit import Reclip
from declipper.training.learning.loop import Budget, Journal, launched, learn
from declipper.training.learning.validation import held_back
from declipper.training.model.network import Shape, UNet

folder, devices = Path(sys.argv[1]), int(sys.argv[2])
torch.manual_seed(3)
torch.set_num_threads(1)
sources = scan([folder], 2048)
fabric = launched("cpu")
tell = (lambda line: print(line.split(", ")[0])) if fabric.is_global_zero else (lambda line: None)
data = lambda first, share: batches(sources, 2048, size=4, seed=0, first_step=first, share=share)
objective = Reclip(NONE, data, held_back(sources, 2048, count=3, seed=0), 1e-3, 0)
net, journal = UNet(Shape((8, 12), (4, 4), (1, 1))), Journal(folder / f"{devices}.checkpoint", 2, tell)
learn(net, objective, budget=Budget(8), journal=journal, fabric=fabric)
"""


@pytest.mark.slow
def test_two_processes_give_the_loss_curve_of_one(archive: Path) -> None:
    curves = []
    for devices in ("1", "2"):
        script = archive / "run.py"
        script.write_text(TWO_PROCESSES)
        # by the loopback address alone: a host name may not resolve
        launcher = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", devices]
        command = [sys.executable, "-W", "ignore", *(launcher if devices == "2" else []), script, archive, devices]
        done = subprocess.run(command, capture_output=True, env=os.environ | {"GLOO_SOCKET_IFNAME": "lo"}, check=False)
        assert done.returncode == 0, done.stderr.decode()
        lines = [line for line in done.stdout.decode().splitlines() if line.startswith("step")]
        curves.append([float(line.split("loss ")[1]) for line in lines])
    assert len(curves[0]) == 4
    assert np.allclose(curves[0], curves[1], atol=2e-3)
