"""Plateaus that noise, a resampler or a lossy codec has blurred are found, and the level lies below their scatter."""

import conftest
import numpy as np
import pytest
import soundfile
import soxr
from plateaus import RATE, check_levels, notes, overloaded

from declipper.clipping.levels import clip, mask_of
from declipper.detection.detector import find_levels
from declipper.training.data.codec import MP3, VORBIS, coded


@pytest.mark.parametrize("level", [1.0, 0.1])
def test_noise_on_the_plateau(level):
    x, truth = overloaded(level)
    y = clip(x, level, -level) + np.random.default_rng(1).normal(0, 10 ** (-70 / 20), x.shape)
    check_levels(y, truth, level, 0.98, 0.9, 0.2)


def test_the_level_lies_lower_where_the_plateau_is_noisier():
    x, truth = overloaded(0.5)
    half = len(x) // 2
    noise = np.random.default_rng(1).normal(0, 1, x.shape) * np.where(np.arange(len(x)) < half, 5e-4, 5e-3)[:, None]
    y = clip(x, 0.5, -0.5) + noise
    levels = find_levels(y)
    mask = mask_of(y, levels)
    for part, least, most in (slice(half), 0.003, 0.03), (slice(half, None), 0.035, 0.07):
        positive, negative = levels.between(*part.indices(len(x))[:2])
        for level in positive, -negative:
            assert least <= 1 - np.median(level) / 0.5 <= most
        assert (mask & truth)[part].sum() >= 0.999 * truth[part].sum()


@pytest.mark.parametrize("frames", [20, 2000, 8000])
def test_a_blow_above_a_noisy_plateau_leaves_the_level_where_it_was(frames):
    x = 2 * notes(seconds=20.0)[:, 0]
    y = clip(x, 0.5, -0.5) + np.random.default_rng(1).normal(0, 1e-3, len(x))
    struck = y.copy()
    struck[300000 : 300000 + frames] += 0.2 * np.hanning(frames)
    alone, beside = find_levels(y), find_levels(struck)
    assert beside.positive.min() >= 0.98 * alone.positive.min()
    assert beside.positive.max() <= 1.01 * alone.positive.max()


@pytest.mark.parametrize("rate", [48000, 88200])
def test_resampled(rate):
    x, _ = overloaded(0.8)
    y = soxr.resample(clip(x, 0.8, -0.8), RATE, rate)
    check_levels(y, np.abs(soxr.resample(x, RATE, rate)) > 0.8, 0.8, 0.96, 0.85, 1.0)


@pytest.mark.parametrize(("container", "subtype"), [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS")])
def test_lossy_coded(tmp_path, container, subtype):
    x, truth = overloaded(0.8)
    path = tmp_path / "coded"
    with soundfile.SoundFile(path, "w", RATE, 1, subtype, format=container, compression_level=0.4) as file:
        for start in range(0, len(x), RATE):
            file.write(clip(x, 0.8, -0.8)[start : start + RATE])
    y = soundfile.read(path, always_2d=True)[0]
    assert len(y) == len(x)
    check_levels(y, truth, 0.8, 0.93, 0.6, 1.5)


@pytest.mark.parametrize(("codec", "share"), [(MP3, 0.3), (VORBIS, 0.5)])
def test_clipped_so_heavily_that_the_codec_rounds_all_tops(codec, share):
    x = notes()
    level = share * np.sqrt(np.mean(np.square(x)))
    levels = find_levels(coded(0.5 / level * clip(x, level, -level), RATE, codec))
    for found in levels.positive[0, 0], -levels.negative[0, 0]:
        assert 0.35 <= found <= 0.5


def test_few_excursions_are_enough_where_a_codec_left_them_flat():
    levels = find_levels(coded(0.5 / 0.9 * clip(conftest.music(2 * RATE, 1, seed=2), 0.9, -0.9), RATE, MP3))
    for found in levels.positive[0, 0], -levels.negative[0, 0]:
        assert 0.45 <= found <= 0.5


@pytest.mark.parametrize("seed", range(4))
def test_a_dense_mix_clipped_then_coded(seed):
    x = notes(seed, 10.0) + np.random.default_rng(seed).normal(0, 0.02, (10 * RATE, 1))
    x /= 0.55 * np.abs(x).max()
    y = coded(clip(x, 1.0, -1.0), RATE, VORBIS)
    levels, truth = find_levels(y), np.abs(x) > 1.0
    for found in levels.positive[0, 0], -levels.negative[0, 0]:
        assert 0.85 <= found <= 0.95
    assert (mask_of(y, levels) & truth).sum() >= 0.97 * truth.sum()
