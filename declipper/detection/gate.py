"""Whether a recording was clipped at all, and whether a plateau is a clip level: two logistic regressions.

The gate is additive, on how much of a recording is marked, how surely, and on its history.

Where nothing was clipped the network is hardly ever sure. Where it is, on chip music or voices that are flat by nature, the runs that it
marks do not lie at one height as those of a clipped recording do, or no crest is left unmarked, or the spectrum is none of a recording. The
weights are in `models/gate.json`, by `declipper.training.detection.gate`, and for plateaus in `models/plateaus.json`, by
`declipper.training.detection.plateaus`.
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
class Additive:
    """An additive logistic regression. middle, spread: (features,), of what it was fitted to. weights: (terms,), of its `terms`."""

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
        """Logarithms of the odds, by features (..., features): (...)."""
        return self.terms(features) @ self.weights + self.bias


class Gate(Additive):
    """Whether a recording, or one polarity of it, was clipped, by `Detection.features`."""

    def probability(self, features: Features) -> float:
        """That a signal was clipped, by its features (features,), of which `Evidence.values` come first."""
        return float(logistic(self.odds(features))) if features[0] <= np.log10(MOST_MARKED) else 0.0


class PlateauGate(Additive):
    """Whether the highest value of one polarity is its clip level, and all that was clipped lies on it, by `Ceiling.features`.

    What one of its features tells depends on the others: few samples under a plateau mean one thing where many lie on it, another where
    few do. So it has the products of each two features as well, which there are few enough of.
    """

    def terms(self, features: Features) -> Features:
        """As `Additive.terms`, followed by the products: (..., 3 features + features (features + 1) / 2)."""
        near = standardised(features, self.middle, self.spread)
        left, right = np.triu_indices(near.shape[-1])
        return np.concatenate([super().terms(features), near[..., left] * near[..., right]], axis=-1)

    def probability(self, features: Features) -> float:
        """That it is, by features (features,)."""
        return float(logistic(self.odds(features)))


@lru_cache(1)
def shipped_gate() -> Gate:
    """The one that comes with the package, for recordings."""
    return Gate(*_shipped("gate"))


@lru_cache(1)
def shipped_plateau_gate() -> PlateauGate:
    """Likewise for the highest value of a polarity, see `declipper.detection.ceiling`."""
    return PlateauGate(*_shipped("plateaus"))


def _shipped(name: str) -> tuple[Features, Features, Features, float]:
    """Middle, spread, weights and bias of a file of `models/`."""
    held = json.loads((files("declipper.models") / f"{name}.json").read_text())
    return np.array(held["middle"]), np.array(held["spread"]), np.array(held["weights"]), held["bias"]
