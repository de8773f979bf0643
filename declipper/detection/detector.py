"""Finds where a recording clips without being told: per sample, whatever filter, resampler, codec or gain came after the clipping.

A network says of every sample how likely it was cut off (`network`). Evidence over the whole recording decides whether it was clipped at
all (`gate`), so that nothing is found where nothing is. A polarity that was clipped at its very highest value, with nothing done to it
since, has that value as its level, to the bit (`ceiling`); any other has runs of samples, each with a bound of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from declipper.clipping.arrays import Array, finite, samples_of
from declipper.clipping.levels import ClipLevels
from declipper.clipping.runs import NO_RUNS, ClippedRuns
from declipper.detection.ceiling import Ceiling, ceiling_features, levels_of
from declipper.detection.features import Features, RunFeatures, SpectrumFeatures
from declipper.detection.gate import shipped_gate
from declipper.detection.marks import Evidence, marked, worthwhile
from declipper.detection.network import ClippingNetwork, Judged, JudgedStream
from declipper.workers import IN_PROCESS, Work, Workers

BELIEVED, BESIDE = 0.5, 0.4
"""Probability from which a recording is taken for clipped, and a polarity of a channel of such a recording: what one of them has been
through, the others likely have too. The regression behind it counts a false alarm as eight misses."""

SECONDS_A_SAMPLE = 0.026 / 44100
"""CPU seconds that the network takes for each sample."""
WORKER_MEMORY = 280 << 20
"""Bytes that a worker takes for it at most (`declipper.training.judging.cores`)."""


@dataclass(frozen=True)
class FoundLevel:
    """What was found in one polarity of one channel.

    kind: "exact" for a plateau that nothing has touched since, "blurred" for any other, "" for none. confidence: 0 to 1, that it was
    clipped, as the detector believes or as `declipper.detection.interpretation` makes of it.
    """

    kind: str
    confidence: float


NOTHING = FoundLevel("", 0.0)


@dataclass(frozen=True)
class FoundLevels:
    """What was found in the positive and in the negative polarity of one channel."""

    positive: FoundLevel
    negative: FoundLevel


@dataclass(frozen=True, eq=False)
class Detection:
    """The clip levels of a signal, what was found in each of its channels, and how firmly it is believed to be clipped at all, 0 to 1.

    features: (features,) of what is marked in all of it and of what tells its history. `declipper.detection.interpretation` says what these
    and the beliefs are worth.
    """

    levels: ClipLevels
    found: tuple[FoundLevels, ...]
    belief: float
    features: Features


class LevelDetector:
    """Finds clip levels in a signal that comes block by block; `finish` gives what `find_levels` gives for the whole.

    Memory: some 60 MB for the network, 2 MB a channel, and 24 bytes for each run of samples that may be clipped.
    """

    def __init__(self, channels: int, network: ClippingNetwork | None = None, workers: Workers = IN_PROCESS) -> None:
        """`network` None takes the one that comes with the package; `workers` share the work."""
        self._channels = channels
        self._stream = JudgedStream(channels, network, workers)
        # of the positive and the negative polarity of the first channel, then those of the next
        self._evidence = [Evidence() for _ in range(2 * channels)]
        self._ceilings = [Ceiling() for _ in range(2 * channels)]
        self._runs: list[ClippedRuns] = []
        self._run_features, self._spectrum = RunFeatures(), SpectrumFeatures()

    def push(self, block: Array) -> None:
        """Take up a block (frames, channels) of any length. Raises TypeError or ValueError for other arrays."""
        block = samples_of(block)
        if block.shape[1] != self._channels:
            raise ValueError(f"blocks must be (frames, {self._channels}), got {block.shape}")
        for judged in self._stream.push(block):
            self._take(judged)

    def _take(self, judged: Judged) -> None:
        samples, likelihood = finite(judged.samples), judged.likelihood
        pairs = list(zip(samples.T, likelihood.T, strict=True))
        runs = ClippedRuns.of(samples, np.stack([marked(*pair) for pair in pairs], axis=1), first=judged.first)
        self._runs.append(runs[worthwhile(runs, samples, likelihood, first=judged.first)])
        self._run_features.add(samples, runs, first=judged.first)
        self._spectrum.add(samples)
        for channel, (s, p) in enumerate(pairs):
            for number, turned in ((2 * channel, s), (2 * channel + 1, -s)):
                self._ceilings[number].add(turned, p)
                self._evidence[number].add(turned, p)

    @property
    def evidence(self) -> Evidence:
        """Of all channels together, as far as they were judged."""
        return Evidence(*self._evidence)

    @property
    def ceilings(self) -> tuple[Ceiling, ...]:
        """The highest values so far of the positive and the negative polarity of the first channel, then those of the next."""
        return tuple(self._ceilings)

    def finish(self) -> Detection:
        """The levels of all that was pushed. Nothing may be pushed afterwards."""
        for judged in self._stream.flush():
            self._take(judged)
        gate, shared = shipped_gate(), [self._run_features.values, ceiling_features(self._ceilings), self._spectrum.values]
        features, *polarities = (np.concatenate([evidence.values, *shared]) for evidence in (self.evidence, *self._evidence))
        probability, beliefs = gate.probability(features), [gate.probability(polarity) for polarity in polarities]
        plateaus = np.array([ceiling.probability(probability) for ceiling in self._ceilings])
        exact = levels_of(self._ceilings, plateaus)
        blurred = np.array([probability >= BELIEVED and belief >= BESIDE for belief in beliefs]) & np.isinf(exact)
        runs = ClippedRuns.joined([NO_RUNS, *self._runs])
        runs = runs[blurred[2 * runs.channel + (runs.bound < 0)]]
        found = [
            FoundLevel("exact", plateau)
            if np.isfinite(level)
            else FoundLevel("blurred", min(probability, belief))
            if is_blurred
            else NOTHING
            for level, plateau, is_blurred, belief in zip(exact, plateaus.tolist(), blurred, beliefs, strict=True)
        ]
        levels = ClipLevels(np.zeros(1, np.int64), exact[None, ::2], -exact[None, 1::2], runs=runs)
        pairs = tuple(FoundLevels(*pair) for pair in zip(found[::2], found[1::2], strict=True))
        return Detection(levels, pairs, probability, features)


def find_levels(audio: Array, workers: Workers = IN_PROCESS) -> ClipLevels:
    """The clip levels of a whole signal (frames,) or (frames, channels); see `LevelDetector` for the block-wise form.

    `workers` share the work. Raises TypeError for what is not float32 or float64, ValueError for other shapes.
    """
    samples = samples_of(audio)
    detector = LevelDetector(samples.shape[1], workers=workers)
    detector.push(samples)
    return detector.finish().levels


def detection_work(frames: int, channels: int) -> Work:
    """What it takes to find the levels of a signal."""
    return Work(SECONDS_A_SAMPLE * frames * channels, WORKER_MEMORY)
