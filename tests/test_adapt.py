"""Fine-tuning: it gains where there is something to gain, and says so early where there is not."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from lightning_fabric import Fabric
from tapes import FRAMES, Raised, maker, pairs, small

from declipper.engine.experts import NONE
from declipper.errors import InputError, OutputError
from declipper.training.data.archive import scan
from declipper.training.data.batches import Share
from declipper.training.learning import command, dataset, finetuning
from declipper.training.learning.adapt import Adaptation
from declipper.training.learning.command import Archive, Reports, Settings, Start, train
from declipper.training.learning.finetuning import advice
from declipper.training.learning.loop import Budget, Journal, Learned, learn
from declipper.training.learning.pairs import Pool, batch_of
from declipper.training.learning.reclipping import score

pytestmark = pytest.mark.usefixtures("one_thread")


def adapted(tapes: Path, folder: Path, steps: int, rate: float = 3e-3) -> Learned:
    sources = scan([tapes], FRAMES)
    pool = Pool(folder / "pool", NONE, FRAMES)
    pool.add(pairs(sources, 24, base=small()))
    objective = Adaptation(pool, partial(score, held=pairs(sources, 8, base=small(), seed=1)), 4, rate, 0)
    journal = Journal(folder / "checkpoint", 10, lambda _: None)
    return learn(small(), objective, budget=Budget(steps), journal=journal, fabric=Fabric(accelerator="cpu", devices=1))


def test_the_score_rises(tapes: Path, tmp_path: Path) -> None:
    learned = adapted(tapes, tmp_path, 60)
    assert learned.best_score > learned.begun_with + 0.3


def test_what_was_lost_is_restored_better_than_before(tapes: Path, tmp_path: Path) -> None:
    """By the truth, which training never sees: the recordings before they were clipped."""
    learned = adapted(tapes, tmp_path, 60)
    rng, t, gains = np.random.default_rng(0), np.arange(30000) / 16000, []
    for index in range(4):
        x = np.sin(2 * np.pi * (150 + 70 * index) * t) * (1 + np.sin(2 * np.pi * 2 * t)) + 0.05 * rng.standard_normal(len(t))
        x = (x[:FRAMES] / 0.6).astype(np.float32)
        y = np.clip(x, np.float32(-0.5 / 0.6), 1)
        clipped = y != x
        seen = torch.from_numpy(np.stack([y * ~clipped, y * clipped]))[None]
        errors = [float(np.square((net(seen).detach().numpy()[0, 0] - x) * clipped).sum()) for net in (small(), learned.best)]
        gains.append(10 * np.log10(errors[0] / errors[1]))
    assert np.mean(gains) > 0.3


def test_a_batch_depends_on_the_seed_and_the_step_alone(tapes: Path, tmp_path: Path) -> None:
    pool = Pool(tmp_path / "pool", NONE, FRAMES)
    pool.add(pairs(scan([tapes], FRAMES), 8, base=small()))
    objective = Adaptation(pool, lambda _: 0.0, 4, 1e-3, 5)
    batches = objective.batches(0, Share())
    next(batches)
    second = next(batches)
    assert torch.equal(second.again.y, next(objective.batches(1, Share())).again.y)
    assert torch.equal(second.again.y[1::2], next(objective.batches(1, Share(1, 2))).again.y)


def test_the_loss_prefers_what_is_known(tapes: Path) -> None:
    """Of guesses of the right and of the wrong height, known peaks tell which is right."""
    held = pairs(scan([tapes], FRAMES), 12, base=Raised(1.3))
    objective = Adaptation(Pool.__new__(Pool), lambda _: 0.0, 4, 1e-3, 0)
    scores = {factor: score(Raised(factor), held) for factor in (1.0, 1.3, 3.0)}
    losses = {f: objective.loss(Raised(f), batch_of(held), average=Raised(1.3), spent=0.0).item() for f in scores}
    assert min(losses, key=lambda f: losses[f]) == max(scores, key=lambda f: scores[f]) == 1.3


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "HELD_BACK", 2)
    monkeypatch.setattr(dataset, "TOGETHER", 2)
    monkeypatch.setattr(command, "cores", lambda: 1)


@pytest.mark.usefixtures("_few")
def test_where_nothing_is_gained_training_ends_with_the_trial(tapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetuning, "TRIAL", 0.001)
    monkeypatch.setattr(finetuning, "TRIAL_STEPS", 1)
    monkeypatch.setattr(finetuning, "MOST", 2)
    longer = tmp_path / "longer"
    longer.mkdir()
    for path in (tapes / "deep").glob("[0-3].wav"):
        y, rate = soundfile.read(path, always_2d=True)
        soundfile.write(longer / path.name, np.tile(y[:, :1], (2, 1)), rate, subtype="PCM_16")
    said: list[str] = []
    settings, budget = Settings(batch=1, rate=1e-12, device="cpu"), Budget(minutes=100)
    assert not train(Archive((longer,)), tmp_path / "m.onnx", start=Start(), budget=budget, settings=settings, reports=Reports(said.append))
    assert "keep using what you have" in said[-1]
    assert list(tmp_path.glob("*.onnx")) == []


def test_recordings_in_which_no_clipping_is_found_neither_teach_nor_judge(tapes: Path) -> None:
    """The detector may have missed it, and flat tops would pass for the truth."""
    said: list[str] = []
    found = dataset.dataset_of(Archive((tapes,)), dataset.cut_for(NONE), said.append)
    assert {s.path.name for s in found.clipped.taught + found.clipped.held} == {f"{index}.wav" for index in range(4)}
    assert "5 recordings, 4 of them clipped" in said[-1]


@pytest.mark.usefixtures("_few")
@pytest.mark.parametrize("count", [1, 5])
def test_of_clean_recordings_some_are_held_back_and_judge(tapes: Path, tmp_path: Path, count: int) -> None:
    rng, rate, clean = np.random.default_rng(1), 16000, tmp_path / "clean"
    clean.mkdir()
    for index in range(count):
        soundfile.write(clean / f"{index}.wav", 0.1 * rng.standard_normal(9000 if count == 1 else 40000), rate, subtype="FLOAT")
    found = dataset.dataset_of(Archive((tapes,), (clean,)), dataset.cut_for(NONE), lambda _: None)
    assert found.clean is not None
    assert found.clean.recordings == count
    held = dataset.held_back(found, maker(small()), seed=0)
    assert held.score_name == "dSDR"
    assert len(held.pairs) == 2
    judging, learning = held.dataset.clean.held, held.dataset.clean.taught
    assert all(s.levels.any for s in judging + learning)
    taught = {(s.path, frame) for s in learning for frame in s.used}
    assert taught
    assert not taught & {(s.path, frame) for s in judging for frame in s.used}


def trained(recordings: Path, target: Path) -> bool:
    settings = Settings(batch=2, device="cpu")
    return train(Archive((recordings,)), target, start=Start(), budget=Budget(steps=1), settings=settings, reports=Reports(lambda _: None))


def test_archives_with_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        trained(tmp_path / "none", tmp_path / "m.onnx")
    with pytest.raises(InputError, match="no recording found"):
        trained(tmp_path, tmp_path / "m.onnx")
    soundfile.write(tmp_path / "clean.wav", 0.1 * np.random.default_rng(0).standard_normal(40000), 16000)
    with pytest.raises(InputError, match="none of 1 recordings is clipped"):
        trained(tmp_path, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_a_target_that_cannot_be_written_is_refused_before_training(tapes: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(OutputError, match=r"folder\.onnx: is a folder"):
        trained(tapes, tmp_path / "folder.onnx")
    with pytest.raises(OutputError, match="there is no folder"):
        trained(tapes, tmp_path / "none" / "m.onnx")


SCORES = [
    ([8.4, 8.8, 9.2, 9.3], "brought 0.50 dB: twice the time would bring as much at most"),
    ([8.9, 9.0, 9.0, 9.03], "brought 0.03 dB: twice the time is not worth it"),
    ([7.7, 7.8, 7.9, 7.95], "brought 0.00 dB: twice the time is not worth it"),
    ([8, 9], "too short"),
    ([], "too short"),
]
"""Of runs that began with 8."""


@pytest.mark.parametrize(("scores", "said"), SCORES)
def test_what_more_time_would_bring_is_judged_by_the_second_half(tmp_path: Path, scores: list[float], said: str) -> None:
    rows = [json.dumps({"step": 100 * i, "minutes": i + 1, "train": 0.0, "score": figure}) for i, figure in enumerate(scores)]
    (tmp_path / "log").write_text("".join(f"{row}\n" for row in rows))
    assert said in advice(tmp_path / "log", 8.0)
