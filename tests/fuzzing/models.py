"""Ways to damage a model file: its bytes, its metadata, its weights, its graph. Each takes a small sound model and a random generator."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import onnx
from numpy.random import Generator
from onnx import TensorProto, helper, numpy_helper

from .mutations import flips, insertion, truncation

ModelMutation = Callable[[bytes, Generator], bytes]

DEPTH = 100_000
NUMBERS = ("", "0", "-1", "1", "3", "511", str(2**31), str(10**12), str(10**40), "1e9", "nan")
TEXTS = ("[]", "{}", "[" * DEPTH, "averaged spectral", "\n")
VALUES = NUMBERS + TEXTS
"""What a number, a name or a JSON text may be replaced by."""
WEIGHTS = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e30, 1e-45)
OPERATORS = ("Identity", "Neg", "Exp", "Log", "Shape", "NonZero", "Size", "Transpose", "Not", "Sqrt", "Cast", "Nothing")
HUGE = 2**31


def raw_bytes(model: bytes, rng: Generator) -> bytes:
    """Bits, pieces, lengths: no longer the file that it was."""
    mutation = (flips, truncation, insertion)[int(rng.integers(3))]
    return mutation(model, rng, model)


def metadata(model: bytes, rng: Generator) -> bytes:
    """One of the values that tell how the model is to be used is missing, given twice, or senseless."""
    proto = onnx.load_from_string(model)
    entry = proto.metadata_props[int(rng.integers(len(proto.metadata_props)))]
    choice = rng.random()
    if choice < 0.1:
        proto.metadata_props.remove(entry)
    elif choice < 0.2:
        proto.metadata_props.add(key=entry.key, value=str(rng.choice(VALUES)))
    else:
        entry.value = str(rng.choice(VALUES))
    return proto.SerializeToString()


def weights(model: bytes, rng: Generator) -> bytes:
    """Weights that are no numbers, of another size, or of another type."""
    proto = onnx.load_from_string(model)
    tensor = proto.graph.initializer[0]
    values = numpy_helper.to_array(tensor).copy()
    choice = rng.random()
    if choice < 0.6:
        values.flat[int(rng.integers(values.size))] = rng.choice(WEIGHTS)
    elif choice < 0.8:
        values = np.resize(values, [int(size) for size in rng.integers(0, 4, int(rng.integers(1, 5)))])
    else:
        values = values.astype(rng.choice(["float16", "float64", "int64"]))
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    if choice > 0.95:  # weights in another file, which a model must not make us open
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../etc/hostname")
    return proto.SerializeToString()


def graph(model: bytes, rng: Generator) -> bytes:
    """Another operator, or an input or output of another type or shape."""
    proto = onnx.load_from_string(model)
    node, ends = proto.graph.node[0], [proto.graph.input[0], proto.graph.output[0]]
    choice = rng.random()
    if choice < 0.4:
        estimate = node.output[0]
        node.output[0] = "between"
        proto.graph.node.append(helper.make_node(str(rng.choice(OPERATORS)), ["between"], [estimate]))
    elif choice < 0.7:
        tensor = ends[int(rng.integers(2))].type.tensor_type
        tensor.elem_type = int(rng.choice([TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING]))
    else:
        dimensions = ends[int(rng.integers(2))].type.tensor_type.shape.dim
        dimensions[int(rng.integers(3))].dim_value = int(rng.choice([0, 1, 2, 4096, HUGE, -1]))
    return proto.SerializeToString()


def bomb(model: bytes, rng: Generator) -> bytes:
    """A graph that never ends, or asks for more memory than there is."""
    return (_expands, _loops, _grows, _long)[int(rng.integers(4))](model)


def _with(model: bytes, nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]) -> bytes:
    """The model with its estimate renamed `between`, and these nodes after it, which make `estimate` of it."""
    proto = onnx.load_from_string(model)
    proto.graph.node[0].output[0] = "between"
    proto.graph.node.extend(nodes)
    proto.graph.initializer.extend(constants)
    return proto.SerializeToString()


def _expands(model: bytes) -> bytes:
    shape = numpy_helper.from_array(np.array([1, HUGE // 2, 1], np.int64), "shape")
    nodes = [helper.make_node("Expand", ["between", "shape"], ["wide"]), helper.make_node("ReduceMean", ["wide"], ["estimate"], axes=[1])]
    return _with(model, nodes, [shape])


def _grows(model: bytes) -> bytes:
    """Thirty times twice as long."""
    names = ["between", *(f"double {step}" for step in range(30)), "estimate"]
    nodes = [helper.make_node("Concat", [before, before], [after], axis=2) for before, after in pairwise(names)]
    return _with(model, nodes, [])


def _long(model: bytes) -> bytes:
    names = ["between", *(f"step {step}" for step in range(3000)), "estimate"]
    nodes = [helper.make_node("Neg", [before], [after]) for before, after in pairwise(names)]
    return _with(model, nodes, [])


def _loops(model: bytes) -> bytes:
    """A loop of 2 ** 62 rounds."""
    constants = [numpy_helper.from_array(np.array(2**62), "rounds"), numpy_helper.from_array(np.array(True), "on")]
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["going"]), helper.make_node("Neg", ["x"], ["turned"])],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [helper.make_tensor_value_info("going", TensorProto.BOOL, []), helper.make_tensor_value_info("turned", TensorProto.FLOAT, None)],
    )
    return _with(model, [helper.make_node("Loop", ["rounds", "on", "between"], ["estimate"], body=body)], constants)


MODEL_MUTATIONS: dict[str, ModelMutation] = {
    "model bytes": raw_bytes,
    "model metadata": metadata,
    "model weights": weights,
    "model graph": graph,
    "model bomb": bomb,
}
