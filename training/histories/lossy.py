"""Lossy codecs at random settings, for one channel: those of libsndfile, and AAC where ffmpeg is installed."""

from __future__ import annotations

import io
import shutil
import subprocess

import numpy as np
import soundfile

from declipper.clipping.arrays import Array
from declipper.training.data.codec import Codec, coded

OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
SMALL = {"ima": "IMA_ADPCM", "ms": "MS_ADPCM", "gsm": "GSM610", "mulaw": "ULAW", "alaw": "ALAW"}
"""Codes of few bits a sample, as libsndfile writes them to WAV: they delay nothing."""


def small(y: Array, rate: int, subtype: str) -> Array:
    """Through one of SMALL and back; they cut at full scale."""
    file = io.BytesIO()
    soundfile.write(file, y, rate, subtype=subtype, format="WAV")
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float64")
    return np.asarray(np.pad(decoded, (0, max(0, len(y) - len(decoded))))[: len(y)])


def aac(y: Array, rate: int, bits_per_second: int) -> Array:
    """Through ffmpeg's AAC encoder and back, aligned. Raises OSError where there is no ffmpeg or it fails."""
    raw = ["-f", "f32le", "-ar", str(rate), "-ac", "1"]
    quiet = [shutil.which("ffmpeg") or "ffmpeg", "-v", "error", "-threads", "1"]
    there = subprocess.run(
        [*quiet, *raw, "-i", "-", "-b:a", str(bits_per_second), "-f", "adts", "-"], input=y.astype("<f4").tobytes(), capture_output=True
    )
    back = subprocess.run([*quiet, "-f", "aac", "-i", "-", *raw, "-"], input=there.stdout, capture_output=True)
    decoded = np.frombuffer(back.stdout, "<f4").astype(np.float64)
    if len(decoded) < len(y) // 2:
        raise OSError("ffmpeg gave nothing back")
    return aligned(decoded, y)


def aligned(decoded: Array, y: Array) -> Array:
    """`decoded`, moved to where it fits y best, of y's length."""
    size = 1 << int(len(y) + 8192 - 1).bit_length()
    lag = int(np.argmax(np.fft.irfft(np.fft.rfft(decoded[: len(y)], size) * np.conj(np.fft.rfft(y, size)), size)))
    lag -= size if lag > size // 2 else 0
    decoded = decoded[lag:] if lag >= 0 else np.pad(decoded, (-lag, 0))
    return np.asarray(np.pad(decoded, (0, max(0, len(y) - len(decoded))))[: len(y)])


def lossy(y: Array, rate: int, name: str, rng: np.random.Generator) -> Array:
    """Through the codec of that name ("mp3", "vorbis", "opus", "aac") at a random bit rate and back."""
    if name == "mp3":
        return coded(y[:, None], rate, Codec("MP3", "MPEG_LAYER_III", float(rng.uniform(0.25, 0.9))))[:, 0]
    if name == "vorbis":
        return coded(y[:, None], rate, Codec("OGG", "VORBIS", float(rng.uniform(0.1, 0.95))))[:, 0]
    if name == "opus":
        return coded(y[:, None], rate, Codec("OGG", "OPUS", float(rng.uniform(0.3, 0.95))))[:, 0]
    return aac(y, rate, int(rng.choice([48, 64, 96, 128, 160])) * 1000)
