"""What each format can hold is known before the work begins, up to its edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_files import writer_of

from declipper.errors import OutputError
from declipper.files.formats import format_for


@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype", "words"),
    [
        (
            "a.ogg",
            200001,
            1,
            None,
            "at 200001 Hz with 1 channels, it takes up to 200000 Hz and 255 channels at most; use one of .wav",
        ),
        ("a.oga", 44100, 256, None, "no VORBIS at 44100 Hz with 256 channels"),
        ("a.opus", 44100, 2, None, "it takes 8000, 12000, 16000, 24000, 48000 Hz"),
        ("a.flac", 655360, 2, None, "it takes up to 655350 Hz"),
        ("a.flac", 100001, 2, None, "above 65535 Hz in steps of 10"),
        ("a.flac", 44100, 9, None, "8 channels at most"),
        ("a.mp3", 96000, 2, None, "8 to 48 kHz"),
        ("a.mp3", 44100, 3, None, "2 channels at most"),
        ("a.wav", 96000, 2, "MPEG_LAYER_III", "8 to 48 kHz"),
        ("a.caf", 44100, 9, "ALAC_16", "8 channels at most"),
        ("a.wav", 44100, 1025, None, "no format holds it"),
    ],
)
def test_limits_of_formats_are_told_before_the_work(
    tmp_path: Path, name: str, rate: int, channels: int, subtype: str | None, words: str
) -> None:
    with pytest.raises(OutputError) as raised:
        format_for(tmp_path / name, sample_rate=rate, channels=channels, frames=10, subtype=subtype)
    assert words in str(raised.value)
    if channels < 1025:
        assert ".wav" in str(raised.value).partition("use one of")[2]


@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype"),
    [
        ("a.ogg", 200000, 2, None),
        ("a.ogg", 44100, 255, None),
        ("a.opus", 24000, 2, None),
        ("a.flac", 655350, 8, None),
        ("a.flac", 65535, 8, None),
        ("a.mp3", 11025, 2, None),
        ("a.caf", 768000, 8, "ALAC_16"),
        ("a.wav", 768000, 1024, None),
    ],
)
def test_what_is_within_the_limits_can_be_written(tmp_path: Path, name: str, rate: int, channels: int, subtype: str | None) -> None:
    with writer_of(tmp_path / name, rate, channels, 64, subtype) as writer:
        writer.write(np.zeros((64, channels), np.float32))
        writer.finish()
        writer.place(overwrite=False)
    assert soundfile.info(tmp_path / name).channels == channels
