"""What detection is measured on: kinds of clipping, with their truth, and signals that are not clipped and could be taken to be.

A kind of clipping is what happened to a recording before it was clipped, and since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from declipper.clipping.arrays import Array, Mask
from declipper.clipping.levels import clip
from declipper.training.data.codec import MP3, VORBIS, Codec, coded
from declipper.training.data.degrade import threshold_for_sdr
from declipper.training.histories.sources import QUIET


@dataclass(frozen=True, eq=False)
class Excerpt:
    """A signal, (frames,) or (frames, channels), to be measured."""

    name: str
    samples: Array
    sample_rate: int


@dataclass(frozen=True, eq=False)
class Clipped:
    """A degraded signal (frames, channels) with its truth.

    truth: (frames, channels), the samples whose original exceeds the level. plateaus: (frames, 2 * channels) or (1, 2 * channels),
    their heights in the degraded signal, positive polarities first, +inf where a polarity is not clipped. original: (frames, channels),
    what would have come out without the clipping.
    """

    audio: Array
    truth: Mask
    plateaus: npt.NDArray[np.float64]
    original: Array


@dataclass(frozen=True)
class Case:
    """A kind of clipping: to [-ratio * mu, mu], then `after`, `offset` and rounding to `bits`; mu is at `plateau_db` dBFS in the end.

    A ratio of infinity leaves the negative polarity as it is.
    """

    name: str
    plateau_db: float = 0.0
    ratio: float = 1.0
    bits: int | None = None
    after: Callable[[Array, int, np.random.Generator], Array] | None = None
    """Takes the signal (frames, channels) with its plateau at 1.0, the sample rate and a generator."""
    offset: float = 0.0
    """Added afterwards, in units of the plateau: a direct current, which plateaus and original follow."""
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


def _resample(audio: Array, rate: int, _: np.random.Generator) -> Array:
    return np.asarray(soxr.resample(audio, rate, 48000 if rate != 48000 else 44100, quality="HQ"))


def _fade(audio: Array, _: int, __: np.random.Generator) -> Array:
    return audio * np.linspace(1.0, 0.1, len(audio))[:, None]


def _step(audio: Array, _: int, __: np.random.Generator) -> Array:
    return audio * np.where(np.arange(len(audio)) < len(audio) // 2, 1.0, 0.5)[:, None]


def _code(audio: Array, rate: int, _: np.random.Generator, codec: Codec) -> Array:
    return coded(audio, rate, codec)


def recordings_in(listed: Path, corpus: Path) -> list[Path]:
    """The recordings in the corpus that a file names, one a line, in an order that mixes the packages."""
    names = listed.read_text().splitlines()
    paths = [corpus / names[i] for i in np.random.default_rng(ORDER).permutation(len(names))]
    return [path for path in paths if path.exists()]


def middle(path: Path, seconds: float) -> Excerpt | None:
    """The middle of a recording, None of one that cannot be read, is silent or too short."""
    try:
        with soundfile.SoundFile(path) as file:
            frames = min(file.frames, int(seconds * file.samplerate))
            file.seek((file.frames - frames) // 2)
            audio, rate = file.read(frames, dtype="float32", always_2d=True), file.samplerate
    except soundfile.LibsndfileError:
        return None
    fit = len(audio) >= SHORTEST * rate and np.abs(audio).max() > QUIET
    return Excerpt(path.name, audio, rate) if fit else None


ORDER = 0
"""Seed of the order in which recordings are taken."""
SYNTHETIC_RATE = 44100
"""Sample rate of the signals that are made, in Hz."""
STEP_16 = 2.0**-15
"""A step of 16 bits."""
SHORTEST = 0.2
"""Seconds below which a sound is left out."""
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
    Case("DC offset of 3 % afterwards, 16 bit", -1.0, bits=16, offset=0.03),
    Case("DC offset of 20 % afterwards, 16 bit", -3.0, bits=16, offset=0.2),
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
def _cached_threshold(samples: bytes, sdr: float, ratio: float) -> float:
    """See `threshold_for_sdr`; the same excerpt is clipped in many cases. samples: float32, so that they can be looked up."""
    return float(threshold_for_sdr(np.frombuffer(samples, np.float32), sdr, ratio))


def degrade(case: Case, x: Array, *, rate: int, sdr: float, rng: np.random.Generator) -> Clipped:
    """Clip x (frames,) at the level that gives an input SDR of `sdr` dB, and do to it what the case says."""
    if np.isinf(case.ratio) and x.max() < -x.min():
        x = -x
    mu = _cached_threshold(x.astype(np.float32).tobytes(), sdr, case.ratio)
    original = np.stack([x / mu if clipped else 0.5 * x / np.abs(x).max() for clipped in case.channels], axis=1).astype(np.float64)
    y: Array = clip(original, 1.0, -case.ratio)
    truth = (original > 1.0) | (original < -case.ratio)
    count = len(case.channels)
    heights = np.stack([np.where(truth.any(axis=0), side, np.inf) for side in (1.0, case.ratio)]).reshape(1, 2 * count)
    if case.after is not None and case.gains:
        gain = np.asarray(case.after(np.ones((len(y), 1)), rate, rng), np.float64)
        y, original, heights = y * gain, original * gain, heights * gain
    elif case.after is not None and case.rates:
        y, original = case.after(y, rate, rng), case.after(original, rate, rng)
        truth = (original > 1.0) | (original < -case.ratio)
    elif case.after is not None:
        y = case.after(y, rate, rng)
    y, original, heights = y + case.offset, original + case.offset, heights + case.offset * np.repeat([1.0, -1.0], count)
    scale = 10 ** (case.plateau_db / 20)
    if np.isinf(case.ratio):
        # the polarity that is not clipped must fit into the integers
        scale = min(scale, 0.99 / float(np.abs(y).max()))
    y = y * scale
    return Clipped(quantise(y, case.bits) if case.bits else y.astype(np.float32), truth, heights * scale, original * scale)


def synthetic() -> Iterator[Excerpt]:
    """Signals (frames, channels) that are not clipped and could be taken to be."""
    for name, samples in _synthetic(SYNTHETIC_RATE):
        yield Excerpt(name, samples, SYNTHETIC_RATE)


def _synthetic(rate: int) -> Iterator[tuple[str, Array]]:
    rng = np.random.default_rng(0)
    t = np.arange(8 * rate) / rate
    for hertz in (5, 50, 440, 1000, 5512.5, 11025):
        for gain in (1.0, 0.1):
            yield f"sine, {hertz} Hz, {gain}", gain * np.sin(2 * np.pi * hertz * t)[:, None]
            yield f"sine, {hertz} Hz, {gain}, 16 bit", quantise(0.9999 * gain * np.sin(2 * np.pi * hertz * t)[:, None], 16)
    square = np.sign(np.sin(2 * np.pi * 100.3 * t))[:, None]
    yield "square wave", 0.8 * square
    yield "square wave, full scale, 16 bit", quantise(square, 16)
    yield "square wave, low-passed", soxr.resample(0.5 * square, rate, rate // 2)
    yield "triangle wave", (2 / np.pi * np.arcsin(np.sin(2 * np.pi * 100.3 * t)))[:, None]
    yield "silence", np.zeros((rate, 2))
    yield "constant", np.full((rate, 1), 0.3)
    yield "white noise", rng.normal(0, 0.2, (8 * rate, 1))
    yield "white noise, 16 bit, uniform", quantise(rng.uniform(-0.5, 0.5, (8 * rate, 1)), 16)
    fading = rng.normal(0, 1, 8 * rate)
    fading = np.convolve(fading, np.hanning(64), mode="same") / 10 * 10 ** (-(30 + 60 * t / 8) / 20)
    yield "quiet fade-out, 16 bit", quantise(fading[:, None], 16)
    yield "quiet fade-out to 8 bit steps", quantise(16 * fading[:, None], 8)


def loud_masters(material: Iterable[Excerpt]) -> Iterator[Excerpt]:
    """Excerpts brought to a loud level by a limiter that does not clip, and floats whose peaks exceed full scale: (frames, 1)."""
    for excerpt in material:
        v, rate = excerpt.samples / np.abs(excerpt.samples).max(), excerpt.sample_rate
        hold = int(0.005 * rate)
        peaks = np.abs(v) * 4
        # the gain a look-ahead limiter holds: the largest peak within 5 ms each way, then smoothed over as long
        padded = np.pad(peaks, hold)
        blocks = np.lib.stride_tricks.sliding_window_view(padded, 2 * hold + 1)
        highest = np.concatenate([blocks[i : i + 4096].max(axis=1) for i in range(0, len(blocks), 4096)])
        gain = 1 / np.maximum(highest, 1.0)
        window = np.hanning(hold + 2)[1:-1]
        gain = np.convolve(np.pad(gain, hold, mode="edge"), window / window.sum(), mode="same")[hold:-hold]
        yield Excerpt(f"limited: {excerpt.name}", (4 * v * gain)[:, None], rate)
        yield Excerpt(f"over full scale: {excerpt.name}", (1.8 * v)[:, None], rate)
