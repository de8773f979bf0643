"""The scripts under examples/ run, on a small archive."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import clipped, write_audio

from declipper.training.learning import command, dataset, finetuning

EXAMPLES = Path(__file__).parent.parent / "examples"
Example = Callable[..., dict[str, object]]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Example:
    """Runs a script with arguments, as Python would."""

    def run(name: str, *arguments: object) -> dict[str, object]:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        return runpy.run_path(str(EXAMPLES / name), run_name="__main__")

    return run


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A clipped recording, one that is not, and one that is no audio."""
    folder = tmp_path / "archive"
    folder.mkdir()
    write_audio(folder / "clipped.wav", clipped(22050), 22050)
    write_audio(folder / "quiet.wav", 0.1 * clipped(4000, level=1.0), 22050)
    (folder / "broken.wav").write_bytes(b"no audio")
    return folder


def restored_from(source: Path, result: Path) -> bool:
    """Whether a file holds the source with its clipped samples raised, and all others as they were."""
    before, after = soundfile.read(source)[0], soundfile.read(result)[0]
    reliable = np.abs(before) < 0.499
    return bool(np.array_equal(before[reliable], after[reliable]) and np.abs(after).max() > 0.55)


def test_batch(example: Example, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example("batch.py", archive, tmp_path / "results")
    assert restored_from(archive / "clipped.wav", tmp_path / "results" / "clipped.wav")
    said = capsys.readouterr()
    assert "clipped.wav: 9" in said.out
    assert "broken.wav: " in said.err
    example("batch.py", archive, tmp_path / "results")
    assert "clipped.wav" not in capsys.readouterr().out


def test_endpoint(example: Example, archive: Path, tmp_path: Path) -> None:
    testclient = pytest.importorskip("fastapi.testclient")
    client = testclient.TestClient(example("endpoint.py")["app"])
    answer = client.post("/declip", content=(archive / "clipped.wav").read_bytes())
    (tmp_path / "restored.wav").write_bytes(answer.content)
    assert restored_from(archive / "clipped.wav", tmp_path / "restored.wav")
    assert client.post("/declip", content=b"no audio").status_code == 415
    assert client.post("/declip", content=b"0" * 50_000_001).status_code == 413


def test_stream(example: Example, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example("stream.py", archive / "clipped.wav", tmp_path / "restored.wav")
    assert restored_from(archive / "clipped.wav", tmp_path / "restored.wav")
    assert "80 ms of latency" in capsys.readouterr().out


def test_table(example: Example, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pandas")
    example("table.py", archive, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text().splitlines()[1].startswith("clipped.wav,1.0,")
    assert "50% of 2 recordings are clipped" in capsys.readouterr().out


def test_levels(example: Example, archive: Path, tmp_path: Path) -> None:
    example("levels.py", archive / "clipped.wav", tmp_path / "restored.wav")
    assert restored_from(archive / "clipped.wav", tmp_path / "restored.wav")


def test_train(
    example: Example, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (archive / "broken.wav").unlink()
    write_audio(archive / "clipped.wav", clipped(44100), 22050)
    for module, name, small in (
        (dataset, "HELD_BACK", 2),
        (dataset, "TOGETHER", 2),
        (finetuning, "MOST", 2),
        (command, "cores", lambda: 1),
    ):
        monkeypatch.setattr(module, name, small)
    example("train.py", archive, tmp_path / "model.onnx", 0.02)
    assert "re-clip score" in capsys.readouterr().out
    assert restored_from(archive / "clipped.wav", archive / "clipped.declipped.wav")
