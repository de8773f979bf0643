"""What a person sees and clicks: the interface of the CLAP, on a screen in memory."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from interface import PROGRAM, Seen, seen, speaking
from material import CLAP, RATE, Audio, tones

WAVE, RESTORED, LEVEL = (92, 124, 148), (242, 140, 40), (236, 214, 72)
"""The colours of interface.cpp."""
PANEL = slice(12, 208), slice(12, 492)
"""Where the sound is drawn: rows and columns."""
DELTA = (270, 252)
"""The middle of its button, (x, y)."""
MAKEUP = (450, 300)
"""On its slider, right of the middle."""

pytestmark = pytest.mark.skipif(not PROGRAM.exists() or shutil.which("Xvfb") is None, reason="needs Xvfb, and a build with the interface")


def drawn(shown: Seen, color: tuple[int, int, int]) -> np.ndarray:
    """Which pixels of the drawn sound have a colour, but for what is blended at edges."""
    return np.asarray((np.abs(shown.picture[PANEL].astype(int) - color) <= 3).all(axis=2))


def test_sound_levels_and_what_was_restored_are_drawn() -> None:
    shown = seen(speaking())
    wave, restored, level = (drawn(shown, color) for color in (WAVE, RESTORED, LEVEL))
    assert wave.sum() > 5000
    assert restored.sum() > 500
    above, below = (np.flatnonzero(half.any(axis=1)) for half in np.split(level, 2))
    assert len(above)
    assert len(below)
    top, bottom = int(np.median(above)), len(level) // 2 + int(np.median(below))
    assert not wave[: top - 2].any(), "what came in lies between the levels"
    assert not wave[bottom + 3 :].any()
    assert restored[: top - 2].any(), "and what was restored beyond them"
    assert restored[bottom + 3 :].any()
    assert shown.values["clipped_pct"] > 1


def test_where_nothing_is_clipped_nothing_is_restored() -> None:
    shown = seen(tones(2, level=np.float32(9)) * np.float32(0.3))
    assert drawn(shown, WAVE).sum() > 5000
    assert not drawn(shown, RESTORED).any()
    assert not drawn(shown, LEVEL).any()


def test_silence() -> None:
    shown = seen(np.zeros((RATE, 2), np.float32))
    assert not drawn(shown, RESTORED).any()


@pytest.mark.parametrize(
    ("plugin", "audio"), [(CLAP, tones(0.5)), (CLAP.with_name("declipper-mono.clap"), tones(0.5, channels=1))], ids=["stereo", "mono"]
)
def test_a_click_on_delta_turns_it_on(plugin: Path, audio: Audio) -> None:
    assert seen(audio, plugin=plugin).values["delta"] == 0
    values = seen(audio, *DELTA, plugin=plugin).values
    assert values["delta"] == 1
    assert values["dpf_bypass"] == 0


def test_a_click_on_a_slider_moves_it() -> None:
    values = seen(tones(0.5), *MAKEUP).values
    assert 2 < values["makeup"] < 8
    assert values["mix"] == 100
