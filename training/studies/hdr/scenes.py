"""The images of the study: linear light, (3, height, width) float32, and crops of them."""

from __future__ import annotations

import base64
import re
import tempfile
from pathlib import Path

import numpy as np
import OpenEXR

from declipper.clipping.arrays import Array
from declipper.errors import InputError

HELD_BACK = ("bridge", "city", "lobby", "park", "venice", "workshop")
"""Scenes to test on, indoors and outdoors, of which training sees nothing."""
COVERED = re.compile(r"base64,([A-Za-z0-9+/=]+)")


def scenes(package: Path) -> dict[str, Array]:
    """All images by name. Raises InputError where the folder is not the unpacked package."""
    found = {path.name.removesuffix(".exr.js"): _decoded(path) for path in sorted((package / "hdri").glob("*.exr.js"))}
    if missing := [name for name in HELD_BACK if name not in found]:
        raise InputError(
            f"{package}: holds no hdri/{missing[0]}.exr.js; fetch the images with "
            "`npm pack @pmndrs/assets@1.7.0` and unpack them with `tar xzf pmndrs-assets-1.7.0.tgz`"
        )
    return found


def _decoded(path: Path) -> Array:
    match = COVERED.search(path.read_text())
    if match is None:
        raise InputError(f"{path}: holds no image in base64; unpack the package anew")
    with tempfile.NamedTemporaryFile(suffix=".exr") as file:
        file.write(base64.b64decode(match[1]))
        file.flush()
        with OpenEXR.File(file.name) as image:
            pixels = image.channels()["RGB"].pixels
    light: Array = np.maximum(pixels.astype(np.float32), 0).transpose(2, 0, 1)  # the lossy codec leaves some below 0
    return light


def crops(images: list[Array], count: int, *, side: int, rng: np.random.Generator) -> Array:
    """`count` squares (count, 3, side, side) from anywhere in the images, mirrored or not."""
    out = np.empty((count, 3, side, side), np.float32)
    for i in range(count):
        image = images[rng.integers(len(images))]
        top, left = (int(rng.integers(size - side + 1)) for size in image.shape[1:])
        out[i] = image[:, top : top + side, left : left + side][..., :: rng.choice([-1, 1])]
    return out
