"""Learning from an archive: what is read, how it is scored, and that interruption changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file

from declipper.clipping.levels import ClipLevels, Threshold, clipped_mask
from declipper.errors import DeclipperError, InputError, OutputError
from declipper.training.data.archive import Source, batches, collate, draw, scan, split
from declipper.training.judging.score import reclip_score, runs_without, validation
from declipper.training.learning import fit as fit_module
from declipper.training.learning.command import train
from declipper.training.learning.fit import fit
from declipper.training.learning.losses import estimator
from declipper.training.model.network import UNet

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
    taught, held = (np.concatenate([draw([source], FRAMES, rng, part).y for _ in range(40)]) for part in ("taught", "held"))
    assert taught.max() < held.min()
    assert held.max() == pytest.approx(1.0, abs=0.02)


def test_items_are_divided_by_their_level(archive: Path) -> None:
    sources = scan([archive], FRAMES)
    rng = np.random.default_rng(0)
    for source in sources[:4]:
        item = draw([source], FRAMES, rng)
        assert item.y.shape == (FRAMES,)
        assert item.y.max() <= 1.001
        assert item.positive == pytest.approx(1.0, abs=1e-3)
        assert item.negative == pytest.approx(-0.5 / 0.6, abs=1e-2)
    unclipped = draw(sources[4:], FRAMES, rng)
    assert np.abs(unclipped.y).max() == pytest.approx(1.0, abs=1e-3)
    assert not np.any(clipped_mask(unclipped.y, unclipped.positive, unclipped.negative))


def test_processes_share_one_stream_of_items(archive: Path) -> None:
    sources = scan([archive], FRAMES)
    whole = batches(sources, FRAMES, 4, seed=1)
    parts = [batches(sources, FRAMES, 4, seed=1, rank=rank, world=2) for rank in (0, 1)]
    for _ in range(2):
        y = next(whole)[0]
        halves = [next(part)[0] for part in parts]
        assert torch.equal(y[0::2], halves[0])
        assert torch.equal(y[1::2], halves[1])
    next(whole)
    assert torch.equal(next(whole)[0], next(batches(sources, FRAMES, 4, seed=1, first_step=3))[0])


def test_recordings_are_held_back_whole_where_there_are_enough(archive: Path) -> None:
    sources = scan([archive], FRAMES)
    teaching, held = split(sources)
    assert not set(teaching) & set(held)
    assert set(teaching) | set(held) == set(sources)
    assert split(sources[:2]) == (sources[:2], sources[:2])


def test_score_is_zero_for_the_input_and_high_for_the_truth(archive: Path) -> None:
    sources = scan([archive], FRAMES)
    rows = validation(sources, FRAMES, 9, seed=0)
    assert rows
    assert reclip_score(lambda y, *_: y, rows) == pytest.approx(0, abs=0.01)
    truths = iter([row[0] for row in rows])
    assert reclip_score(lambda *_: next(truths), rows) > 35


def test_peaks_that_the_recording_clips_are_not_scored() -> None:
    runs = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1], bool)
    spoilt = np.array([0, 0, 1, 0, 1, 0, 0, 0, 0], bool)
    assert np.array_equal(runs_without(runs, spoilt), np.array([1, 1, 0, 0, 0, 0, 0, 0, 1], bool))
    assert not runs_without(np.zeros(4, bool), np.ones(4, bool)).any()


def test_score_prefers_segments_that_are_known_throughout(tmp_path: Path) -> None:
    x = np.sin(np.arange(8 * FRAMES) / 9) * np.repeat([0.3, 1.0], 4 * FRAMES)
    soundfile.write(tmp_path / "half.wav", np.clip(x, -0.5, 0.5), 16000, subtype="FLOAT")
    for truth, again, _, _, _, known in validation(scan([tmp_path], FRAMES), FRAMES, 5, seed=0):
        assert again.abs().max() < truth.abs().max()
        assert not known[truth.abs() > 0.999].any()


def test_clean_recordings_are_taken_for_unclipped(archive: Path) -> None:
    sources = scan([archive], FRAMES, clean=True)
    assert len(sources) == 5
    assert not any(s.levels.any for s in sources)


def small() -> UNet:
    torch.manual_seed(3)
    return UNet((8, 12), (4, 4), (1, 1))


def run(
    sources: list[Source],
    checkpoint: Path,
    steps: int,
    resume: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    rate: float = 1e-3,
) -> tuple[UNet, float, float]:
    rows = validation(sources, FRAMES, 6, seed=0)
    data = partial(_open, sources)
    fabric = Fabric(accelerator="cpu", devices=1)
    return fit(small(), (), data, rows, fabric, checkpoint, steps, None, rate, 0, 4, resume, tell)


def _open(sources: list[Source], first: int, rank: int, world: int) -> object:
    return batches(sources, FRAMES, 4, 0, first, rank, world)


def test_training_improves_the_score(archive: Path, tmp_path: Path) -> None:
    _, score, before = run(scan([archive], FRAMES), tmp_path / "c", 40, rate=3e-3)
    assert score > before + 0.3


def test_resumed_training_ends_with_the_same_weights(archive: Path, tmp_path: Path) -> None:
    sources = scan([archive], FRAMES)
    whole, whole_score, whole_before = run(sources, tmp_path / "whole", 12)
    run(sources, tmp_path / "parts", 8)
    parts, parts_score, parts_before = run(sources, tmp_path / "parts", 12, resume=True)
    assert (whole_score, whole_before) == (parts_score, parts_before)
    for a, b in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_resumed_training_is_judged_by_the_archive_it_has_now(archive: Path, tmp_path: Path) -> None:
    """A checkpoint may come from other recordings, or from a network that began at random: its own figures count for nothing."""
    sources = scan([archive], FRAMES)
    _, best, _ = run(sources, tmp_path / "c", 8)
    rows = validation(sources[:1], FRAMES, 6, seed=3)
    fabric = Fabric(accelerator="cpu", devices=1)
    good, score, before = fit(small(), (), partial(_open, sources), rows, fabric, tmp_path / "c", 8, None, 1e-3, 0, 4, True, lambda _: None)
    assert before == pytest.approx(reclip_score(estimator(small()), rows))
    assert score == pytest.approx(reclip_score(estimator(good), rows))
    assert score >= before
    assert score != best


def test_a_full_disk_keeps_the_last_checkpoint(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = scan([archive], FRAMES)
    run(sources, tmp_path / "c", 4)
    good = (tmp_path / "c").read_bytes()

    def full(_tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fit_module, "save_file", full)
    said: list[str] = []
    run(sources, tmp_path / "c", 8, tell=said.append)
    assert (tmp_path / "c").read_bytes() == good
    assert any("No space left" in line for line in said)
    assert list(tmp_path.glob("*.part")) == []


def test_broken_and_foreign_checkpoints_are_refused(archive: Path, tmp_path: Path) -> None:
    sources = scan([archive], FRAMES)
    (tmp_path / "c").write_bytes(b"nonsense")
    with pytest.raises(DeclipperError, match="broken checkpoint"):
        run(sources, tmp_path / "c", 4, resume=True)
    save_file({"weight": torch.zeros(1)}, tmp_path / "c")
    with pytest.raises(DeclipperError, match="broken checkpoint"):
        run(sources, tmp_path / "c", 4, resume=True)


def test_archives_with_nothing_to_learn_from(tmp_path: Path) -> None:
    arguments = (tmp_path / "m.onnx", [], None, False, 1, None, 2, 1e-4, 0, "cpu", False, lambda _: None)
    with pytest.raises(InputError, match="no such file or folder"):
        train([tmp_path / "none"], *arguments)
    with pytest.raises(InputError, match="no recording found"):
        train([tmp_path], *arguments)
    soundfile.write(tmp_path / "clean.wav", 0.1 * np.random.default_rng(0).standard_normal(40000), 16000)
    with pytest.raises(InputError, match="none of 1 recordings is clipped"):
        train([tmp_path], *arguments)
    assert not (tmp_path / "m.onnx").exists()


def test_a_target_that_cannot_be_written_is_refused_before_training(archive: Path, tmp_path: Path) -> None:
    arguments = ([], None, False, 1, None, 2, 1e-4, 0, "cpu", False, lambda _: None)
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(OutputError, match=r"folder\.onnx: is a folder"):
        train([archive], tmp_path / "folder.onnx", *arguments)
    with pytest.raises(OutputError, match="there is no folder"):
        train([archive], tmp_path / "none" / "m.onnx", *arguments)


def test_collated_levels_broadcast(archive: Path) -> None:
    items = [draw(scan([archive], FRAMES), FRAMES, np.random.default_rng(i)) for i in range(3)]
    y, positive, negative, rates = collate(items)
    assert y.shape == (3, 1, FRAMES)
    assert positive.shape == negative.shape == (3, 1, 1)
    assert rates.tolist() == [16000.0] * 3
    assert estimator(small())(y, positive, negative).shape == y.shape


def test_levels_that_change_are_taken_at_their_lowest(tmp_path: Path) -> None:
    path = tmp_path / "fade.wav"
    soundfile.write(path, np.clip(np.sin(np.arange(4096) / 9), -0.5, 0.5) * np.linspace(1, 0.5, 4096), 8000, subtype="FLOAT")
    levels = ClipLevels(np.array([0, 4095]), np.array([[0.5], [0.25]]), np.array([[-0.5], [-0.25]]))
    item = draw([Source(path, 8000, 4096, levels)], 4096, np.random.default_rng(0))
    assert item.y.max() <= 1.0 + 1e-6


TWO_PROCESSES = """
import sys
from pathlib import Path
import torch
from declipper.training.data.archive import batches, scan
from declipper.training.learning.command import launched
from declipper.training.learning.fit import fit
from declipper.training.model.network import UNet
from declipper.training.judging.score import validation

folder, devices = Path(sys.argv[1]), int(sys.argv[2])
torch.manual_seed(3)
torch.set_num_threads(1)
sources = scan([folder], 2048)
fabric = launched("cpu")
tell = (lambda line: print(line.split(", ")[0])) if fabric.is_global_zero else (lambda line: None)
data = lambda first, rank, world: batches(sources, 2048, 4, 0, first, rank, world)
rows = validation(sources, 2048, 3, 0)
fit(UNet((8, 12), (4, 4), (1, 1)), (), data, rows, fabric, folder / f"{devices}.checkpoint", 8, None, 1e-3, 0, 2, False, tell)
"""


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
