"""Writes the detector as an ONNX file: `python -m declipper.training.detection.export CHECKPOINT TARGET`.

Input y, (1, 1, frames) float32 of any scale, frames a multiple of 1,024; output probability, (1, 1, frames). Weights are stored in
half precision, as those of the other models are, and the metadata say how they came about.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import click
import numpy as np
import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from declipper.detection.network import CONTRACT, ClippingNetwork
from declipper.errors import ModelError
from declipper.training.detection.learn import MISSED
from declipper.training.detection.network import MULTIPLE, Detector
from declipper.training.model.export import OPSET, store_halves

TOLERANCE = 1e-3
"""Largest allowed difference of the probabilities between torch and onnxruntime."""


class Calibrated(nn.Module):
    """Probabilities: the cost of a missed sample, which training put on the odds, taken off again."""

    def __init__(self, net: Detector) -> None:
        """`net` is changed: its convolutions get a second axis of one row, which onnxruntime works through a quarter faster."""
        super().__init__()
        _widen(net)
        net.stem, net.out = nn.Sequential(nn.Unflatten(2, (1, -1)), net.stem), nn.Sequential(net.out, nn.Flatten(2))
        self.net = net

    def forward(self, y: Tensor) -> Tensor:
        """(batch, 1, frames) to the same shape."""
        return torch.sigmoid(self.net(y) - float(np.log(MISSED)))


def _widen(module: nn.Module) -> None:
    """Put convolutions over (1, time) in the place of those over (time)."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv1d | nn.ConvTranspose1d):
            kind = nn.Conv2d if isinstance(child, nn.Conv1d) else nn.ConvTranspose2d
            sizes = {"stride": (1, *child.stride), "padding": (0, *child.padding), "dilation": (1, *child.dilation)}  # type: ignore[misc]
            wide = kind(child.in_channels, child.out_channels, (1, *child.kernel_size), **sizes)
            wide.load_state_dict({key: v if v.ndim == 1 else v[:, :, None] for key, v in child.state_dict().items()})
            setattr(module, name, wide)
        else:
            _widen(child)


def export(checkpoint: Path, target: Path) -> None:
    """Write the averaged weights of a checkpoint. Raises ModelError where onnxruntime disagrees with torch."""
    state = torch.load(checkpoint, weights_only=True)
    net = Detector(**state["shape"])
    net.load_state_dict({key: value.half().float() for key, value in state["average"].items()})
    model = Calibrated(net).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = {"y": {2: "frames"}, "probability": {2: "frames"}}
        names = {"input_names": ["y"], "output_names": ["probability"], "dynamic_axes": axes}
        torch.onnx.export(model, (torch.randn(1, 1, 8 * MULTIPLE),), str(target), dynamo=False, opset_version=OPSET, **names)
    graph = onnx.load(target)
    store_halves(graph)
    record = {"steps": state["step"], "minutes": round(state["seconds"] / 60, 1), "missed": MISSED}
    values = {"contract": CONTRACT, "kind": "detector", "name": "detector", "multiple": MULTIPLE}
    values |= {"shape": json.dumps(state["shape"]), "training": json.dumps(record)}
    helper.set_model_props(graph, {f"declipper.{key}": str(value) for key, value in values.items()})
    onnx.save(graph, target)
    session = ClippingNetwork(target)
    for frames in (MULTIPLE, 65536):
        y = np.random.default_rng(0).standard_normal(frames).astype(np.float32).clip(-1, 1)
        with torch.no_grad():
            expected = model(torch.from_numpy(y)[None, None])[0, 0].numpy()
        difference = float(np.abs(session.likelihood(y) - expected).max())
        if difference > TOLERANCE:
            target.unlink()
            raise ModelError(f"{target}: onnxruntime differs from torch by {difference:.2g}; nothing was written")


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path, exists=True))
@click.argument("target", type=click.Path(path_type=Path))
def main(checkpoint: Path, target: Path) -> None:
    """Write the detector in CHECKPOINT as the ONNX file TARGET."""
    export(checkpoint, target)


if __name__ == "__main__":
    main()
