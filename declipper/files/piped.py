"""Audio from a pipe, as it comes: WAV, or raw samples whose format is given."""

from __future__ import annotations

from collections.abc import Iterator

import soundfile

from declipper.clipping.arrays import Array, finite
from declipper.errors import InputError

RAW = {"s16": "PCM_16", "s24": "PCM_24", "s32": "PCM_32", "f32": "FLOAT"}
"""Raw little-endian sample formats, as libsndfile names them."""
PIECE = 256
"""Frames read at once, 6 ms at 44.1 kHz: what comes is passed on without waiting for more."""


class PipedAudio:
    """Standard input, or another open file descriptor, as a signal without a known end."""

    def __init__(self, raw: str | None, *, sample_rate: int | None, channels: int | None, descriptor: int = 0) -> None:
        """`raw` None: the pipe holds WAV, which tells its rate and channels itself. Raises InputError for what is neither."""
        try:
            if raw is None:
                self._file = soundfile.SoundFile(descriptor, closefd=False)
            else:
                self._file = soundfile.SoundFile(
                    descriptor, "r", sample_rate, channels, RAW[raw], endian="LITTLE", format="RAW", closefd=False
                )
        except soundfile.LibsndfileError as error:
            raise InputError(
                f"<stdin>: not WAV ({error.error_string.strip()}); pipe WAV in, or raw samples with --raw, --samplerate and --channels; "
                "of other files with ffmpeg -i FILE -c:a pcm_f32le -f wav -"
            ) from error
        self.name = "<stdin>"
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels

    def blocks(self) -> Iterator[Array]:
        """Blocks (frames, channels) float32 as they come; what is not a number becomes silence. Raises InputError where none comes."""
        frames = 0
        try:
            while len(block := self._file.read(PIECE, dtype="float32", always_2d=True)):
                frames += len(block)
                yield finite(block)
        except soundfile.LibsndfileError as error:
            raise InputError(f"<stdin>: cannot be read on ({error.error_string.strip()}); check what writes into the pipe") from error
        if not frames:
            raise InputError("<stdin>: ended before the first frame of audio was whole; check what writes into the pipe")
