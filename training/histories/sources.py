"""Clean material: music in which no clipping was found, unclipped speech, and solo instruments played from random scores."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from declipper.clipping.arrays import Array
from declipper.training.data.corpus import AUDIO, HERE, packages

MOST_SPEECH = 700
"""Files of one speech package at most."""
HIGHEST = 0.99
"""Peak above which a recording of speech may be clipped."""
QUIET = 0.01
"""Peak below which a stretch is silence."""
SPEECH_SHARE, SOLO_SHARE = 0.28, 0.24
"""Share of the draws that is speech, and solo instruments."""


@dataclass(frozen=True)
class Material:
    """Files by kind."""

    music: list[Path]
    speech: list[Path]
    solos: list[Path]

    @classmethod
    def of(cls, corpus: Path, split: str, solos: Path | None = None) -> Material:
        """What of one split of the corpora is fit as ground truth; `solos`: a folder that `declipper.training.data.solo` filled."""
        kinds = {p.package: p.kind for p in packages(split)}
        names = (HERE / "clean_music.txt").read_text().splitlines()
        music = [corpus / n for n in names if n.split("/")[0] in kinds and (corpus / n).exists()]
        speech: list[Path] = []
        for package in (name for name, kind in kinds.items() if kind == "speech"):
            files = sorted(f for f in (corpus / package).rglob("*") if f.suffix.lower() in AUDIO)
            random.Random(0).shuffle(files)
            speech += files[:MOST_SPEECH]
        return cls(music, speech, sorted(solos.glob("*.flac")) if solos else [])

    def draw(self, seconds: float, rng: np.random.Generator) -> tuple[Array, int, str]:
        """A stretch of a random recording that is not silent, (frames,) with its sample rate and kind; speech is joined up where short."""
        while True:
            chance = rng.random()
            if self.speech and chance < SPEECH_SHARE:
                audio, rate = self._speech(seconds, rng)
                kind = "speech"
            else:
                files = self.solos if self.solos and chance > 1 - SOLO_SHARE else self.music
                audio, rate = stretch(files[rng.integers(len(files))], seconds, rng)
                kind = "music"
            if len(audio) >= seconds * rate * 0.999 and np.abs(audio).max() > QUIET:
                return audio, rate, kind

    def _speech(self, seconds: float, rng: np.random.Generator) -> tuple[Array, int]:
        joined: list[Array] = []
        start = int(rng.integers(len(self.speech)))
        rate = 0
        for path in self.speech[start : start + 12]:
            audio, its = _whole(path)
            if np.abs(audio).max(initial=0) >= HIGHEST or (rate and its != rate):
                continue
            rate = its
            joined.append(audio)
            total = sum(map(len, joined))
            if total >= seconds * rate:
                skip = int(rng.integers(total - int(seconds * rate) + 1))
                return np.concatenate(joined)[skip : skip + int(np.ceil(seconds * rate))], rate
        return np.zeros(1), 8000


@lru_cache(maxsize=64)
def _whole(path: Path) -> tuple[Array, int]:
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return audio[:, 0], rate


def stretch(path: Path, seconds: float, rng: np.random.Generator) -> tuple[Array, int]:
    """A random stretch of a file's left channel, or of the half sum of two; too short where the file is."""
    with soundfile.SoundFile(path) as file:
        frames = int(np.ceil(seconds * file.samplerate))
        if file.frames < frames:
            return np.zeros(1), file.samplerate
        file.seek(int(rng.integers(file.frames - frames + 1)))
        audio = file.read(frames, dtype="float32", always_2d=True)
        return (audio[:, 0] if rng.random() < 0.7 else audio.mean(axis=1)), file.samplerate
