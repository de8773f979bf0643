"""Kinds of clipping, with their truth: what happened to a recording before it was clipped, and since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
import soxr

from declipper.clipping.arrays import Array, Mask
from declipper.clipping.levels import clip
from declipper.training.data.codec import MP3, VORBIS, Codec, coded
from declipper.training.data.degrade import threshold_for_sdr


@dataclass(frozen=True)
class Clipped:
    """A degraded signal (frames, channels) with its truth.

    truth: (frames, channels), the samples whose original exceeds the level. level: (frames, 2 * channels) or (1, 2 * channels),
    the heights of the plateaus in the degraded signal, positive polarities first, +inf where a polarity is not clipped.
    original: what would have come out without the clipping.
    """

    audio: Array
    truth: Mask
    level: npt.NDArray[np.float64]
    original: Array


@dataclass(frozen=True)
class Case:
    """A kind of clipping: to [-ratio * mu, mu], with mu at `plateau_db` dBFS in the end, then `after`, then rounding to `bits`."""

    name: str
    plateau_db: float = 0.0
    ratio: float = 1.0
    bits: int | None = None
    after: Callable[[Array, int, np.random.Generator], Array] | None = None
    """Takes the signal (frames, channels) with its plateau at 1.0, the sample rate and a generator."""
    gains: bool = False
    """`after` is a gain over time: level and truth follow it."""
    rates: bool = False
    """`after` changes the sample rate: the truth is that of the original at the new rate."""
    channels: tuple[bool, ...] = (True,)
    """Which channels of a two-channel signal are clipped."""


def quantise(audio: Array, bits: int) -> Array:
    """Rounded to integers of that many bits, saturating like them: full scale is +2 ** (bits - 1) - 1."""
    top = 2.0 ** (bits - 1)
    return np.asarray(np.clip(np.rint(audio * top), -top, top - 1) / top)


def _noise(audio: Array, _: int, rng: np.random.Generator, relative_db: float) -> Array:
    return audio + rng.normal(0, 10 ** (relative_db / 20), audio.shape)


def _dither(audio: Array, _: int, rng: np.random.Generator, step: float) -> Array:
    return audio + step * (rng.random(audio.shape) - rng.random(audio.shape))


def _offset(audio: Array, _: int, __: np.random.Generator, by: float) -> Array:
    return audio + by


def _resample(audio: Array, rate: int, _: np.random.Generator) -> Array:
    return np.asarray(soxr.resample(audio, rate, 48000 if rate != 48000 else 44100, quality="HQ"))


def _fade(audio: Array, _: int, __: np.random.Generator) -> Array:
    return audio * np.linspace(1.0, 0.1, len(audio))[:, None]


def _step(audio: Array, _: int, __: np.random.Generator) -> Array:
    return audio * np.where(np.arange(len(audio)) < len(audio) // 2, 1.0, 0.5)[:, None]


def _code(audio: Array, rate: int, _: np.random.Generator, codec: Codec) -> Array:
    return coded(audio, rate, codec)


STEP_16 = 2.0**-15
CASES = (
    Case("16 bit, full scale", bits=16),
    Case("24 bit, full scale", bits=24),
    Case("float, full scale"),
    Case("float, +6 dBFS", 6.0),
    Case("16 bit, -0.07 dBFS", -0.07, bits=16),
    Case("16 bit, -1 dBFS", -1.0, bits=16),
    Case("16 bit, -6 dBFS", -6.0, bits=16),
    Case("16 bit, -20 dBFS", -20.0, bits=16),
    Case("float, -1 dBFS", -1.0),
    Case("float, -20 dBFS", -20.0),
    Case("one-sided, 16 bit", -1.0, np.inf, 16),
    Case("asymmetric 1 : 0.7, 16 bit", -1.0, 0.7, 16),
    Case("DC offset of 3 % afterwards, 16 bit", -1.0, bits=16, after=partial(_offset, by=0.03)),
    Case("DC offset of 20 % afterwards, 16 bit", -3.0, bits=16, after=partial(_offset, by=0.2)),
    Case("TPDF dither, 16 bit, -0.3 dBFS", -0.3, bits=16, after=partial(_dither, step=STEP_16 * 10 ** (0.3 / 20))),
    Case("TPDF dither, 16 bit, -20 dBFS", -20.0, bits=16, after=partial(_dither, step=STEP_16 * 10)),
    Case("noise at -70 dBFS, plateau at 0 dBFS", after=partial(_noise, relative_db=-70)),
    Case("noise at -70 dBFS, plateau at -20 dBFS", -20.0, after=partial(_noise, relative_db=-50)),
    Case("other sample rate afterwards", -1.0, after=_resample, rates=True),
    Case("other sample rate afterwards, 16 bit", -3.0, bits=16, after=_resample, rates=True),
    Case("MP3, 128 kbit/s for one channel", -1.0, after=partial(_code, codec=MP3)),
    Case("Vorbis, quality 4", -1.0, after=partial(_code, codec=VORBIS)),
    Case("fade of 20 dB afterwards, 16 bit", -0.3, bits=16, after=_fade, gains=True),
    Case("gain step of 6 dB afterwards, 16 bit", -0.3, bits=16, after=_step, gains=True),
    Case("one channel of two, 16 bit", bits=16, channels=(True, False)),
)


@lru_cache(maxsize=64)
def _cached_threshold(key: bytes, sdr: float, ratio: float) -> float:
    return float(threshold_for_sdr(np.frombuffer(key, np.float32), sdr, ratio))


def degrade(case: Case, x: Array, rate: int, sdr: float, rng: np.random.Generator) -> Clipped:
    """Clip x (frames,) at the level that gives an input SDR of `sdr` dB, and do to it what the case says."""
    if np.isinf(case.ratio) and x.max() < -x.min():
        x = -x
    mu = _cached_threshold(x.astype(np.float32).tobytes(), sdr, case.ratio)
    u = np.stack([x / mu if clipped else 0.5 * x / np.abs(x).max() for clipped in case.channels], axis=1).astype(np.float64)
    v: Array = clip(u, 1.0, -case.ratio)
    truth = (u > 1.0) | (u < -case.ratio)
    count = len(case.channels)
    heights = np.stack([np.where(truth.any(axis=0), side, np.inf) for side in (1.0, case.ratio)]).reshape(1, 2 * count)
    original: Array = u
    if case.after is not None:
        if case.gains:
            gain = np.asarray(case.after(np.ones((len(v), 1)), rate, rng), np.float64)
            v, original, heights = v * gain, u * gain, heights * gain
        elif case.rates:
            v, original = case.after(v, rate, rng), case.after(u, rate, rng)
            truth = (original > 1.0) | (original < -case.ratio)
        else:
            v = case.after(v, rate, rng)
            by = case.after.keywords.get("by", 0.0) if isinstance(case.after, partial) else 0.0
            original = u + by
            heights = heights + by * np.repeat([1.0, -1.0], count)
    scale = 10 ** (case.plateau_db / 20)
    if np.isinf(case.ratio):
        # the polarity that is not clipped must fit into the integers
        scale = min(scale, 0.99 / float(np.abs(v).max()))
    v = v * scale
    return Clipped(quantise(v, case.bits) if case.bits else v.astype(np.float32), truth, heights * scale, original * scale)
