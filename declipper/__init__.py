"""Restores clipped audio: find what was clipped, estimate what was cut off, leave every reliable sample as it is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from declipper.errors import DeclipperError, DeviceError, InputError, ModelError, OutputError

if TYPE_CHECKING:
    from declipper.clipping.levels import ClipLevels
    from declipper.detection.detector import LevelDetector, find_levels
    from declipper.detection.tracker import LevelTracker
    from declipper.engine.framing import Framing
    from declipper.engine.session import Session
    from declipper.engine.stream import DeclipStream, declip

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

_MODULES = {
    "ClipLevels": "clipping.levels",
    "DeclipStream": "engine.stream",
    "Framing": "engine.framing",
    "LevelDetector": "detection.detector",
    "LevelTracker": "detection.tracker",
    "Session": "engine.session",
    "declip": "engine.stream",
    "find_levels": "detection.detector",
}
"""Where each of these names is, loaded when it is first used: `declipper --help` needs none of them."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
