"""Fits what tells exact plateaus from others: `python -m declipper.training.detection.plateaus CORPUS DETECTOR`.

Simulated recordings to which nothing happened after the clipping, from hardly at all to nearly all of it, and histories, masters,
synthesised sound and what only looks clipped give the examples, one for each polarity; logistic regression the weights, which are written
to `models/plateaus.json` for `declipper.detection.ceiling`. Prints false alarms and misses of what was held back.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Mask
from declipper.detection.ceiling import LEAST_SAMPLES, Ceiling
from declipper.detection.network import ClippingNetwork, JudgedStream
from declipper.training.data.degrade import threshold_for_sdr
from declipper.training.detection.gate import TARGET, fitted, posed, tell, tones, write
from declipper.training.histories import levelling, synthetic
from declipper.training.histories.draw import MUSIC_RATES, SPEECH_RATES, draw, master
from declipper.training.histories.recording import Recording
from declipper.training.histories.sources import Material

SECONDS = 0.5, 8.0
"""Lengths of recordings to which nothing happened after the clipping."""
SDRS = (0.5, 45.0), (0.5, 6.0), (28.0, 45.0)
"""Ranges of input SDRs in dB that are drawn from alike: the extremes are the hard ones."""
EXACT, OTHER = 0.9, 0.8
"""Share of the samples on the highest value that was cut off, and of what was cut off that lies on it, from which that is an exact plateau;
and up to which it is none. What lies between is left out: a filter that changes next to nothing, or few steps of amplitude."""
PLAIN, HISTORIES, MASTERS, POSED, TONES = 900, 500, 60, 240, 60
"""Recordings of each kind."""
AGAIN, STEPPED = 0.12, 0.12
"""Share of the former that is a short piece played again and again, and whose gain changes once."""
SHRINKAGE = 1.0
"""Penalty on the weights, which are few: of 1, 4 and 16 the first missed fewest of what was held back, at as many false alarms."""
PARTS = 8
"""One in so many recordings is held back."""


def plain(material: Material, rng: np.random.Generator) -> Recording:
    """A recording that was clipped, or in a fifth of the draws not, and then only turned up or down and saved."""
    audio, rate, what = material.draw(float(rng.uniform(*SECONDS)), rng)
    one = Recording.of(audio, rate)
    one.story.append(what)
    if rng.random() < 0.6:
        one.resample(int(rng.choice(SPEECH_RATES + MUSIC_RATES)))
    if rng.random() < AGAIN:
        one.story.append("again")
        piece = synthetic.again(one.y, len(one.y), one.rate, rng)
        one.y = one.original = piece if piece.any() else one.original
    one.y = one.original = one.original / one.peak * rng.choice([-1, 1])
    if rng.random() < 0.15:
        one.y = one.original = one.original + rng.normal(0, 10 ** (rng.uniform(-80, -40) / 20), len(one.y))
    if rng.random() < 0.15:
        one.y = one.original = one.original + rng.uniform(-0.1, 0.1)
    if rng.random() < 0.25:
        ceiling = one.peak * 10 ** (-rng.uniform(0.5, 12) / 20)
        one.y = one.original = one.original * levelling.limiter(one.y, one.rate, ceiling, rng)
    if rng.random() < 0.8:
        ratio = float(rng.choice([1.0, 1.0, 1.0, rng.uniform(0.5, 1.5), np.inf]))
        if np.isinf(ratio) and one.y.max() < 0.5 * -one.y.min():
            one.both(lambda v: -v)
        sdr = float(rng.uniform(*SDRS[rng.integers(len(SDRS))]))
        level = threshold_for_sdr(one.y, sdr, ratio)
        one.clip(level, -ratio * level)
        one.story.append(f"clipped at {sdr:.1f} dB, 1:{ratio:.2f}")
    if rng.random() < STEPPED:
        one.story.append("a step of the gain")
        by = np.where(np.arange(len(one.y)) < rng.uniform(0.1, 0.9) * len(one.y), 1.0, 10 ** (-rng.uniform(0.1, 12) / 20))
        one.both(lambda v: v * by)
    gain = 10 ** (float(rng.choice([0, rng.uniform(-60, 0), rng.uniform(-6, 0), rng.uniform(0, 12)])) / 20) / max(one.peak, 1e-9)
    one.both(lambda v: v * gain)
    one.save([16, 16, 24, None, None, 8][rng.integers(6)] if one.peak <= 1 else None)
    return one


def recordings(material: Material, seed: int, scale: float) -> Iterator[Recording]:
    """All kinds, `scale` times as many of each as usual."""

    def count(usual: int) -> Iterator[np.random.Generator]:
        return (np.random.default_rng([seed, usual, index]) for index in range(round(scale * usual)))

    yield from (plain(material, rng) for rng in count(PLAIN))
    yield from (draw(material, rng, int(rng.choice([1, 2, 4])) * 65536, made_share=0.3) for rng in count(HISTORIES))
    yield from (master(material, rng, 5.0) for rng in count(MASTERS))
    for one in chain(posed(material, seed, round(scale * POSED)), tones(seed, round(scale * TONES))):
        if not one.clipped:
            yield Recording(one.y.astype(np.float64), one.y, 0, story=[one.story])


def ceilings(one: Recording, network: ClippingNetwork) -> list[tuple[Ceiling, float]]:
    """The highest values of both polarities, each with how well what lies on it and what was cut off agree, from 0 to 1."""
    y, truth = one.y.astype(np.float32), one.truth
    found = (Ceiling(), Ceiling())
    stream = JudgedStream(1, network)
    for judged in chain(stream.push(y[:, None]), stream.flush()):
        for ceiling, side in zip(found, (1, -1), strict=True):
            ceiling.add(side * judged.samples[:, 0], judged.likelihood[:, 0])
    return [(ceiling, agreement(side * y, truth)) for ceiling, side in zip(found, (1, -1), strict=True) if (side * y).max(initial=0.0) > 0]


def agreement(heights: npt.NDArray[np.float32], truth: Mask) -> float:
    """Of the samples on the highest value, and of those cut off in this polarity, the lower of the shares that both have in common."""
    on, cut = heights == heights.max(), truth & (heights > 0)
    both = np.count_nonzero(on & cut)
    return both / max(1, np.count_nonzero(on), np.count_nonzero(cut))


def seen(material: Material, network: ClippingNetwork, seed: int, scale: float) -> tuple[npt.NDArray[np.float64], Mask, list[str]]:
    """Features of plateaus, whether they are exact, and their stories."""
    rows = [
        (ceiling.features, same >= EXACT, ", ".join(map(str, one.story)))
        for one in recordings(material, seed, scale)
        for ceiling, same in ceilings(one, network)
        if ceiling.counts[0] >= LEAST_SAMPLES and not OTHER < same < EXACT
    ]
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), [row[2] for row in rows]


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option("--solos", type=click.Path(path_type=Path), help="A folder that declipper.training.data.solo filled.")
def main(corpus: Path, model: Path, solos: Path | None) -> None:
    """Fit, write and test."""
    network = ClippingNetwork(model)
    train, validation = (Material.of(corpus, split, solos) for split in ("train", "validation"))
    material = Material(train.music + validation.music, train.speech + validation.speech, train.solos)
    x, exact, stories = seen(material, network, 701, 1.0)
    gate = fitted(x, exact, shrinkage=SHRINKAGE)
    write(gate, TARGET.with_name("plateaus.json"))
    tell("fit", gate.odds(x), exact, stories)
    x, exact, stories = seen(material, network, 702, 1 / PARTS)
    tell("held back", gate.odds(x), exact, stories)


if __name__ == "__main__":
    main()
