"""Restores clipped audio: detect the clip levels, estimate what was cut off, leave every reliable sample as it is."""

from __future__ import annotations

from declipper.clipping import ClipLevels
from declipper.detection import LevelDetector, find_levels
from declipper.engine import DeclipStream, declip
from declipper.errors import DeclipperError, DeviceError, InputError, ModelError, OutputError
from declipper.framing import Framing
from declipper.session import Session
from declipper.tracking import LevelTracker

__version__ = "0.1.0"

__all__ = [
    "ClipLevels",
    "DeclipStream",
    "DeclipperError",
    "DeviceError",
    "Framing",
    "InputError",
    "LevelDetector",
    "LevelTracker",
    "ModelError",
    "OutputError",
    "Session",
    "declip",
    "find_levels",
]
