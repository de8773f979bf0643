"""A tiny model in the shape of a shipped one, a clipped test signal, and the command line called in this process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile
import torch
from onnx import TensorProto, helper, numpy_helper

from declipper.commands import main as cli
from declipper.engine.experts import NONE
from declipper.engine.session import Session
from declipper.signals import STOPPING
from declipper.training.data.degrade import threshold_for_sdr

pytest_plugins = ["served"]

CONTRACT = {
    "declipper.contract": "3",
    "declipper.context": "0",
    "declipper.experts": "none",
    "declipper.fingerprint": NONE.fingerprint,
    "declipper.name": "tiny",
    "declipper.window": "4096",
    "declipper.fade": "512",
    "declipper.multiple": "512",
    "declipper.training": "{}",
}


def write_model(path: Path, weights: tuple[float, ...], metadata: dict[str, str] | None = None) -> Path:
    """A model whose estimate is weights[0] * reliable + weights[1] * clipped, and so on for the experts' estimates."""
    kernel = numpy_helper.from_array(np.array(weights, np.float32).reshape(1, -1, 1), "kernel")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["y", "kernel"], ["estimate"], kernel_shape=[1])],
        "tiny",
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, len(weights), "frames"])],
        [helper.make_tensor_value_info("estimate", TensorProto.FLOAT, [1, 1, "frames"])],
        [kernel],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, CONTRACT if metadata is None else metadata)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raises clipped samples by 30 %."""
    return write_model(tmp_path_factory.mktemp("models") / "tiny.onnx", (1.0, 1.3))


@pytest.fixture(scope="session")
def tiny_session(tiny_model: Path) -> Session:
    return Session(tiny_model, "cpu")


@pytest.fixture(scope="session")
def identity_session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Estimates what is already there."""
    return Session(write_model(tmp_path_factory.mktemp("models") / "identity.onnx", (1.0, 1.0)), "cpu")


def music(frames: int = 44100, channels: int = 2, peak: float = 1.0, seed: int = 0) -> np.ndarray:
    """Slow sines that swell and fade, (frames, channels) float64, unclipped."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None] / 44100
    tones = rng.uniform(80, 900, (5, channels))
    phases = rng.uniform(0, 2 * np.pi, (5, channels))
    x = sum(np.sin(2 * np.pi * f * t + p) / (i + 1) for i, (f, p) in enumerate(zip(tones, phases, strict=True)))
    x = x * (0.6 + 0.4 * np.sin(2 * np.pi * 1.7 * t))
    return x / np.abs(x).max() * peak


def clipped(frames: int = 44100, channels: int = 2, level: float = 0.5, seed: int = 0) -> np.ndarray:
    """Music clipped hard at `level`, its peaks at 1.0 cut off."""
    return np.clip(music(frames, channels, 1.0, seed), -level, level)


def tones(frames: int = 30000, rate: int = 44100, seed: int = 0) -> np.ndarray:
    """Twelve steady sines, (frames, 1)."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None] / rate
    return np.sum(np.sin(2 * np.pi * t * rng.uniform(80, rate / 8, 12) + rng.uniform(0, 6, 12)), axis=1, keepdims=True) * 0.1


def clipped_to(x: np.ndarray, input_sdr: float = 10) -> tuple[np.ndarray, np.ndarray]:
    """x scaled so that clipping it at 0.5 gives the input SDR, and that clipped."""
    x = x * (0.5 / threshold_for_sdr(x, input_sdr))
    return x, np.clip(x, -0.5, 0.5)


def write_audio(path: Path, audio: np.ndarray, rate: int = 44100, subtype: str = "FLOAT", format: str | None = None) -> Path:
    """A file, by soundfile alone, in integers where the subtype has them."""
    bits = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}.get(subtype)
    if bits:
        whole = np.clip(np.rint(audio * 2.0 ** (bits - 1)), -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1).astype(np.int64)
        audio = (whole << (32 - bits)).astype(np.int32)
    soundfile.write(path, audio, rate, subtype, format=format)
    return path


@dataclass(frozen=True)
class Outcome:
    """What one call of the command line left behind."""

    code: int
    out: str
    err: str

    @property
    def error_line(self) -> str:
        """The only line on standard error."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("declipper: ")
        return lines[0]


PATIENCE = 300
"""Seconds until what is waited for counts as never coming."""


def until(what: Callable[[], Any]) -> Any:
    """What `what` gives as soon as it gives something."""
    end = time.monotonic() + PATIENCE
    while not (got := what()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return got


FFmpeg = Callable[..., Path]


@pytest.fixture
def ffmpeg(tmp_path: Path) -> FFmpeg:
    """Calls ffmpeg with arguments, the last of them the name of the file to write; skips the test where ffmpeg is missing."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg (apt install ffmpeg)")

    def call(*arguments: str | Path) -> Path:
        subprocess.run(["ffmpeg", "-v", "error", "-y", *map(os.fspath, arguments)], cwd=tmp_path, check=True, stdin=subprocess.DEVNULL)
        return tmp_path / arguments[-1]

    return call


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium through Playwright; skips the test where one of them is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright (pip install playwright)")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium (apt install chromium)")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium)
        yield started
        started.close()


@dataclass(frozen=True)
class Tab:
    """A page in a browser, what it said on the console and what it asked the network for."""

    page: Any
    complaints: list[str]
    requests: list[str]


@pytest.fixture
def tab(browser: Any) -> Iterator[Tab]:
    """An empty tab; in the end nothing may have gone wrong in it."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    opened = Tab(page, [], [])
    page.on("console", lambda message: opened.complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.on("request", lambda request: opened.requests.append(request.url))
    yield opened
    page.close()
    assert opened.complaints == []


Run = Callable[..., Outcome]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Calls the command line as a shell would, in this process; returns exit code, standard output and standard error."""

    def call(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["declipper", *map(os.fspath, arguments)])
        handlers = {number: signal.getsignal(number) for number in STOPPING}
        capfd.readouterr()
        code: object = 0
        try:
            cli.main()
        except SystemExit as leaving:
            code = leaving.code or 0
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        assert isinstance(code, int)
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def fix(run: Run, tiny_model: Path) -> Run:
    """`declipper fix` with the tiny model."""
    return lambda *arguments: run("fix", "--model", tiny_model, *arguments)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_audio(tmp_path / "song.wav", clipped(20000))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from threads, and wait long for them on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tapes(tmp_path: Path) -> Path:
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


def calls(work: Callable[[], object]) -> int:
    """How many functions are called, those of the interpreter included: a measure of work that is the same on every machine."""
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count
