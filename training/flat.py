"""Writes a model file's network as the flat file that the plugin is built with: python -m declipper.training.flat MODEL.onnx OUT.

The format is described in packaging/plugin/core/README.md; its reader is model.cpp beside it.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from declipper.errors import ModelError
from declipper.training.export import load
from declipper.training.network import Residual, UNet

MAGIC = b"DECLFLAT"
VERSION = 1
BASE_RATE = 44100


def flat(net: UNet) -> bytes:
    """The network as a flat file. Raises ModelError where the plugin could not run it, or where float16 does not hold its weights."""
    shape = net.shape
    if shape["inputs"] != 4 or shape["kernel"] != 5 or shape["bias"]:
        raise ModelError(f"the plugin runs networks of 4 inputs, kernel 5 and no bias, got {shape}; export one of the fast model's shape")
    levels = list(zip(shape["channels"], shape["strides"], shape["blocks"], strict=True))
    head = [VERSION, BASE_RATE, shape["inputs"], shape["kernel"], len(levels), *chain.from_iterable(levels)]
    content = MAGIC + struct.pack(f"<{len(head)}I", *head) + b"".join(_halves(weight) for weight in _in_order_of_use(net))
    return content + struct.pack("<I", zlib.crc32(content))


def _in_order_of_use(net: UNet) -> Iterator[Tensor]:
    """The layers' weights from input to output."""
    for down, encoder in zip(net.downs, net.encoders, strict=True):
        yield from _weights(down, *encoder.children())
    for up, merge, decoder in zip(net.ups, net.merges, net.decoders, strict=True):
        yield from _weights(up, merge, *decoder.children())
    yield from _weights(net.out)


def _weights(*layers: nn.Module) -> Iterator[Tensor]:
    for layer in layers:
        for module in (layer.first, layer.second) if isinstance(layer, Residual) else (layer,):
            assert isinstance(module.weight, Tensor)
            yield module.weight


def _halves(weight: Tensor) -> bytes:
    exact = weight.detach().numpy()
    halves = exact.astype("<f2")
    if not np.array_equal(halves.astype(np.float32), exact):
        raise ModelError("the weights are not float16; take them from an exported model file")
    return halves.tobytes()


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(flat(load(Path(sys.argv[1]))))
