"""Fits what tells clipped recordings from others by the detector's marks: `python -m declipper.training.detection.gate CORPUS DETECTOR`.

Simulated histories of whole recordings, and music in which no clipping was found, give the examples; logistic regression the weights that
`declipper.detection.marks.Evidence` holds. Prints the weights, and the false alarms and misses on recordings of the test split.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Array
from declipper.detection.detector import LevelDetector
from declipper.detection.network import ClippingNetwork
from declipper.training.histories.draw import FRAMES, draw
from declipper.training.histories.sources import Material, stretch

SECONDS = 12.0
"""Of each recording that was never clipped."""
LENGTHS = (2, 4, 6)
"""Lengths of simulated recordings, in examples."""
FAINT = 1e-4
"""Energy that clipping took, relative to the recording's, below which a simulated recording counts for neither side."""
RIDGE = 1e-2
INTACT_WEIGHT = 3.0
"""How much more a false alarm costs than a miss: it changes what was never damaged."""
CONFIDENT = 0.5


def shares(y: Array, network: ClippingNetwork) -> npt.NDArray[np.float64]:
    """`Evidence.shares` of a recording (frames,)."""
    detector = LevelDetector(1, network)
    detector.push(y[:, None])
    detector.finish()
    return detector.evidence.shares


def simulated(material: Material, count: int, seed: int) -> Iterator[tuple[Array, bool, str]]:
    """Random histories: signal, whether it was clipped, and its story."""
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        one = draw(material, rng, int(rng.choice(LENGTHS)) * FRAMES)
        truth = one.truth
        energy = float(np.square(one.original - one.y)[truth].sum() / np.square(one.original).sum())
        if energy > FAINT or not truth.any():
            yield one.y, bool(truth.any()), ", ".join(one.story)


def intact(material: Material, count: int, seed: int) -> Iterator[tuple[Array, bool, str]]:
    """Stretches of unclipped music and speech as they are."""
    rng = np.random.default_rng(seed)
    for path in [
        *rng.permutation(np.array(material.music, object))[:count],
        *rng.permutation(np.array(material.speech, object))[: count // 3],
    ]:
        audio, _ = stretch(Path(path), SECONDS, rng)
        if len(audio) < 2:
            audio, _ = stretch(Path(path), 1.0, rng)
        if len(audio) > 2 and 0.003 < np.abs(audio).max() < (0.99 if path in material.speech else 9):
            yield audio, False, str(path)


def regression(
    x: npt.NDArray[np.float64], true: npt.NDArray[np.bool_], *, false_weight: float = 1.0, ridge: float = RIDGE
) -> npt.NDArray[np.float64]:
    """Weights of x (examples, features) and the bias, by Newton's method. `ridge`, the penalty on weights, hardly bears on the bias."""
    rows = np.column_stack([x, np.ones(len(x))])
    weight = np.where(true, 1.0, false_weight)
    penalty = np.append(np.full(x.shape[1], ridge), RIDGE)
    found = np.zeros(rows.shape[1])
    for _ in range(40):
        p = 1 / (1 + np.exp(-np.clip(rows @ found, -30, 30)))
        slope = rows.T @ (weight * (p - true)) + penalty * found
        curve = (rows * (weight * p * (1 - p))[:, None]).T @ rows + np.diag(penalty)
        found = found - np.linalg.solve(curve, slope)
    return found


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option("--solos", type=click.Path(path_type=Path), help="A folder that declipper.training.data.solo filled.")
@click.option(
    "--count", default=400, show_default=True, help="Simulated recordings to fit to; half as many intact ones, and as many to test."
)
def main(corpus: Path, model: Path, solos: Path | None, count: int) -> None:
    """Fit and test."""
    network = ClippingNetwork(model)
    validation, train, test = (Material.of(corpus, split, solos) for split in ("validation", "train", "test"))
    mixed = Material(validation.music, train.speech, validation.solos)
    told = {}
    for name, drawn in {
        "fit": [simulated(mixed, count, 77), intact(Material(train.music + validation.music, train.speech, []), count // 2, 1)],
        "test": [simulated(test, count // 2, 78), intact(test, count // 4, 2)],
    }.items():
        told[name] = [(shares(y, network), clipped, story) for examples in drawn for y, clipped, story in examples]
    x, clipped = (np.array([row[i] for row in told["fit"]]) for i in (0, 1))
    found = regression(x, clipped, false_weight=INTACT_WEIGHT)
    click.echo(f"WEIGHTS, BIAS = ({', '.join(f'{v:.2f}' for v in found[:-1])}), {found[-1]:.2f}")
    for name, rows in told.items():
        p = np.array([1 / (1 + np.exp(-(row[0] @ found[:-1] + found[-1]))) for row in rows])
        really = np.array([row[1] for row in rows])
        alarm = p > CONFIDENT
        false, missed = int((alarm & ~really).sum()), int((~alarm & really).sum())
        click.echo(f"{name}: {false} of {int((~really).sum())} false, {missed} of {int(really.sum())} missed")
        for low, high in ((0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.01)):
            part = (p >= low) & (p < high)
            click.echo(f"  called {low} to {min(high, 1)}: {int(part.sum())} recordings, {int(really[part].sum())} of them clipped")
        for row, one, is_alarm in zip(rows, p, alarm, strict=True):
            if is_alarm != row[1]:
                click.echo(f"  {'false' if is_alarm else 'missed'} {one:.2f} {row[2]}")


if __name__ == "__main__":
    main()
