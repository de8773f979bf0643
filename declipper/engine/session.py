"""Reads a model file, refuses what it cannot run, and runs it on windows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from threadpoolctl import threadpool_limits

from declipper.clipping.arrays import Array
from declipper.engine.experts import SETS
from declipper.errors import ModelError

CONTRACT = "2"
"""Version of the agreement between model files and this reader: inputs, outputs, scaling and metadata."""

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "dml": "DmlExecutionProvider",
}


@dataclass(frozen=True)
class ModelInfo:
    """The metadata of a model file.

    window: frames at 44.1 kHz; context: frames at either end of it that only inform; fade: frames by which the rest of neighbouring
    windows overlap; multiple: of which every window's length must be; experts: whose estimates it takes, one of
    `declipper.engine.experts.SETS`.
    """

    name: str
    window: int
    context: int
    fade: int
    multiple: int
    experts: tuple[str, ...]
    training: dict[str, Any]
    checksum: str


def shipped_model(name: str = "best") -> Path:
    """Path of a model that came with the package. Raises ModelError if there is none of that name."""
    resource = files("declipper.models") / f"{name}.onnx"
    with as_file(resource) as path:
        if not path.is_file():
            raise ModelError(f"there is no shipped model named {name!r}; reinstall declipper or pass a model file")
        return path


def providers_for(device: str) -> list[str]:
    """ONNX Runtime's execution providers for `auto`, `cpu`, `cuda`, `coreml` or `dml`. Raises ModelError for one that is not installed."""
    available = onnxruntime.get_available_providers()
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
    """One model, ready to run. Safe to call from several threads; each call uses one core."""

    def __init__(self, model: Path | None = None, device: str = "auto") -> None:
        """`model` None takes the shipped `best`. Raises ModelError when the file is missing, broken, or of another contract version."""
        path = model if model is not None else shipped_model()
        self._made_of = path, device
        try:
            blob = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path}: cannot read the model ({error.strerror}); check the path") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(blob, options, providers=providers_for(device))
        except ModelError:
            raise
        except Exception as error:  # onnxruntime raises many unrelated types
            raise ModelError(
                f"{path}: not a model onnxruntime can load ({str(error).splitlines()[0][:120]}); train or download it again"
            ) from error
        self.info = _read_info(path, self._session.get_modelmeta().custom_metadata_map, hashlib.sha256(blob).hexdigest())
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        wanted = 2 + len(self.info.experts)
        if len(inputs) != 1 or len(outputs) != 1 or list(inputs[0].shape[:2]) != [1, wanted] or len(outputs[0].shape) != 3:
            found = ", ".join(f"{node.name} {node.shape}" for node in [*inputs, *outputs])
            raise ModelError(f"{path}: model takes and gives {found}, not [1, {wanted}, frames] and [1, 1, frames]; export the model again")
        self._input = inputs[0].name
        if self.info.experts:
            # for the whole process: BLAS threads make the experts' small equations slower, and round differently
            threadpool_limits(1, "blas")

    def __reduce__(self) -> tuple[type[Session], tuple[Path, str]]:
        """In another process, the model is read again."""
        return Session, self._made_of

    def estimate(self, window: Array) -> Array:
        """f: the network's inputs (2 or more, frames) float32, divided by the level, to the estimate (frames,), on the same scale."""
        result: Array = np.asarray(self._session.run(None, {self._input: window[None]})[0])[0, 0]
        return result


def _experts(names: str) -> tuple[str, ...]:
    """The experts a model asks for. Raises ValueError where they are not a set this version has."""
    if tuple(names.split()) not in SETS:
        raise ValueError(f"experts {names!r}")
    return tuple(names.split())


def _read_info(path: Path, metadata: dict[str, str], checksum: str) -> ModelInfo:
    contract = metadata.get("declipper.contract")
    if contract is None:
        raise ModelError(
            f"{path}: an ONNX file, but not a declipper model (it has no declipper.contract metadata); pass one that declipper exported"
        )
    if contract != CONTRACT:
        raise ModelError(
            f"{path}: model contract {contract}, this version of declipper reads {CONTRACT}; export the model again or update declipper"
        )
    try:
        return ModelInfo(
            metadata["declipper.name"],
            int(metadata["declipper.window"]),
            int(metadata["declipper.context"]),
            int(metadata["declipper.fade"]),
            int(metadata["declipper.multiple"]),
            _experts(metadata["declipper.experts"]),
            json.loads(metadata["declipper.training"]),
            checksum,
        )
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: model metadata is broken at {error}; export the model again") from error
