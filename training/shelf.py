"""A shelf: many recordings decoded once into one flat int16 file, so that training reads random segments from a memory map."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from declipper.arrays import Array


@dataclass(frozen=True)
class Track:
    """One recording on the shelf: `frames` samples from `start`; `gain` turns int16 back into the file's own scale."""

    name: str
    kind: str
    sample_rate: int
    start: int
    frames: int
    gain: float


class Shelf:
    """Read access to a shelf written by `build`. Nothing is held in memory but the list of tracks."""

    def __init__(self, path: Path) -> None:
        self.tracks = [Track(**row) for row in json.loads(path.with_suffix(".json").read_text())]
        self._samples = np.memmap(path, dtype=np.int16, mode="r")

    def read(self, track: Track, offset: int, frames: int) -> Array:
        """Frames `offset .. offset + frames` of a track as float32, at the file's own scale."""
        begin = track.start + offset
        end = min(begin + frames, track.start + track.frames)
        return self._samples[begin:end].astype(np.float32) * np.float32(track.gain)


def build(path: Path, files: Iterable[tuple[Path, str]], seconds_per_file: float = 240.0) -> int:
    """Decode the first channel of each (file, kind) to `path`; returns the number of tracks. Unreadable and silent files are left out.

    Of a file longer than `seconds_per_file` the middle is taken.
    """
    tracks: list[Track] = []
    position = 0
    with path.open("wb") as sink:
        for file, kind in files:
            try:
                with soundfile.SoundFile(file) as source:
                    frames = min(source.frames, int(seconds_per_file * source.samplerate))
                    source.seek((source.frames - frames) // 2)
                    audio = source.read(frames, dtype="float32", always_2d=True)[:, 0]
                    sample_rate = source.samplerate
            except soundfile.LibsndfileError:
                continue
            peak = float(np.abs(audio).max(initial=0.0))
            if len(audio) < sample_rate // 2 or peak < 0.02 or not np.isfinite(peak):
                continue
            gain = peak / 32767
            sink.write(np.round(audio / gain).astype(np.int16).tobytes())
            tracks.append(Track(str(file), kind, sample_rate, position, len(audio), gain))
            position += len(audio)
    path.with_suffix(".json").write_text(json.dumps([asdict(t) for t in tracks], indent=0))
    return len(tracks)
