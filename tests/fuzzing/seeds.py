"""Small sound recordings, made from numbers, in every container and sample type that libsndfile writes, and some in those of FFmpeg."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import av
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
FILMED = {
    ".m4a": ("mp4", "aac", "fltp"),
    ".mp4": ("mp4", "alac", "s16p"),
    ".mov": ("mov", "pcm_s16le", "s16"),
    ".mkv": ("matroska", "flac", "s16"),
    ".webm": ("webm", "libopus", "flt"),
    ".ts": ("mpegts", "aac", "fltp"),
}
"""FFmpeg's names of a muxer, an encoder and a sample type, by the ending of the name; all but the first have a picture too."""
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


def _filmed(suffix: str) -> bytes:
    """Less than half a second of sound in a container, and three pictures."""
    muxer, codec, kind = FILMED[suffix]
    file = BytesIO()
    with av.open(file, "w", format=muxer) as container:
        sound = container.add_stream(codec, 48000)
        sound.format, sound.layout = kind, "mono"
        picture = None if suffix == ".m4a" else container.add_stream("libvpx" if suffix == ".webm" else "mpeg2video", 25)
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
            for number in range(3):
                image = av.VideoFrame.from_ndarray(np.zeros((48, 32), np.uint8), "yuv420p")
                image.pts = number
                container.mux(picture.encode(image))
            container.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(clipped_tones(20000, 1).astype(np.float32).T, "fltp", "mono")
        frame.sample_rate, frame.pts = 48000, 0
        converted = av.AudioResampler(kind, "mono", 48000).resample(frame)
        container.mux([packet for part in [*converted, None] for packet in sound.encode(part)])
    return file.getvalue()


def recordings() -> list[Seed]:
    """One for each container and sample type; what libsndfile offers but does not write is left out."""
    seeds = []
    for container, suffix in CONTAINERS.items():
        for subtype in soundfile.available_subtypes(container):
            data = next((data for shape in SHAPES if (data := _written(container, subtype, *shape))), None)
            if data:
                seeds.append(Seed(f"{container} {subtype}", suffix, data))
    return seeds + [Seed(f"FFmpeg {suffix}", suffix, _filmed(suffix)) for suffix in FILMED]


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
