"""A model of one's own for the DAW plugin: put where it looks and taken away; what the plugin could not run is refused."""

from __future__ import annotations

import json
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import Run
from onnx import numpy_helper

from declipper.engine.session import shipped_model
from declipper.plugins import own_model

PLACE = Path(".local/share/declipper/plugin.model")
HEAD = struct.Struct("<8sIQ2f4I")
"""Magic, version, estimates, doubt, slope, base sample rate, inputs, kernel, reach."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path / "home"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """One of the kind of `live` with other weights, as a training leaves it."""
    return edited(tmp_path / "voice.onnx", lambda model: None)


def edited(path: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    """The shipped model with small random weights, and what else is changed."""
    model, rng = onnx.load(shipped_model("live")), np.random.default_rng(0)
    for tensor in model.graph.initializer:
        if tensor.name.endswith(".half"):
            weights = 0.05 * rng.standard_normal(numpy_helper.to_array(tensor).shape)
            tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), tensor.name))
    change(model)
    onnx.save(model, path)
    return path


def reshaped(**values: object) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        entry = next(entry for entry in model.metadata_props if entry.key == "declipper.shape")
        entry.value = json.dumps(json.loads(entry.value) | values)

    return change


def shapeless(model: onnx.ModelProto) -> None:
    model.metadata_props.remove(next(entry for entry in model.metadata_props if entry.key == "declipper.shape"))


def test_it_is_put_in_place_listed_and_taken_away(run: Run, model: Path, home: Path) -> None:
    assert run("plugin", "list").out == ""
    put = run("plugin", "model", model)
    assert (put.code, put.err) == (0, "")
    assert put.out == f"{home / PLACE}\n"
    assert run("plugin", "list").out == put.out
    away = run("plugin", "model", "--shipped")
    assert (away.code, away.out) == (0, put.out)
    assert not (home / PLACE).parent.exists()
    assert run("plugin", "model", "--shipped").out == run("plugin", "list").out == ""


def test_the_flat_file_holds_what_the_model_holds(run: Run, model: Path, home: Path) -> None:
    run("plugin", "model", model)
    content = (home / PLACE).read_bytes()
    magic, version, _, doubt, slope, *rest = HEAD.unpack_from(content)
    assert (magic, version, rest) == (b"DECLFLAT", 2, [44100, 4, 5, 32])
    assert (doubt, slope) == pytest.approx((0.1, 0.1))
    assert struct.unpack_from("<10I", content, HEAD.size) == (3, 32, 8, 1, 64, 4, 1, 128, 4, 2)
    assert zlib.crc32(content[:-4]) == struct.unpack("<I", content[-4:])[0]
    found = np.frombuffer(content[HEAD.size + 40 : -4], "<f2")
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(model).graph.initializer}
    first, last = tensors["downs.0.weight.half"].ravel(), tensors["out.weight.half"].ravel()
    assert found.size == sum(weights.size for name, weights in tensors.items() if name.endswith(".half"))
    np.testing.assert_array_equal(found[: first.size], first)
    np.testing.assert_array_equal(found[-last.size :], last)


def test_a_better_one_takes_its_place_and_a_refused_one_does_not(run: Run, model: Path, home: Path, tmp_path: Path) -> None:
    run("plugin", "model", model)
    before = (home / PLACE).read_bytes()
    for bad in (shipped_model("best"), shipped_model("plugin"), tmp_path / "missing.onnx", tmp_path):
        outcome = run("plugin", "model", bad)
        assert outcome.code == 2
        assert outcome.error_line.startswith(f"declipper: {bad}: ")
        assert (home / PLACE).read_bytes() == before
    assert run("plugin", "model", shipped_model("live")).code == 0
    assert (home / PLACE).read_bytes() != before
    assert [path.name for path in (home / PLACE).parent.iterdir()] == [PLACE.name]


def test_what_was_trained_on_other_estimates_is_refused(run: Run, home: Path) -> None:
    outcome = run("plugin", "model", shipped_model("fast"))
    assert outcome.code == 2
    assert "sees the estimates of fast, which the plugin does not make; train it with declipper train --model live" in outcome.error_line
    assert not home.exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (reshaped(kernel=7), "the plugin runs networks of inputs 4, kernel 5"),
        (reshaped(channels=[32, 64]), "broken at its levels"),
        (reshaped(channels=[32, 64, "many"]), "broken at its levels"),
        (reshaped(channels=[40, 64, 128]), "channels in multiples of 16"),
        (reshaped(strides=[8, 8, 4]), "product is a power of two up to 128"),
        (reshaped(channels=[], strides=[], blocks=[]), "up to 8 levels"),
        (reshaped(channels=[64, 128, 256]), "multiplications a frame, more than the plugin has time for"),
        (reshaped(blocks=[1, 1, 3]), "encoders.2.2.first are not those of its shape"),
        (reshaped(doubt="none"), "no network of the kind that the plugin runs"),
        (shapeless, "its shape"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_plugin_could_not_run_is_refused(
    run: Run, home: Path, tmp_path: Path, change: Callable[[onnx.ModelProto], None], complaint: str
) -> None:
    outcome = run("plugin", "model", edited(tmp_path / "odd.onnx", change))
    assert outcome.code == 2
    assert outcome.error_line.startswith(f"declipper: {tmp_path / 'odd.onnx'}: ")
    assert complaint in outcome.error_line
    assert not home.exists()


def test_either_a_model_or_none(run: Run, model: Path, home: Path) -> None:
    for arguments in ((), (model, "--shipped")):
        outcome = run("plugin", "model", *arguments)
        assert outcome.code == 2
        assert "give either a model file or --shipped" in outcome.error_line


@pytest.mark.parametrize(
    ("platform", "place"),
    [
        ("linux", "home/.local/share/declipper/plugin.model"),
        ("freebsd14", "home/.local/share/declipper/plugin.model"),
        ("darwin", "home/Library/Application Support/declipper/plugin.model"),
        ("win32", "roaming/declipper/plugin.model"),
    ],
)
def test_the_place_on_each_system(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, place: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    assert own_model.place() == tmp_path / place


def test_a_user_without_a_home(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr(sys, "platform", "linux")
    outcome = run("plugin", "model", model)
    assert outcome.code == 1
    assert "the user's folder for a model is not known" in outcome.error_line
    assert run("plugin", "model", "--shipped").code == 0


def test_a_place_that_cannot_be_written(run: Run, model: Path, home: Path) -> None:
    (home / PLACE).parent.parent.mkdir(parents=True)
    (home / PLACE).parent.write_text("a file where a folder should be")
    outcome = run("plugin", "model", model)
    assert outcome.code == 1
    assert outcome.error_line.startswith(f"declipper: {(home / PLACE).parent}: cannot be made (")
