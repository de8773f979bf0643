"""Restores clipped audio: detect the clip levels, estimate what was cut off, leave every reliable sample as it is."""

from __future__ import annotations

from declipper.clipping.levels import ClipLevels
from declipper.detection.detector import LevelDetector, find_levels
from declipper.detection.tracker import LevelTracker
from declipper.engine.framing import Framing
from declipper.engine.session import Session
from declipper.engine.stream import DeclipStream, declip
from declipper.errors import DeclipperError, DeviceError, InputError, ModelError, OutputError

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
