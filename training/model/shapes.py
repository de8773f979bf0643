"""The hyperparameters of networks as model files record them: JSON that may come from anywhere, read within bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MOST_LEVELS = 6
"""Levels that a network may have at most; a 1-D U-Net of the largest size has four."""
Bounds = Mapping[str, tuple[tuple[type, ...], float, float]]
"""The types, the least and the largest value of each hyperparameter, by its name."""


def kind_of(text: str) -> str:
    """The kind of network that the hyperparameters in a JSON text are of: "" where they name none. Raises ValueError for what is none."""
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError(f"the shape {text[:40]!r}")  # noqa: TRY004
    return str(values.get("network", ""))


def read(text: str, bounds: Bounds, *, levels: tuple[str, ...]) -> dict[str, Any]:
    """The hyperparameters in a JSON text, without the kind; those named `levels` are tuples of one value for each level.

    Raises ValueError for anything else, and for networks larger than anybody trains.
    """
    values = json.loads(text)
    if not isinstance(values, dict) or values.keys() - {"network"} != bounds.keys():
        raise ValueError(f"the shape {text[:40]!r}, which is not of {', '.join(bounds)}")
    for name, (kind, least, most) in bounds.items():
        entries = values[name] if name in levels else [values[name]]
        if not isinstance(entries, list) or not all(type(v) in kind and least <= v <= most for v in entries):
            raise ValueError(f"{name} {str(values[name])[:40]}, which is not from {least} to {most}")
        if name in levels and not len(values[levels[0]]) == len(entries) <= MOST_LEVELS:
            raise ValueError(f"{len(entries)} {name} for {len(values[levels[0]])} levels, of which there can be {MOST_LEVELS}")
    return {name: tuple(values[name]) if name in levels else values[name] for name in bounds}
