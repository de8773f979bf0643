"""The numbers that the plugin's C++ core shares with Python, for the header that its build writes (packaging/plugin/core/flat.py).

Each has one home: the Python module that explains it, the model file, or this file where only the plugin uses it. Their checksum tells
whether a library of the core that was built elsewhere works with the numbers of this package.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from numpy.polynomial.chebyshev import chebinterpolate
from scipy.special import erfcx

import declipper
from declipper.clipping.levels import Curve
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


INTERFACE = 1
"""Version of the C functions that packaging/plugin/core/library.h declares."""
DIGITS = 9
"""Of each number that its checksum sees: more than anybody types, and fewer than computers differ in."""


def shared(of_model: flat.Hyperparameters) -> dict[str, Constants]:
    """The constants in each namespace of the header. of_model: those that the model file records."""
    own = _of_package()
    return own | {
        "truncated": {**own["truncated"], "ERFCX": erfcx_series()},
        "network": {
            **{name.upper(): flat.NETWORK[name] for name in ("inputs", "kernel")},
            **{name.upper(): value for name, value in asdict(of_model).items()},
        },
        "library": {**own["library"], "CHECKSUM": checksum()},
    }


def checksum() -> int:
    """Of the constants that the core shares with this package, 32 bits. Those of a model are not among them: its flat file holds them."""

    def told(value: object) -> str:
        return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)

    lines = [
        f"{space} {name} {value if isinstance(value, str) else ' '.join(map(told, np.ravel(value).tolist()))}"
        for space, constants in _of_package().items()
        for name, value in constants.items()
    ]
    return zlib.crc32("\n".join(lines).encode())


def _of_package() -> dict[str, Constants]:
    """The constants that this package alone settles."""
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
            "ERFCX_MIDDLE": ERFCX_MIDDLE,
        },
        "random": {"STATE": halves(generator["state"]), "INCREMENT": halves(generator["inc"])},
        "social": {
            "THRESHOLDS": threshold.thresholds,
            "MOMENTUM": threshold.momentum,
            "STEP": threshold.step,
            "WINDOW": RECIPE.window,
            "BEYOND": RECIPE.beyond,
            **{name: getattr(newest_sparsity, name) for name in ("SHORT_EVERY", "BINS", "LEAST_WEIGHT", "LONG_FALL", "SHORT_FALL")},
            "SHORTER": social_sparsity.SHORTER,
            "LEAST_RELIABLE": float(social_sparsity.LEAST_RELIABLE),
        },
        "flat": {name: getattr(flat, name) for name in FLAT} | {"ESTIMATES": int(LIVE.fingerprint, 16)},
        "own_model": {"LARGEST": own_model.LARGEST}
        | {f"PLACE_{system.upper()}": place.as_posix() for system, place in own_model.PLACES.items()},
        "library": {"INTERFACE": INTERFACE, "VERSION": declipper.__version__},
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

    def of(t: Curve) -> Curve:
        x = ERFCX_MIDDLE * (1 + t) / (1 - t)
        values: Curve = (1 + 2 * x) * erfcx(x)
        return values

    series: list[float] = chebinterpolate(of, ERFCX_DEGREE).tolist()  # type: ignore[type-var] # numpy's types forget arrays
    return series
