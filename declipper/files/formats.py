"""The formats that results are written in: which container and sample type a file name and the options stand for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import soundfile

from declipper.errors import OutputError

FORMATS = {
    ".wav": ("WAV", "FLOAT"),
    ".wave": ("WAV", "FLOAT"),
    ".amb": ("WAV", "FLOAT"),
    ".rf64": ("RF64", "FLOAT"),
    ".w64": ("W64", "FLOAT"),
    ".aif": ("AIFF", "FLOAT"),
    ".aiff": ("AIFF", "FLOAT"),
    ".caf": ("CAF", "FLOAT"),
    ".au": ("AU", "FLOAT"),
    ".flac": ("FLAC", "PCM_24"),
    ".ogg": ("OGG", "VORBIS"),
    ".oga": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
"""Container and usual sample type by file name ending, as libsndfile names them; .amb is WAV in ambisonic B-format."""
AUDIO = {f".{name.lower()}" for name in soundfile.available_formats()} - {".raw"} | {".aif", ".aifc", ".amb", ".oga", ".opus", ".wave"}
"""Endings of files that may hold audio: what libsndfile reads without being told more, and its usual other endings."""
INTEGER_BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "ALAC_16": 16}
"""Bits of the sample types that are whole numbers."""
FLOATS = ("FLOAT", "DOUBLE")
"""The sample types that hold peaks above full scale."""
BROKEN_WRITERS = ("ALAC_20", "ALAC_24", "ALAC_32")
"""Sample types that libsndfile offers to write, but does not read back as it wrote them (1.2.2; stereo noise shows it)."""
RF64_FROM = (1 << 32) - (1 << 27)
"""Bytes of audio from which on a WAV file becomes RF64, and an AIFF cannot be: their sizes are numbers of 32 bits, and an eighth of a
gigabyte is left for the chunks that are carried over."""
MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""Sample rates in Hz of MPEG 1, 2 and 2.5."""
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
"""Sample rates in Hz that an Opus encoder takes (RFC 6716, table 1)."""


@dataclass(frozen=True)
class Limits:
    """What a format can hold. rates: the sample rates in words; takes: whether a rate in Hz is one of them; channels: at most."""

    rates: str
    takes: Callable[[int], bool]
    channels: int

    def hold(self, sample_rate: int, channels: int) -> bool:
        """Whether such a recording fits."""
        return self.takes(sample_rate) and channels <= self.channels


WIDE_LIMITS = Limits("any sample rate", lambda _: True, 1024)
"""Of uncompressed containers: libsndfile 1.2.2 has no more channels."""
MPEG_LIMITS = Limits("8 to 48 kHz as MPEG has them", MPEG_RATES.__contains__, 2)
LIMITS = {
    "FLAC": Limits("up to 655350 Hz, above 65535 Hz in steps of 10", lambda rate: rate <= 65535 or (rate <= 655350 and rate % 10 == 0), 8),
    "VORBIS": Limits("up to 200000 Hz", lambda rate: rate <= 200000, 255),
    "OPUS": Limits(", ".join(map(str, OPUS_RATES)) + " Hz", OPUS_RATES.__contains__, 255),
    "ALAC_16": Limits("any sample rate", lambda _: True, 8),
    "MPEG_LAYER_I": MPEG_LIMITS,
    "MPEG_LAYER_II": MPEG_LIMITS,
    "MPEG_LAYER_III": MPEG_LIMITS,
}
"""By container or sample type, each tried at its edges with libsndfile 1.2.2, which ends the process where Vorbis is asked for more."""


@dataclass(frozen=True)
class FileFormat:
    """What a file is written as: its container, such as WAV, and its sample type, such as PCM_24, both as libsndfile names them."""

    container: str
    subtype: str

    @property
    def bits(self) -> int | None:
        """Bits of a sample, where samples are whole numbers."""
        return INTEGER_BITS.get(self.subtype)

    @property
    def holds_peaks(self) -> bool:
        """Whether samples may lie above full scale."""
        return self.subtype in FLOATS

    @property
    def margin_db(self) -> float:
        """How far below full scale true peaks have to stay, where the format would raise them."""
        return 0.0


def format_for(target: Path, *, sample_rate: int, channels: int, frames: int, subtype: str | None = None, wide: bool = False) -> FileFormat:
    """The format that the name `target` stands for. Raises OutputError for what cannot be written, with the limit and what has none.

    subtype: the sample type by name, None: the container's usual one. wide: doubles where floats are usual.
    """
    endings = " ".join(FORMATS)
    if not target.suffix:
        raise OutputError(f"{target}: no such folder, and as a file it has no ending that names a format; make it, or use one of {endings}")
    if target.suffix.lower() not in FORMATS:
        raise OutputError(f"{target}: no output format named {target.suffix!r}; use one of {endings}")
    container, usual = FORMATS[target.suffix.lower()]
    chosen = subtype.upper() if subtype else "DOUBLE" if wide and usual == "FLOAT" else usual
    fitting = [name for name in soundfile.available_subtypes(container) if name not in BROKEN_WRITERS]
    if chosen not in fitting:
        raise OutputError(f"{target}: {container} cannot hold {chosen}; it takes {', '.join(fitting)}")
    limits = _limits(container, chosen)
    if not limits.hold(sample_rate, channels):
        others = " ".join(name for name, kind in FORMATS.items() if _limits(*kind).hold(sample_rate, channels))
        raise OutputError(
            f"{target}: no {chosen} at {sample_rate} Hz with {channels} channels, it takes {limits.rates} and {limits.channels} channels "
            f"at most; {f'use one of {others}' if others else 'no format holds it'}"
        )
    size = frames * channels * {"DOUBLE": 8}.get(chosen, 4)
    if container == "AIFF" and size > RF64_FROM:
        raise OutputError(f"{target}: AIFF ends at 4 GB, and this is {size / 1e9:.1f} GB of audio; use .caf, .w64 or .wav")
    if container == "WAV":
        speakers = channels > 2 or target.suffix.lower() == ".amb"
        container = "RF64" if size > RF64_FROM else "WAVEX" if speakers and soundfile.check_format("WAVEX", chosen) else "WAV"
    return FileFormat(container, chosen)


def _limits(container: str, subtype: str) -> Limits:
    return LIMITS.get(subtype) or LIMITS.get(container) or WIDE_LIMITS
