"""Whether a recording was clipped at all: a logistic regression on how much of it is marked, how surely, and on what tells its history.

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

MOST_MARKED = 0.9
"""Share of all heights that is marked from which a signal is no clipped recording but a square wave or a constant."""


@dataclass(frozen=True, eq=False)
class Gate:
    """The regression. middle, spread, weights: (features,), of `Detection.features`."""

    middle: Features
    spread: Features
    weights: Features
    bias: float

    def odds(self, features: Features) -> Features:
        """Logarithms of the odds that recordings were clipped, by features (..., features): (...)."""
        return standardised(features, self.middle, self.spread) @ self.weights + self.bias

    def probability(self, features: Features) -> float:
        """That a signal was clipped, by its features (features,), of which `Evidence.values` come first."""
        return float(logistic(self.odds(features))) if features[0] <= np.log10(MOST_MARKED) else 0.0


@lru_cache(1)
def shipped_gate() -> Gate:
    """The one that comes with the package."""
    held = json.loads((files("declipper.models") / "gate.json").read_text())
    return Gate(np.array(held["middle"]), np.array(held["spread"]), np.array(held["weights"]), held["bias"])
