"""Small sound recordings, made from numbers, in every container and sample type that libsndfile writes."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

CONTAINERS = {
    "WAV": ".wav",
    "WAVEX": ".wav",
    "RF64": ".rf64",
    "W64": ".w64",
    "AIFF": ".aiff",
    "AU": ".au",
    "CAF": ".caf",
    "FLAC": ".flac",
    "OGG": ".ogg",
    "MP3": ".mp3",
}
SHAPES = ((44100, 2), (16000, 1), (8000, 1), (48000, 2))
"""(sample rate, channels) to try in this order: GSM, G.721 and Opus do not take all of them."""
FRAMES = 2000
"""Long enough for a plateau to be found, short enough for a mutant to hit the header."""


@dataclass(frozen=True)
class Seed:
    """The bytes of a file. name: its container and sample type, or where it came from; suffix: the ending of its name."""

    name: str
    suffix: str
    data: bytes


def clipped_tones(frames: int, channels: int) -> npt.NDArray[np.float64]:
    """(frames, channels): a few sines, a little noise, clipped at half of full scale."""
    rng = np.random.default_rng(frames + channels)
    time = np.arange(frames)[:, None]
    tones = sum(np.sin(time * rng.uniform(0.01, 0.2, channels) + rng.uniform(0, 6, channels)) for _ in range(4))
    return np.asarray(np.clip(0.4 * tones + 0.001 * rng.standard_normal((frames, channels)), -0.5, 0.5))


def recordings() -> list[Seed]:
    """One for each container and sample type; what libsndfile offers but does not write is left out."""
    seeds = []
    for container, suffix in CONTAINERS.items():
        for subtype in soundfile.available_subtypes(container):
            data = next((data for shape in SHAPES if (data := _written(container, subtype, *shape))), None)
            if data:
                seeds.append(Seed(f"{container} {subtype}", suffix, data))
    return seeds


def _written(container: str, subtype: str, sample_rate: int, channels: int) -> bytes:
    """The file, empty where libsndfile does not write this kind."""
    file = BytesIO()
    try:
        soundfile.write(file, clipped_tones(FRAMES, channels), sample_rate, subtype, format=container)
    except soundfile.LibsndfileError:
        return b""
    return file.getvalue()


def kept(folder: Path) -> list[Seed]:
    """The files of a folder, in the order of their names."""
    return [Seed(path.name, path.suffix, path.read_bytes()) for path in sorted(folder.iterdir()) if path.suffix != ".md"]
