"""Reads a model file, refuses what it cannot run, and runs it on windows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from declipper.clipping.arrays import Array
from declipper.engine.experts import SETS, ExpertSet, Windows
from declipper.errors import ModelError

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
    import onnxruntime

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
    """A model, loaded to run in one thread per call. Calls from several threads at once are allowed."""

    def __init__(self, model: str | Path = "best", device: str = "auto") -> None:
        """`model`: best, fast or live, or the path of a model file; `device`: auto, cpu, cuda, coreml or dml.

        Raises ModelError when the file is missing, broken, of another contract version or trained with other experts.
        """
        # takes a tenth of a second, which only those pay who run a model
        import onnxruntime

        path = model_path(model)
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
        if len(inputs) != 1 or len(outputs) != 1 or list(inputs[0].shape[:2]) != [1, self.inputs] or len(outputs[0].shape) != 3:
            found = ", ".join(f"{node.name} {node.shape}" for node in [*inputs, *outputs])
            wanted = f"[1, {self.inputs}, frames] and [1, 1, frames]"
            raise ModelError(f"{path}: model takes and gives {found}, not {wanted}; export the model again")
        self._input = inputs[0].name

    def __reduce__(self) -> tuple[type[Session], tuple[Path, str]]:
        """In another process, the model is read again."""
        return Session, self._made_of

    @property
    def inputs(self) -> int:
        """How many signals the network sees: the recording in two parts, and the experts' estimates."""
        return 2 + len(self.info.experts.outputs)

    def estimate(self, window: Array) -> Array:
        """f: the network's inputs (2 or more, frames) float32, divided by the level, to the estimate (frames,), on the same scale."""
        result: Array = np.asarray(self._session.run(None, {self._input: window[None]})[0])[0, 0]
        return result


def _read_info(path: Path, metadata: dict[str, str], checksum: str) -> ModelInfo:
    contract = metadata.get("declipper.contract")
    if contract is None:
        raise ModelError(
            f"{path}: an ONNX file, but not a declipper model (it has no declipper.contract metadata); pass one that declipper exported"
        )
    if contract != CONTRACT:
        raise ModelError(
            f"{path}: model contract {contract}, this version of declipper reads {CONTRACT}; train the model again or update declipper"
        )
    try:
        return ModelInfo(
            metadata["declipper.name"],
            Windows(*(int(metadata[f"declipper.{key}"]) for key in ("window", "context", "fade"))),
            int(metadata["declipper.multiple"]),
            _experts(path, metadata["declipper.experts"], metadata["declipper.fingerprint"]),
            json.loads(metadata["declipper.training"]),
            checksum,
        )
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: model metadata is broken at {error}; export the model again") from error


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
