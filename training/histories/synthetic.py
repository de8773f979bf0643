"""Signals that are not clipped and look it to a careless eye: chips, synthesisers, beeps, silence. Each is made at random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.ndimage
import scipy.signal

from declipper.clipping.arrays import Array

FRAME = 1 / 60
"""Seconds from one step of a chip's volume to the next: the frame of a television."""
VOLUMES = 15
"""Steps of a chip's volume: 4 bit."""
Wave = Callable[[Array], Array]


def _pulse(duty: float) -> Wave:
    return lambda phase: np.where(phase % 1 < duty, 1.0, -1.0)


def _triangle(phase: Array) -> Array:
    """In 4-bit steps, as consoles had it."""
    return np.floor(np.abs(2 * (phase % 1) - 1) * 15.99) / 7.5 - 1


def _saw(phase: Array) -> Array:
    return 2 * (phase % 1) - 1


def _table(rng: np.random.Generator) -> Wave:
    """A wave table of 32 samples of 4 bit."""
    table = np.rint(7.5 + 7.5 * np.clip(np.cumsum(rng.normal(0, 0.5, 32)) % 2 - 1, -1, 1)) / 7.5 - 1
    return lambda phase: table[(phase * 32 % 32).astype(int)]


def _fm(rng: np.random.Generator) -> Wave:
    """Two operators of frequency modulation, saved in 8 bit."""
    ratio, depth = float(rng.integers(1, 6)), rng.uniform(0.5, 6)
    return lambda phase: np.rint(127 * np.sin(2 * np.pi * phase + depth * np.sin(2 * np.pi * ratio * phase))) / 127


def _sine(phase: Array) -> Array:
    return np.asarray(np.sin(2 * np.pi * phase))


def _tanh(rng: np.random.Generator) -> Wave:
    """A sine through an overdriven stage, which rounds and never cuts."""
    drive = np.exp(rng.uniform(0, np.log(12)))
    return lambda phase: np.tanh(drive * np.sin(2 * np.pi * phase)) / np.tanh(drive)


WAVES: dict[str, Callable[[np.random.Generator], Wave]] = {
    "pulse, 12.5 %": lambda _: _pulse(0.125),
    "pulse, 25 %": lambda _: _pulse(0.25),
    "pulse, 50 %": lambda _: _pulse(0.5),
    "pulse of any width": lambda rng: _pulse(float(rng.uniform(0.1, 0.5))),
    "triangle of 4 bit": lambda _: _triangle,
    "saw": lambda _: _saw,
    "wave table": _table,
    "frequency modulation": _fm,
    "sine": lambda _: _sine,
    "overdriven sine": _tanh,
}
"""The ten kinds of waves that chips and the like play."""
OFTEN = np.array([1, 1, 2, 2, 4, 1, 4, 6, 1, 6]) / 28
"""Their probabilities: what was taken for clipped for longest while the detector learned comes more often."""


def voice(frames: int, rate: int, rng: np.random.Generator, kind: str | None = None) -> Array:
    """One voice of a chip: notes of one kind of wave, the volume in steps at each frame of the television."""
    wave, tick = WAVES[kind or str(rng.choice(list(WAVES), p=OFTEN))](rng), max(1, int(rate * FRAME))
    ticks = -(-frames // tick)
    length = int(rng.integers(2, 30))
    starts = np.arange(ticks) // length
    keys = np.cumsum(rng.integers(-4, 5, starts[-1] + 1)) + rng.integers(35, 90)
    hertz = 440 * 2 ** ((np.clip(keys, 28, 100)[starts] - 69) / 12)
    if rng.random() < 0.3:  # arpeggio
        hertz = hertz * 2 ** (rng.integers(0, 12, 3)[np.arange(ticks) % 3] / 12)
    top, fall = rng.integers(6, VOLUMES + 1), rng.choice([0.0, rng.uniform(0.1, 3)])
    volume = np.clip(np.rint(top - fall * (np.arange(ticks) % length)), 0 if rng.random() < 0.7 else 2, VOLUMES) / VOLUMES
    if rng.random() < 0.15:  # volume that is not stepped
        volume = np.interp(np.arange(ticks), np.arange(0, ticks + 8, 8), rng.random(len(np.arange(0, ticks + 8, 8))))
    phase = np.cumsum(np.repeat(hertz / rate, tick))[:frames]
    return wave(phase) * np.repeat(volume, tick)[:frames]


def chip(frames: int, rate: int, rng: np.random.Generator) -> Array:
    """One to four voices, perhaps with noise of a shift register, made at the rate itself (which folds) or at four times it."""
    over = 4 if rng.random() < 0.4 else 1
    audio = sum((voice(frames * over, rate * over, rng) for _ in range(int(rng.choice([1, 1, 2, 3, 4])))), np.zeros(frames * over))
    if rng.random() < 0.2:
        bits = np.repeat(rng.choice([-1.0, 1.0], frames * over // 8 + 1), 8)[: frames * over]
        audio = audio + bits * np.repeat(rng.integers(0, 8, frames * over // 4096 + 1) / VOLUMES, 4096)[: frames * over]
    return audio if over == 1 else np.asarray(scipy.signal.resample_poly(audio, 1, over))


def console(frames: int, rate: int, rng: np.random.Generator) -> Array:
    """A chip as it leaves its machine: perhaps held from sample to sample, in few bits, through a capacitor and a low-pass."""
    audio = chip(frames, rate, rng)
    audio = audio / max(1e-6, np.abs(audio).max())
    if rng.random() < 0.2:
        held = int(rng.integers(2, 6))
        audio = np.repeat(audio[::held], held)[:frames]
    if rng.random() < 0.3:
        top = 2.0 ** int(rng.integers(3, 8))
        audio = np.rint(audio * top) / top
    if rng.random() < 0.5:
        audio = scipy.signal.lfilter(*scipy.signal.butter(1, np.exp(rng.uniform(np.log(1000), np.log(0.4 * rate))), fs=rate), audio)
    if rng.random() < 0.4:
        audio = scipy.signal.lfilter(*scipy.signal.butter(1, np.exp(rng.uniform(np.log(3), np.log(60))), "high", fs=rate), audio)
    return np.asarray(audio)


def vowel(frames: int, rate: int, rng: np.random.Generator) -> Array:
    """A voice from its source: glottal flow after A. E. Rosenberg (1971), flat while the glottis is closed, and some of its formants."""
    knots = max(2, int(frames / rate * rng.uniform(2, 8)) + 2)
    melody = np.interp(np.arange(frames), np.linspace(0, frames, knots), rng.normal(0, 2, knots).cumsum())
    phase = np.cumsum(np.exp(rng.uniform(np.log(70), np.log(300))) * 2 ** (np.clip(melody, -12, 12) / 12) / rate) % 1
    opened, top = rng.uniform(0.35, 0.85), rng.uniform(0.5, 0.85)
    opening, closing = phase / (opened * top), (phase - opened * top) / (opened * (1 - top))
    flow = np.where(opening < 1, 0.5 - 0.5 * np.cos(np.pi * opening), np.where(closing < 1, np.cos(0.5 * np.pi * closing), 0.0))
    sound = flow - flow.mean() * rng.choice([0.0, 1.0])
    for low, high in ((250, 900), (800, 2500), (2000, 3500)):
        hertz, width = min(rng.uniform(low, high), 0.45 * rate), rng.uniform(50, 200)
        radius, turn = np.exp(-np.pi * width / rate), 2 * np.pi * hertz / rate
        sound = sound + rng.uniform(0, 0.5) * scipy.signal.lfilter([1, -1], [1, -2 * radius * np.cos(turn), radius**2], flow)
    syllables = np.interp(np.arange(frames), np.linspace(0, frames, knots), rng.uniform(0.05, 1, knots))
    return np.asarray(sound * syllables)


def noise(frames: int, rate: int, rng: np.random.Generator) -> Array:
    """Noise of one distribution, or of a few heights that are held."""
    kind = rng.integers(4)
    if kind == 0:
        audio = rng.uniform(-1, 1, frames)
    elif kind == 1:
        audio = rng.normal(0, 1, frames)
    elif kind == 2:
        audio = rng.laplace(0, 1, frames)
    else:
        held = int(rng.integers(1, 32))
        audio = np.repeat(rng.integers(0, int(rng.integers(2, 17)), frames // held + 1).astype(np.float64), held)[:frames]
        audio = audio - audio.mean()
    if rng.random() < 0.3:
        audio = scipy.signal.lfilter(*scipy.signal.butter(1, np.exp(rng.uniform(np.log(200), np.log(0.4 * rate))), fs=rate), audio)
    return np.asarray(audio)


def flattened(sound: Array, rate: int, rng: np.random.Generator) -> Array:
    """A sound whose troughs, or troughs and crests, are flat by nature: bent softly, as a rule at a height that follows its loudness.

    Nothing is cut off: every sample still depends on what it was.
    """
    follows = rng.random() < 0.7
    width = int(rng.uniform(0.01, 0.06) * rate) | 1
    around = scipy.ndimage.uniform_filter1d(scipy.ndimage.maximum_filter1d(np.abs(sound), width), width) if follows else np.abs(sound).max()
    corner = rng.uniform(0.15, 0.8) * np.maximum(around, 1e-4)
    sharpness = rng.uniform(1, 6) if follows else rng.uniform(1, 3)
    bent = sound / (1 + (np.abs(sound) / corner) ** sharpness) ** (1 / sharpness)
    return np.asarray(bent if rng.random() < 0.2 else np.where(sound * rng.choice([-1, 1]) > 0, sound, bent))


def interrupted(sound: Array, rate: int, rng: np.random.Generator) -> Array:
    """A sound with pauses at even distances, in which there is nothing to hear."""
    period, share = float(rng.uniform(0.3, 2.0)), float(rng.uniform(0.3, 0.9))
    return np.asarray(sound * (np.arange(len(sound)) / rate % period < share * period))


def beeps(frames: int, rate: int, rng: np.random.Generator) -> Array:
    """Tones of steady height, switched on and off."""
    hertz = np.exp(rng.uniform(np.log(30), np.log(0.4 * rate)))
    tone = np.sin(2 * np.pi * hertz * np.arange(frames) / rate + rng.uniform(0, 6))
    if rng.random() < 0.5:
        tone = tone + rng.uniform(0, 1) * np.sin(2 * np.pi * hertz * rng.uniform(1, 3) * np.arange(frames) / rate)
    if rng.random() < 0.5:
        tone = tone * (np.arange(frames) // int(rate * rng.uniform(0.03, 0.5)) % 2)
    return tone


def steady(frames: int, rate: int, rng: np.random.Generator) -> Array:
    """One sine or two, whose periods are a few samples, whole numbers of them or not: their crests reach few heights, again and again."""
    places = np.arange(frames)
    period = float(rng.integers(3, 60)) if rng.random() < 0.6 else np.exp(rng.uniform(np.log(3), np.log(rate / 20)))
    tone = np.sin(2 * np.pi * places / period + rng.uniform(0, 6))
    if rng.random() < 0.3:
        tone = tone + rng.uniform(0, 1) * np.sin(2 * np.pi * places * rng.integers(2, 5) / period + rng.uniform(0, 6))
    return tone


def bells(frames: int, rate: int, rng: np.random.Generator) -> Array:
    """Struck notes, often so high that a period has only a few samples: partials in or out of tune, dying away at rates of their own."""
    audio, time = np.zeros(frames), np.arange(frames) / rate
    for _ in range(int(rng.integers(1, 9))):
        start, base = int(rng.integers(frames)) if rng.random() < 0.8 else 0, np.exp(rng.uniform(np.log(200), np.log(0.2 * rate)))
        ratios = 1 + np.arange(5) if rng.random() < 0.5 else np.sort(rng.uniform(1, 6, 5))
        for ratio in ratios[: int(rng.integers(1, 6))]:
            decay = np.exp(rng.uniform(np.log(0.5), np.log(30)))
            if base * ratio < 0.45 * rate:
                tone = np.sin(2 * np.pi * base * ratio * time + rng.uniform(0, 6)) * np.exp(-decay * time) * rng.uniform(0.1, 1) / ratio
                audio[start:] += tone[: frames - start]
    return audio


def silence(frames: int, _: int, rng: np.random.Generator) -> Array:
    """Next to nothing: noise of a few steps of 16 bit."""
    return rng.normal(0, 2.0**-15 * rng.uniform(0.1, 4), frames)


def again(sound: Array, frames: int, rate: int, rng: np.random.Generator, *, longest: float = 0.4) -> Array:
    """A piece of a sound, so many seconds at most, played again and again at one height, as samplers do."""
    length = int(rate * np.exp(rng.uniform(np.log(0.02), np.log(longest))))
    start = int(rng.integers(max(1, len(sound) - length)))
    piece = sound[start : start + length]
    piece = piece * np.minimum(1, np.arange(len(piece))[::-1] / (0.005 * rate))
    return np.tile(piece, frames // max(1, len(piece)) + 1)[:frames]


def square(frames: int, rate: int, rng: np.random.Generator) -> Array:
    """One pulse wave alone, with stepped volume."""
    tick = max(1, int(rate * FRAME * rng.choice([1, 2, 4, 8])))
    volume = np.rint(np.abs(rng.normal(0.7, 0.3, frames // tick + 1)).clip(0.1, 1) * VOLUMES) / VOLUMES
    if rng.random() < 0.5:
        volume = np.sort(volume)[::-1]
    hertz = np.exp(rng.uniform(np.log(40), np.log(2000)))
    return _pulse(float(rng.choice([0.125, 0.25, 0.5])))(np.arange(frames) * hertz / rate) * np.repeat(volume, tick)[:frames]


KINDS: tuple[Callable[[int, int, np.random.Generator], Array], ...] = (
    chip,
    chip,
    console,
    console,
    beeps,
    bells,
    bells,
    square,
    vowel,
    noise,
    silence,
)
