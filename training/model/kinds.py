"""The kinds of networks, and how they are told apart: by the shape that a model file or a checkpoint records of them."""

from __future__ import annotations

import json

from declipper.training.model import spectral
from declipper.training.model.network import Shape, UNet
from declipper.training.model.spectral import SpectralNet, SpectralShape

Network = UNet | SpectralNet


def built(shape: str) -> Network:
    """A new network of the shape in a JSON text. Raises ValueError or TypeError for anything else."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(shape).items()}
    kind = values.pop("network", None)
    return SpectralNet(SpectralShape(**values)) if kind == spectral.NAME else UNet(Shape(**values))
