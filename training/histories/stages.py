"""What may happen to a recording after it was clipped, each stage with random settings: `STAGES` names them with their weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.signal
import soundfile

from declipper.clipping.arrays import Array
from declipper.training.data.degrade import threshold_for_sdr
from declipper.training.histories import levelling
from declipper.training.histories.lossy import MP3_RATES, OPUS_RATES, SMALL, lossy, small
from declipper.training.histories.recording import Recording

Stage = Callable[[Recording, np.random.Generator], None]
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000)
FURTHEST = 3.1
"""Times by which one resampling changes the rate at most: examples stay short."""


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def resample(one: Recording, rng: np.random.Generator) -> None:
    """To another usual rate."""
    rates = [r for r in RATES if r != one.rate and 1 / FURTHEST < r / one.rate < FURTHEST]
    weights = np.array([4.0 if r in (44100, 48000) else 1.0 for r in rates])
    one.resample(int(rng.choice(rates, p=weights / weights.sum())), str(rng.choice(["LQ", "MQ", "HQ", "HQ", "VHQ"])))


def codec(one: Recording, rng: np.random.Generator, name: str) -> None:
    """Through a lossy codec, at the nearest rate above that it takes."""
    rates = {"mp3": MP3_RATES, "opus": OPUS_RATES}.get(name, RATES)
    if one.rate not in rates:
        one.resample(min([r for r in rates if r >= one.rate] or [max(rates)]))
    try:
        one.y = lossy(one.y, one.rate, name, rng)
    except (soundfile.LibsndfileError, OSError):
        one.story.append("(failed)")


def few_bits(one: Recording, rng: np.random.Generator, name: str) -> None:
    """Through one of the small codes, telephone codes at a telephone's rates."""
    if name in ("gsm", "mulaw", "alaw") and one.rate > 16000:
        one.resample(int(rng.choice([8000, 16000])) if one.rate < 25000 else 16000)
    one.save(16)
    one.y = small(one.y, one.rate, SMALL[name])


def noise(one: Recording, rng: np.random.Generator) -> None:
    """White noise 35 to 85 dB below the peak."""
    one.y = one.y + rng.normal(0, one.peak * 10 ** (rng.uniform(-85, -35) / 20), len(one.y))


def dither(one: Recording, rng: np.random.Generator) -> None:
    """Triangular dither of one step, and 16 bit."""
    one.y = one.y + 2.0**-15 * (rng.random(len(one.y)) - rng.random(len(one.y)))
    one.save(16)


def _by(one: Recording, gain: Array | float) -> None:
    one.both(lambda v: v * gain)


def ride(one: Recording, rng: np.random.Generator) -> None:
    """A fade, a step, a hand at the fader."""
    _by(one, levelling.ride(len(one.y), one.rate, rng))


def agc(one: Recording, rng: np.random.Generator) -> None:
    """Automatic gain control, 2 to 25 dB a second."""
    _by(one, levelling.agc(one.y, one.rate, _log(rng, 2, 25), rng))
    _fit(one, rng)


def compressor(one: Recording, rng: np.random.Generator) -> None:
    """A compressor, made up for."""
    _by(one, levelling.compressor(one.y, one.rate, rng))
    _fit(one, rng)


def limiter(one: Recording, rng: np.random.Generator) -> None:
    """A look-ahead limiter that takes 0.5 to 8 dB off the peak, made up for."""
    ceiling = one.peak * 10 ** (-rng.uniform(0.5, 8) / 20)
    _by(one, levelling.limiter(one.y, one.rate, ceiling, rng))
    _fit(one, rng)


def _fit(one: Recording, rng: np.random.Generator) -> None:
    """Scale so that the peak lies at full scale or up to 12 dB below."""
    _by(one, 10 ** (-float(rng.choice([0.0, rng.uniform(0, 1), rng.uniform(0, 12)])) / 20) / max(one.peak, 1e-6))


def high_pass(one: Recording, rng: np.random.Generator) -> None:
    """First or second order, 4 to 120 Hz: a capacitor, a rumble filter."""
    order = 1 if rng.random() < 0.7 else 2
    b, a = scipy.signal.butter(order, _log(rng, 4, 120), "high", fs=one.rate)
    one.both(partial(scipy.signal.lfilter, b, a))


def low_pass(one: Recording, rng: np.random.Generator) -> None:
    """First order above 2 kHz: de-emphasis of 50 or 75 microseconds among others."""
    corner = float(rng.choice([2122.0, 3183.0, _log(rng, 2000, 15000)]))
    b, a = scipy.signal.butter(1, min(corner, 0.45 * one.rate), fs=one.rate)
    one.both(partial(scipy.signal.lfilter, b, a))


def equaliser(one: Recording, rng: np.random.Generator) -> None:
    """One to three shelves and bells of up to 6 dB, after R. Bristow-Johnson's cookbook."""
    for _ in range(int(rng.integers(1, 4))):
        gain = 10 ** (rng.uniform(-6, 6) / 40)
        w = 2 * np.pi * min(_log(rng, 60, 12000), 0.4 * one.rate) / one.rate
        alpha, c = np.sin(w) / (2 * _log(rng, 0.4, 2.5)), np.cos(w)
        kind = rng.integers(3)
        if kind == 0:
            b = np.array([1 + alpha * gain, -2 * c, 1 - alpha * gain])
            a = np.array([1 + alpha / gain, -2 * c, 1 - alpha / gain])
        else:
            s, root = (1 if kind == 1 else -1), 2 * np.sqrt(gain) * np.sin(w) / 2 * np.sqrt(2)
            b = gain * np.array(
                [gain + 1 - s * (gain - 1) * c + root, s * 2 * (gain - 1 - s * (gain + 1) * c), gain + 1 - s * (gain - 1) * c - root]
            )
            a = np.array(
                [gain + 1 + s * (gain - 1) * c + root, -s * 2 * (gain - 1 + s * (gain + 1) * c), gain + 1 + s * (gain - 1) * c - root]
            )
        one.both(partial(scipy.signal.lfilter, b / a[0], a / a[0]))


def all_pass(one: Recording, rng: np.random.Generator) -> None:
    """First order, as phase rotators and converters have."""
    tangent = np.tan(np.pi * min(_log(rng, 20, 3000), 0.4 * one.rate) / one.rate)
    k = (tangent - 1) / (tangent + 1)
    one.both(lambda v: -np.asarray(scipy.signal.lfilter([k, 1], [1, k], v)))


def second_clip(one: Recording, rng: np.random.Generator) -> None:
    """Cut once more, lower."""
    level = threshold_for_sdr(one.y, float(rng.uniform(12, 35)))
    if level > 0:
        one.clip(level, -level)


def offset(one: Recording, rng: np.random.Generator) -> None:
    """A constant of up to a tenth of the peak."""
    by = one.peak * float(rng.choice([-1, 1])) * _log(rng, 0.002, 0.1)
    one.both(lambda v: v + by)


STAGES: dict[str, tuple[float, Stage]] = {
    "resample": (20, resample),
    "mp3": (17, partial(codec, name="mp3")),
    "vorbis": (19, partial(codec, name="vorbis")),
    "opus": (8, partial(codec, name="opus")),
    "aac": (5, partial(codec, name="aac")),
    "ima": (4, partial(few_bits, name="ima")),
    "ms": (1.5, partial(few_bits, name="ms")),
    "gsm": (7, partial(few_bits, name="gsm")),
    "mulaw": (1.5, partial(few_bits, name="mulaw")),
    "alaw": (1, partial(few_bits, name="alaw")),
    "noise": (6, noise),
    "dither": (3, dither),
    "ride": (7, ride),
    "agc": (14, agc),
    "compressor": (9, compressor),
    "limiter": (4, limiter),
    "high-pass": (12, high_pass),
    "low-pass": (9, low_pass),
    "equaliser": (8, equaliser),
    "all-pass": (3, all_pass),
    "second clip": (4, second_clip),
    "offset": (2, offset),
}
"""Name of a stage: its weight among the draws, and what it does. Weights follow how often it is met, and what was learnt last."""
