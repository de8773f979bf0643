"""Random histories of recordings with their truth: what the detector learns from.

A stretch of clean material at a random sample rate is clipped, or in a third of the draws not; then a random chain of `stages` happens
to it, it is saved, and a fixed number of frames is kept.
"""

from __future__ import annotations

import numpy as np
import soxr

from declipper.training.data.degrade import threshold_for_sdr
from declipper.training.histories import levelling, synthetic
from declipper.training.histories.recording import Cut, Recording
from declipper.training.histories.sources import Material
from declipper.training.histories.stages import FURTHEST, STAGES

FRAMES = 65536
"""Frames of an example: 1.5 s at 44.1 kHz."""
MARGIN = 0.12
"""Seconds drawn beyond that: codecs and filters start up there."""
MOST_SECONDS, MOST_FRAMES = 10.0, 1e6
"""Of clean material that an example of FRAMES is made from: others are drawn anew."""
INTACT = 0.35
"""Share of the histories without clipping at the start."""
MADE_INTACT = 0.75
"""Likewise of what `synthetic` made."""
MADE = 0.18
"""Share of the histories that begin with what `synthetic` makes."""
FLATTENED = 0.25
"""Share of the voices that are flattened softly first."""
MOST_CLIPPED = 0.6
"""Share of the samples beyond the level above which it is no use: a pulse wave that is cut off is a pulse wave."""
MOST_CUT_OF_MADE = 0.25
"""Likewise of what was synthesised, at the end of its history."""
FLAT, STEEP, BRIEF, MOST_FLAT = 0.5, 0.3, 4, 0.3
"""A run of clipped samples was flat before if none of them exceeded the level by less than this share of the highest's excess, or if the
signal two samples before and after it is below this share of the level, unless it is no longer than so many samples. Clipped or not, it
looks alike. The last is the share of what was clipped of synthesised sound that may be so."""
STAGE_COUNTS = np.array([0.13, 0.34, 0.29, 0.16, 0.08])
"""Probabilities of 0, 1, 2 ... stages."""
SPEECH_RATES = (8000, 11025, 16000, 16000, 22050, 44100, 48000)
MUSIC_RATES = (8000, 16000, 22050, 32000, *(6 * (44100,)), *(4 * (48000,)), 96000)
MASTERS_CLIPPED, MASTER_SDRS = 0.55, (20.0, 48.0)
"""Share of the masters that is clipped, and how heavily in dB: mildly."""
MASTER_CODECS = {"vorbis": 0.5, "mp3": 0.2, "opus": 0.12, "aac": 0.05}
"""Probabilities with which a master is coded so."""
LEVELLED_RATES = (8000, 8000, 8000, 16000, 16000, 11025, 24000, 44100, 48000)
LEVELLED_INTACT, LEVELLED_SDRS = 0.25, (8.0, 28.0)
"""Share of the `levelled` histories without clipping at the start, and how heavily the others are clipped in dB."""
LEVELLERS = {"agc": 0.5, "compressor": 0.25, "high-pass": 0.25}
"""Probabilities of what happens to them."""
SECOND, ANOTHER, PAUSED = 0.25, 0.2, 0.15
"""Probabilities of a second such stage, of one of any other kind, and of pauses."""
LOWEST = 0.01
"""Level relative to the peak below which clipping leaves nothing to find the rest from."""
BITS = (16, 16, 16, 16, 24, None, None)
LAST_BITS = (16, 16, 16, 16, 16, 16, 24, 8, None, None)


def draw(material: Material, rng: np.random.Generator, wanted: int = FRAMES, made_share: float = MADE) -> Recording:
    """One example of so many frames; `made_share` of them begin with synthesised sound."""
    names = list(STAGES)
    weights = np.array([STAGES[n][0] for n in names])
    chain = [str(n) for n in rng.choice(names, size=rng.choice(len(STAGE_COUNTS), p=STAGE_COUNTS), p=weights / weights.sum())]
    made = rng.random() < made_share
    one = (_made if made else _recorded)(material, chain.count("resample"), wanted, rng)
    one.story.append(f"{one.rate} Hz")
    if rng.random() > (MADE_INTACT if made else INTACT):
        _clip(one, rng)
    _height(one, rng)
    if rng.random() < 0.75:
        _save(one, BITS, rng)
    for name in chain:
        if rng.random() < 0.25:
            gain = 10 ** (float(rng.choice([rng.uniform(-3, 0), rng.uniform(-12, 0), rng.uniform(-24, 0), rng.uniform(0, 3)])) / 20)
            one.both(lambda v, by=gain: v * by)
        one.story.append(name)
        STAGES[name][1](one, rng)
        if rng.random() < 0.4:
            _save(one, BITS, rng)
    if rng.random() < 0.35:
        _height(one, rng)
    _save(one, LAST_BITS, rng)
    one.middle(wanted)
    useless = len(one.y) < wanted or one.peak == 0 or one.truth.mean() > (MOST_CUT_OF_MADE if made else MOST_CLIPPED)
    useless = useless or (made and any(_was_flat(cut) for cut in one.cuts)) or (one.story[0] == "square" and one.truth.any())
    return draw(material, rng, wanted, made_share) if useless else one


def _was_flat(cut: Cut) -> bool:
    """Whether too much of what was clipped was flat before."""
    edges = np.flatnonzero(np.diff(np.pad(cut.truth, 1).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return False
    lengths, highest = ends - starts, len(cut.signal) - 1
    excess = np.maximum(cut.signal - cut.positive, cut.negative - cut.signal)
    least = np.minimum.reduceat(np.where(cut.truth, excess, np.inf), starts)
    most = np.maximum.reduceat(np.maximum(excess, 0), starts)
    side = np.sign(cut.signal[starts])
    level = np.where(side > 0, cut.positive, -cut.negative)
    outside = np.maximum(side * cut.signal[np.maximum(starts - 2, 0)], side * cut.signal[np.minimum(ends + 1, highest)])
    flat = ((least > FLAT * most) & (lengths > 2)) | ((outside < STEEP * level) & (lengths > BRIEF))
    return bool(lengths[flat].sum() > MOST_FLAT * lengths.sum())


def _length(resamplings: int, wanted: int, rng: np.random.Generator) -> tuple[int, float]:
    """A random rate, and how many seconds are enough for what comes."""
    while True:
        rate = int(rng.choice(SPEECH_RATES if rng.random() < 0.3 else MUSIC_RATES))
        seconds = min(MOST_SECONDS * wanted / FRAMES, (wanted / rate + MARGIN) * FURTHEST ** (0.6 * resamplings))
        if seconds * max(rate, 44100) <= MOST_FRAMES * wanted / FRAMES:
            return rate, seconds


def _made(material: Material, resamplings: int, wanted: int, rng: np.random.Generator) -> Recording:
    """Synthesised sound, or a short piece of a recording again and again."""
    rate, seconds = _length(resamplings, wanted, rng)
    frames = int(seconds * rate)
    if rng.random() < 0.2:
        sound, its, _ = material.draw(1.0, rng)
        one = Recording.of(synthetic.again(np.asarray(soxr.resample(sound, its, rate)), frames, rate, rng), rate)
        one.story.append("again")
        return one
    kind = synthetic.KINDS[rng.integers(len(synthetic.KINDS))]
    one = Recording.of(kind(frames, rate, rng), rate)
    one.story.append(kind.__name__)
    return one


def _recorded(material: Material, resamplings: int, wanted: int, rng: np.random.Generator) -> Recording:
    """A recording, perhaps compressed, limited or, if it is a voice, flattened."""
    rate, seconds = _length(resamplings, wanted, rng)
    audio, its, what = material.draw(seconds, rng)
    one = Recording.of(audio, its)
    if its != rate:
        one.resample(rate, "HQ")
    one.y = one.original = one.original * (1 if rng.random() < 0.5 else -1) / max(one.peak, 1e-6)
    one.story.append(what)
    if what == "speech" and rng.random() < FLATTENED:
        one.story.append("flattened")
        one.y = one.original = synthetic.flattened(one.y, one.rate, rng)
    if rng.random() < 0.2:
        one.y = one.original = one.original + rng.normal(0, 10 ** (rng.uniform(-80, -35) / 20), len(one.y))
    if rng.random() < 0.25:
        STAGES["compressor"][1](one, rng)
    if rng.random() < 0.3:
        one.story.append("limited before")
        ceiling = one.peak * 10 ** (-rng.uniform(0.5, 12) / 20)
        one.y = one.original = one.original * levelling.limiter(one.y, one.rate, ceiling, rng)
    return one


def _clip(one: Recording, rng: np.random.Generator) -> None:
    """Symmetric, asymmetric or one-sided, at an input SDR of 3 to 42 dB: mostly 7 to 30, or light, as loud masters are."""
    chance = rng.random()
    sdr = float(rng.uniform(7, 30) if chance < 0.4 else rng.uniform(18, 42) if chance < 0.85 else rng.uniform(3, 40))
    kind = rng.random()
    ratio = 1.0 if kind < 0.72 else float(rng.uniform(0.5, 1.5)) if kind < 0.87 else float("inf")
    if np.isinf(ratio) and one.y.max() < 0.5 * -one.y.min():
        one.both(lambda v: -v)
    level = threshold_for_sdr(one.y, sdr, ratio)
    if level > LOWEST * one.peak:
        before = one.y
        one.clip(level, -ratio * level)
        if one.truth.mean() > MOST_CLIPPED:
            one.y, one.cuts = before, []
            return
        one.story.append(f"clipped at {sdr:.1f} dB, 1:{ratio:.2f}")


def master(material: Material, rng: np.random.Generator, seconds: float) -> Recording:
    """A loud recording as it is published: perhaps compressed, limited or lightly clipped, and then lossy-coded, as a rule."""
    audio, rate, what = material.draw(seconds + 2 * MARGIN, rng)
    one = Recording.of(audio / np.abs(audio).max(), rate)
    one.story += [what, f"{rate} Hz"]
    if rng.random() < 0.3:
        one.story.append("compressor")
        STAGES["compressor"][1](one, rng)
    if rng.random() < 0.6:
        one.story.append("limited before")
        ceiling = one.peak * 10 ** (-rng.uniform(0.5, 10) / 20)
        one.y = one.original = one.original * levelling.limiter(one.y, rate, ceiling, rng)
    if rng.random() < MASTERS_CLIPPED:
        sdr = float(rng.uniform(*MASTER_SDRS))
        level = threshold_for_sdr(one.y, sdr)
        one.clip(level, -level)
        one.story.append(f"clipped at {sdr:.1f} dB")
    gain = 10 ** (-float(rng.choice([0.0, rng.uniform(0, 1), rng.uniform(0, 6)])) / 20) / one.peak
    one.both(lambda v: v * gain)
    _save(one, BITS, rng)
    name = str(rng.choice([*MASTER_CODECS, ""], p=[*MASTER_CODECS.values(), 1 - sum(MASTER_CODECS.values())]))
    if name:
        one.story.append(name)
        STAGES[name][1](one, rng)
    _save(one, LAST_BITS if rng.random() < 0.3 else (None,), rng)
    one.middle(int(seconds * one.rate))
    return one


def levelled(material: Material, rng: np.random.Generator, wanted: int = FRAMES) -> Recording:
    """An example of what is found least easily: mildly clipped, at a low sample rate as a rule, then levelled or high-passed.

    A clipped crest has few samples there, and its neighbours are of another height.
    """
    rate = int(rng.choice(LEVELLED_RATES))
    audio, its, what = material.draw(wanted / rate + 2 * MARGIN, rng)
    one = Recording.of(audio, its)
    if its != rate:
        one.resample(rate)
    one.y = one.original = one.original * rng.choice([-1, 1]) / max(one.peak, 1e-6)
    one.story += [what, f"{rate} Hz"]
    if rng.random() < PAUSED:
        one.story.append("with pauses")
        one.y = one.original = synthetic.interrupted(one.y, rate, rng)
    if rng.random() < 0.3:
        one.y = one.original = one.original + rng.normal(0, one.peak * 10 ** (rng.uniform(-85, -45) / 20), len(one.y))
    if rng.random() > LEVELLED_INTACT:
        sdr, ratio = float(rng.uniform(*LEVELLED_SDRS)), float(rng.choice([1.0, 1.0, 1.0, rng.uniform(0.6, 1.4)]))
        level = threshold_for_sdr(one.y, sdr, ratio)
        one.clip(level, -ratio * level)
        one.story.append(f"clipped at {sdr:.1f} dB, 1:{ratio:.2f}")
    _height(one, rng)
    if rng.random() < 0.4:
        _save(one, BITS, rng)
    chain = list(rng.choice(list(LEVELLERS), 2 if rng.random() < SECOND else 1, replace=False, p=list(LEVELLERS.values())))
    if rng.random() < ANOTHER:
        weights = np.array([weight for weight, _ in STAGES.values()])
        chain.append(rng.choice(list(STAGES), p=weights / weights.sum()))
    for name in map(str, chain):
        one.story.append(name)
        STAGES[name][1](one, rng)
    _save(one, LAST_BITS, rng)
    one.middle(wanted)
    return one if len(one.y) == wanted and one.peak > 0 and one.truth.mean() < MOST_CLIPPED else levelled(material, rng, wanted)


def _height(one: Recording, rng: np.random.Generator) -> None:
    """Gain: the peak at full scale (a step of 16 bit below it, or a hair above), within 1 dB of it, or up to 20 dB below."""
    chance = rng.random()
    below = 0.0 if chance < 0.4 else rng.uniform(0, 1) if chance < 0.65 else rng.uniform(1, 20) if chance < 0.95 else rng.uniform(-3, 0)
    gain = 10 ** (-below / 20) / max(one.peak, 1e-4)
    one.both(lambda v: v * gain)


def _save(one: Recording, choices: tuple[int | None, ...], rng: np.random.Generator) -> None:
    one.save(choices[rng.integers(len(choices))])
