"""The containers and codecs that restored sound is written in beside a video, or as a phone writes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from declipper.errors import OutputError
from declipper.files.delivery import Delivery, Headroom
from declipper.files.formats import FileFormat
from declipper.files.recording import Recording

LOSSY_MARGIN_DB = 1.0
"""How far below full scale true peaks stay before a lossy codec, which raises some of them (AES TD1008, EBU R 128 s2: -1 dBTP)."""
BIT_RATE = 160_000
"""Usual bits per second and channel of lossy codecs: 320 kbit/s for stereo, from where on AAC is seldom told from its source."""


@dataclass(frozen=True)
class Codec:
    """A codec as FFmpeg names its encoder, the type of the samples it takes, and how many bits of them it keeps; None: floats."""

    encoder: str
    samples: str
    bits: int | None
    lossy: bool = False


CODECS = {
    "alac": Codec("alac", "s32p", 24),
    "flac": Codec("flac", "s32", 24),
    "pcm": Codec("pcm_s24le", "s32", 24),
    "float": Codec("pcm_f32le", "flt", None),
    "aac": Codec("aac", "fltp", None, lossy=True),
    "opus": Codec("libopus", "flt", None, lossy=True),
}
"""What `--audio-codec` takes."""


@dataclass(frozen=True)
class Container:
    """A container: FFmpeg's name for what writes it, the codecs it takes, the usual one first, and whether it is for video."""

    muxer: str
    codecs: tuple[str, ...]
    video: bool


CONTAINERS = {
    ".mp4": Container("mp4", ("alac", "flac", "aac"), True),
    ".m4v": Container("mp4", ("alac", "flac", "aac"), True),
    ".mov": Container("mov", ("pcm", "float", "alac", "aac"), True),
    ".mkv": Container("matroska", ("flac", "float", "pcm", "alac", "aac", "opus"), True),
    ".webm": Container("webm", ("opus",), True),
    ".m4a": Container("mp4", ("alac", "aac"), False),
    ".m4b": Container("mp4", ("alac", "aac"), False),
    ".mka": Container("matroska", ("flac", "float", "pcm", "alac", "aac", "opus"), False),
}
"""By file name ending: each lossless codec where the container and its players have it."""
STAYING = {".mp4": "mp4", ".m4v": "m4v", ".mov": "mov", ".mkv": "mkv", ".3gp": "mov", ".3g2": "mov"}
"""Endings of videos that keep their container, or get one of its family that takes lossless sound; all others become .mkv."""
VIDEO = (*STAYING, ".webm", ".avi", ".flv", ".wmv", ".asf", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".vob", ".ogv")
"""Endings of files that may be videos."""


@dataclass(frozen=True)
class MediaFormat(FileFormat):
    """A container, as FFmpeg names it, and a codec, by its name in CODECS. bit_rate: bits per second where it is lossy.

    video: whether everything beside the sound goes into the file, or only a cover.
    """

    bit_rate: int = 0
    video: bool = True

    @property
    def codec(self) -> Codec:
        """What codes the sound."""
        return CODECS[self.subtype]

    @property
    def bits(self) -> int | None:
        """Bits of a sample, where samples are whole numbers."""
        return self.codec.bits

    @property
    def holds_peaks(self) -> bool:
        """Whether samples may lie above full scale."""
        return self.subtype == "float"

    @property
    def margin_db(self) -> float:
        """How far below full scale true peaks have to stay."""
        return LOSSY_MARGIN_DB if self.codec.lossy else 0.0


@dataclass(frozen=True)
class Sound:
    """What is asked of the sound in a container. codec None: the container's usual one. bit_rate None: that of BIT_RATE.

    alone: whether it is written without the video.
    """

    codec: str | None = None
    bit_rate: int | None = None
    alone: bool = False


def ending_for(source: Path) -> str:
    """The usual ending of the restored video, by the name of the recorded one; without the dot."""
    return STAYING.get(source.suffix.lower(), "mkv")


def delivery_for(
    recording: Recording,
    target: Path,
    sound: Sound,
    *,
    subtype: str | None = None,
    headroom: Headroom | None = None,
    match_loudness: bool = False,
    overwrite: bool = False,
) -> Delivery:
    """The order to write the restored `recording` to `target`, a container or a file of sound. Raises OutputError as `Delivery.planned`."""
    container = CONTAINERS.get(target.suffix.lower())
    if container is None:
        if sound.codec or sound.bit_rate:
            raise OutputError(
                f"{target}: --audio-codec and --bitrate are for {' '.join(CONTAINERS)}; use --subtype, or name such a file with -o"
            )
        return Delivery.planned(recording, target, subtype=subtype, headroom=headroom, match_loudness=match_loudness, overwrite=overwrite)
    codec = sound.codec or container.codecs[0]
    if subtype or codec not in container.codecs:
        takes = " or ".join(container.codecs)
        raise OutputError(f"{target}: {target.suffix} takes no {subtype or codec}; use --audio-codec {takes}, or another ending with -o")
    if sound.bit_rate and not CODECS[codec].lossy:
        raise OutputError(f"{target}: {codec} is lossless and has no bit rate; leave out --bitrate, or use --audio-codec aac")
    rate = (sound.bit_rate or BIT_RATE * recording.channels) if CODECS[codec].lossy else 0
    chosen = MediaFormat(container.muxer, codec, rate, container.video and not sound.alone)
    return Delivery.checked(recording, target, chosen, headroom=headroom, match_loudness=match_loudness, overwrite=overwrite)
