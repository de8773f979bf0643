"""Signals shorter than any window are restored as far as so little tells what they were."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import music

from declipper import ClipLevels, Session, declip


def gains(session: Session, frames: int) -> list[float]:
    """What restoration brings, in dB, in excerpts of music that are clipped mildly to heavily."""
    found = []
    for seed in range(0, 60, 3):
        begin = 8000 + 300 * seed
        x = music(44100, 1, seed=seed)[begin : begin + frames]
        level = (0.3, 0.55, 0.8)[seed // 3 % 3] * np.abs(x).max()
        y = np.clip(x, -level, level)
        restored = declip(y, 44100, levels=ClipLevels.constant(level, -level), session=session)
        found.append(20 * float(np.log10(np.linalg.norm(y - x) / np.linalg.norm(restored - x))))
    return found


@pytest.mark.parametrize("quality", ["best", "fast"])
def test_a_hundred_frames_hardly_ever_end_worse_than_they_began(quality: str) -> None:
    """Of 20 excerpts some lost over 20 dB: a model that was told from a dozen samples let the levels push the others anywhere."""
    gained = sorted(gains(Session(quality, "cpu"), 100))
    assert gained[0] > -4
    assert gained[1] > 0
    assert np.mean(gained) > 11


@pytest.mark.parametrize(("frames", "least"), [(20, 0.1), (40, 13.0), (60, 16.0), (100, 23.0), (200, 44.0)])
def test_live_hardly_ever_ends_worse_than_it_began(frames: int, least: float) -> None:
    """So few frames it restores without counting on the levels, of which they tell too little."""
    gained = sorted(gains(Session("live", "cpu"), frames))
    assert gained[0] > -1
    assert gained[1] > -1e-6
    assert np.mean(gained) > least


def test_what_drifts_is_not_taken_far_away() -> None:
    """A model of half as many coefficients as there are samples once led up to 28 dB further away than the clipping."""
    rng, session, gained = np.random.default_rng(0), Session("live", "cpu"), []
    for _ in range(60):
        x = np.cumsum(rng.standard_normal(40))
        level = 0.3 * np.abs(x).max()
        y = np.clip(x, -level, level)
        restored = declip(y, 44100, levels=ClipLevels.constant(level, -level), session=session)
        gained.append(20 * float(np.log10(np.linalg.norm(y - x) / np.linalg.norm(restored - x))))
    assert min(gained) > -6
