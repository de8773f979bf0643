"""Music and a voice, made from numbers: sounds whose truth is known, for tests of quality and to listen to."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
import scipy.signal

from declipper.clipping.arrays import Array


def plucked_strings(sample_rate: int, seconds: float) -> Array:
    """A strummed chord of five strings, (frames,) float32 with its peak at 1.0.

    Each string is a burst of noise that goes round in a delay line and loses its treble on the way (Karplus and Strong, "Digital
    synthesis of plucked-string and drum timbres", Computer Music Journal 1983).
    """
    rng = np.random.default_rng(1)
    mix = np.zeros(int(seconds * sample_rate))
    for number, pitch in enumerate((82.4, 123.5, 164.8, 207.7, 246.9)):
        for start in np.arange(0.02 * number, seconds, 0.7):
            period = round(sample_rate / pitch)
            burst = np.zeros(len(mix) - int(start * sample_rate))
            burst[:period] = scipy.ndimage.uniform_filter1d(rng.uniform(-1, 1, period), 9, mode="wrap")
            loop = np.concatenate([[1.0], np.zeros(period - 1), [-0.498, -0.498]])
            mix[len(mix) - len(burst) :] += scipy.signal.lfilter([1.0], loop, burst)
    return (mix / np.abs(mix).max()).astype(np.float32)


def spoken_vowels(sample_rate: int, seconds: float) -> Array:
    """A voice that glides through vowels, (frames,) float32 with its peak at 1.0: pulses of the glottis through three resonances."""
    rng = np.random.default_rng(2)
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    pitch = 118 + 24 * np.sin(2 * np.pi * 0.9 * time) + 1.5 * rng.standard_normal(len(time)).cumsum() / np.sqrt(sample_rate)
    phase = np.cumsum(pitch) / sample_rate
    source = np.diff(np.floor(phase), prepend=0.0) + 0.2 * rng.standard_normal(len(time))
    voice = np.zeros(len(time))
    syllable = int(0.25 * sample_rate)
    vowels = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480))
    for begin in range(0, len(time), syllable):
        here = source[begin : begin + 2 * syllable] * np.hanning(2 * syllable)[: len(source) - begin]
        for formant in vowels[begin // syllable % len(vowels)]:
            radius = np.exp(-np.pi * 80 / sample_rate)
            here = scipy.signal.lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * formant / sample_rate), radius**2], here)
        voice[begin : begin + 2 * syllable] += here / np.abs(here).max()
    return (voice / np.abs(voice).max()).astype(np.float32)


def drum_loop(sample_rate: int, seconds: float) -> Array:
    """Kick, snare and hi-hat, (frames,) float32 with its peak at 1.0: swept sines and filtered noise that die away."""
    rng = np.random.default_rng(3)
    loop = np.zeros(int(seconds * sample_rate))
    eighth = 60 / 112 / 2
    time = np.arange(int(0.4 * sample_rate)) / sample_rate
    noise = rng.standard_normal((3, len(time)))
    bright = scipy.signal.lfilter(*scipy.signal.butter(2, 0.55, "high"), noise[0])
    kick = np.sin(2 * np.pi * (48 * time + 90 / 28 * (1 - np.exp(-28 * time)))) * np.exp(-9 * time) + 0.2 * noise[1] * np.exp(-300 * time)
    snare = 0.5 * np.sin(2 * np.pi * 185 * time) * np.exp(-22 * time) + 0.35 * noise[2] * np.exp(-16 * time)
    hat = 0.12 * bright * np.exp(-60 * time)
    for beat in range(int(seconds / eighth)):
        for sound, played in ((kick, beat % 8 in (0, 3, 4)), (snare, beat % 4 == 2), (hat, True)):
            here = loop[int(beat * eighth * sample_rate) :][: len(time)]
            here += played * sound[: len(here)]
    return (loop / np.abs(loop).max()).astype(np.float32)


def band(sample_rate: int, seconds: float) -> Array:
    """Drums, strings and a bass that doubles their lowest note, (frames,) float32 with its peak at 1.0."""
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    bass = scipy.signal.sawtooth(2 * np.pi * 41.2 * time) * np.exp(-3 * (time % 0.7))
    bass = scipy.signal.lfilter(*scipy.signal.butter(2, 500 / sample_rate * 2), bass)
    mix = drum_loop(sample_rate, seconds) + 0.6 * plucked_strings(sample_rate, seconds) + 0.4 * bass
    return (mix / np.abs(mix).max()).astype(np.float32)
