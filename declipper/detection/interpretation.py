"""What the detector's findings are worth: confidence that is calibrated, and what likely happened to a recording since it was clipped.

Both come from simulated histories, whose truth is known: `declipper.training.detection.interpret` fits them, measures them on recordings
that it was not fitted to, and writes `models/interpretation.json`.

Confidence: of all that is called 90 % sure, 90 % is clipped. What the detector believes is turned into that by J. Platt's method
("Probabilistic outputs for support vector machines", 1999): logistic regression on the log-odds, one for each kind of plateau.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from declipper.detection.detector import NOTHING, Detection, FoundLevel, FoundLevels
from declipper.detection.features import Features, logistic, standardised

EVENTS = {
    "levelled": "levelled (AGC, compressor or fader)",
    "high-passed": "high-passed",
    "filtered": "filtered (tone control or de-emphasis)",
    "resampled": "resampled",
    "coded": "lossy-coded",
    "cut again": "cut again at full scale",
}
"""What may have happened to a recording since it was clipped, and how that is told; in this order, which is the usual one."""
INTACT = "saved as it was clipped, the last time at least"
"""What is told where every plateau is exact."""
SURE = 1e-6
"""Beliefs closer to 0 or 1 count as so close: log-odds stay finite."""


@dataclass(frozen=True)
class History:
    """How likely each of EVENTS happened since the clipping, 0 to 1; told: those likely enough to be told."""

    probabilities: dict[str, float]
    told: tuple[str, ...]


@dataclass(frozen=True)
class Interpretation:
    """Of one recording. confidence: 0 to 1, that it was clipped at all. found: in each channel. history: None where nothing was found."""

    confidence: float
    found: tuple[FoundLevels, ...]
    history: History | None


@dataclass(frozen=True, eq=False)
class Event:
    """How one of EVENTS is told. weights: (features,) of a logistic regression; least: the probability from which it is told."""

    weights: Features
    bias: float
    least: float

    def probability(self, features: Features) -> Features:
        """Of features (..., features) in units of their spread: (...)."""
        return logistic(features @ self.weights + self.bias)


@dataclass(frozen=True, eq=False)
class Interpreter:
    """The regressions. calibrations: (factor, summand) of the log-odds by kind, and of "recording"; middle, spread: (features,)."""

    calibrations: dict[str, tuple[float, float]]
    middle: Features
    spread: Features
    events: dict[str, Event]

    def confidence(self, kind: str, belief: float) -> float:
        """How often it is true what the detector believes of that kind so firmly, 0 to 1."""
        factor, summand = self.calibrations[kind]
        return float(logistic(factor * log_odds(belief) + summand))

    def standardised(self, features: Features) -> Features:
        """Features in units of their spread."""
        return standardised(features, self.middle, self.spread)

    def __call__(self, detection: Detection) -> Interpretation:
        """What a detection is worth."""
        found = tuple(FoundLevels(self._level(pair.positive), self._level(pair.negative)) for pair in detection.found)
        kinds = {level.kind for pair in found for level in (pair.positive, pair.negative)} - {""}
        confidence = max(
            self.confidence("recording", detection.belief), *(p.confidence for pair in found for p in (pair.positive, pair.negative))
        )
        return Interpretation(confidence, found, self._history(detection.features, kinds) if kinds else None)

    def _level(self, level: FoundLevel) -> FoundLevel:
        return FoundLevel(level.kind, self.confidence(level.kind, level.confidence)) if level.kind else NOTHING

    def _history(self, features: Features, kinds: set[str]) -> History:
        if kinds == {"exact"}:
            return History(dict.fromkeys(EVENTS, 0.0), (INTACT,))
        these = self.standardised(features)
        probabilities = {name: float(event.probability(these)) for name, event in self.events.items()}
        return History(probabilities, tuple(name for name in EVENTS if probabilities[name] >= self.events[name].least))


def log_odds(probability: float) -> float:
    """The logarithm of p / (1 - p)."""
    p = min(max(probability, SURE), 1 - SURE)
    return float(np.log(p / (1 - p)))


@lru_cache(1)
def interpreter() -> Interpreter:
    """The one that comes with the package."""
    held = json.loads((files("declipper.models") / "interpretation.json").read_text())
    events = {name: Event(np.array(v["weights"]), v["bias"], v["least"]) for name, v in held["events"].items()}
    calibrations = {name: (float(pair[0]), float(pair[1])) for name, pair in held["calibrations"].items()}
    return Interpreter(calibrations, np.array(held["middle"]), np.array(held["spread"]), events)


def in_words(history: History) -> str:
    """A history as a phrase, such as "clipped, then resampled and cut again at full scale"; empty where nothing of it is sure."""
    if history.told == (INTACT,):
        return INTACT
    words = [EVENTS[name] for name in history.told]
    return f"clipped, then {' and '.join(part for part in (', '.join(words[:-1]), words[-1]) if part)}" if words else ""
