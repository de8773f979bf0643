"""Writes a trained network as an ONNX model file with its metadata and golden pairs, after checking that both agree."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from declipper.training.network import UNet

from declipper.errors import ModelError
from declipper.session import CONTRACT, Session

OPSET = 17
TOLERANCE = 1e-4
"""Largest allowed difference between torch and onnxruntime, relative to the level."""
GOLDEN_FRAMES = 4096


def export(net: UNet, target: Path, name: str, window: int, fade: int, training: dict[str, Any]) -> None:
    """Write `target` and `target`.golden.npz. Raises ModelError, and writes nothing, if onnxruntime disagrees with torch on random windows."""
    net = net.eval().float()
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                net,
                (torch.zeros(1, 2, window),),
                str(draft),
                dynamo=False,
                opset_version=OPSET,
                input_names=["y"],
                output_names=["estimate"],
                dynamic_axes={"y": {2: "frames"}, "estimate": {2: "frames"}},
            )
        model = onnx.load(draft)
        del model.metadata_props[:]
        values = {
            "contract": CONTRACT,
            "name": name,
            "window": window,
            "fade": fade,
            "multiple": net.stride,
            "training": json.dumps(training),
        }
        for key, value in values.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = f"declipper.{key}", str(value)
        onnx.save(model, draft)
        session = Session(draft, "cpu")
        rng = np.random.default_rng(0)
        for frames in (window, GOLDEN_FRAMES, 4 * net.stride):
            y = rng.standard_normal((2, frames)).astype(np.float32)
            y[1] = np.where(rng.random(frames) < 0.1, np.sign(y[1]), 0)
            ours = session.estimate(y)
            with torch.no_grad():
                theirs = net(torch.from_numpy(y)[None])[0, 0].numpy()
            difference = float(np.abs(ours - theirs).max())
            if difference > TOLERANCE * max(1.0, float(np.abs(theirs).max())):
                raise ModelError(f"{target}: onnxruntime differs from torch by {difference:.2g} at {frames} frames; nothing was written")
            if frames == GOLDEN_FRAMES:
                golden = {"y": y, "estimate": theirs}
        np.savez_compressed(target.with_suffix(".golden.npz"), **golden)
        target.write_bytes(draft.read_bytes())
