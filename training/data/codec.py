"""Through a lossy codec and back, as libsndfile has them: what many clipped recordings have been through since."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import scipy.fft
import soundfile

from declipper.clipping.arrays import Array


class Codec(NamedTuple):
    """A format of libsndfile and its compression level: MP3 takes 320 - 288 * level kbit/s, Vorbis the quality 10 * (1 - level)."""

    container: str
    subtype: str
    level: float


MP3 = Codec("MP3", "MPEG_LAYER_III", 2 / 3)
"""128 kbit/s."""
VORBIS = Codec("OGG", "VORBIS", 0.6)
"""Quality 4."""
MP3_RATES = 32000, 44100, 48000
"""Sample rates at which MP3 takes these bit rates."""
ALIGNED_BY = 1 << 17
"""Length of the correlation that finds the codec's delay: 1.5 s, far more than any codec delays."""


def coded(audio: Array, rate: int, codec: Codec) -> Array:
    """What comes back of audio (frames, channels), float64 of its shape, aligned with it by the peak of their correlation."""
    file = io.BytesIO()
    mode = {"bitrate_mode": "CONSTANT"} if codec.container == "MP3" else {}
    channels = audio.shape[1]
    with soundfile.SoundFile(
        file, "w", rate, channels, subtype=codec.subtype, format=codec.container, compression_level=codec.level, **mode
    ) as out:
        for start in range(0, len(audio), rate):
            out.write(audio[start : start + rate].astype(np.float32))
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float64", always_2d=True)
    spectra = [scipy.fft.rfft(v[: ALIGNED_BY // 2, 0], ALIGNED_BY) for v in (decoded, audio)]
    lag = int(np.argmax(scipy.fft.irfft(spectra[0] * np.conj(spectra[1]))))
    lag -= ALIGNED_BY if lag > ALIGNED_BY // 2 else 0
    decoded = decoded[lag:] if lag >= 0 else np.pad(decoded, ((-lag, 0), (0, 0)))
    return np.asarray(np.pad(decoded, ((0, max(0, len(audio) - len(decoded))), (0, 0)))[: len(audio)])
