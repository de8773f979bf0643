"""Reads a model file, refuses what it cannot run, and runs it on windows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from declipper.clipping.arrays import Array
from declipper.engine.experts import SETS, ExpertSet, Windows
from declipper.engine.model_file import ModelFile
from declipper.errors import ModelError
from declipper.runtime import one_thread_session, onnxruntime

CONTRACT = "3"
"""Version of the agreement between model files and this reader: inputs, outputs, scaling and metadata. models/README.md has its history."""

SHIPPED = ("best", "fast", "live")
"""The models that come with the package, and the qualities that a caller can ask for."""

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "dml": "DmlExecutionProvider",
}
"""ONNX Runtime's execution providers by the names of devices."""

LONGEST_WINDOW = 1 << 20
"""Frames at 44.1 kHz, 24 s, that the windows of a model may have at most; those of `best` have 131072."""
LARGEST_MULTIPLE = 1 << 12
"""What a model may ask the lengths of windows to be a multiple of, at most; `best` asks for 512."""
LONGEST_TEXT = 1 << 16
"""Characters of an entry of the metadata at most; the longest of `best` has 227."""
PROBE_GAIN, PROBE_TOLERANCE = 0.25, 1e-3
"""f(a y) is compared with a f(y) for this a, a power of two, which rounds nothing. They may differ by this share of the largest sample."""


@dataclass(frozen=True)
class ModelInfo:
    """The metadata of a model file.

    windows: those it restores recordings in; multiple: of which every window's length must be; experts: whose estimates it takes.
    training: the record of how its weights came about. checksum: of the file, SHA-256.
    """

    name: str
    windows: Windows
    multiple: int
    experts: ExpertSet
    training: dict[str, Any]
    checksum: str


def shipped_model(name: str = "best") -> Path:
    """Path of a model that came with the package. Raises ModelError if there is none of that name."""
    resource = files("declipper.models") / f"{name}.onnx"
    with as_file(resource) as path:
        if not path.is_file():
            raise ModelError(f"there is no shipped model named {name!r}; reinstall declipper or pass a model file")
        return path


def model_path(model: str | Path) -> Path:
    """The file that is meant: one of SHIPPED by its name, any other by its path. Raises ModelError for a text that is neither."""
    if isinstance(model, Path):
        return model
    if model in SHIPPED:
        return shipped_model(model)
    if not Path(model).is_file():
        raise ModelError(f"{model}: neither a model file nor the name of a shipped model; give {', '.join(SHIPPED)} or a path")
    return Path(model)


def providers_for(device: str) -> list[str]:
    """ONNX Runtime's execution providers for `auto`, `cpu`, `cuda`, `coreml` or `dml`. Raises ModelError for one that is not installed."""
    available = onnxruntime().get_available_providers()
    if device == "auto":
        wanted = [PROVIDERS[d] for d in ("cuda", "coreml", "dml") if PROVIDERS[d] in available]
        return [*wanted, PROVIDERS["cpu"]]
    if device not in PROVIDERS:
        raise ModelError(f"unknown device {device!r}; use auto, {', '.join(PROVIDERS)}")
    if PROVIDERS[device] not in available:
        have = ", ".join(d for d, p in PROVIDERS.items() if p in available)
        raise ModelError(f"device {device!r} is not available in this onnxruntime, which has {have}; install the onnxruntime build for it")
    return [PROVIDERS[device], PROVIDERS["cpu"]] if device != "cpu" else [PROVIDERS["cpu"]]


class Session:
    """A model, loaded to run in one thread per call. Calls from several threads at once are allowed."""

    def __init__(self, model: str | Path = "best", device: str = "auto") -> None:
        """`model`: best, fast or live, or the path of a model file; `device`: auto, cpu, cuda, coreml or dml.

        Raises ModelError when the file is missing, is not one that declipper exported, is of another contract version, was trained with
        other experts, or does not give what a model should on a window of noise.
        """
        path = model_path(model)
        self._made_of = path, device
        file = ModelFile.read(path)
        self.info = _read_info(file)
        file.check_graph(self.inputs, self.info.windows.window)
        providers = providers_for(device)
        try:
            self._session = one_thread_session(file.data, providers)
        except Exception as error:  # onnxruntime raises many unrelated types
            raise ModelError(f"{path}: not a model onnxruntime can load ({_first_line(error)}); train or download it again") from error
        self._input = self._session.get_inputs()[0].name
        self.on_cpu = providers[0] == PROVIDERS["cpu"]
        """Whether the network runs on the processor, and not on a device that several processes would have to share."""
        self._probe()

    def __reduce__(self) -> tuple[Callable[[Path, str, str], Session], tuple[Path, str, str]]:
        """In another process, the model is read again, once for however often it is sent there."""
        return _loaded, (*self._made_of, self.info.checksum)

    @property
    def path(self) -> Path:
        """The file that it was read from."""
        return self._made_of[0]

    @property
    def inputs(self) -> int:
        """How many signals the network sees: the recording in two parts, and the experts' estimates."""
        return 2 + len(self.info.experts.outputs)

    def estimate(self, window: Array) -> Array:
        """f: the network's inputs (2 or more, frames) float32, divided by the level, to the estimate (frames,), on the same scale.

        Raises ModelError where the model fails, or gives another number of frames.
        """
        frames = window.shape[1]
        try:
            result: Array = np.asarray(self._session.run(None, {self._input: window[None]})[0])
        except Exception as error:  # onnxruntime raises many unrelated types
            raise ModelError(f"{self._made_of[0]}: the model fails on {frames} frames ({_first_line(error)}); train it again") from error
        if result.shape != (1, 1, frames):
            raise ModelError(f"{self._made_of[0]}: the model makes {result.shape} of {frames} frames, not (1, 1, {frames}); train it again")
        found: Array = result[0, 0]
        return found

    def _probe(self) -> None:
        """Try the model on a short window of noise. Raises ModelError unless f(y) is finite, of y's length, and f(a y) = a f(y)."""
        y = np.random.default_rng(0).standard_normal((self.inputs, 4 * self.info.multiple)).astype(np.float32)
        clipped = np.abs(y[0]) >= 1
        y[0, clipped], y[1] = 0, np.where(clipped, np.sign(y[0]), 0)
        deviations = 2 + np.flatnonzero(~self.info.experts.signals)
        y[deviations] = np.abs(y[deviations])
        found, scaled = self.estimate(y), self.estimate(np.float32(PROBE_GAIN) * y)
        path = self._made_of[0]
        if not (np.isfinite(found).all() and np.isfinite(scaled).all()):
            raise ModelError(f"{path}: the model gives samples that are not finite numbers; train it again")
        if np.abs(scaled - PROBE_GAIN * found).max() > PROBE_TOLERANCE * PROBE_GAIN * np.abs(found).max():
            raise ModelError(f"{path}: the model depends on how loud a recording is, f(a y) is not a f(y); train it again without biases")


@lru_cache(2)
def _loaded(path: Path, device: str, checksum: str) -> Session:
    """The model with this checksum. Raises ModelError where the file is another one by now."""
    session = Session(path, device)
    if session.info.checksum != checksum:
        raise ModelError(f"{path}: the model was replaced while it was in use; start again")
    return session


def _first_line(error: Exception) -> str:
    """What ONNX Runtime says, in short. The text of some of its errors is no UTF-8."""
    try:
        return " ".join(str(error).split())[:120]
    except UnicodeDecodeError:
        return "for a reason that is not text"


def _read_info(file: ModelFile) -> ModelInfo:
    path, metadata = file.path, file.metadata
    contract = metadata.get("declipper.contract")
    if contract is None:
        raise ModelError(
            f"{path}: an ONNX file, but not a declipper model (it has no declipper.contract metadata); pass one that declipper exported"
        )
    if contract != CONTRACT:
        raise ModelError(
            f"{path}: model contract {contract}, this version of declipper reads {CONTRACT}; train the model again or update declipper"
        )
    if longest := [key for key, value in metadata.items() if len(value) > LONGEST_TEXT]:
        raise ModelError(f"{path}: model metadata is broken at {longest[0][:40]!r}, which is too long; export the model again")
    try:
        return ModelInfo(
            _name(metadata["declipper.name"]),
            _windows(metadata),
            int(metadata["declipper.multiple"]),
            _experts(path, metadata["declipper.experts"], metadata["declipper.fingerprint"]),
            _training(metadata["declipper.training"]),
            file.checksum,
        )
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: model metadata is broken at {str(error)[:200]}; export the model again") from error


def _name(text: str) -> str:
    if not text.isprintable() or not 0 < len(text) <= 100:
        raise ValueError(f"the name {text[:40]!r}")
    return text


def _windows(metadata: Mapping[str, str]) -> Windows:
    """Raises ValueError for windows that cannot be.

    At other sample rates they are halved or doubled, but not below four times the multiple (`window_length`), and have to stay multiples.
    """
    windows = Windows(*(int(metadata[f"declipper.{key}"]) for key in ("window", "context", "fade")))
    multiple = int(metadata["declipper.multiple"])
    if not 1 <= multiple <= LARGEST_MULTIPLE:
        raise ValueError(f"multiple {multiple}, which is not one of 1 to {LARGEST_MULTIPLE}")
    doublings, rest = divmod(windows.window, 4 * multiple)
    if rest or not 4 * multiple <= windows.window <= LONGEST_WINDOW or doublings & (doublings - 1):
        raise ValueError(f"window {windows.window}, which is not 4, 8, 16, ... times {multiple}, up to {LONGEST_WINDOW}")
    if not (windows.context >= 0 and windows.fade >= 0 and 2 * (windows.context + windows.fade) <= windows.window):
        raise ValueError(f"context {windows.context} and fade {windows.fade}, which do not fit twice into a window of {windows.window}")
    return windows


def _training(text: str) -> dict[str, Any]:
    record = json.loads(text)
    if not isinstance(record, dict):
        raise ValueError(f"the training record {text[:40]!r}")  # noqa: TRY004
    return record


def _experts(path: Path, name: str, fingerprint: str) -> ExpertSet:
    """The experts a model was trained with. Raises ModelError where this version has none that compute the same."""
    experts = SETS.get(name)
    if experts is None:
        raise ModelError(f"{path}: sees the experts {name!r}, this version of declipper has {', '.join(SETS)}; update declipper")
    if experts.fingerprint != fingerprint:
        raise ModelError(
            f"{path}: was trained with {name} experts that computed something else than this version's; train it again with declipper train"
        )
    return experts
