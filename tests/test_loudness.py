"""The block-wise meter is the whole-array one; the limiter holds its ceiling."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
from conftest import music

from declipper.measure.loudness import LoudnessMeter, limit, limiter_reach


def measured(audio: np.ndarray, rate: int, sizes: tuple[int, ...] = (1000,)) -> LoudnessMeter:
    meter = LoudnessMeter(rate, audio.shape[1])
    start, turn = 0, 0
    while start < len(audio):
        meter.push(audio[start : start + sizes[turn % len(sizes)]])
        start, turn = start + sizes[turn % len(sizes)], turn + 1
    return meter


def gated(rate: int, channels: int) -> np.ndarray:
    """3 s loud, 3 s some 30 dB lower, 2 s of silence: both gates have work."""
    loud = music(3 * rate, channels, 0.8)
    return np.concatenate([loud, 0.03 * loud, np.zeros((2 * rate, channels))])


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
def test_agrees_with_pyloudnorm(rate: int, channels: int) -> None:
    audio = gated(rate, channels)
    expected = pyloudnorm.Meter(rate).integrated_loudness(audio)
    assert measured(audio, rate).integrated() == pytest.approx(expected, abs=0.01)
    # without its gates it would be well off
    assert measured(audio, rate).integrated() > measured(audio[: 6 * rate], rate).integrated() - 0.2
    assert measured(0.03 * audio, rate).integrated() < expected - 25


@pytest.mark.parametrize("sizes", [(1,), (7, 1, 4410, 0, 333), (100000,)])
def test_any_division_into_blocks(sizes: tuple[int, ...]) -> None:
    audio = music(5000, 2)
    whole = measured(audio, 8000, (5000,))
    parts = measured(audio, 8000, sizes)
    assert parts.integrated() == pytest.approx(whole.integrated(), abs=1e-9)
    assert parts.true_peak() == pytest.approx(whole.true_peak(), abs=1e-9)


def test_a_sine_of_known_loudness() -> None:
    """BS.1770: a 997 Hz sine at 0 dBFS in one channel reads -3.01 LUFS."""
    t = np.arange(48000 * 2)[:, None] / 48000
    assert measured(np.sin(2 * np.pi * 997 * t), 48000).integrated() == pytest.approx(-3.01, abs=0.05)


def test_silence_and_short_signals_have_no_loudness() -> None:
    assert measured(np.zeros((48000, 2)), 48000).integrated() == -np.inf
    assert measured(music(1000), 48000).integrated() == -np.inf
    assert LoudnessMeter(48000, 2).integrated() == -np.inf
    assert LoudnessMeter(48000, 2).true_peak() == 0.0


def test_surround_channels_weigh_more_and_lfe_nothing() -> None:
    tone = music(48000, 1, 0.5)

    def loudness(channel: int) -> float:
        audio = np.zeros((48000, 6))
        audio[:, channel] = tone[:, 0]
        return measured(audio, 48000).integrated()

    assert loudness(4) - loudness(0) == pytest.approx(10 * np.log10(1.41), abs=1e-6)
    assert loudness(3) == -np.inf


def test_true_peak_is_never_below_the_sample_peak() -> None:
    for seed in range(5):
        audio = np.random.default_rng(seed).standard_normal((500, 2))
        audio[-1] = 9
        assert measured(audio, 44100, (64,)).true_peak() >= 9


def test_true_peak_between_samples() -> None:
    """A sine at a quarter of the sample rate, sampled 45 degrees off its peaks, up to the last sample."""
    sine = np.sin(np.pi / 2 * np.arange(2000) + np.pi / 4)[:, None]
    assert np.abs(sine).max() < 0.7072
    assert measured(sine, 44100).true_peak() == pytest.approx(1.0, abs=0.05)
    late = np.concatenate([np.zeros((2000, 1)), sine[:24]])
    assert measured(late, 44100).true_peak() > 0.95


@pytest.mark.parametrize("rate", [8000, 44100, 192000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limiter_holds_its_ceiling_and_leaves_quiet_parts(rate: int, dtype: type) -> None:
    audio = (0.3 * music(6000, 2, 1.0)).astype(dtype)
    audio[3000, 1] = -2.5
    audio[3001, 0] = 1.7
    limited = limit(audio, rate)
    assert limited.dtype == dtype
    assert np.abs(limited).max() <= 1.0
    reach = limiter_reach(rate)
    untouched = np.r_[0 : max(0, 3000 - reach), min(6000, 3002 + reach) : 6000]
    np.testing.assert_array_equal(limited[untouched], audio[untouched])
    # one gain for all channels
    changed = np.abs(limited - audio).max(axis=1) > 1e-3
    gains = limited[changed] / audio[changed]
    assert np.abs(gains[:, 0] - gains[:, 1]).max() < 1e-2


@pytest.mark.parametrize("turned", [1, -1])
def test_the_limiter_cuts_no_plateaus_at_the_ends(turned: int) -> None:
    """A take that begins, or ends, in the middle of a loud tone."""
    audio = 2 * np.cos(2 * np.pi * 100 * np.arange(8000) / 44100)[::turned, None]
    limited = limit(audio, 44100)
    assert np.abs(limited).max() <= 1
    assert (np.abs(limited) > 1 - 1e-9).sum() <= 2 * 8000 * 100 / 44100 + 2  # the tops alone
    np.testing.assert_array_equal(limit(audio[:1], 44100), [[1.0]])
