"""Writes a trained network as an ONNX model file with its metadata and golden pair, after checking that both runtimes agree.

Weights are stored as float16 and cast to float32 when the model is loaded: half the size, at a rounding 60 dB below the correction.
The file is also the checkpoint that training resumes from: `load` reads the network back out of it.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from declipper.engine.experts import ExpertSet, Windows
from declipper.engine.session import CONTRACT, Session
from declipper.errors import ModelError
from declipper.training.model.network import Shape, UNet

OPSET = 17
"""ONNX operator set: it has all that the network needs, and onnxruntime reads it since version 1.12."""
TOLERANCE = 1e-4
"""Largest allowed difference between torch and onnxruntime, relative to the largest sample: more than rounding in float32 makes."""
GOLDEN_FRAMES = 4096
"""Of the golden pair: 0.09 s, small enough to be shipped."""
HALF = ".half"
"""Ends the name of a weight that is stored as float16."""


def export(net: UNet, target: Path, *, experts: ExpertSet, windows: Windows, training: dict[str, Any]) -> None:
    """Write `target`, whose stem is the model's name, and its golden pair (`.golden.npz`: input y and output estimate).

    experts: whose estimates it takes, and by whose definition (fingerprint) the file is bound. windows: those it restores recordings in.
    training: the record of how the weights came about, kept in the metadata. Raises ModelError, and writes nothing, where onnxruntime
    disagrees with torch.
    """
    half = UNet(net.shape)
    half.load_state_dict({key: value.half().float() for key, value in net.state_dict().items()})
    half.eval()
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            axes = {"y": {2: "frames"}, "estimate": {2: "frames"}}
            names = {"input_names": ["y"], "output_names": ["estimate"], "dynamic_axes": axes}
            torch.onnx.export(
                half, (torch.zeros(1, net.shape.inputs, windows.window),), str(draft), dynamo=False, opset_version=OPSET, **names
            )
        model = onnx.load(draft)
        store_halves(model)
        values = {"contract": CONTRACT, "name": target.stem, "multiple": half.stride}
        values |= asdict(windows)
        values |= {"experts": experts.name, "fingerprint": experts.fingerprint}
        values |= {"shape": net.shape.written(), "training": json.dumps(training)}
        helper.set_model_props(model, {f"declipper.{key}": str(value) for key, value in values.items()})
        onnx.save(model, draft)
        golden = _checked(Session(draft, "cpu"), half, windows.window, target)
        np.savez_compressed(target.with_suffix(".golden.npz"), **golden)
        target.write_bytes(draft.read_bytes())


def store_halves(model: onnx.ModelProto) -> None:
    """Replace every float32 weight by a float16 one and a cast, which onnxruntime folds away on loading."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            weight = numpy_helper.to_array(tensor).astype(np.float16)
            casts.append(helper.make_node("Cast", [tensor.name + HALF], [tensor.name], to=onnx.TensorProto.FLOAT))
            tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name + HALF))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _checked(session: Session, net: UNet, window: int, target: Path) -> dict[str, np.ndarray]:
    """The golden pair, once both runtimes agree on random clipped windows of several lengths, with estimates that are about right."""
    rng = np.random.default_rng(0)
    pairs = {}
    for frames in (window, GOLDEN_FRAMES, 4 * net.stride):
        x = rng.standard_normal((net.shape.inputs, frames)).astype(np.float32)
        clipped = np.abs(x[0]) >= 1
        y = np.where(clipped, x[0] * (1 + 0.1 * np.abs(x)), x[0])
        y[:2] = np.where(clipped, 0, x[0]), np.where(clipped, np.sign(x[0]), 0)
        if net.shape.deviation:
            y[-1] = np.where(clipped, 0.1 * np.abs(x[-1]), 0)
        with torch.no_grad():
            expected = net(torch.from_numpy(y)[None])[0, 0].numpy()
        difference = float(np.abs(session.estimate(y) - expected).max())
        if difference > TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise ModelError(f"{target}: onnxruntime differs from torch by {difference:.2g} at {frames} frames; nothing was written")
        pairs[frames] = {"y": y, "estimate": expected}
    return pairs[GOLDEN_FRAMES]


def load(path: Path) -> UNet:
    """The network inside a model file that `export` wrote. Raises ModelError for any other file."""
    session = Session(path, "cpu")  # refuses what is not a model of this contract
    model = onnx.load(path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    try:
        shape = Shape.read(metadata["declipper.shape"])
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: model metadata is broken at {str(error)[:200]}; export the model again") from error
    if shape.inputs != session.inputs:
        raise ModelError(f"{path}: model metadata is broken: {shape.inputs} inputs for {session.inputs}; export the model again")
    net = UNet(shape)
    weights = {t.name.removesuffix(HALF): torch.from_numpy(numpy_helper.to_array(t).astype(np.float32)) for t in model.graph.initializer}
    try:
        net.load_state_dict({key: weights[key] for key in net.state_dict()})
    except KeyError as error:
        raise ModelError(f"{path}: has no weight {error}; export the model again") from error
    except RuntimeError as error:  # torch lists the weights of other sizes
        raise ModelError(f"{path}: its weights are not those of its shape; export the model again") from error
    return net
