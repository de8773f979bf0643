from functools import lru_cache
from pathlib import Path

import conftest
import numpy as np
import pytest
import soundfile
import soxr

from declipper.clipping.levels import clip, mask_of
from declipper.detection import evidence
from declipper.detection.detector import CHUNK, LevelDetector, find_levels
from declipper.training.data.codec import MP3, VORBIS, coded
from declipper.training.studies.detection import loud_masters

RATE = 44100
DATA = Path(__file__).parent / "data"


@lru_cache
def music(seed=0, seconds=5.0, channels=1):
    """Notes that die away, with harmonics, and some noise: (frames, channels), peak about 1."""
    rng = np.random.default_rng(seed)
    frames = int(seconds * RATE)
    out = rng.normal(0, 0.02, (frames, channels))
    for begin in range(0, frames, RATE // 5):
        t = np.arange(min(RATE, frames - begin)) / RATE
        for _ in range(2):
            hertz, decay = 55 * 2 ** (rng.integers(0, 36) / 12), rng.uniform(3, 12)
            for harmonic in range(1, 8):
                shape = np.sin(2 * np.pi * harmonic * hertz * t + rng.uniform(0, 6.28)) * np.exp(-decay * t) / harmonic
                out[begin : begin + len(t)] += rng.uniform(0.2, 1) * shape[:, None] * rng.uniform(0.7, 1, channels)
    return out / np.abs(out).max()


def quantise(x, bits):
    top = 2.0 ** (bits - 1)
    return np.clip(np.rint(x * top), -top, top - 1) / top


def overloaded(level=1.0, seed=0, channels=1):
    """A signal whose peaks reach four times `level`, and where they exceed it."""
    x = 4 * level * music(seed, channels=channels)
    return x, np.abs(x) > level


def check(y, truth, level, recall=0.999, precision=0.97, tolerance_db=0.02):
    """Both polarities found, from `tolerance_db` below `level` to hardly above it, and the mask right."""
    levels = find_levels(y)
    up, down = levels.positive.min(), levels.negative.max()
    for found in (up, -down):
        assert np.isfinite(found)
        assert -tolerance_db <= 20 * np.log10(found / level) <= 0.01
    mask = mask_of(y, levels)
    assert (mask & truth).sum() >= recall * truth.sum()
    assert (mask & truth).sum() >= precision * mask.sum()
    return levels


def nothing_in(y):
    levels = find_levels(np.asarray(y, np.float32))
    assert not levels.any, (levels.positive, levels.negative)


@pytest.mark.parametrize("bits", [16, 24])
def test_full_scale(bits):
    x, truth = overloaded()
    check(quantise(x, bits), truth, 1.0)


@pytest.mark.parametrize("bits", [16, None])
@pytest.mark.parametrize("dbfs", [6.0, 0.0, -0.07, -1.0, -6.0, -20.0])
def test_any_height(dbfs, bits):
    level = 10 ** (dbfs / 20)
    if bits and dbfs > 0:
        pytest.skip("no integers above full scale")
    x, truth = overloaded(level)
    y = clip(x, level, -level)
    check(quantise(y, bits) if bits else y.astype(np.float32), truth, level)


def test_samples_scaled_like_integers():
    x, truth = overloaded(32767.0)
    check(clip(x, 32767.0, -32767.0).astype(np.float32), truth, 32767.0)


def test_little_clipping_is_found():
    x = music()
    level = np.sort(np.abs(x[:, 0]))[-60]
    check(quantise(clip(x, level, -level), 16), np.abs(x) > level, level, precision=0.85)


@lru_cache
def bells():
    """High notes struck at random, of which a crest takes a few samples: (frames, 1), peak 1."""
    rng = np.random.default_rng(3)
    out = rng.normal(0, 1e-3, 20 * RATE)
    t = np.arange(RATE) / RATE
    for begin in rng.integers(0, len(out) - RATE, 60):
        hertz = rng.uniform(5000, 7000)
        out[begin : begin + RATE] += rng.uniform(0.3, 1) * np.exp(-rng.uniform(5, 15) * t) * np.sin(2 * np.pi * hertz * t)
    return (out / np.abs(out).max())[:, None]


@pytest.mark.parametrize("bits", [16, None])
@pytest.mark.parametrize("clipped", [40, 400])
def test_high_notes_that_are_above_the_level_for_a_sample_or_two(clipped, bits):
    x = bells()
    level = np.sort(np.abs(x[:, 0]))[-clipped]
    y = clip(x, level, -level)
    check(quantise(y, bits) if bits else y.astype(np.float32), np.abs(x) > level, level, precision=0.85)


@pytest.mark.parametrize("bits", [16, None])
def test_no_alarm_on_high_notes_through_a_limiter(bits):
    _, limited = next(loud_masters([("bells", bells()[:, 0], RATE)]))
    nothing_in(quantise(limited, bits) if bits else limited)


@pytest.mark.parametrize("bits", [16, None])
def test_high_notes_clipped_and_then_played_again_and_again(bits):
    x = np.tile(bells()[: 4 * RATE], (5, 1))
    level = np.sort(np.abs(x[:, 0]))[-400]
    y = clip(x, level, -level)
    check(quantise(y, bits) if bits else y.astype(np.float32), np.abs(x) > level, level, precision=0.85)


def test_no_alarm_on_a_sample_played_again_and_again():
    rng = np.random.default_rng(0)
    sample = rng.uniform(-0.3, 0.3, 400)
    sample[200:202] = 0.5
    nothing_in(np.tile(np.concatenate([sample, np.zeros(RATE // 3)]), 40)[:, None])


def test_one_sided():
    x, _ = overloaded(0.25)
    levels = find_levels(quantise(clip(x, 0.25, -2.0), 16))
    assert levels.positive[0, 0] == pytest.approx(0.25, rel=1e-3)
    assert levels.negative[0, 0] == -np.inf


@pytest.mark.parametrize("bits", [16, None])
@pytest.mark.parametrize("polarity", [1, -1])
def test_a_polarity_that_hardly_reaches_the_level_of_the_other(bits, polarity):
    x, _ = overloaded(0.25)
    few = 0.25 / np.sort(-x[:, 0])[-2]  # which brings one sample below the level, and one to it
    y = polarity * clip(np.where(x < 0, few * x, x), 0.25, -0.25)
    y = quantise(y, bits) if bits else y
    levels = find_levels(y)
    for found in levels.positive[0, 0], -levels.negative[0, 0]:
        assert found == pytest.approx(0.25, rel=1e-3)
    higher = find_levels(np.where(polarity * y < 0, 0.99 * y, y))  # the same shape, but not at the same height
    assert np.isinf([higher.positive[0, 0], higher.negative[0, 0]]).sum() == 1


def test_asymmetric():
    x, _ = overloaded(0.5)
    levels = find_levels(quantise(clip(x, 0.9, -0.4), 16))
    assert levels.positive[0, 0] == pytest.approx(0.9, rel=1e-3)
    assert levels.negative[0, 0] == pytest.approx(-0.4, rel=1e-3)


@pytest.mark.parametrize("offset", [0.03, 0.3])
def test_direct_current_after_clipping(offset):
    x, truth = overloaded(0.5)
    y = quantise(clip(x, 0.5, -0.5) + offset, 16)
    levels = find_levels(y)
    assert levels.positive[0, 0] == pytest.approx(0.5 + offset, rel=1e-3)
    assert levels.negative[0, 0] == pytest.approx(offset - 0.5, rel=1e-3)
    assert (mask_of(y, levels) & truth).sum() >= 0.999 * truth.sum()


@pytest.mark.parametrize("level", [0.9661, 0.96607, 0.1, 0.10002])
def test_dither(level):
    x, truth = overloaded(level)
    rng = np.random.default_rng(1)
    dither = (rng.random(x.shape) - rng.random(x.shape)) / 32768
    check(quantise(clip(x, level, -level) + dither, 16), truth, level, 0.99, 0.9, 0.05)


@pytest.mark.parametrize("level", [1.0, 0.1])
def test_noise_on_the_plateau(level):
    x, truth = overloaded(level)
    y = clip(x, level, -level) + np.random.default_rng(1).normal(0, 10 ** (-70 / 20), x.shape)
    check(y, truth, level, 0.98, 0.9, 0.2)


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
    x = 2 * music(seconds=20.0)[:, 0]
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
    check(y, np.abs(soxr.resample(x, RATE, rate)) > 0.8, 0.8, 0.96, 0.85, 1.0)


@pytest.mark.parametrize(("container", "subtype"), [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS")])
def test_lossy_coded(tmp_path, container, subtype):
    x, truth = overloaded(0.8)
    path = tmp_path / "coded"
    with soundfile.SoundFile(path, "w", RATE, 1, subtype, format=container, compression_level=0.4) as file:
        for start in range(0, len(x), RATE):
            file.write(clip(x, 0.8, -0.8)[start : start + RATE])
    y = soundfile.read(path, always_2d=True)[0]
    assert len(y) == len(x)
    check(y, truth, 0.8, 0.93, 0.6, 1.5)


@pytest.mark.parametrize(("codec", "share"), [(MP3, 0.3), (VORBIS, 0.5)])
def test_clipped_so_heavily_that_the_codec_rounds_all_tops(codec, share):
    x = music()
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
    x = music(seed, 10.0) + np.random.default_rng(seed).normal(0, 0.02, (10 * RATE, 1))
    x /= 0.55 * np.abs(x).max()
    y = coded(clip(x, 1.0, -1.0), RATE, VORBIS)
    levels, truth = find_levels(y), np.abs(x) > 1.0
    for found in levels.positive[0, 0], -levels.negative[0, 0]:
        assert 0.85 <= found <= 0.95
    assert (mask_of(y, levels) & truth).sum() >= 0.97 * truth.sum()


@pytest.mark.parametrize("codec", [None, MP3, VORBIS])
@pytest.mark.parametrize("seed", range(2))
def test_no_alarm_on_round_waves_through_a_limiter(seed, codec):
    x = np.convolve(music(seed, 20.0)[:, 0], np.hanning(200), mode="same")
    _, limited = next(loud_masters([("bass", x, RATE)]))
    nothing_in(limited if codec is None else coded(limited, RATE, codec))


@pytest.mark.parametrize("decay", [5, 10, 20])
def test_no_alarm_on_a_square_tone_that_dies_away(decay):
    t = np.arange(2 * RATE) / RATE
    nothing_in((0.5 * np.exp(-decay * t) * np.sign(np.sin(2 * np.pi * 440 * t)))[:, None])


def test_no_alarm_on_a_few_sharp_peaks_of_one_height():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.02, (5 * RATE, 1))
    x[rng.integers(0, len(x), 12)] = 0.5 + rng.uniform(-1e-3, 1e-3, (12, 1))
    nothing_in(x)


@pytest.mark.parametrize("hertz", [110, 440, 1000])
def test_no_alarm_on_a_rounded_tone_that_hardly_changes(hertz):
    t = np.arange(8 * RATE) / RATE
    vibrato = np.sin(2 * np.pi * hertz * t + 3 * np.sin(2 * np.pi * 5 * t))
    noise = np.random.default_rng(0).normal(0, 0.005, t.shape)
    nothing_in((0.5 * np.tanh(1.2 * vibrato) / np.tanh(1.2) + noise)[:, None])


def test_fade_after_clipping():
    x, truth = overloaded(0.9)
    gain = np.linspace(1.0, 0.2, len(x))[:, None]
    y = quantise(gain * clip(x, 0.9, -0.9), 16)
    levels = find_levels(y)
    mask = mask_of(y, levels)
    assert len(levels.times) > 10
    assert (mask & truth).sum() >= 0.95 * truth.sum()
    assert (mask & truth).sum() >= 0.9 * mask.sum()


def test_gain_step_after_clipping():
    x, truth = overloaded(0.9)
    gain = np.where(np.arange(len(x)) < len(x) // 2, 1.0, 0.6)[:, None]
    y = quantise(gain * clip(x, 0.9, -0.9), 16)
    mask = mask_of(y, find_levels(y))
    assert (mask & truth).sum() >= 0.95 * truth.sum()
    assert (mask & truth).sum() >= 0.9 * mask.sum()


def test_a_changing_level_ends_where_something_louder_begins():
    """A gain step after clipping, then a passage that never clipped, with peaks above both levels."""
    x, _ = overloaded(0.9)
    loud = 0.95 * music() / np.abs(music()).max()
    y = np.concatenate([clip(x, 0.9, -0.9), 0.6 * clip(x, 0.9, -0.9), loud])
    mask = mask_of(y, find_levels(y))
    assert mask[: 2 * len(x)].mean() > 0.9 * np.mean(np.abs(np.concatenate([x, x])) >= 0.9)
    assert not mask[2 * len(x) + CHUNK :].any()
    back = mask_of(y[::-1], find_levels(y[::-1]))
    assert not back[: len(loud) - CHUNK].any()


@pytest.mark.parametrize("kind", ["a step of 8 bits", "clicks"])
def test_a_channel_of_a_value_or_two_beside_an_exact_plateau_is_left_alone(kind):
    x, _ = overloaded(1.0)
    left = quantise(clip(x[:, 0], 1.0, -1.0), 8)
    right = np.random.default_rng(0).integers(-1, 2, len(x)) / 128
    if kind == "clicks":
        right = np.where(np.arange(len(x)) % 5000 == 77, 0.5, 0.0)
    levels = find_levels(np.stack([left, right], axis=1))
    assert np.isfinite(levels.positive[:, 0]).all()
    assert np.isinf(levels.positive[:, 1]).all()
    assert np.isinf(levels.negative[:, 1]).all()


def test_one_channel_of_two():
    x, _ = overloaded(0.5, channels=2)
    levels = find_levels(np.stack([clip(x[:, 0], 0.5, -0.5), 0.2 * x[:, 1]], axis=1))
    np.testing.assert_allclose(levels.positive[0], [0.5, np.inf], rtol=1e-3)
    np.testing.assert_allclose(levels.negative[0], [-0.5, -np.inf], rtol=1e-3)


def test_a_really_clipped_recording():
    y, _ = soundfile.read(DATA / "loop_amen_full.flac", always_2d=True)
    levels = find_levels(y)
    assert np.all(levels.positive[0] == pytest.approx(1.0, abs=1e-3))
    assert np.all(levels.negative[0] == pytest.approx(-1.0, abs=1e-3))
    mask = mask_of(y, levels)
    assert np.all(mask[np.abs(y) >= 32766 / 32768])
    assert mask.mean() < 0.02


@pytest.mark.parametrize("bits", [None, 16])
@pytest.mark.parametrize("hertz", [5, 50, 441, 1000, 5512.5, 11025])
@pytest.mark.parametrize("peak", [0.999, 0.05])
def test_no_alarm_on_a_sine(hertz, peak, bits):
    x = peak * np.sin(2 * np.pi * hertz * np.arange(3 * RATE) / RATE + 0.1)
    nothing_in(quantise(x, bits) if bits else x)


@pytest.mark.parametrize("peak", [1.0, 0.3])
def test_no_alarm_on_a_square_wave(peak):
    nothing_in(peak * np.sign(np.sin(2 * np.pi * 100.3 * np.arange(3 * RATE) / RATE)))


def test_no_alarm_on_a_low_passed_square_wave():
    square = np.sign(np.sin(2 * np.pi * 100.3 * np.arange(8 * RATE) / RATE))
    nothing_in(soxr.resample(0.5 * square[:, None], 44100, 22050))


def test_a_polarity_as_quiet_as_evidence_may_be():
    nothing_in(np.where(music() > 0, music(), 1.0005e-3 / -music().min() * music()))


@pytest.mark.parametrize("frames", [0, 1, 2, 100, CHUNK, CHUNK + 1])
def test_no_alarm_on_silence_and_constants(frames):
    nothing_in(np.zeros((frames, 2)))
    nothing_in(np.full((frames, 1), 0.4))


def test_no_alarm_on_noise():
    rng = np.random.default_rng(0)
    nothing_in(rng.normal(0, 0.2, 5 * RATE))
    nothing_in(quantise(rng.normal(0, 0.01, 5 * RATE), 16))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("gain", [0.05, 0.999, 1.8])
def test_no_alarm_on_music(seed, gain):
    x = gain * music(seed, channels=2)
    nothing_in(x)
    if gain < 1:
        nothing_in(quantise(x, 16))


@pytest.mark.parametrize(("bits", "loudest_db"), [(16, -40), (8, -12)])
def test_no_alarm_on_a_quiet_fade_out(bits, loudest_db):
    x = music(2)
    nothing_in(quantise(x * 10 ** (np.linspace(loudest_db, loudest_db - 50, len(x)) / 20)[:, None], bits))


@pytest.mark.parametrize("sizes", [[1000], [CHUNK], [CHUNK - 1, 1, 17], [7, 40000, 0, 333], [1 << 20]])
@pytest.mark.parametrize("blurred", [False, True])
def test_any_division_into_blocks_gives_the_same_levels(sizes, blurred):
    x, _ = overloaded(0.7, channels=2)
    y = clip(x, 0.7, -0.6)
    if blurred:
        y += np.random.default_rng(0).normal(0, 0.003, y.shape)
    detector = LevelDetector(2)
    start, turn = 0, 0
    while start < len(y):
        detector.push(y[start : start + sizes[turn % len(sizes)]])
        start, turn = start + sizes[turn % len(sizes)], turn + 1
    levels, _ = detector.finish()
    whole = find_levels(y)
    assert whole.any
    for name in ("times", "positive", "negative"):
        np.testing.assert_array_equal(getattr(levels, name), getattr(whole, name))


@pytest.mark.parametrize("gain", [0.25, 4.0])
@pytest.mark.parametrize("blur", [0.0, 0.003])
def test_scaling_the_input_scales_the_level(gain, blur):
    x, _ = overloaded(0.5)
    y = clip(x, 0.5, -0.4) + np.random.default_rng(0).normal(0, blur, x.shape)
    plain, scaled = find_levels(y), find_levels(gain * y)
    np.testing.assert_allclose(scaled.positive, gain * plain.positive, rtol=2e-3)
    np.testing.assert_allclose(scaled.negative, gain * plain.negative, rtol=2e-3)


@pytest.mark.parametrize("blur", [0.0, 0.003])
def test_flipping_the_polarity_swaps_the_levels(blur):
    x, _ = overloaded(0.5)
    y = clip(x, 0.5, -0.4) + np.random.default_rng(0).normal(0, blur, x.shape)
    plain, flipped = find_levels(y), find_levels(-y)
    np.testing.assert_array_equal(flipped.positive, -plain.negative)
    np.testing.assert_array_equal(flipped.negative, -plain.positive)


def test_what_was_found_is_told():
    x, _ = overloaded(0.5)
    detector = LevelDetector(1)
    detector.push(clip(x, 0.5, -3.0).astype(np.float32))
    levels, found = detector.finish()
    up, down = found[0]
    assert up.level == levels.positive[0, 0] <= up.plateau == pytest.approx(0.5, rel=1e-6)
    assert up.blur == "exact"
    assert up.confidence > 0.9
    assert (down.level, down.confidence, down.blur, down.varies) == (np.inf, 0.0, "", False)


def test_samples_that_are_not_numbers_are_passed_over():
    x, _ = overloaded(0.5)
    y = clip(x, 0.5, -0.5)
    y[[100, 50000], 0] = np.nan, np.inf
    assert find_levels(y).positive[0, 0] == pytest.approx(0.5, rel=1e-3)


def test_memory_is_bounded_for_endless_signals(monkeypatch):
    monkeypatch.setattr(evidence, "MOST_ROWS", 2000)
    rng = np.random.default_rng(0)
    y = np.clip(rng.normal(0, 0.5, 40 * CHUNK), -0.8, 0.8)[:, None]
    detector = LevelDetector(1)
    detector.push(y)
    assert all(sum(map(len, polarity.rows)) <= 2000 for polarity in detector._evidence[0])
    levels, _ = detector.finish()
    assert levels.positive[0, 0] == pytest.approx(0.8, rel=1e-3)
