"""Whether a recording was clipped at all: an additive logistic regression on how much of it is marked, how surely, and on its history.

Where nothing was clipped the network is hardly ever sure. Where it is, on chip music or voices that are flat by nature, the runs that it
marks do not lie at one height as those of a clipped recording do, or no crest is left unmarked, or the spectrum is none of a recording. The
weights are in `models/gate.json`, by `declipper.training.detection.gate`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from declipper.detection.features import Features, logistic, standardised

KNEE = 1.0
"""Spreads from the middle, to either side, beyond which a feature may weigh otherwise: the regression is linear between."""
MOST_MARKED = 0.9
"""Share of all heights that is marked from which a signal is no clipped recording but a square wave or a constant."""


@dataclass(frozen=True, eq=False)
class Gate:
    """The regression. middle, spread: (features,), of `Detection.features`. weights: (terms,), of their `terms`."""

    middle: Features
    spread: Features
    weights: Features
    bias: float

    def terms(self, features: Features) -> Features:
        """What the weights belong to, by features (..., features): these, standardised, and how far each lies above and below KNEE spreads.

        A feature may so mean one thing where it is large, another where it is small: (..., 3 features). T. Hastie and R. Tibshirani,
        "Generalized additive models" (1986), with one knot to either side.
        """
        near = standardised(features, self.middle, self.spread)
        return np.concatenate([near, np.maximum(near - KNEE, 0), np.maximum(-near - KNEE, 0)], axis=-1)

    def odds(self, features: Features) -> Features:
        """Logarithms of the odds that recordings were clipped, by features (..., features): (...)."""
        return self.terms(features) @ self.weights + self.bias

    def probability(self, features: Features) -> float:
        """That a signal was clipped, by its features (features,), of which `Evidence.values` come first."""
        return float(logistic(self.odds(features))) if features[0] <= np.log10(MOST_MARKED) else 0.0


@lru_cache(1)
def shipped_gate() -> Gate:
    """The one that comes with the package, for recordings."""
    return _shipped("gate")


@lru_cache(1)
def shipped_plateaus() -> Gate:
    """Likewise for the highest values of a polarity, see `declipper.detection.ceiling`."""
    return _shipped("plateaus")


def _shipped(name: str) -> Gate:
    held = json.loads((files("declipper.models") / f"{name}.json").read_text())
    return Gate(np.array(held["middle"]), np.array(held["spread"]), np.array(held["weights"]), held["bias"])
