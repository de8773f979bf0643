"""Reads a model file and refuses, before anything of it is run, whatever our exporter does not write.

A model file may come from anywhere. It is to be data: a chain of a few kinds of arithmetic on tensors of bounded size, without loops,
branches, functions, or weights in other files.
"""

from __future__ import annotations

import hashlib
import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from declipper.engine.model_graph import FLOAT, Demand, Node, Tensor, demand_of
from declipper.engine.protobuf import Field, Message, Reader
from declipper.errors import ModelError

LARGEST_FILE = 1 << 26
"""Bytes of a model file at most, 64 MiB, ten times those of `best`."""
MOST_FIELDS = 50_000
"""Fields of all messages in a file at most; `best` has 3,145."""
MOST_NODES = 1000
"""Operations of a network at most; `best` has 243."""
OPSET = 17
"""The version of ONNX's operators that our exporter writes."""
MOST_VALUES = 1 << 28
"""Values of all tensors of a network together at most, for one window at 44.1 kHz: 1 GiB if all were held at once. `best` has 8e7, of
which few are held at once."""
MOST_MULTIPLICATIONS = 1 << 37
"""Multiplications for one window at 44.1 kHz at most, 14 times those of `best`: what an ordinary processor does in ten seconds."""

DTYPES: Mapping[int, np.dtype[np.generic]] = {FLOAT: np.dtype("<f4"), 7: np.dtype("<i8"), 10: np.dtype("<f2")}
"""The types of constants that our exporter writes, by ONNX's numbers."""

ONNX = {
    "Model": {
        1: Field("ir_version", "number"),
        2: Field("producer_name", "text"),
        3: Field("producer_version", "text"),
        4: Field("domain", "text"),
        5: Field("model_version", "number"),
        6: Field("doc_string", "text"),
        7: Field("graph", "Graph"),
        8: Field("opset_import", "OperatorSet", many=True),
        14: Field("metadata_props", "Entry", many=True),
    },
    "OperatorSet": {1: Field("domain", "text"), 2: Field("version", "number")},
    "Entry": {1: Field("key", "text"), 2: Field("value", "text")},
    "Graph": {
        1: Field("node", "Node", many=True),
        2: Field("name", "text"),
        5: Field("initializer", "Tensor", many=True),
        10: Field("doc_string", "text"),
        11: Field("input", "Value", many=True),
        12: Field("output", "Value", many=True),
    },
    "Node": {
        1: Field("input", "text", many=True),
        2: Field("output", "text", many=True),
        3: Field("name", "text"),
        4: Field("op_type", "text"),
        5: Field("attribute", "Attribute", many=True),
        6: Field("doc_string", "text"),
    },
    "Attribute": {
        1: Field("name", "text"),
        2: Field("f", "float"),
        3: Field("i", "number"),
        4: Field("s", "bytes"),
        5: Field("t", "Tensor"),
        8: Field("ints", "number", many=True),
        20: Field("type", "number"),
    },
    "Tensor": {
        1: Field("dims", "number", many=True),
        2: Field("data_type", "number"),
        8: Field("name", "text"),
        9: Field("raw_data", "bytes"),
    },
    "Value": {1: Field("name", "text"), 2: Field("type", "Type")},
    "Type": {1: Field("tensor_type", "TensorType")},
    "TensorType": {1: Field("elem_type", "number"), 2: Field("shape", "Shape")},
    "Shape": {1: Field("dim", "Dimension", many=True)},
    "Dimension": {1: Field("dim_value", "number"), 2: Field("dim_param", "text")},
}
"""The part of onnx.proto that our files use. What is missing is refused: functions, graphs within attributes, external and sparse data,
quantisation, training."""

ATTRIBUTE_TYPES = {1: "f", 2: "i", 3: "s", 4: "t", 7: "ints"}
"""Where the value of an attribute is, by the number of its type."""


@dataclass(frozen=True)
class ModelFile:
    """A model file that was looked through. metadata: its entries; checksum: of the file, SHA-256."""

    path: Path
    data: bytes
    metadata: Mapping[str, str]
    checksum: str
    _graph: Message

    @classmethod
    def read(cls, path: Path) -> ModelFile:
        """Raises ModelError for what is no regular file, is too large, or is not written as our exporter writes."""
        data = _bytes_of(path)
        try:
            model = Reader(ONNX, MOST_FIELDS).message(memoryview(data), "Model")
            _check_opset(model["opset_import"])
            return cls(path, data, _entries(model["metadata_props"]), hashlib.sha256(data).hexdigest(), model["graph"])
        except (ValueError, KeyError) as error:
            raise _refused(path, error) from error

    def constants(self) -> dict[str, Tensor]:
        """Its weights and other constants by their names. Raises ModelError where one is not finite or not whole."""
        try:
            return _constants(self._graph)
        except (ValueError, KeyError) as error:
            raise _refused(self.path, error) from error

    def operations(self) -> list[Node]:
        """What it does, in order. Raises ModelError where that is not written as our exporter writes."""
        try:
            return _nodes(self._graph)
        except (ValueError, KeyError) as error:
            raise _refused(self.path, error) from error

    def check_graph(self, inputs: int, frames: int) -> None:
        """Whether the network takes so many signals, and what it asks for in windows of so many frames is bounded. Raises ModelError."""
        graph = self._graph
        ends = [*map(_described, graph["input"]), *map(_described, graph["output"])]
        if ends != [(FLOAT, 1, inputs, None), (FLOAT, 1, 1, None)] or len(graph["input"]) != 1:
            wanted = f"[1, {inputs}, frames] and [1, 1, frames]"
            raise ModelError(f"{self.path}: model takes and gives {', '.join(map(_shown, ends))}, not {wanted}; export the model again")
        try:
            _check_demand(demand_of(_nodes(graph), _constants(graph), {graph["input"][0]["name"]: (1, inputs, frames)}, most=MOST_VALUES))
        except (ValueError, KeyError) as error:
            raise _refused(self.path, error) from error


def _refused(path: Path, error: Exception) -> ModelError:
    what = f"nothing named {error}" if isinstance(error, KeyError) else str(error)
    return ModelError(f"{path}: not a model that declipper exported ({what[:160]}); train or download it again")


def _bytes_of(path: Path) -> bytes:
    """The bytes of a regular file; a pipe or a device might never end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ModelError(f"{path}: is no file but a folder, a pipe or a device; give a model file")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"{path}: cannot read the model ({reason}); check the path") from error
    if len(data) > LARGEST_FILE:
        raise ModelError(f"{path}: is larger than {LARGEST_FILE >> 20} MiB, which no model of declipper is; give a model file")
    return data


def _check_opset(imported: list[Message]) -> None:
    if [(operators.get("domain", ""), operators.get("version")) for operators in imported] != [("", OPSET)]:
        raise ValueError(f"it does not keep to version {OPSET} of ONNX's own operators")


def _entries(props: list[Message]) -> dict[str, str]:
    entries = {entry["key"]: entry["value"] for entry in props}
    if len(entries) < len(props):
        raise ValueError("metadata of one name are there twice")
    return entries


def _constants(graph: Message) -> dict[str, Tensor]:
    constants = {tensor["name"]: _tensor(tensor) for tensor in graph["initializer"]}
    if len(constants) < len(graph["initializer"]):
        raise ValueError("weights of one name are there twice")
    return constants


def _nodes(graph: Message) -> list[Node]:
    if len(graph["node"]) > MOST_NODES:
        raise ValueError(f"{len(graph['node'])} operations, more than {MOST_NODES}")
    return [_node(node) for node in graph["node"]]


def _check_demand(demand: Demand) -> None:
    if demand.multiplications > MOST_MULTIPLICATIONS:
        raise ValueError(f"{demand.multiplications:.2g} multiplications for one window, more than {MOST_MULTIPLICATIONS:.2g}")


def _described(value: Message) -> tuple[int | None, ...]:
    """The type and the sizes of an input or output of a network, None for one that is not fixed."""
    tensor: Message = value.get("type", {}).get("tensor_type", {})
    return tensor.get("elem_type"), *(dim.get("dim_value") for dim in tensor.get("shape", {"dim": []})["dim"])


def _shown(described: tuple[int | None, ...]) -> str:
    kind, *sizes = described
    return ("" if kind == FLOAT else f"type {kind} ") + f"[{', '.join('frames' if size is None else str(size) for size in sizes)}]"


def _tensor(tensor: Message) -> Tensor:
    """A constant. Raises ValueError where it is not finite, of another type, or not of the size that is told."""
    dtype = DTYPES.get(tensor["data_type"])
    sizes, raw = tensor["dims"], tensor.get("raw_data", b"")
    if dtype is None or any(size < 1 for size in sizes):
        raise ValueError(f"a constant of type {tensor['data_type']} and shape {sizes[:8]}")
    if len(sizes) > 8 or math.prod(sizes) * dtype.itemsize != len(raw):
        raise ValueError(f"a constant of shape {sizes[:8]} in {len(raw)} bytes")
    values = np.frombuffer(raw, dtype).reshape(sizes)
    if not _finite(values):
        raise ValueError("a weight that is not a finite number")
    return Tensor(values.shape, values)


def _finite(values: npt.NDArray[np.generic]) -> bool:
    """Whether all are finite; of half floats it looks at the bits, which takes a fiftieth of the time."""
    if values.dtype == np.float16:
        return not bool(np.any(values.view(np.uint16) & 0x7C00 == 0x7C00))
    return bool(np.isfinite(values).all())


def _node(node: Message) -> Node:
    attributes = {a["name"]: a[ATTRIBUTE_TYPES[a["type"]]] for a in node["attribute"]}
    for name, value in attributes.items():
        if isinstance(value, dict):
            attributes[name] = _tensor(value)
    if len(attributes) < len(node["attribute"]):
        raise ValueError(f"{node['op_type']} has two attributes of one name")
    return Node(node["op_type"], tuple(node["input"]), tuple(node["output"]), attributes)
