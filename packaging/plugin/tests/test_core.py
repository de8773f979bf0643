"""The plugin's core restores as the Python stream does, with the same model, windows and levels."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from material import BUILD, learned

from declipper.clipping.levels import ClipLevels
from declipper.clipping.windows import at_rate
from declipper.detection.tracker import LevelTracker
from declipper.engine.framing import Framing
from declipper.engine.model_file import ModelFile
from declipper.engine.session import Session, shipped_model
from declipper.engine.stream import DeclipStream
from declipper.errors import ModelError
from declipper.plugins.constants import FRAMING, RECIPE
from declipper.plugins.flat import flat

CLOSE = 1e-5
"""Largest difference of a sample, relative to the peak, where interpolation restores alone."""
ALIKE = 0.2
"""Largest difference in dB of what is gained, where social sparsity comes first: its iterations let rounding to single precision grow."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The shipped model; its flat file lies beside it."""
    path = tmp_path / "live.onnx"
    shutil.copy(shipped_model("live"), path)
    path.with_suffix(".flat").write_bytes(flat(ModelFile.read(path)))
    return path


def music(frames: int, sample_rate: int) -> np.ndarray:
    """Stereo partials that swell and fade over a little noise, (frames, 2), with peaks at 1."""
    rng = np.random.default_rng(sample_rate)
    t = np.arange(frames)[:, None] / sample_rate
    highest = min(3000.0, 0.3 * sample_rate)
    x = 0.01 * rng.standard_normal((frames, 2))
    for i in range(12):
        swell = np.abs(np.sin(np.pi * rng.uniform(0.3, 3, 2) * t))
        x += swell * np.sin(2 * np.pi * rng.uniform(60, highest, 2) * t + rng.uniform(0, 6, 2)) / (1 + 0.3 * i)
    return np.asarray(x / np.abs(x).max())


def rendered(model: Path, y: np.ndarray, sample_rate: int, *levels: float) -> np.ndarray:
    """What the core makes of y (frames, channels); it finds the levels where none are given."""
    source, target = model.with_name("in.f32"), model.with_name("out.f32")
    y.astype("<f4").tofile(source)
    words = [model.with_suffix(".flat"), source, target, sample_rate, y.shape[1], *levels]
    subprocess.run([BUILD / "core" / "declipper_core_render", *map(str, words)], check=True)
    return np.fromfile(target, "<f4").reshape(y.shape)


def expected(model: Path, y: np.ndarray, sample_rate: int, levels: ClipLevels | LevelTracker) -> np.ndarray:
    """To the plugin there is silence before its first frame; to the stream there would be nothing, so it is given silence."""
    framing = Framing(**{name: at_rate(frames, sample_rate) for name, frames in FRAMING.items()}, past=at_rate(RECIPE.reach, sample_rate))
    silence = np.zeros((16 * framing.hop, y.shape[1]), y.dtype)
    stream = DeclipStream(sample_rate, y.shape[1], levels, Session(model, "cpu"), framing=framing)
    restored = np.concatenate([stream.push(np.concatenate([silence, y, silence])), stream.flush()])
    return restored[len(silence) : -len(silence)]


def error(found: np.ndarray, x: np.ndarray) -> float:
    """In dB."""
    return float(10 * np.log10(np.mean((found - x) ** 2)))


def assert_close(found: np.ndarray, wanted: np.ndarray) -> None:
    __tracebackhide__ = True
    np.testing.assert_allclose(found, wanted, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("sample_rate", [8000, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("level", [0.5, 0.6])
def test_as_the_python_stream_where_interpolation_is_alone(model: Path, sample_rate: int, level: float) -> None:
    y = music(int(0.7 * sample_rate), sample_rate).clip(-level, 0.9 * level).astype(np.float32)
    tracked = expected(model, y, sample_rate, LevelTracker(sample_rate, 2))
    assert_close(rendered(model, y, sample_rate), tracked)
    positive, negative = float(y.max()), float(-y.min())
    constant = expected(model, y, sample_rate, ClipLevels.constant(positive, -negative, 2))
    assert np.mean(constant != y) > 5e-4
    assert_close(rendered(model, y, sample_rate, positive, negative), constant)


@pytest.mark.parametrize("sample_rate", [8000, 44100, 48000, 96000])
@pytest.mark.parametrize("level", [0.1, 0.2, 0.3])
def test_gains_what_the_python_stream_gains_where_much_is_clipped(model: Path, sample_rate: int, level: float) -> None:
    x = music(int(0.7 * sample_rate), sample_rate)
    y = x.clip(-level, level).astype(np.float32)
    wanted = expected(model, y, sample_rate, ClipLevels.constant(level, -level, 2))
    before, core, python = (error(v, x) for v in (y, rendered(model, y, sample_rate, level, level), wanted))
    assert python < before - 5
    assert abs(core - python) < ALIKE


def test_levels_that_come_and_go(model: Path) -> None:
    y = music(48000 * 4, 48000)
    for begin, level in ((0, 0.4), (48000, 0.6), (96000, 2.0), (144000, 0.4)):
        y[begin : begin + 48000] = y[begin : begin + 48000].clip(-level, level)
    y = np.round(y * 32767).astype(np.float32) / np.float32(32768)
    want = expected(model, y, 48000, LevelTracker(48000, 2))
    assert_close(rendered(model, y, 48000), want)
    assert np.mean(want != y) > 1e-2


def test_samples_that_are_no_numbers_count_as_zero_and_stay(model: Path) -> None:
    y = music(48000, 48000)[:, :1].clip(-0.5, 0.5).astype(np.float32)
    y[5000:40000:1777] = np.nan
    want = expected(model, np.nan_to_num(y), 48000, ClipLevels.constant(0.5, -0.5))
    assert_close(rendered(model, y, 48000, 0.5, 0.5), np.where(np.isnan(y), np.nan, want))


def test_the_network_agrees_with_the_golden_pair(model: Path) -> None:
    golden = np.load(shipped_model("live").with_suffix(".golden.npz"))
    source, target = model.with_name("in.f32"), model.with_name("out.f32")
    golden["y"].astype("<f4").tofile(source)
    subprocess.run([BUILD / "core" / "declipper_core_estimate", model.with_suffix(".flat"), source, target], check=True)
    estimates = np.fromfile(target, "<f4").reshape(-1, len(golden["estimate"]))
    difference = np.abs(estimates - golden["estimate"])
    assert len(difference) >= 1, "one for every set of inner loops"
    assert difference.max() < 2e-4
    assert np.mean(difference > 1e-5) < 2e-3  # where two weights are near 0, their ratio is rounding


def test_a_network_that_has_learned_agrees_with_onnxruntime(tmp_path: Path) -> None:
    path = learned(tmp_path / "voice.onnx")
    y = np.load(shipped_model("live").with_suffix(".golden.npz"))["y"]
    wanted = Session(path, "cpu").estimate(y)
    assert np.mean(np.abs(wanted - y[2:].mean(axis=0)) > 1e-3) > 0.1
    path.with_suffix(".flat").write_bytes(flat(ModelFile.read(path)))
    y.astype("<f4").tofile(path.with_name("in.f32"))
    program = BUILD / "core" / "declipper_core_estimate"
    subprocess.run([program, path.with_suffix(".flat"), path.with_name("in.f32"), path.with_name("out.f32")], check=True)
    estimates = np.fromfile(path.with_name("out.f32"), "<f4").reshape(-1, len(wanted))
    assert np.mean(np.abs(estimates - wanted) > 1e-4) < 2e-3


@pytest.mark.parametrize("name", ["best", "plugin"])
def test_only_models_that_the_core_runs_are_written(name: str) -> None:
    with pytest.raises(ModelError, match=f"sees the estimates of {name}"):
        flat(ModelFile.read(shipped_model(name)))
