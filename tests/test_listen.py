"""What the documentation lets one hear: before and after of five sounds, equally loud, and small."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from declipper.training.data.made import band, drum_loop
from declipper.training.judging.listen import PEAK, RATE, SOUNDS, equally_loud, lufs

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", [sound.name for sound in SOUNDS])
def test_before_and_after_are_equally_loud_and_the_peaks_are_back(name: str) -> None:
    (before, rate), (after, _) = (soundfile.read(DOCS / "audio" / f"{name}-{place}.flac") for place in ("before", "after"))
    assert rate == RATE
    assert before.shape == after.shape
    assert lufs(before) == pytest.approx(lufs(after), abs=0.05)
    assert max(np.abs(before).max(), np.abs(after).max()) == pytest.approx(PEAK, abs=1e-3)
    assert np.abs(after).max() > 1.2 * np.abs(before).max()


def test_the_page_plays_all_of_them_and_they_are_small() -> None:
    page = (DOCS / "listen.md").read_text()
    played = re.findall(r'<audio [^>]*src="([^"]+)"', page)
    files = sorted((DOCS / "audio").iterdir())
    assert sorted(played) == [f"audio/{file.name}" for file in files]
    assert len(files) == 2 * len(SOUNDS)
    assert sum(file.stat().st_size for file in files) < 1_000_000
    gains = [float(gain) for gain in re.findall(r"([\d.]+) dB gained", page)]
    assert len(gains) == 4
    assert min(gains) > 5


def test_loudness_is_matched_whatever_the_levels_were() -> None:
    loud, soft = equally_loud(drum_loop(RATE, 1.0) * 3, 0.01 * band(RATE, 1.0))
    assert lufs(loud) == pytest.approx(lufs(soft), abs=0.05)
    assert max(np.abs(loud).max(), np.abs(soft).max()) == pytest.approx(PEAK, abs=1e-5)
