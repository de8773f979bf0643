"""Fits what `inspect` makes of the detector's findings: `python -m declipper.training.detection.interpret FIT ... --test TEST`.

FIT and TEST are pools (`declipper.training.detection.pool`) of the train and validation splits, and of the test split. Writes
`models/interpretation.json`, which `declipper.detection.interpretation` reads, and interpretation.md beside this file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from declipper.detection.detector import FoundLevel
from declipper.detection.interpretation import EVENTS, INTACT, SURE, Event, Interpretation, Interpreter, log_odds
from declipper.training.detection.gate import regression
from declipper.training.detection.observe import Observation, observed

TARGET = Path(__file__).parents[2] / "models" / "interpretation.json"
PRECISION = 0.9
"""Least share of what is told that is true, on examples that the regression was not fitted to; fixes from which probability it is told."""
LEAST_TOLD = 8
"""Examples, at least, by which that is judged."""
RIDGES = (3.0, 10.0, 30.0, 100.0)
"""Penalties to choose from, by the likelihood of what the regression was not fitted to."""
FOLDS = 8
NEVER = 1.01
"""A probability that is not reached: the event is not told."""
EDGES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.01)
"""Of the bins of the reliability tables."""

Truth = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """Probabilities (examples,) beside what is true."""

    probabilities: Values
    true: Truth

    @classmethod
    def of(cls, pairs: Iterable[tuple[float, bool | None]]) -> Judged:
        """Those of which it is known."""
        known = [(p, bool(t)) for p, t in pairs if t is not None]
        return cls(np.array([p for p, _ in known]), np.array([t for _, t in known], bool))

    @property
    def surprise(self) -> float:
        """The mean of -log of what was said of the truth: the less, the better."""
        return float(-np.log(np.where(self.true, self.probabilities, 1 - self.probabilities).clip(SURE)).mean())


def fitted(examples: list[Observation]) -> Interpreter:
    """The regressions that fit the examples."""
    beliefs = {"recording": Judged.of((e.detection.belief, e.clipped) for e in examples)}
    for kind in ("exact", "blurred"):
        beliefs[kind] = Judged.of((level.confidence, truth) for e in examples for level, truth in e.levels if level.kind == kind)
    told = [e for e in examples if "blurred" in e.kinds and e.clipped is not None]
    features = np.stack([e.detection.features for e in told])
    plain = Interpreter({name: _platt(judged) for name, judged in beliefs.items()}, features.mean(axis=0), features.std(axis=0) + 1e-6, {})
    x = plain.standardised(features)
    events = {name: _event(x, np.array([name in e.events for e in told])) for name in EVENTS}
    return Interpreter(plain.calibrations, plain.middle, plain.spread, events)


def _platt(judged: Judged) -> tuple[float, float]:
    """Factor and summand of the log-odds, after Platt."""
    odds = np.array([[log_odds(p)] for p in judged.probabilities])
    factor, summand = regression(odds, judged.true)
    return float(factor), float(summand)


def _event(x: Values, true: Truth) -> Event:
    tried = {ridge: _held_back(x, true, ridge) for ridge in RIDGES}
    ridge = min(tried, key=lambda penalty: tried[penalty].surprise)
    weights = regression(x, true, ridge=ridge)
    return Event(weights[:-1], float(weights[-1]), _least(tried[ridge]))


def _held_back(x: Values, true: Truth, ridge: float) -> Judged:
    """Every example judged by a regression that was not fitted to it."""
    fold = np.random.default_rng(0).permutation(len(x)) % FOLDS
    p = np.empty(len(x))
    for held in range(FOLDS):
        weights = regression(x[fold != held], true[fold != held], ridge=ridge)
        p[fold == held] = Event(weights[:-1], float(weights[-1]), 0.0).probability(x[fold == held])
    return Judged(p, true)


def _least(judged: Judged) -> float:
    """The lowest probability from which on so much of what is told is true as PRECISION says, and would be if the next one were false."""
    order = np.argsort(-judged.probabilities)
    told = np.arange(1, len(order) + 1)
    good = np.flatnonzero((np.cumsum(judged.true[order]) >= PRECISION * (told + 1)) & (told >= LEAST_TOLD))
    return float(judged.probabilities[order[good[-1]]]) if len(good) else NEVER


def write(interpreter: Interpreter, target: Path) -> None:
    """As JSON, with as many digits as matter."""

    def short(values: Values) -> list[float]:
        return [float(f"{v:.5g}") for v in values]

    events = {
        name: {"weights": short(e.weights), "bias": round(e.bias, 5), "least": round(e.least, 3)} for name, e in interpreter.events.items()
    }
    calibrations = {name: short(np.array(pair)) for name, pair in interpreter.calibrations.items()}
    held = {"calibrations": calibrations, "events": events, "middle": short(interpreter.middle), "spread": short(interpreter.spread)}
    target.write_text(json.dumps(held, indent=1) + "\n")


def tables(interpreter: Interpreter, examples: list[Observation]) -> str:
    """How good that is on examples, as Markdown."""
    said = [(interpreter(e.detection), e) for e in examples]
    recordings = Judged.of((i.confidence, e.clipped) for i, e in said)
    found = [(level.confidence, truth) for i, e in said for level, (_, truth) in zip(_levels(i), e.levels, strict=True) if level.kind]
    known = [(i.history, e) for i, e in said if i.history and e.clipped is not None]
    lines = ["## What happened since", "", "| told | told | of these true | happened | of these told |", "|---|---|---|---|---|"]
    for name, words in ((INTACT, INTACT), *EVENTS.items()):
        true = np.array([e.intact if name == INTACT else name in e.events for _, e in known])
        told = np.array([name in history.told for history, _ in known])
        right = int((told & true).sum())
        lines.append(f"| {words} | {told.sum()} | {_percent(right, told.sum())} | {true.sum()} | {_percent(right, true.sum())} |")
    events = Judged.of((h.probabilities[name], name in e.events) for h, e in known if INTACT not in h.told for name in EVENTS)
    for title, judged in {
        "Probability that something happened since, all of the above together": events,
        "Confidence that a recording was clipped": recordings,
        "Confidence that a polarity was clipped, where one is named": Judged.of(found),
    }.items():
        lines += ["", f"## {title}", "", "| said to be | cases | in the mean | true |", "|---|---|---|---|"]
        for low, high in pairwise(EDGES):
            inside = (judged.probabilities >= low) & (judged.probabilities < high)
            if inside.any():
                mean, share = judged.probabilities[inside].mean(), judged.true[inside].mean()
                lines.append(f"| {low:.0%} to {min(high, 1):.0%} | {inside.sum()} | {mean:.1%} | {share:.1%} |")
    return "\n".join(lines) + "\n"


def _levels(interpretation: Interpretation) -> list[FoundLevel]:
    return [level for pair in interpretation.found for level in (pair.positive, pair.negative)]


def _percent(count: int, total: int) -> str:
    return f"{100 * count / total:.0f} %" if total else "-"


@click.command()
@click.argument("fit", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--test", type=click.Path(path_type=Path, exists=True), required=True)
def main(fit: tuple[Path, ...], test: Path) -> None:
    """Fit to the pools FIT, write the file, and judge it by the pool TEST."""
    examples, judges = [one for pool in fit for one in observed(pool)], observed(test)
    interpreter = fitted(examples)
    write(interpreter, TARGET)
    text = INTRODUCTION.format(fit=len(examples), test=len(judges), precision=PRECISION) + tables(interpreter, judges)
    (Path(__file__).parent / "interpretation.md").write_text(text)
    click.echo(text)


INTRODUCTION = """# What `inspect` says, and how often it is true

Made by `python -m declipper.training.detection.interpret`: fitted to {fit} simulated histories of recordings of the train and validation
splits, judged by {test} of the test split, a third of which was never clipped. Of a recording that was clipped, nothing is told of what
happened since unless it is likely enough: so that {precision:.0%} of it is true, by examples of the same splits that the regression was not
fitted to. Examples, and polarities, that lost less than a hundred in a million samples count neither as clipped nor as unclipped.

"""


if __name__ == "__main__":
    main()
