"""The pauses of a recording that was clipped, levelled and coded are left alone: what is quiet beside what is loud was not cut off."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from plateaus import RATE, notes, nothing_in

from declipper.clipping.arrays import Array, Mask
from declipper.clipping.levels import clip, mask_of
from declipper.clipping.runs import ClippedRuns
from declipper.detection.detector import find_levels
from declipper.detection.marks import worthwhile
from declipper.engine.session import Session
from declipper.engine.stream import declip
from declipper.training.histories.levelling import agc
from declipper.training.histories.lossy import lossy, small

ROOM = 3e-5
"""Deviation of the noise that is heard in the pauses, 90 dB below full scale."""
WELL_BELOW = 0.05


def with_pauses(rate: int, codec: str, overload: float = 4.0) -> tuple[Array, Mask]:
    """Notes with a pause in each second, clipped at 1 / `overload` of their peak, then levelled and coded: (frames,), and the pauses."""
    x = soxr.resample(notes(1, 4.0)[:, 0], RATE, rate)
    pause = np.arange(len(x)) / rate % 1 > 0.6
    y = clip(overload * x * ~pause / np.abs(x).max(), 1.0, -1.0)
    y = y * agc(y, rate, 12.0, np.random.default_rng(0))
    y = y / (1.2 * np.abs(y).max()) + np.random.default_rng(5).normal(0, ROOM, len(y))
    coded = small(y, rate, "IMA_ADPCM") if codec == "ima" else lossy(y, rate, codec, np.random.default_rng(1))
    return coded.astype(np.float32), pause


@pytest.mark.parametrize(("rate", "codec"), [(8000, "opus"), *((r, c) for r in (16000, 48000) for c in ("ima", "opus", "vorbis", "mp3"))])
def test_a_pause_is_left_alone_after_a_gain_control_and_a_codec(rate: int, codec: str) -> None:
    y, pause = with_pauses(rate, codec)
    mask = mask_of(y[:, None], find_levels(y))[:, 0]
    assert mask[~pause].mean() > 0.05
    quiet = pause & (np.abs(y) < WELL_BELOW * np.abs(y).max())
    assert mask[quiet].mean() < 1e-3


@pytest.mark.parametrize(("rate", "codec"), [(16000, "opus"), (16000, "ima")])
def test_nothing_in_a_pause_is_raised(rate: int, codec: str) -> None:
    y, pause = with_pauses(rate, codec)
    restored = declip(y, rate, session=Session("fast", "cpu"))
    quiet = pause & (np.abs(y) < WELL_BELOW * np.abs(y).max())
    assert np.abs(restored).max() > 1.2 * np.abs(y).max()
    assert np.abs(restored[quiet]).max() < 2 * np.abs(y[quiet]).max()


@pytest.mark.parametrize("codec", ["ima", "opus", "vorbis", "mp3"])
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_no_alarm_on_pauses_alone(rate: int, codec: str) -> None:
    nothing_in(with_pauses(rate, codec, 0.9)[0])


def test_a_run_must_be_the_surer_the_lower_it_lies_under_what_is_around() -> None:
    y = np.full((3000, 1), 1e-3)
    y[[1000, 1200, 2500], 0] = 1.0, 0.1, 0.5
    likelihood = np.zeros((3000, 1))
    likelihood[[1000, 1200, 2500]] = 0.45
    for first, gain in ((0, 1.0), (77, 2.0**-100)):
        runs = ClippedRuns.of(gain * y, likelihood > 0, first=first)
        assert worthwhile(runs, gain * y, likelihood, first=first).tolist() == [True, False, True]
    likelihood[1200] = 0.99
    assert worthwhile(ClippedRuns.of(y, likelihood > 0), y, likelihood).all()
