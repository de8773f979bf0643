"""The kinds of networks, and how they are told apart: by the shape that a model file or a checkpoint records of them."""

from __future__ import annotations

from declipper.training.model import spectral
from declipper.training.model.network import Shape, UNet
from declipper.training.model.shapes import kind_of
from declipper.training.model.spectral import SpectralNet, SpectralShape

Network = UNet | SpectralNet


def built(shape: str) -> Network:
    """A new network of the shape in a JSON text. Raises ValueError for anything else, and for networks larger than anybody trains."""
    return SpectralNet(SpectralShape.read(shape)) if kind_of(shape) == spectral.NAME else UNet(Shape.read(shape))
