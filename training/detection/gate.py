"""Fits what tells clipped recordings from others: `python -m declipper.training.detection.gate CORPUS DETECTOR --pool POOL`.

Simulated histories of whole recordings, synthesised sound, chip music, music in which no clipping was found, voices as they are or made
flat, recordings with pauses, steady tones, and pools (`declipper.training.detection.pool`) give the examples; logistic regression the
weights, which are written to `models/gate.json` for `declipper.detection.gate`. Prints false alarms and misses, also on the test split.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Array
from declipper.detection.detector import LevelDetector
from declipper.detection.features import logistic
from declipper.detection.gate import Additive, Gate
from declipper.detection.network import ClippingNetwork
from declipper.training.data.degrade import threshold_for_sdr
from declipper.training.histories.draw import FRAMES, MADE, draw, master
from declipper.training.histories.recording import Recording
from declipper.training.histories.sources import Material, stretch
from declipper.training.histories.stages import STAGES
from declipper.training.histories.synthetic import WAVES, beeps, bells, chip, console, flattened, interrupted, noise, steady, voice, vowel
from declipper.training.studies.detection.cases import quantise

SECONDS = 12.0
"""Of each recording that was never clipped."""
LENGTHS = (2, 4, 8)
"""Lengths of simulated histories, in examples."""
MASTER_SECONDS = (10.0, 20.0, 30.0)
"""Lengths of simulated masters."""
CHIP_SECONDS, CHIP_RATES = 8.0, (22050, 44100, 48000)
"""Lengths and sample rates of one voice of a chip alone."""
CLIPPED_SDRS = (5.0, 25.0)
"""How heavily recordings that fade away are clipped, in dB."""
TONES, TONE_SECONDS = (beeps, bells, bells, bells, vowel, noise, chip, console), 5.0
"""What is put through a limiter, and how long that is."""
PAUSED_SECONDS, PAUSED_RATES = 5.0, (8000, 16000, 16000, 24000, 44100, 48000)
"""Lengths and sample rates of recordings with pauses."""
PAUSED_GAINS, PAUSED_CODECS = ("agc", "agc", "compressor", "ride"), ("mp3", "vorbis", "opus", "aac", "ima")
"""What happens to them."""
FAINT = 10**-4.5
"""Energy that clipping took, relative to the recording's, below which a simulated recording counts for neither side."""
RIDGE, SHRINKAGE = 1e-2, 16.0
"""Penalties on the bias, and on the weights: the features say nearly the same. The latter, and that the regression has knees, by kinds of
sound and eighths of the recordings that it was not fitted to: without knees 3 % fewer of the clipped ones are found at as many alarms."""
INTACT_WEIGHT = 8.0
"""How much more a false alarm costs than a miss: it changes what was never damaged."""
FAINT_SHARE = 1e-4
"""Likewise, of the samples of an example in a pool."""
Kind = TypeVar("Kind", bound=Additive)
TARGET = Path(__file__).parents[2] / "models" / "gate.json"


@dataclass(frozen=True, eq=False)
class Drawn:
    """A recording y (frames,), whether it was clipped, None for hardly, and its story."""

    y: Array
    clipped: bool | None
    story: str


def features(y: Array, network: ClippingNetwork) -> npt.NDArray[np.float64]:
    """What the gate sees of a recording (frames,)."""
    detector = LevelDetector(1, network)
    detector.push(y[:, None])
    return detector.finish().features


def simulated(material: Material, seed: int, index: int) -> Drawn:
    """A random master, a random history, one of synthesised sound, and what is never clipped, in turn."""
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
    one = _told(kind, 0.999 * y / max(1e-9, np.abs(y).max()), rate)
    one.save(16)
    return one


def posed(material: Material, seed: int, count: int) -> Iterator[Drawn]:
    """Voices of chips alone, tones through a limiter, and recordings that are flattened or fade; half of the latter clipped, no other."""
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        if index % 3 == 0:
            one = _chip(rng, index // 3)
        elif index % 3 == 1:
            kind, rate = TONES[index // 3 % len(TONES)], int(rng.choice(CHIP_RATES))
            one = _told(kind.__name__, kind(int(TONE_SECONDS * rate), rate, rng), rate)
            if rng.random() < 0.7:
                STAGES["limiter"][1](one, rng)
        else:
            audio, rate, what = material.draw(TONE_SECONDS, rng)
            fades = rng.random() < 0.5
            one = _told(what, audio if fades else flattened(audio, rate, rng), rate)
            if rng.random() < 0.5:
                level = threshold_for_sdr(one.y, float(rng.uniform(*CLIPPED_SDRS)))
                one.clip(level, -level)
            if fades:
                fade = 10 ** (np.linspace(0, rng.uniform(-100, 100), len(audio)) / 20)
                one.both(lambda v, by=fade: by * v)
            one.story.append("fading" if fades else "flattened")
        peak = float(10 ** (rng.choice([0.0, rng.uniform(0, 6), rng.uniform(-20, 0), rng.uniform(-20, 0)]) / 20))
        gain = peak / max(one.peak, 1e-9)
        one.both(lambda v, by=gain: by * v)
        bits = None if peak > 1 else [16, 16, 8, None][rng.integers(4)]
        one.y = one.y if bits is None else quantise(one.y, bits)
        yield Drawn(one.y.astype(np.float32), bool(one.truth.any()), ", ".join(one.story))


def tones(seed: int, count: int) -> Iterator[Drawn]:
    """Steady tones at any height, saved with few bits or many; none was clipped."""
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        rate = int(rng.choice(CHIP_RATES))
        y = steady(int(TONE_SECONDS * rate), rate, rng)
        one = _told("steady tone", y * 10 ** (rng.uniform(-45, 0) / 20) / np.abs(y).max(), rate)
        one.save([16, 16, 16, 8, None][rng.integers(5)])
        yield Drawn(one.y.astype(np.float32), False, "steady tone")


def paused(material: Material, seed: int, count: int) -> Iterator[Drawn]:
    """Recordings with pauses, in which there is little or nothing to hear, put through one or two stages; half of them were clipped."""
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        audio, its, what = material.draw(PAUSED_SECONDS, rng)
        one = _told(f"{what}, with pauses", audio, its)
        one.resample(int(rng.choice(PAUSED_RATES)))
        one.y = one.original = interrupted(one.original / one.peak, one.rate, rng)
        if rng.random() < 0.5:
            level = threshold_for_sdr(one.y, float(rng.uniform(*CLIPPED_SDRS)))
            one.clip(level, -level)
        for name in [*rng.choice(PAUSED_GAINS, int(rng.integers(2)), replace=False), *rng.choice(PAUSED_CODECS, int(rng.integers(2)))]:
            one.story.append(str(name))
            STAGES[str(name)][1](one, rng)
        gain = 10 ** (rng.uniform(-12, 0) / 20) / one.peak
        one.both(lambda v, by=gain: by * v)
        if rng.random() < 0.7:
            one.y = one.y + rng.normal(0, 10 ** (rng.uniform(-95, -55) / 20), len(one.y))
        one.save(16)
        yield Drawn(one.y.astype(np.float32), bool(one.truth.any()), ", ".join(one.story))


def _told(story: str, audio: Array, rate: int) -> Recording:
    one = Recording.of(audio, rate)
    one.story.append(story)
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


def pooled(pool: Path) -> Iterator[Drawn]:
    """The examples of a pool."""
    for told in sorted(p for p in pool.glob("*.json") if "." not in p.stem):
        heard, cut = (np.load(told.with_suffix(ending), mmap_mode="r") for ending in (".y.npy", ".cut.npy"))
        for y, packed, one in zip(heard, cut, json.loads(told.read_text()), strict=True):
            share = np.unpackbits(packed).mean()
            if share == 0 or share >= FAINT_SHARE:
                yield Drawn(y, bool(share), ", ".join(one["story"]))


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


def fitted(kind: type[Kind], x: npt.NDArray[np.float64], true: npt.NDArray[np.bool_], *, shrinkage: float = SHRINKAGE) -> Kind:
    """The regression that fits features (examples, features); shrinkage: the penalty on its weights."""
    plain = kind(x.mean(axis=0), x.std(axis=0) + 1e-6, np.zeros(0), 0.0)
    found = regression(plain.terms(x), true, false_weight=INTACT_WEIGHT, ridge=shrinkage)
    return replace(plain, weights=found[:-1], bias=float(found[-1]))


def write(gate: Additive, target: Path) -> None:
    """As JSON, with as many digits as matter."""
    held: dict[str, Any] = {name: [float(f"{v:.5g}") for v in getattr(gate, name)] for name in ("middle", "spread", "weights")}
    target.write_text(json.dumps(held | {"bias": round(gate.bias, 5)}, indent=1) + "\n")


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option("--solos", type=click.Path(path_type=Path), help="A folder that declipper.training.data.solo filled.")
@click.option("--drawn", "folder", type=click.Path(path_type=Path), help="Where simulated recordings are kept, and read if they are there.")
@click.option("--pool", "pools", multiple=True, type=click.Path(path_type=Path, exists=True), help="Of the train or validation split.")
@click.option("--kept", type=click.Path(path_type=Path), help="Where what the gate sees of them is kept, and read if it is there.")
@click.option(
    "--count", default=320, show_default=True, help="Simulated recordings to fit to; three times as many posed ones, half as many to test."
)
def main(
    corpus: Path, model: Path, solos: Path | None, folder: Path | None, pools: tuple[Path, ...], kept: Path | None, count: int
) -> None:
    """Fit, write and test."""
    network = ClippingNetwork(model)
    validation, train, test = (Material.of(corpus, split, solos) for split in ("validation", "train", "test"))
    mixed = Material(validation.music, train.speech, validation.solos)
    whole = Material(train.music + validation.music, train.speech, [])
    never = chain(intact(whole, 1, count // 2), posed(whole, 603, 3 * count), paused(whole, 604, count), tones(605, count // 2))
    fit = chain(drawn(mixed, 601, count, folder), never, *(pooled(pool) for pool in pools))
    x, clipped, stories = seen(fit, network, kept and kept / "fit.npz")
    gate = fitted(Gate, x, clipped)
    write(gate, TARGET)
    tell("fit", gate.odds(x), clipped, stories)
    held_out = chain(drawn(test, 602, count // 2, folder), intact(test, 2, count // 4))
    x, clipped, stories = seen(held_out, network, kept and kept / "test.npz")
    tell("test", gate.odds(x), clipped, stories)


def seen(
    examples: Iterable[Drawn], network: ClippingNetwork, kept: Path | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], list[str]]:
    """What the gate sees of the examples, what is true of them, and their stories; read from a file, or kept there, where one is given."""
    if kept is not None and kept.exists():
        with np.load(kept) as rows:
            return rows["x"], rows["clipped"], rows["stories"].tolist()
    rows = [(features(one.y, network), bool(one.clipped), one.story) for one in examples]
    x, clipped, stories = np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), [row[2] for row in rows]
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, x=x, clipped=clipped, stories=np.array(stories))
    return x, clipped, stories


def tell(name: str, odds: npt.NDArray[np.float64], clipped: npt.NDArray[np.bool_], stories: list[str]) -> None:
    """Print what is false and what is missed."""
    alarm = odds > 0
    false, missed = int((alarm & ~clipped).sum()), int((~alarm & clipped).sum())
    click.echo(f"{name}: {false} of {int((~clipped).sum())} false, {missed} of {int(clipped.sum())} missed")
    for one, is_clipped, story in zip(odds, clipped, stories, strict=True):
        if (one > 0) != is_clipped:
            click.echo(f"  {'missed' if is_clipped else 'false'} {logistic(one):.2f} {story}")


if __name__ == "__main__":
    main()
