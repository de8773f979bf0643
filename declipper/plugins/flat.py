"""A model's network as the flat file that the plugin runs. packaging/plugin/core/README.md describes the format, and model.cpp reads it."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any

import numpy as np

from declipper.engine.experts import LIVE
from declipper.engine.model_file import ModelFile
from declipper.errors import ModelError

MAGIC = "DECLFLAT"
VERSION = 2
BASE_RATE = 44100
"""Sample rate in hertz at which all lengths are given, as in `declipper.clipping.windows.at_rate`."""
NETWORK = {"inputs": 4, "kernel": 5, "bias": False, "sharpness": 1, "deviation": False}
"""What the plugin asks of a network's shape, in the words of `declipper.training.model.network`."""
MAPS = NETWORK["inputs"] - 1
"""What the network gives: a correction, and a weight for each estimate."""
MOST_LEVELS, MOST_CHANNELS, MOST_STRIDE, MOST_BLOCKS = 8, 1024, 8, 16
"""Of a network, far beyond those that there are: a broken file must not make a host run out of memory."""
CHANNELS_OF, STRIDES_OF = 16, 4
"""Channels and strides are multiples of these, for the sake of the inner loops."""
LARGEST_STEP = 128
"""The product of the strides at most, which must be a power of two: so it divides the window at every sample rate."""
MOST_WORK = 22_000
"""Multiplications of the network for each frame of a window at most, twice those of `live`: with SSE2 a third of a core in stereo at 48
kHz, beside what the estimates cost."""
HALF = ".half"
"""What the exporter adds to the name of a weight that it stores as float16."""


@dataclass(frozen=True)
class Level:
    """One level of the network: a convolution by `stride` to `channels`, then `blocks` residual blocks; likewise on the way back up."""

    channels: int
    stride: int
    blocks: int


@dataclass(frozen=True)
class Layer:
    """A layer's name, the sizes of its weights as PyTorch stores them, and how many frames there are to one place that it works on."""

    name: str
    sizes: tuple[int, int, int]
    step: int


@dataclass(frozen=True)
class Hyperparameters:
    """What a network is built with beside its weights and their sizes, see `training/model/network.py` for each."""

    doubt: float
    slope: float
    reach: int

    @classmethod
    def of(cls, file: ModelFile) -> Hyperparameters:
        """Those that a model file records: `doubt` in its metadata, the others in its graph. Raises ModelError where they are missing."""
        nodes = file.operations()
        slopes = {node.attributes.get("alpha") for node in nodes if node.operator == "LeakyRelu"}
        reaches = [node.attributes for node in nodes if node.operator == "AveragePool" and node.attributes.get("strides") == [1]]
        try:
            (slope,), (reach,) = slopes, reaches
            return cls(float(_shape(file)["doubt"]), float(slope or 0), int(reach["kernel_shape"][0]))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ModelError(
                f"{file.path}: is no network of the kind that the plugin runs; train it with declipper train --model live"
            ) from error


def flat(file: ModelFile) -> bytes:
    """The network of a model of the kind of `live` as a flat file. Raises ModelError where the plugin could not run it."""
    if file.metadata.get("declipper.fingerprint") != LIVE.fingerprint:
        seen = file.metadata.get("declipper.experts", "no experts")
        if seen == LIVE.name:
            seen = f"{seen} as another version of declipper makes them"
        raise ModelError(
            f"{file.path}: sees the estimates of {seen}, which the plugin does not make; train it with declipper train --model live"
        )
    levels = _levels(file)
    fixed = Hyperparameters.of(file)
    head = [BASE_RATE, NETWORK["inputs"], NETWORK["kernel"], fixed.reach, len(levels)]
    head += chain.from_iterable((level.channels, level.stride, level.blocks) for level in levels)
    content = MAGIC.encode() + struct.pack("<IQ2f", VERSION, int(LIVE.fingerprint, 16), fixed.doubt, fixed.slope)
    content += struct.pack(f"<{len(head)}I", *head)
    content += b"".join(_weights(file, layers(levels)))
    return content + struct.pack("<I", zlib.crc32(content))


def layers(levels: Sequence[Level]) -> Iterator[Layer]:
    """From input to output, in the order of use."""
    before, step = NETWORK["inputs"], 1
    steps = []
    for number, level in enumerate(levels):
        step *= level.stride
        steps.append(step)
        yield Layer(f"downs.{number}", (level.channels, before, 2 * level.stride), step)
        yield from _residuals(f"encoders.{number}", level, step)
        before = level.channels
    for number, (above, below) in enumerate(zip(reversed(levels[:-1]), reversed(levels[1:]), strict=True)):
        step = steps[-1 - number]
        yield Layer(f"ups.{number}", (below.channels, above.channels, 2 * below.stride), step)
        step //= below.stride
        yield Layer(f"merges.{number}", (above.channels, 2 * above.channels, 1), step)
        yield from _residuals(f"decoders.{number}", above, step)
    yield Layer("out", (levels[0].channels, MAPS, 2 * levels[0].stride), steps[0])


def _residuals(name: str, level: Level, step: int) -> Iterator[Layer]:
    for block in range(level.blocks):
        for part in ("first", "second"):
            yield Layer(f"{name}.{block}.{part}", (level.channels, level.channels, NETWORK["kernel"]), step)


def _shape(file: ModelFile) -> dict[str, Any]:
    """The hyperparameters that the exporter has put into the metadata."""
    try:
        shape = json.loads(file.metadata["declipper.shape"])
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{file.path}: model metadata is broken at its shape; export the model again") from error
    return shape if isinstance(shape, dict) else {}


def _levels(file: ModelFile) -> list[Level]:
    """Raises ModelError for a network that the plugin cannot run, or not fast enough."""
    shape = _shape(file)
    found = {key: shape.get(key) for key in NETWORK}
    if found != NETWORK:
        raise ModelError(f"{file.path}: the plugin runs networks of {_listed(NETWORK)}, this has {_listed(found)}; train one from live")
    parts = [shape.get(key) for key in ("channels", "strides", "blocks")]
    if not all(isinstance(part, list) and len(part) == len(parts[0] or ()) and all(type(n) is int for n in part) for part in parts):
        raise ModelError(f"{file.path}: model metadata is broken at its levels; export the model again")
    levels = [Level(*numbers) for numbers in zip(*(part or () for part in parts), strict=True)]
    step = prod(level.stride for level in levels)
    fits = 1 <= len(levels) <= MOST_LEVELS and step <= LARGEST_STEP and step & (step - 1) == 0
    if not (fits and all(map(_runs, levels))):
        raise ModelError(
            f"{file.path}: the plugin runs up to {MOST_LEVELS} levels of up to {MOST_CHANNELS} channels in multiples of {CHANNELS_OF}, with"
            f" strides whose product is a power of two up to {LARGEST_STEP}, this has {_listed(shape)[:160]}; train one from live"
        )
    work = sum(prod(layer.sizes) / layer.step for layer in layers(levels))
    if work > MOST_WORK:
        raise ModelError(
            f"{file.path}: takes {work:.0f} multiplications a frame, more than the plugin has time for ({MOST_WORK}); train a smaller one"
        )
    return levels


def _runs(level: Level) -> bool:
    channels = CHANNELS_OF <= level.channels <= MOST_CHANNELS and level.channels % CHANNELS_OF == 0
    return channels and STRIDES_OF <= level.stride <= MOST_STRIDE and level.stride % STRIDES_OF == 0 and 0 <= level.blocks <= MOST_BLOCKS


def _weights(file: ModelFile, wanted: Iterator[Layer]) -> Iterator[bytes]:
    """Of each layer, as float16. Raises ModelError where they are not those of the shape."""
    constants = file.constants()
    for layer in wanted:
        weight = constants.get(f"{layer.name}.weight{HALF}")
        if weight is None or weight.values is None or weight.sizes != layer.sizes or weight.values.dtype != np.float16:
            raise ModelError(f"{file.path}: its weights {layer.name} are not those of its shape; export the model again")
        yield weight.values.astype("<f2").tobytes()


def _listed(shape: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in shape.items())
