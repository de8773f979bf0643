"""Random clipped segments with their truth: what supervised training and validation see.

One draw picks a recording, changes its rate by a random factor (so that one network fits 8 to 192 kHz), flips its polarity,
and clips it at the level that gives a random input SDR. It may then go through a lossy codec.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr

from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.training.data.codec import MP3, MP3_RATES, VORBIS, coded
from declipper.training.data.shelf import Shelf, Track


def sdr(truth: Array, estimate: Array) -> float:
    """Signal-to-distortion ratio in dB, 20 log10(|u| / |u - v|), over all samples of two arrays of one shape (Zaviska et al. 2021)."""
    error = float(np.sum(np.square(truth - estimate, dtype=np.float64)))
    power = float(np.sum(np.square(truth, dtype=np.float64)))
    if power == 0:
        return float("nan")
    return float("inf") if error == 0 else 10 * float(np.log10(power / error))


def threshold_for_sdr(x: Array, input_sdr: float, ratio: float = 1.0) -> float:
    """The level mu at which clipping x to [-ratio * mu, mu] gives `input_sdr` dB, by bisection; the survey's convention has ratio 1."""
    low, high = 0.0, float(np.abs(x).max()) * max(1.0, 1 / ratio if np.isfinite(ratio) else 1.0)
    for _ in range(24):
        middle = 0.5 * (low + high)
        if sdr(x, clip(x, middle, -ratio * middle)) < input_sdr:
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True)
class Example:
    """A segment x, its clipped version y and the thresholds that tell clipped samples from reliable ones, all divided by the level.

    x, y: (frames,). estimates: (experts, frames), what experts make of y.
    """

    x: Array
    y: Array
    positive: float
    negative: float
    estimates: Array


RATES = {"speech": (0.34, 1.2)}
"""Least and greatest factor by which a recording's rate is changed: speech mostly comes at 8 to 22 kHz, music at anything up to 192 kHz."""
OTHER_RATES = (0.4, 4.0)
"""The same of other kinds."""
VARIED = 0.5
"""Share of the draws at another rate."""
LOUD = 0.01
"""Least peak of a segment, -40 dBFS: quieter ones are mostly noise."""


def draw_segment(shelf: Shelf, tracks: list[Track], *, frames: int, rng: np.random.Generator, vary_rate: bool = True) -> Array:
    """`frames` samples of a random recording that are not silent, at a random rate in half of the draws when `vary_rate`."""
    while True:
        track = tracks[rng.integers(len(tracks))]
        low, high = RATES.get(track.kind, OTHER_RATES)
        factor = float(np.exp(rng.uniform(np.log(low), np.log(high)))) if vary_rate and rng.random() < VARIED else 1.0
        needed = int(np.ceil(frames / factor)) + 64
        if needed > track.frames:
            continue
        segment = shelf.read(track, int(rng.integers(track.frames - needed + 1)), needed)
        if factor != 1.0:
            segment = soxr.resample(segment, 1.0, factor, quality="MQ")
        segment = segment[:frames]
        if len(segment) == frames and np.abs(segment).max() > LOUD:
            return segment if rng.random() < 0.5 else -segment


INPUT_SDRS = (0.5, 42.0)
"""Range of the input SDR in dB, from where nothing can be saved to where nothing is heard, on either side of the survey's 1 to 20 dB."""
SYMMETRIC, LOPSIDED = 0.7, 0.15
"""Shares of examples clipped alike on both sides, and at levels of a ratio in RATIOS; the rest is clipped on one side only."""
RATIOS = (0.5, 1.5)
"""Of the lower level to the upper one, in size."""
NOISY = 0.15
"""Share of the examples with noise on the plateau, as converters and codecs leave it, at a level in NOISE_DB below the clip level."""
NOISE_DB = (-70, -45)
"""Least and greatest, in dB."""
SIGMAS = 3
"""Standard deviations of that noise by which the levels are put lower, so that nearly all of the plateau counts as clipped."""
LOWEST = 0.01
"""Least level that an example is clipped at, relative to its peak: the other polarity of a one-sided clip would be all there is."""


def draw_example(segment: Array, rng: np.random.Generator, *, input_sdr: tuple[float, float] = INPUT_SDRS) -> Example | None:
    """Clip a segment: symmetric, asymmetric or one-sided, with or without noise on the plateau. None if nothing clips.

    input_sdr: least and greatest input SDR in dB, between which one is drawn.
    """
    kind = rng.random()
    ratio = 1.0 if kind < SYMMETRIC else float(np.float32(rng.uniform(*RATIOS))) if kind < SYMMETRIC + LOPSIDED else float("inf")
    if np.isinf(ratio) and segment.max() < 0.5 * -segment.min():
        segment = -segment
    level = threshold_for_sdr(segment, float(rng.uniform(*input_sdr)), ratio)
    if level <= LOWEST * np.abs(segment).max():
        return None
    x = segment / np.float32(level)
    y = clip(x, 1.0, -ratio)
    slack = 0.0
    if rng.random() < NOISY:
        sigma = float(10 ** (rng.uniform(*NOISE_DB) / 20))
        y = y + rng.normal(0, sigma, y.shape).astype(np.float32)
        slack = SIGMAS * sigma
    example = Example(x, y.astype(np.float32), 1.0 - slack, slack - ratio, np.zeros((0, len(x)), np.float32))
    return example if np.any((x > 1.0) | (x < -ratio)) else None


MP3_SHARE = 0.7
"""Of the codecs, where MP3 takes the sample rate: it is what most old files are."""
COMPRESSION = 0.33, 0.78
"""Compression levels of the codecs: MP3 at 96 to 225 kbit/s for one channel, Vorbis at qualities from 2 to 7."""
MISSED = 0.003, 0.03
"""Share of the clipped samples below the edge of a plateau that a codec blurred."""
SPARE = 0.01, 0.02
"""How far below that edge the level is put, relative to it: about where the detector finds it then."""


def after_codec(example: Example, sample_rate: int, *, rng: np.random.Generator) -> Example | None:
    """An example, still without estimates, that went through a random codec, with levels about where the detector finds them.

    The truth gets the gain that the codec has. None where nothing is clipped by these levels.
    """
    codec = MP3 if sample_rate in MP3_RATES and rng.random() < MP3_SHARE else VORBIS
    loudest = np.abs(example.y).max()
    y = loudest * coded(example.y[:, None] / loudest, sample_rate, codec._replace(level=float(rng.uniform(*COMPRESSION))))[:, 0]
    gain = float(y @ example.y / (example.y @ example.y))
    x, y = (gain * example.x).astype(np.float32), y.astype(np.float32)
    edges = []
    for sign, level in (1, example.positive), (-1, -example.negative):
        plateau = sign * y[sign * example.y >= level]
        edge = float(np.quantile(plateau, rng.uniform(*MISSED))) * (1 - float(rng.uniform(*SPARE))) if len(plateau) else np.inf
        edges.append(edge if edge > 0 else np.inf)
    if not np.any((y >= edges[0]) | (y <= -edges[1])):
        return None
    return Example(x, y, edges[0], -edges[1], example.estimates)
