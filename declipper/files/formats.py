"""The formats that results are written in: which container and sample type a file name and the options stand for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import soundfile

from declipper.errors import OutputError

FORMATS = {
    ".wav": ("WAV", "FLOAT"),
    ".wave": ("WAV", "FLOAT"),
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
"""Container and usual sample type by file name ending, as libsndfile names them."""
INTEGER_BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "ALAC_16": 16}
"""Bits of the sample types that are whole numbers."""
FLOATS = ("FLOAT", "DOUBLE")
"""The sample types that hold peaks above full scale."""
BROKEN_WRITERS = ("ALAC_20", "ALAC_24", "ALAC_32")
"""Sample types that libsndfile offers to write, but does not read back as it wrote them (1.2.2; stereo noise shows it)."""
RF64_FROM = (1 << 32) - (1 << 27)
"""Bytes of audio from which on a WAV file becomes RF64, and an AIFF cannot be: their sizes are numbers of 32 bits, and an eighth of a
gigabyte is left for the chunks that are carried over."""


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


def format_for(target: Path, *, channels: int, frames: int, subtype: str | None = None, wide: bool = False) -> FileFormat:
    """The format that the name `target` stands for. Raises OutputError for what libsndfile cannot write.

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
    size = frames * channels * {"DOUBLE": 8}.get(chosen, 4)
    if container == "AIFF" and size > RF64_FROM:
        raise OutputError(f"{target}: AIFF ends at 4 GB, and this is {size / 1e9:.1f} GB of audio; use .caf, .w64 or .wav")
    if container == "WAV":
        container = "RF64" if size > RF64_FROM else "WAVEX" if channels > 2 and soundfile.check_format("WAVEX", chosen) else "WAV"
    return FileFormat(container, chosen)
