"""What of a recording can be heard on its page: all of it, or the seconds round the worst places, as FLAC that plays without a network."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile

from declipper.clipping.arrays import Array
from declipper.files.writer import to_integers
from declipper.measure.loudness import LoudnessMeter
from declipper.page.damage import DamagedRuns
from declipper.page.pair import Pair, Stretch

WHOLE = 1 << 22
"""Samples, over all channels, up to which a recording is on its page as a whole: 48 s of stereo at 44.1 kHz. The page then has 33 MB at
most, which browsers open at once and most mail servers take."""
SECONDS = 8.0
"""Length of an excerpt of a longer recording: a bar or two, or a sentence, which is as much as is compared by ear at a time."""
MOST_EXCERPTS = 12
"""Excerpts of a recording, at most."""
FLAC_BITS, FLAC_CHANNELS = 24, 8
"""FLAC holds so many channels at most; libsndfile and browsers agree on so many bits."""


@dataclass(frozen=True, eq=False)
class Excerpt:
    """A stretch that is on the page. match_db: by how much the restoration has to be turned to be as loud as the recording (BS.1770)."""

    stretch: Stretch
    sample_rate: int
    match_db: float

    @property
    def last(self) -> int:
        """The frame of the recording after the last one."""
        return self.stretch.first + len(self.stretch)

    @property
    def scale(self) -> float:
        """What full scale of the FLAC files stands for: a power of two, which costs no bits, and leaves room for restored peaks."""
        peak = max(float(np.abs(samples).max(initial=0.0)) for samples in (self.stretch.original, self.stretch.restored))
        return float(2.0 ** np.ceil(np.log2(max(1.0, peak * (1 + 2.0**-FLAC_BITS)))))

    @property
    def volume_db(self) -> float:
        """By how much all signals are turned down, alike, so that none of them is cut off while it plays; 0 at most."""
        original, restored = self.stretch.original, self.stretch.restored
        signals = original, restored * 10 ** (self.match_db / 20), restored - original
        return -20 * float(np.log10(max(1.0, *(float(np.abs(signal).max(initial=0.0)) for signal in signals))))

    def flac(self, samples: Array) -> bytes:
        """One of its two signals, divided by `scale`, as a FLAC file."""
        file = io.BytesIO()
        soundfile.write(file, to_integers(samples / self.scale, FLAC_BITS), self.sample_rate, f"PCM_{FLAC_BITS}", format="FLAC")
        return file.getvalue()


def excerpts(pair: Pair, runs: DamagedRuns, *, gain: float) -> list[Excerpt]:
    """The whole of a short recording, or the parts of a long one in which most was put back, worst first.

    `gain` is what the restoration was turned by, which is undone.
    """
    heard = min(pair.channels, FLAC_CHANNELS)
    found: list[Excerpt] = []
    chosen = _chosen(pair, runs, WHOLE // heard)
    parts: dict[int, list[Stretch]] = {begin: [] for begin in chosen}
    for stretch in pair.stretches():
        for begin, end in chosen.items():
            here = stretch.part(max(0, begin - stretch.first), max(0, end - stretch.first))
            if len(here):
                parts[begin].append(here)
    for begin in chosen:
        original = np.concatenate([part.original for part in parts[begin]])[:, :heard]
        restored = np.concatenate([part.restored for part in parts[begin]])[:, :heard] / gain
        loudness = [_lufs(samples, pair.sample_rate) for samples in (original, restored)]
        match_db = loudness[0] - loudness[1] if np.isfinite(loudness).all() else 0.0
        found.append(Excerpt(Stretch(begin, original, restored), pair.sample_rate, match_db))
    return found


def _chosen(pair: Pair, runs: DamagedRuns, room: int) -> dict[int, int]:
    """The first frame of each part to be heard, worst first, and the one after its last. room: frames in all."""
    if pair.frames <= room:
        return {0: pair.frames}
    length = min(round(SECONDS * pair.sample_rate), room)
    chosen: dict[int, int] = {}
    left = runs[runs.worst_first]
    while len(chosen) < min(MOST_EXCERPTS, room // length) and (len(left) or not chosen):
        middle = int(left.start[0] + left.length[0] // 2) if len(left) else 0
        begin = min(max(0, middle - length // 2), pair.frames - length)
        chosen[begin] = begin + length
        left = left[(left.start < begin) | (left.start >= begin + length)]
    return chosen


def _lufs(samples: Array, sample_rate: int) -> float:
    meter = LoudnessMeter(sample_rate, samples.shape[1])
    meter.push(samples)
    return meter.integrated()
