"""A shelf: many recordings decoded once into one flat int16 file, so that training reads random segments from a memory map.

`python -m declipper.training.data.shelf CORPUS OUT --split train` puts one split of the corpora on a shelf: the music that
`clean_music.txt` names (recordings in which no clipping was found) and unclipped speech.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import soundfile

from declipper import find_levels
from declipper.clipping.arrays import Array
from declipper.training.data.corpus import AUDIO, HERE, packages

MOST_SPEECH = 700
"""Files of one speech package at most: they are short and much alike. Chosen by hand, so that speech is a tenth of the shelf."""
MOST_EFFECTS = 60
"""Likewise, of the sounds that are not music."""
HIGHEST = 0.99
"""Peak above which a recording of speech or an effect may be clipped, relative to full scale."""
SECONDS = 240.0
"""Of one recording at most, from its middle: long ones repeat themselves."""
FAINT = 0.02
"""Peak, relative to full scale, below which a recording is silent or noise."""
SHORTEST = 0.5
"""Seconds of a recording, at least."""


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


def build(path: Path, files: Iterable[tuple[Path, str]], *, seconds_per_file: float = SECONDS) -> int:
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
            if len(audio) < SHORTEST * sample_rate or peak < FAINT or not np.isfinite(peak):
                continue
            gain = peak / 32767
            sink.write(np.round(audio / gain).astype(np.int16).tobytes())
            tracks.append(Track(str(file), kind, sample_rate, position, len(audio), gain))
            position += len(audio)
    path.with_suffix(".json").write_text(json.dumps([asdict(t) for t in tracks], indent=0))
    return len(tracks)


def selection(corpus: Path, split: str) -> list[tuple[Path, str]]:
    """(file, kind) of what is fit as ground truth in one split of the corpora, in a fixed random order."""
    kinds = {p.package: p.kind for p in packages(split)}
    names = (HERE / "clean_music.txt").read_text().splitlines()
    chosen = [(corpus / name, kinds[name.split("/")[0]]) for name in names if name.split("/")[0] in kinds and (corpus / name).exists()]
    for package in (name for name, kind in kinds.items() if kind == "speech"):
        files = sorted(f for f in (corpus / package).rglob("*") if f.suffix.lower() in AUDIO)
        random.Random(0).shuffle(files)
        chosen += [(f, "speech") for f in files[:MOST_SPEECH] if _unclipped(f) is not None]
    random.Random(1).shuffle(chosen)
    return chosen


def effects(corpus: Path, split: str) -> list[tuple[Path, str]]:
    """(file, kind) of a few hundred other sounds of a split's packages of music, in a fixed random order: noises, blows, voices of games.

    They count as music. Those in which clipping is found are left out.
    """
    music = {file for file, kind in selection(corpus, split) if kind == "music"}
    chosen: list[tuple[Path, str]] = []
    for package in (p.package for p in packages(split) if p.kind == "music"):
        files = sorted(f for f in (corpus / package).rglob("*") if f.suffix.lower() in AUDIO and f not in music)
        random.Random(0).shuffle(files)
        chosen += [(f, "music") for f in files[:MOST_EFFECTS] if _intact(f)]
    random.Random(1).shuffle(chosen)
    return chosen


def folder(path: Path) -> list[tuple[Path, str]]:
    """(file, kind) of all recordings under a folder, taken for music."""
    return [(f, "music") for f in sorted(path.rglob("*")) if f.suffix.lower() in AUDIO]


def _unclipped(path: Path) -> Array | None:
    """A recording whose peak stays below full scale, None for any other and for what cannot be read."""
    try:
        audio, _ = soundfile.read(path, dtype="float32")
    except soundfile.LibsndfileError:
        return None
    return audio if np.abs(audio).max(initial=0.0) < HIGHEST else None


def _intact(path: Path) -> bool:
    audio = _unclipped(path)
    return audio is not None and not find_levels(audio).any


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--split", type=click.Choice(["train", "validation", "test", "all"]), default="train", show_default=True)
@click.option("--effects", "other", is_flag=True, help="The sounds of a split that are neither music nor speech, instead of these.")
def main(corpus: Path, out: Path, split: str, other: bool) -> None:
    """Decode one split of the CORPUS to the shelf OUT (about 5 GB for the train split), or all of any other folder."""
    chosen = folder(corpus) if split == "all" else effects(corpus, split) if other else selection(corpus, split)
    click.echo(f"{build(out, chosen)} recordings")


if __name__ == "__main__":
    main()
