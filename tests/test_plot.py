"""The pictures: written whole, for any channel count, and refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from declipper.clipping.levels import Threshold
from declipper.errors import OutputError
from declipper.files.recording import Recording
from declipper.measure.plot import plot_clipping, plot_restoration
from declipper.pipeline import levels_of

PNG = b"\x89PNG"


@pytest.mark.parametrize(("frames", "channels"), [(300, 1), (70000, 2), pytest.param(5000, 6, marks=pytest.mark.slow)])
def test_pictures_are_written(tmp_path: Path, frames: int, channels: int) -> None:
    t = np.arange(frames) / 8000
    y = np.clip(np.sin(2 * np.pi * 100 * t), -0.6, 0.6)[:, None].repeat(channels, axis=1)
    source, fixed = tmp_path / "source.wav", tmp_path / "fixed.wav"
    soundfile.write(source, y, 8000, subtype="FLOAT")
    soundfile.write(fixed, 1.5 * y, 8000, subtype="FLOAT")
    recording = Recording(source)
    plot_clipping(recording, levels_of(recording).levels, path=tmp_path / "a.png")
    plot_restoration(recording, Recording(fixed), levels=Threshold(0.6, 0.6).levels(channels), path=tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    assert (tmp_path / "b.png").read_bytes().startswith(PNG)


def test_a_recording_whose_last_block_is_shorter_than_the_close_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("declipper.files.recording.BLOCK", 1000)
    y = np.clip(np.sin(np.arange(3050) / 20), -0.6, 0.6)
    soundfile.write(tmp_path / "source.wav", y, 8000, subtype="FLOAT")
    recording = Recording(tmp_path / "source.wav")
    plot_restoration(recording, recording, levels=Threshold(0.6, 0.6).levels(1), path=tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes().startswith(PNG)


def test_unwritable_picture_is_one_line() -> None:
    recording = Recording(Path(__file__).parent / "data" / "loop_amen_full.flac")
    with pytest.raises(OutputError, match="the picture cannot be written"):
        plot_clipping(recording, Threshold(1.0, 1.0).levels(recording.channels), path=Path("/nowhere/a.png"))
