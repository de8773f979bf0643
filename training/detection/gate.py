"""Fits what tells clipped recordings from others by the detector's marks: `python -m declipper.training.detection.gate CORPUS DETECTOR`.

Simulated histories of whole recordings, synthesised sound, chip music, music in which no clipping was found, and voices as they are or
flattened give the examples; logistic regression the weights that `declipper.detection.marks.Evidence` holds. Prints the weights, and the
false alarms and misses on recordings of the test split.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Array
from declipper.detection.detector import LevelDetector
from declipper.detection.network import ClippingNetwork
from declipper.training.histories.draw import FRAMES, MADE, draw, master
from declipper.training.histories.recording import Recording
from declipper.training.histories.sources import Material, stretch
from declipper.training.histories.synthetic import WAVES, flattened, voice

SECONDS = 12.0
"""Of each recording that was never clipped."""
LENGTHS = (2, 4, 8)
"""Lengths of simulated histories, in examples."""
MASTER_SECONDS = (10.0, 20.0, 30.0)
"""Lengths of simulated masters."""
CHIP_SECONDS, CHIP_RATES = 8.0, (22050, 44100, 48000)
"""Lengths and sample rates of one voice of a chip alone."""
FAINT = 10**-4.5
"""Energy that clipping took, relative to the recording's, below which a simulated recording counts for neither side."""
RIDGE, SHRINKAGE = 1e-2, 1.0
"""Penalties on the bias, and on the weights: the shares say nearly the same, and without it some weights would be far below zero."""
INTACT_WEIGHT = 3.0
"""How much more a false alarm costs than a miss: it changes what was never damaged."""
CONFIDENT = 0.5


@dataclass(frozen=True, eq=False)
class Drawn:
    """A recording y (frames,), whether it was clipped, None for hardly, and its story."""

    y: Array
    clipped: bool | None
    story: str


def shares(y: Array, network: ClippingNetwork) -> npt.NDArray[np.float64]:
    """`Evidence.shares` of a recording (frames,)."""
    detector = LevelDetector(1, network)
    detector.push(y[:, None])
    detector.finish()
    return detector.evidence.shares


def simulated(material: Material, seed: int, index: int) -> Drawn:
    """A random master, a random history, one of synthesised sound, or a voice of a chip, in turn."""
    rng = np.random.default_rng([seed, index])
    kind, length = index % 4, int(rng.choice(LENGTHS)) * FRAMES
    if kind == 0:
        one = master(material, rng, float(rng.choice(MASTER_SECONDS)))
    elif kind < 3:
        one = draw(material, rng, length, made_share=MADE if kind == 1 else 1.0)
    else:
        one = _chip(rng, index // 4)
    clipped = True if one.lost > FAINT else None if one.truth.any() else False
    return Drawn(one.y.astype(np.float32), clipped, ", ".join(one.story))


def _chip(rng: np.random.Generator, number: int) -> Recording:
    """One voice of a chip alone, of each kind of wave in turn, just below full scale."""
    kind, rate = list(WAVES)[number % len(WAVES)], int(rng.choice(CHIP_RATES))
    y = voice(int(CHIP_SECONDS * rate), rate, rng, kind)
    one = Recording.of(0.999 * y / max(1e-9, np.abs(y).max()), rate)
    one.story.append(kind)
    one.save(16)
    return one


def drawn(material: Material, seed: int, count: int, folder: Path | None) -> Iterator[Drawn]:
    """So many of `simulated`, kept in a folder or read from there."""
    for index in range(count):
        file = folder / f"{seed}-{index:05}.npz" if folder else None
        if file is None or not file.exists():
            one = simulated(material, seed, index)
            if file is not None:
                np.savez(file, y=one.y, clipped=np.array(one.clipped, object), story=one.story)
        else:
            with np.load(file, allow_pickle=True) as kept:
                one = Drawn(kept["y"], kept["clipped"].item(), str(kept["story"]))
        if one.clipped is not None:
            yield one


def intact(material: Material, seed: int, count: int) -> Iterator[Drawn]:
    """Stretches of unclipped music and speech as they are, and as many voices that are flat by nature."""
    rng = np.random.default_rng(seed)
    played = rng.permutation(np.array(material.music, object))[:count]
    spoken = rng.permutation(np.array(material.speech, object))[: count // 2]
    for number, path in enumerate([*played, *spoken, *spoken]):
        audio, rate = stretch(Path(path), SECONDS, rng)
        if len(audio) < 2:
            audio, rate = stretch(Path(path), 1.0, rng)
        is_flat = number >= len(played) + len(spoken)
        if len(audio) > 2 and 0.003 < np.abs(audio).max() < (0.99 if path in spoken else 9):
            yield Drawn(flattened(audio, rate, rng).astype(np.float32) if is_flat else audio, False, f"{path}{', flattened' * is_flat}")


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
@click.option("--drawn", "folder", type=click.Path(path_type=Path), help="Where simulated recordings are kept, and read if they are there.")
@click.option(
    "--count", default=200, show_default=True, help="Simulated recordings to fit to; half as many intact ones, and as many to test."
)
def main(corpus: Path, model: Path, solos: Path | None, folder: Path | None, count: int) -> None:
    """Fit and test."""
    network = ClippingNetwork(model)
    validation, train, test = (Material.of(corpus, split, solos) for split in ("validation", "train", "test"))
    mixed = Material(validation.music, train.speech, validation.solos)
    told = {}
    for name, examples in {
        "fit": [drawn(mixed, 501, count, folder), intact(Material(train.music + validation.music, train.speech, []), 1, count // 2)],
        "test": [drawn(test, 502, count // 2, folder), intact(test, 2, count // 4)],
    }.items():
        told[name] = [(shares(one.y, network), one.clipped, one.story) for them in examples for one in them]
    x, clipped = (np.array([row[i] for row in told["fit"]]) for i in (0, 1))
    found = regression(x, clipped, false_weight=INTACT_WEIGHT, ridge=SHRINKAGE)
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
