"""Restores clipped audio: detect the clip levels, estimate what was cut off, leave every reliable sample as it is.

What is named here is loaded when it is first asked for, so that a program that only reads a version or prints a help text starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_HOMES = {
    "ClipLevels": "clipping.levels",
    "DeclipStream": "engine.stream",
    "DeclipperError": "errors",
    "DeviceError": "errors",
    "Framing": "engine.framing",
    "InputError": "errors",
    "LevelDetector": "detection.detector",
    "LevelTracker": "detection.tracker",
    "ModelError": "errors",
    "OutputError": "errors",
    "Session": "engine.session",
    "declip": "engine.stream",
    "find_levels": "detection.detector",
}
"""The module that each public name comes from."""


def __getattr__(name: str) -> object:
    """Load a public name from its module (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'declipper' has no attribute {name!r}")
    value: object = getattr(import_module(f"declipper.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
