"""Fits what tells exact plateaus from others: `python -m declipper.training.detection.plateaus CORPUS DETECTOR`.

Simulated recordings to which nothing happened after the clipping, from hardly at all to nearly all of it, and histories, masters,
synthesised sound and what only looks clipped give the examples, one for each polarity; logistic regression the weights, which are written
to `models/plateaus.json` for `declipper.detection.ceiling`. Prints false alarms and misses of what was held back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Array, Mask
from declipper.detection.ceiling import LEAST_SAMPLES
from declipper.detection.detector import LevelDetector
from declipper.detection.features import Features
from declipper.detection.gate import PlateauGate
from declipper.detection.network import ClippingNetwork
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
PLAIN, PLAYED, HISTORIES, MASTERS, POSED, TONES, STILL = 1800, 600, 1200, 200, 600, 200, 400
"""Recordings of each kind: plain ones of recorded and of synthesised sound, histories, masters, and what only looks clipped."""
AGAIN, STEPPED = 0.2, 0.12
"""Share of the plain ones that is a piece played again and again, and whose gain changes once."""
LONGEST = 4.0
"""Seconds of such a piece at most: samplers play hits, others whole bars."""
SHRINKAGE = 2.0
"""Penalty on the weights: of 2, 4 and 16 the first missed fewest, in eighths of the recordings that it was not fitted to."""
WITHIN = 1 - 2.0**-7
"""Peak of what hardly moves, at most: what 8 bits hold, so that nothing of it is cut when it is saved."""
PARTS = 8
"""One in so many recordings is held back."""
PLAYED_KINDS = (synthetic.bells, synthetic.bells, synthetic.bells, synthetic.vowel, synthetic.noise, synthetic.beeps, synthetic.steady)
"""Synthesised sound that is clipped: struck notes, which are above the level for a sample or two, first of all."""
Draw = Callable[[float, np.random.Generator], tuple[Array, int, str]]
"""A stretch of so many seconds, with its sample rate and what it is."""


@dataclass(frozen=True, eq=False)
class Plateaus:
    """Features of plateaus (plateaus, features), whether they are exact (plateaus,), and their stories."""

    features: Features
    exact: Mask
    stories: list[str]


def synthesised(seconds: float, rng: np.random.Generator) -> tuple[Array, int, str]:
    """A stretch of struck notes, a made voice, noise or tones."""
    rate, kind = int(rng.choice(SPEECH_RATES + MUSIC_RATES)), PLAYED_KINDS[rng.integers(len(PLAYED_KINDS))]
    while True:
        sound = kind(int(seconds * rate), rate, rng)
        if sound.any():
            return sound, rate, kind.__name__


def still(draw: Draw, rng: np.random.Generator) -> Recording:
    """What hardly moves: a constant in small steps, a square wave, very quiet sound, or clicks."""
    kind, rate = rng.integers(4), int(rng.choice(SPEECH_RATES + MUSIC_RATES))
    frames, step = int(rng.uniform(*SECONDS) * rate), 2.0 ** -float(rng.integers(3, 16))
    if kind == 0:
        held = int(rng.integers(1, 400))
        y = rng.uniform(-1, 1) + step * np.repeat(rng.integers(-2, 3, frames // held + 1), held)[:frames]
    elif kind == 1:
        y = synthetic.square(frames, rate, rng)
    elif kind == 2:
        audio, rate, _ = draw(frames / rate, rng)
        y = audio / np.abs(audio).max() * 10 ** (rng.uniform(-96, -40) / 20)
    else:
        y = step * rng.integers(-1, 2, frames) * (rng.random(frames) < rng.uniform(0, 1))
    one = Recording.of(y * min(1.0, WITHIN / max(np.abs(y).max(), 1e-9)), rate)
    one.story.append(("constant", "square wave", "very quiet", "clicks")[kind])
    one.save([16, 16, 8, None][rng.integers(4)])
    return one


def plain(draw: Draw, rng: np.random.Generator) -> Recording:
    """A recording that was clipped, or in a fifth of the draws not, and then only turned up or down and saved."""
    audio, rate, what = draw(float(rng.uniform(*SECONDS)), rng)
    one = Recording.of(audio, rate)
    one.story.append(what)
    if rng.random() < 0.6:
        one.resample(int(rng.choice(SPEECH_RATES + MUSIC_RATES)))
    if rng.random() < AGAIN:
        one.story.append("again")
        piece = synthetic.again(one.y, len(one.y), one.rate, rng, longest=LONGEST)
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

    yield from (plain(material.draw, rng) for rng in count(PLAIN))
    yield from (plain(synthesised, rng) for rng in count(PLAYED))
    yield from (draw(material, rng, int(rng.choice([1, 2, 4])) * 65536, made_share=0.3) for rng in count(HISTORIES))
    yield from (master(material, rng, 5.0) for rng in count(MASTERS))
    yield from (still(material.draw, rng) for rng in count(STILL))
    for one in chain(posed(material, seed, round(scale * POSED)), tones(seed, round(scale * TONES))):
        if not one.clipped:
            yield Recording(one.y.astype(np.float64), one.y, 0, story=[one.story])


def seen(material: Material, network: ClippingNetwork, seed: int, scale: float) -> Plateaus:
    """The plateaus of all kinds of recordings."""
    rows: list[tuple[Features, bool, str]] = []
    for one in recordings(material, seed, scale):
        y, truth = one.y.astype(np.float32), one.truth
        detector = LevelDetector(1, network)
        detector.push(y[:, None])
        belief = detector.finish().belief
        for ceiling, side in zip(detector.ceilings, (1, -1), strict=True):
            same = agreement(side * y, truth)
            if ceiling.counts[0] >= LEAST_SAMPLES and not OTHER < same < EXACT:
                rows.append((ceiling.features(belief), same >= EXACT, ", ".join(map(str, one.story))))
    return Plateaus(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), [row[2] for row in rows])


def agreement(heights: npt.NDArray[np.float32], truth: Mask) -> float:
    """Of the samples on the highest value, and of those cut off in this polarity, the lower of the shares that both have in common."""
    on, cut = heights == heights.max(), truth & (heights > 0)
    both = np.count_nonzero(on & cut)
    return both / max(1, np.count_nonzero(on), np.count_nonzero(cut))


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option("--solos", type=click.Path(path_type=Path), help="A folder that declipper.training.data.solo filled.")
def main(corpus: Path, model: Path, solos: Path | None) -> None:
    """Fit, write and test."""
    network = ClippingNetwork(model)
    train, validation = (Material.of(corpus, split, solos) for split in ("train", "validation"))
    material = Material(train.music + validation.music, train.speech + validation.speech, train.solos)
    fit, held = seen(material, network, 701, 1.0), seen(material, network, 702, 1 / PARTS)
    gate = fitted(PlateauGate, fit.features, fit.exact, shrinkage=SHRINKAGE)
    write(gate, TARGET.with_name("plateaus.json"))
    for name, these in (("fit", fit), ("held back", held)):
        tell(name, gate.odds(these.features), these.exact, these.stories)


if __name__ == "__main__":
    main()
