"""What the hosts are given, and what the core alone makes of it."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from declipper.engine.session import shipped_model

Audio = npt.NDArray[np.float32]
"""(frames, channels)."""

_HOME = tempfile.TemporaryDirectory(prefix="declipper-home-")
"""In place of the user's own, in which a model of theirs might lie."""
os.environ["HOME"] = _HOME.name

BUILD = Path(os.environ.get("PLUGIN_BUILD", Path(__file__).parents[1] / "build")).resolve()
BUNDLE = BUILD / "bin/lv2/declipper.lv2"
VST3 = BUILD / "bin/vst3/declipper.vst3"
CLAP = BUILD / "bin/clap/declipper.clap"
RENDER = BUILD / "core/declipper_core_render"
RATE = 48000
LEVEL = np.float32(0.5)
MARGIN = 0.999
"""Share of the level above which the tracker may take a sample for a clipped one."""


def tones(seconds: float = 2.0, channels: int = 2, rate: int = RATE, seed: int = 0, level: np.float32 = LEVEL) -> Audio:
    """Tones that swell and fade, clipped at a level; the first sample is not zero."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate))[:, None] / rate
    parts = [np.sin(2 * np.pi * rng.uniform(100, 900, channels) * t + rng.uniform(1, 2, channels)) for _ in range(4)]
    swell = 0.7 + 0.3 * np.cos(2 * np.pi * 1.3 * t)
    return np.clip(0.35 * swell * np.sum(parts, axis=0), -level, level).astype(np.float32)


def piped(command: list[str], audio: Audio) -> Audio:
    """Through a program that reads and writes interleaved floats."""
    done = subprocess.run(command, input=np.ascontiguousarray(audio).tobytes(), stdout=subprocess.PIPE, check=True)
    return np.frombuffer(done.stdout, np.float32).reshape(-1, audio.shape[1])


def by_core(
    audio: Audio, rate: int = RATE, *levels: float, program: Sequence[str | Path] = (RENDER,), model: Path = BUILD / "core/model.flat"
) -> Audio:
    """The core's restored signal, its latency taken off. levels: positive and negative; they are found where none are given."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in", Path(folder) / "out"
        audio.tofile(source)
        subprocess.run([*program, model, source, target, *map(str, (rate, audio.shape[1], *levels))], check=True)
        return np.fromfile(target, np.float32).reshape(audio.shape)


def learned(path: Path) -> Path:
    """Writes a model of the kind of `live` with small random weights, so that its network has a say."""
    model, rng = onnx.load(shipped_model("live")), np.random.default_rng(0)
    for tensor in model.graph.initializer:
        if tensor.name.endswith(".half"):
            weights = 0.05 * rng.standard_normal(numpy_helper.to_array(tensor).shape)
            tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), tensor.name))
    onnx.save(model, path)
    return path


@functools.cache
def given() -> Audio:
    """The signal that every host gets."""
    return tones()


@functools.cache
def expected(lead: int = 0) -> Audio:
    """What every host must make of it, where `lead` frames of silence went before."""
    return by_core(np.concatenate([np.zeros((lead, 2), np.float32), given()]))[lead:]
