"""The numbers that the C++ core shares with Python, for the header that `flat.py` writes when the plugin is built.

Each has one home: the Python module that explains it, the model file, or this file where only the plugin uses it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # a build uses the package beside it, installed or not

from declipper.detection import excursions, tracker
from declipper.engine.recipes import PLUGIN_RECIPE
from declipper.methods.ar_equations import NOISE_FLOOR

Number = int | float
Constants = Mapping[str, Number | Sequence[Number]]

BASE_RATE = 44100
"""Sample rate in hertz at which all lengths are given, as in `declipper.clipping.windows.at_rate`."""
FRAMING = {"context": 1024, "hop": 1536, "lookahead": 512, "fade": 128}
"""The plugin's windows, in frames at the base rate, in the words of `declipper.engine.framing.Framing`.

Short windows cost less and restore no worse, and 12 ms of look-ahead are enough (training/studies/results/lookahead.md). Together they are
3072 frames, of which 128, the product of the network's strides, remains a divisor at every sample rate from 4 kHz on.
"""
NETWORK = {"inputs": 4, "kernel": 5, "bias": False, "sharpness": 1, "deviation": False}
"""What the core asks of a network's shape, in the words of `declipper.training.model.network`. All else may be as the model file says."""
EXCURSIONS = ("RUNGS", "WIDER", "STEP", "FLOOR", "INSIDE", "FLAT", "COARSEST", "CELL", "CELLS", "CUT", "LONGEST", "LEAST_STEP")
TRACKER = ("FEWEST", "SAME", "UNDER", "TOGETHER", "FLATS", "HOLD", "BETWEEN")
"""What the C++ tracker takes from the modules of these names."""


def shared(of_model: Constants) -> dict[str, Constants]:
    """The constants in each namespace of the header. of_model: those that the model file records."""
    rough, fine = PLUGIN_RECIPE.rough, PLUGIN_RECIPE.fine
    return {
        "excursions": {name: getattr(excursions, name) for name in EXCURSIONS},
        "tracker": {name: getattr(tracker, name) for name in TRACKER},
        "interpolation": {
            "ORDERS": (*rough.orders, *fine.orders),
            "ROUGH_ROUNDS": len(rough.orders),
            "LONGEST_WINDOW": min(rough.window, fine.window),
            "MOST_WORK": min(rough.most_work, fine.most_work),
            "NOISE_FLOOR": NOISE_FLOOR,
        },
        "network": {"INPUTS": NETWORK["inputs"], "KERNEL": NETWORK["kernel"], **of_model},
        "framing": {"BASE_RATE": BASE_RATE} | {name.upper(): frames for name, frames in FRAMING.items()},
    }


def header(namespaces: Mapping[str, Constants]) -> str:
    """The constants as a C++ header."""
    lines = [
        "// Written by flat.py when the plugin is built; constants.py says where each of these numbers has its home.",
        "#pragma once",
        "",
    ]
    for namespace, constants in namespaces.items():
        lines += [f"namespace declipper::{namespace} {{", *(definition(*item) for item in constants.items()), "}", ""]
    return "\n".join(lines)


def definition(name: str, value: Number | Sequence[Number]) -> str:
    """One constant in C++: an int or, exact to the last bit, a double, or an array of either."""
    numbers = np.asarray(value)
    kind = "int" if np.issubdtype(numbers.dtype, np.integer) else "double"
    if numbers.ndim:
        return f"constexpr {kind} {name}[] = {{{', '.join(map(repr, numbers.tolist()))}}};"
    return f"constexpr {kind} {name} = {numbers.item()!r};"


def sources() -> list[Path]:
    """The files of the package that the constants may depend on: all that have been imported."""
    return [Path(module.__file__) for name, module in sys.modules.items() if name.split(".")[0] == "declipper" and module.__file__]
