"""Writes what the plugin's core takes from Python: python flat.py MODEL.onnx FLAT HEADER DEPFILE. The build calls it.

FLAT: the model's network as the flat file that the plugin embeds; its format is described in README.md, and its reader is model.cpp.
HEADER: the numbers that C++ and Python share (constants.py). DEPFILE: for the build, the Python files that the header depends on.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import onnx
from constants import BASE_RATE, NETWORK, header, shared, sources
from onnx import helper, numpy_helper

from declipper.engine.experts import LIVE

MAGIC = b"DECLFLAT"
VERSION = 1
HALF = ".half"
"""What the exporter adds to the name of a weight that it stores as float16."""


def flat(model: onnx.ModelProto) -> bytes:
    """The network of a model of the kind of `live` as a flat file. Raises ValueError where the plugin could not run it."""
    properties = {entry.key: entry.value for entry in model.metadata_props}
    if properties.get("declipper.fingerprint") != LIVE.fingerprint:
        experts = properties.get("declipper.experts", "no experts")
        raise ValueError(
            f"the model sees the estimates of {experts}, which the plugin does not make; give models/live.onnx, or one made from it"
        )
    shape = shape_of(model)
    found = {key: shape.get(key) for key in NETWORK}
    if found != NETWORK:
        raise ValueError(f"the plugin runs networks of {_listed(NETWORK)}, got {_listed(found)}; give one of the shape of models/live.onnx")
    levels = list(zip(shape["channels"], shape["strides"], shape["blocks"], strict=True))
    head = [VERSION, BASE_RATE, shape["inputs"], shape["kernel"], len(levels), *chain.from_iterable(levels)]
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    content = MAGIC + struct.pack(f"<{len(head)}I", *head)
    content += b"".join(weights[f"{name}.weight{HALF}"].astype("<f2").tobytes() for name in in_order_of_use(shape["blocks"]))
    return content + struct.pack("<I", zlib.crc32(content))


def shape_of(model: onnx.ModelProto) -> dict[str, Any]:
    """The hyperparameters that the exporter has put into the metadata."""
    shape: dict[str, Any] = json.loads({entry.key: entry.value for entry in model.metadata_props}["declipper.shape"])
    return shape


def recorded(model: onnx.ModelProto) -> dict[str, int | float]:
    """The constants of training/model/network.py that a model file records: DOUBT in its metadata, SLOPE and REACH in its graph."""
    attributes = [(node.op_type, {a.name: helper.get_attribute_value(a) for a in node.attribute}) for node in model.graph.node]
    (slope,) = {found["alpha"] for kind, found in attributes if kind == "LeakyRelu"}
    (reach,) = [found["kernel_shape"][0] for kind, found in attributes if kind == "AveragePool" and found["strides"] == [1]]
    return {"DOUBT": shape_of(model)["doubt"], "SLOPE": slope, "REACH": reach}


def _listed(shape: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in shape.items())


def in_order_of_use(blocks: list[int]) -> Iterator[str]:
    """The names of the layers from input to output; blocks: residual blocks at each level."""

    def residuals(name: str, count: int) -> Iterator[str]:
        for block in range(count):
            yield from (f"{name}.{block}.first", f"{name}.{block}.second")

    for level, count in enumerate(blocks):
        yield f"downs.{level}"
        yield from residuals(f"encoders.{level}", count)
    for step, count in enumerate(reversed(blocks[:-1])):
        yield from (f"ups.{step}", f"merges.{step}")
        yield from residuals(f"decoders.{step}", count)
    yield "out"


if __name__ == "__main__":
    target, constants, depfile = map(Path, sys.argv[2:])
    network = onnx.load(sys.argv[1])
    target.write_bytes(flat(network))
    constants.write_text(header(shared(recorded(network))), encoding="utf-8")
    depfile.write_text(f"{target} {constants}: " + " ".join(str(path).replace(" ", "\\ ") for path in sources()), encoding="utf-8")
