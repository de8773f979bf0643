"""What recordings have been through since they were clipped, one trial each, made the same for everyone: what `judge` measures on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.ndimage
import scipy.signal

from declipper.clipping.arrays import Array
from declipper.training.data.codec import MP3, VORBIS, Codec, coded
from declipper.training.data.degrade import threshold_for_sdr
from declipper.training.histories import levelling
from declipper.training.histories.lossy import small
from declipper.training.histories.recording import Recording

After = Callable[[Recording], None]


@dataclass(frozen=True)
class Trial:
    """`before`: sample rate at which it is clipped, None for its own; `after` what happens then; `bits` as which it is saved."""

    name: str
    after: After | None = None
    bits: int | None = 16
    before: int | None = None


def _rng() -> np.random.Generator:
    return np.random.default_rng(7)


def _resample(one: Recording, rate: int) -> None:
    one.resample(rate)


def _code(one: Recording, codec: Codec) -> None:
    one.y = coded(one.y[:, None], one.rate, codec)[:, 0]


def _high_pass(one: Recording, hertz: float) -> None:
    b, a = scipy.signal.butter(1, hertz, "high", fs=one.rate)
    one.both(partial(scipy.signal.lfilter, b, a))


def _deemphasis(one: Recording) -> None:
    """One pole at 50 microseconds."""
    b, a = scipy.signal.butter(1, 3183, fs=one.rate)
    one.both(partial(scipy.signal.lfilter, b, a))


def _by(one: Recording, gain: Array | float) -> None:
    one.both(lambda v: v * gain)


def _agc(one: Recording, speed: float) -> None:
    gain = levelling.agc(one.y, one.rate, speed, _rng())
    _by(one, gain / np.abs(gain * one.y).max())


def _compressor(one: Recording) -> None:
    gain = levelling.compressor(one.y, one.rate, _rng(), ratio=3.0)
    _by(one, gain / np.abs(gain * one.y).max())


def _normaliser(one: Recording) -> None:
    """Like ffmpeg's dynaudnorm: the peak of each half second brought to 0.95, by a gain smoothed over seconds."""
    step = one.rate // 2
    peaks = np.array([np.abs(one.y[i : i + step]).max() for i in range(0, len(one.y), step)])
    wanted = np.minimum(0.95 / np.maximum(peaks, 1e-3), 10)
    wanted = scipy.ndimage.gaussian_filter1d(scipy.ndimage.minimum_filter1d(wanted, 3), 1.5, mode="nearest")
    _by(one, np.interp(np.arange(len(one.y)), (np.arange(len(wanted)) + 0.5) * step, wanted))


def _small(one: Recording, subtype: str) -> None:
    one.save(16)
    one.y = small(one.y, one.rate, subtype)


def _again(one: Recording) -> None:
    """Cut at 0.8 of the level after it was turned down by a quarter over the second half."""
    half = np.arange(len(one.y)) < len(one.y) // 2
    _by(one, np.where(half, 1.0, 0.75))
    one.clip(0.9, -0.9)


TRIALS = (
    Trial("nothing (16 bit)"),
    Trial("44.1 -> 48 kHz, 16 bit", partial(_resample, rate=48000)),
    Trial("44.1 -> 16 kHz, 16 bit", partial(_resample, rate=16000)),
    Trial("MP3 128k, 16 bit", partial(_code, codec=MP3)),
    Trial("Vorbis q4, 16 bit", partial(_code, codec=VORBIS)),
    Trial("MP3 128k, float", partial(_code, codec=MP3), None),
    Trial("Vorbis q4, float", partial(_code, codec=VORBIS), None),
    Trial("20 Hz high-pass, 16 bit", partial(_high_pass, hertz=20)),
    Trial("AGC 3 dB/s, 8 kHz", partial(_agc, speed=3), before=8000),
    Trial("AGC 6 dB/s, 8 kHz", partial(_agc, speed=6), before=8000),
    Trial("AGC 20 dB/s, 8 kHz", partial(_agc, speed=20), before=8000),
    Trial("AGC 3 dB/s, 16 kHz", partial(_agc, speed=3), before=16000),
    Trial("AGC 6 dB/s, 16 kHz", partial(_agc, speed=6), before=16000),
    Trial("AGC 20 dB/s, 16 kHz", partial(_agc, speed=20), before=16000),
    Trial("AGC 3 dB/s, 48 kHz", partial(_agc, speed=3), before=48000),
    Trial("AGC 6 dB/s, 48 kHz", partial(_agc, speed=6), before=48000),
    Trial("AGC 20 dB/s, 48 kHz", partial(_agc, speed=20), before=48000),
    Trial("compressor 3:1", _compressor),
    Trial("80 Hz high-pass", partial(_high_pass, hertz=80)),
    Trial("de-emphasis 50 us", _deemphasis),
    Trial("IMA ADPCM", partial(_small, subtype="IMA_ADPCM")),
    Trial("GSM 06.10, 8 kHz", partial(_small, subtype="GSM610"), before=8000),
    Trial("second clip, two levels", _again),
    Trial("dynamic normaliser", _normaliser),
)


def tried(trial: Trial, x: Array, rate: int, sdr: float) -> Recording:
    """x (frames,) clipped at that input SDR in dB, its plateau at full scale, and put through the trial."""
    one = Recording.of(x, rate)
    if trial.before is not None and trial.before != rate:
        one.resample(trial.before)
    level = threshold_for_sdr(one.y, sdr)
    one.both(lambda v: v / level)
    one.clip(1.0, -1.0)
    if trial.after is not None:
        trial.after(one)
    one.save(trial.bits)
    return one
