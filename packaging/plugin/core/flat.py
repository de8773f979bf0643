"""Writes a model file's network as the flat file that the plugin embeds: python flat.py MODEL.onnx OUT. The build calls it.

The format is described in README.md; its reader is model.cpp.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import onnx
from onnx import numpy_helper

MAGIC = b"DECLFLAT"
VERSION = 1
BASE_RATE = 44100
HALF = ".half"
"""What the exporter adds to the name of a weight that it stores as float16."""


def flat(model: onnx.ModelProto) -> bytes:
    """The network of a model of the live kind as a flat file. Raises ValueError where the plugin could not run it."""
    shape = json.loads({entry.key: entry.value for entry in model.metadata_props}["declipper.shape"])
    panel = shape.get("doubt", 0.1), shape.get("sharpness", 1), shape.get("deviation", False)
    if shape["inputs"] != 4 or shape["kernel"] != 5 or shape["bias"] or panel != (0.1, 1, False):
        wanted = "4 inputs, kernel 5, no bias, doubt 0.1, sharpness 1 and no deviation"
        raise ValueError(f"the plugin runs networks of {wanted}, got {shape}; give one of the live model's shape")
    levels = list(zip(shape["channels"], shape["strides"], shape["blocks"], strict=True))
    head = [VERSION, BASE_RATE, shape["inputs"], shape["kernel"], len(levels), *chain.from_iterable(levels)]
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    content = MAGIC + struct.pack(f"<{len(head)}I", *head)
    content += b"".join(weights[f"{name}.weight{HALF}"].astype("<f2").tobytes() for name in in_order_of_use(shape["blocks"]))
    return content + struct.pack("<I", zlib.crc32(content))


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
    Path(sys.argv[2]).write_bytes(flat(onnx.load(sys.argv[1])))
