"""`declipper train` and `fix --adapt` as a user meets them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import Run, clipped, music, write_audio

from declipper.engine.session import Session, shipped_model
from declipper.terminal import progress
from declipper.training.learning import command, dataset, finetuning
from declipper.training.model.export import load


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_audio(tmp_path / "song.wav", clipped(40000))


@pytest.mark.slow
def test_training_without_its_extra_is_one_line(tmp_path: Path, song: Path) -> None:
    code = "import sys; sys.modules['lightning_fabric'] = None; from declipper.commands.main import main; main()"
    for arguments in (["train", tmp_path, "-o", tmp_path / "m.onnx"], ["fix", "--adapt", "1s", "-o", tmp_path / "a.wav", song]):
        done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, check=False)
        assert done.returncode == 2
        assert done.stderr.decode().count("\n") == 1
        assert 'pip install "declipper[train]"' in done.stderr.decode()
    assert list(tmp_path.glob("*.onnx")) == []


@pytest.mark.parametrize("given", ["0", "-1m", "soon", "5 minutes", ""])
def test_times_that_are_none(run: Run, song: Path, given: str) -> None:
    result = run("fix", "--adapt", given, song)
    assert result.code == 2
    assert "is not a time such as 90s, 5m or 1h" in result.err


@pytest.fixture
def _short_training(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few held-back segments, one thread."""
    monkeypatch.setattr(dataset, "HELD_BACK", 4)
    monkeypatch.setattr(dataset, "TOGETHER", 2)
    monkeypatch.setattr(finetuning, "MOST", 4)
    monkeypatch.setattr(command, "cores", lambda: 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("_short_training")
def test_training_from_scratch_writes_a_model_that_fix_takes(run: Run, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "mine.onnx"
    with monkeypatch.context() as at_once:
        at_once.setattr(progress, "SHORT", 0.0)
        at_once.setattr(progress, "EVERY", 0.0)
        result = run("train", song, "-o", model, "--from-scratch", "--steps", "1", "--batch", "1", "--device", "cpu")
    assert result.code == 0, result.err
    assert "re-clip score" in result.err
    assert "mine.onnx: learn 100 %" in result.err
    assert "listen before and after" in result.err
    assert result.out == ""
    assert set(Session(model).info.training) >= {"base", "recordings", "seed", "score", "score_before_db", "score_after_db"}
    assert run("fix", "--model", model, song).code == 0
    again = run("train", song, "-o", model, "--steps", "1")
    assert again.code == 1
    assert "exists; use --overwrite" in again.err


@pytest.mark.usefixtures("_short_training")
def test_training_that_does_not_help_writes_nothing(run: Run, song: Path, tmp_path: Path) -> None:
    model = tmp_path / "mine.onnx"
    result = run("train", song, "-o", model, "--steps", "1", "--batch", "1", "--rate", "1e-12", "--device", "cpu")
    assert result.code == 0, result.err
    assert "not better than fast.onnx" in result.err
    assert list(tmp_path.glob("mine*")) == []


def test_random_weights_with_slow_experts_are_refused(run: Run, song: Path, tmp_path: Path) -> None:
    for model in shipped_model("best"), "best":
        result = run("train", song, "-o", tmp_path / "mine.onnx", "--model", model, "--from-scratch")
        assert result.code == 2
        assert "start from fast or live" in result.error_line


@pytest.mark.slow
@pytest.mark.parametrize("model", ["best", "live"])
@pytest.mark.usefixtures("_short_training")
def test_any_shipped_model_can_be_trained(run: Run, song: Path, tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "HELD_BACK", 2)  # the methods of `best` take their time
    result = run("train", song, "-o", tmp_path / "mine.onnx", "--model", model, "--steps", "1", "--batch", "1", "--device", "cpu")
    assert result.code == 0, result.err
    assert "re-clip score" in result.err


@pytest.mark.slow
@pytest.mark.usefixtures("_short_training")
def test_training_that_was_killed_resumes_to_the_same_weights(
    run: Run, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "EVERY", 1)
    in_the_same_way = (
        "from declipper.training.learning import command, dataset, finetuning; import torch; torch.set_num_threads(1); "
        "dataset.HELD_BACK, dataset.TOGETHER, finetuning.MOST, command.cores, command.EVERY = 4, 2, 4, lambda: 1, 1; "
        "from declipper.commands.main import main; main()"
    )
    training = ["train", song, "--from-scratch", "--steps", "4", "--batch", "1", "--device", "cpu", "-o"]
    whole, parts = tmp_path / "whole.onnx", tmp_path / "parts.onnx"
    assert run(*training, whole).code == 0
    killed = subprocess.Popen([sys.executable, "-c", in_the_same_way, *map(str, training), str(parts)], stderr=subprocess.DEVNULL)
    while killed.poll() is None and not parts.with_suffix(".checkpoint").exists():
        time.sleep(0.01)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert not parts.exists()
    assert run(*training, parts, "--resume").code == 0
    one, other = (load(path).state_dict() for path in (whole, parts))
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.usefixtures("_short_training")
def test_clean_recordings_are_learned_from_as_well(run: Run, song: Path, tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    write_audio(tmp_path / "clean" / "a.wav", 0.1 * music(40000))
    model = tmp_path / "mine.onnx"
    result = run("train", song, "-o", model, "--clean", tmp_path / "clean", "--from-scratch", "--steps", "1", "--batch", "1")
    assert result.code == 0, result.err
    assert "1 clean recordings" in result.err
    assert "held-back segments of the clean recordings" in result.err
    assert "listen before and after" not in result.err
    assert Session(model).info.training["clean_recordings"] == 1


@pytest.mark.slow
@pytest.mark.usefixtures("_short_training")
def test_adapting_to_one_recording(run: Run, song: Path, tmp_path: Path) -> None:
    result = run("fix", "--adapt", "1s", song, "-o", tmp_path / "adapted.wav")
    assert result.code == 0, result.err
    assert "re-clip score" in result.err
    assert (tmp_path / "adapted.wav").exists()


@pytest.mark.usefixtures("_short_training")
def test_adapting_where_there_is_nothing_to_learn_from_restores_all_the_same(run: Run, song: Path, tmp_path: Path) -> None:
    for name, audio in ("clean", music(40000)), ("short", clipped(5000)):
        source = write_audio(tmp_path / f"{name}.wav", audio)
        result = run("fix", "--adapt", "1s", source, "-o", tmp_path / f"{name}.out.wav")
        assert result.code == 0, result.err
        assert "the model stays as it is" in result.err
        assert (tmp_path / f"{name}.out.wav").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("_short_training")
def test_adapting_to_any_name_with_the_level_given(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "take without an ending"
    write_audio(source, music(40000), format="WAV")
    result = run("fix", "--adapt", "1s", "--threshold", "-3", source, "-o", tmp_path / "adapted.wav")
    assert result.code == 0, result.err
    assert "re-clip score" in result.err


def test_what_exists_is_said_before_adapting(run: Run, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "train", lambda *_, **__: pytest.fail("trained for nothing"))
    result = run("fix", "--adapt", "5m", song, "-o", write_audio(song.with_name("there.wav"), clipped()))
    assert result.code == 1
    assert "exists; use --overwrite" in result.error_line


def test_a_device_that_is_not_there(run: Run, song: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("it is there")
    result = run("train", song, "-o", tmp_path / "m.onnx", "--device", "cuda", "--steps", "1")
    assert result.code != 0
    assert "--device cuda cannot be used" in result.error_line


@pytest.mark.usefixtures("_short_training")
def test_an_interruption_ends_adapting_and_everything(run: Run, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("declipper.training.learning.adapt.weighted_db", interrupted)
    result = run("fix", "--adapt", "5m", "-q", song, "-o", tmp_path / "adapted.wav")
    assert result.code == 130
    assert not (tmp_path / "adapted.wav").exists()
