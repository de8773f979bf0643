"""Clipped samples are found whatever came after the clipping: noise, a resampler, a codec, a filter, a gain that rides."""

import numpy as np
import pytest
import scipy.signal
import soxr
from plateaus import RATE, check_mask, notes, overloaded

from declipper.clipping.levels import clip
from declipper.training.data.codec import MP3, VORBIS, coded
from declipper.training.studies.detection.cases import quantise


@pytest.mark.parametrize("noise_db", [-70, -50, -40])
def test_noise_on_the_plateau(noise_db):
    x, truth = overloaded(0.8)
    check_mask(clip(x, 0.8, -0.8) + np.random.default_rng(1).normal(0, 10 ** (noise_db / 20), x.shape), truth, 0.97, 0.75)


@pytest.mark.parametrize("bits", [16, None])
@pytest.mark.parametrize("rate", [22050, 48000, 88200])
def test_another_sample_rate_and_overshoots_cut_at_full_scale(rate, bits):
    x, _ = overloaded(1.0)
    y, truth = soxr.resample(clip(x, 1.0, -1.0), RATE, rate), np.abs(soxr.resample(x, RATE, rate)) > 1.0
    check_mask(quantise(y, bits) if bits else y, truth, 0.95, 0.75)


@pytest.mark.parametrize("bits", [16, None])
@pytest.mark.parametrize("codec", [MP3, VORBIS])
def test_a_lossy_codec(codec, bits):
    x, truth = overloaded(1.0)
    y = coded(clip(x, 1.0, -1.0), RATE, codec)
    check_mask(quantise(y, bits) if bits else y, truth, 0.9, 0.6)


@pytest.mark.parametrize("hertz", [20, 80])
def test_a_high_pass(hertz):
    x, truth = overloaded(0.8)
    y = scipy.signal.lfilter(*scipy.signal.butter(1, hertz, "high", fs=RATE), clip(x, 0.8, -0.8), axis=0)
    check_mask(quantise(y, 16), truth, 0.9, 0.7)


@pytest.mark.parametrize(("decibels_per_second", "recall"), [(-6, 0.98), (3, 0.98), (20, 0.76)])
def test_a_gain_that_rides(decibels_per_second, recall):
    x, truth = overloaded(0.8)
    gain = 10 ** (decibels_per_second * np.arange(len(x)) / RATE / 20)
    y = clip(x, 0.8, -0.8) * (gain / gain.max())[:, None]
    check_mask(quantise(y, 16), truth, recall, 0.9)


def test_a_level_that_steps():
    x, truth = overloaded(0.8)
    half = np.where(np.arange(len(x)) < len(x) // 2, 1.0, 0.5)[:, None]
    check_mask(quantise(clip(x, 0.8, -0.8) * half, 16), truth, 0.97, 0.75)


@pytest.mark.parametrize("seed", range(3))
def test_a_dense_mix_clipped_then_coded(seed):
    x = notes(seed, 10.0) + np.random.default_rng(seed).normal(0, 0.02, (10 * RATE, 1))
    x /= 0.55 * np.abs(x).max()
    check_mask(coded(clip(x, 1.0, -1.0), RATE, VORBIS), np.abs(x) > 1.0, 0.77, 0.77)
