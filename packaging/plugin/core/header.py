"""The numbers that C++ and Python share (declipper/plugins/constants.py) as a C++ header."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from declipper.plugins.constants import Constants, Number


def header(namespaces: Mapping[str, Constants]) -> str:
    """The constants as a C++ header."""
    lines = [
        "// Written by flat.py when the plugin is built; declipper/plugins/constants.py says where each of these numbers has its home.",
        "#pragma once",
        "",
    ]
    for namespace, constants in namespaces.items():
        lines += [f"namespace declipper::{namespace} {{", *(definition(*item) for item in constants.items()), "}", ""]
    return "\n".join(lines)


def definition(name: str, value: Number | Sequence[Number] | str) -> str:
    """One constant in C++: a text, an int, one of 64 bits without a sign or, exact to the last bit, a double, or an array of numbers."""
    if isinstance(value, str):
        return f'constexpr char {name}[] = "{value}";'
    numbers = np.asarray(value)
    kind, suffix = "double", ""
    if not np.issubdtype(numbers.dtype, np.floating):
        kind, suffix = ("int", "") if numbers.max() < 1 << 31 else ("unsigned long long", "u")
    if numbers.ndim:
        return f"constexpr {kind} {name}[] = {{{', '.join(f'{number!r}{suffix}' for number in numbers.tolist())}}};"
    return f"constexpr {kind} {name} = {numbers.item()!r}{suffix};"


def sources() -> list[Path]:
    """The files of the package that the constants may depend on: all that have been imported."""
    return [Path(module.__file__) for name, module in sys.modules.items() if name.split(".")[0] == "declipper" and module.__file__]
