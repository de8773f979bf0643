"""The numbers that the C++ core shares with Python, for the header that `flat.py` writes when the plugin is built.

Each has one home: the Python module that explains it, the model file, or this file where only the plugin uses it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.polynomial.chebyshev import chebinterpolate
from scipy.special import erfcx

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # a build uses the package beside it, installed or not

from declipper.detection import excursions, tracker
from declipper.engine.experts import LIVE
from declipper.engine.recipes import LIVE_RECIPE
from declipper.methods import ar_equations, autoregressive, newest_sparsity, social_sparsity, truncated_normal
from declipper.methods.autoregressive import ARModel
from declipper.plugins import flat, own_model

Number = int | float
Constants = Mapping[str, Number | Sequence[Number] | str]

FRAMING = {"context": 1024, "hop": 1536, "lookahead": 512, "fade": 128}
"""The plugin's windows, in frames at the base rate, in the words of `declipper.engine.framing.Framing`.

Short windows cost less and restore no worse, and 12 ms of look-ahead are enough (training/studies/results/lookahead.md). Together they are
3072 frames, of which 128, the product of the network's strides, remains a divisor at every sample rate from 4 kHz on.
"""
RECIPE = LIVE_RECIPE
"""How the core makes its estimates."""
ERFCX_MIDDLE, ERFCX_DEGREE = 3.75, 26
"""Of the series for the scaled complementary error function, see `erfcx_series`: the middle is that of the paper, and so many terms leave
an error of 1e-12."""
EXCURSIONS = ("RUNGS", "WIDER", "STEP", "FLOOR", "INSIDE", "FLAT", "COARSEST", "CELL", "CELLS", "CUT", "LONGEST", "LEAST_STEP")
TRACKER = ("FEWEST", "SAME", "UNDER", "TOGETHER", "FLATS", "HOLD", "BETWEEN")
"""What the C++ tracker takes from the modules of these names."""
FLAT = (
    "MAGIC",
    "VERSION",
    "MOST_LEVELS",
    "MOST_CHANNELS",
    "MOST_STRIDE",
    "MOST_BLOCKS",
    "CHANNELS_OF",
    "STRIDES_OF",
    "LARGEST_STEP",
    "MOST_WORK",
)
"""What the reader of model files takes from the module of their writer."""


def shared(of_model: flat.Hyperparameters) -> dict[str, Constants]:
    """The constants in each namespace of the header. of_model: those that the model file records."""
    threshold, generator = RECIPE.threshold, np.random.PCG64(0).state["state"]
    return {
        "excursions": {name: getattr(excursions, name) for name in EXCURSIONS},
        "tracker": {name: getattr(tracker, name) for name in TRACKER},
        "recipe": {"REACH": RECIPE.reach, "LEAST_NEW": (RECIPE.hop + RECIPE.lookahead) // 2, "SPARED": RECIPE.spared},
        "alone": autoregression(RECIPE.alone),
        "after": autoregression(RECIPE.after),
        "interpolation": {
            **{name: getattr(ar_equations, name) for name in ("NOISE_FLOOR", "MOST_NOISE", "TINY")},
            **{name: getattr(autoregressive, name) for name in ("NORMAL", "CAUTION", "FALL")},
        },
        "truncated": {
            **{name: getattr(truncated_normal, name) for name in ("FAR", "TINY", "LEAST_SHARE")},
            "ERFCX": erfcx_series(),
            "ERFCX_MIDDLE": ERFCX_MIDDLE,
        },
        "random": {name: halves(generator[key]) for name, key in (("STATE", "state"), ("INCREMENT", "inc"))},
        "social": {
            "THRESHOLDS": threshold.thresholds,
            "MOMENTUM": threshold.momentum,
            "STEP": threshold.step,
            "WINDOW": RECIPE.window,
            "BEYOND": RECIPE.beyond,
            **{name: getattr(newest_sparsity, name) for name in ("SHORT_EVERY", "BINS", "LEAST_WEIGHT")},
            "LONG_FALL": newest_sparsity.FALL[False],
            "SHORT_FALL": newest_sparsity.FALL[True],
            "SHORTER": social_sparsity.SHORTER,
            "LEAST_RELIABLE": float(social_sparsity.LEAST_RELIABLE),
        },
        "network": {
            **{name.upper(): flat.NETWORK[name] for name in ("inputs", "kernel")},
            **{name.upper(): value for name, value in asdict(of_model).items()},
        },
        "flat": {name: getattr(flat, name) for name in FLAT} | {"ESTIMATES": int(LIVE.fingerprint, 16)},
        "own_model": {"LARGEST": own_model.LARGEST}
        | {f"PLACE_{system.upper()}": place.as_posix() for system, place in own_model.PLACES.items()},
        "framing": {"BASE_RATE": flat.BASE_RATE} | {name.upper(): frames for name, frames in FRAMING.items()},
    }


def autoregression(model: ARModel) -> Constants:
    """The constants of an autoregressive model."""
    return {"WINDOW": model.window, "ORDERS": model.orders, "MOST_WORK": model.most_work}


def halves(number: int) -> list[int]:
    """The higher and the lower 64 bits of a number."""
    return [number >> 64, number & (1 << 64) - 1]


def erfcx_series() -> list[float]:
    """The Chebyshev coefficients of (1 + 2 x) exp(x^2) erfc(x) for x >= 0, in t = (x - ERFCX_MIDDLE) / (x + ERFCX_MIDDLE)."""

    def of(t: np.ndarray) -> np.ndarray:
        x = ERFCX_MIDDLE * (1 + t) / (1 - t)
        return np.asarray((1 + 2 * x) * erfcx(x))

    series: list[float] = chebinterpolate(of, ERFCX_DEGREE).tolist()
    return series


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
