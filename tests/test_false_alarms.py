"""Nothing is found in signals that were not clipped and could be taken to be."""

import numpy as np
import pytest
import soxr
from plateaus import RATE, bells, notes, nothing_in

from declipper.detection.network import CONTEXT, HOP
from declipper.training.data.codec import MP3, VORBIS, coded
from declipper.training.histories.synthetic import WAVES, flattened, voice, vowel
from declipper.training.studies.detection.cases import Excerpt, loud_masters, quantise


@pytest.mark.parametrize("bits", [16, None])
def test_no_alarm_on_high_notes_through_a_limiter(bits):
    limited = next(loud_masters([Excerpt("bells", bells()[:, 0], RATE)])).samples
    nothing_in(quantise(limited, bits) if bits else limited)


def test_no_alarm_on_a_sample_played_again_and_again():
    rng = np.random.default_rng(0)
    sample = rng.uniform(-0.3, 0.3, 400)
    sample[200:202] = 0.5
    nothing_in(np.tile(np.concatenate([sample, np.zeros(RATE // 3)]), 40)[:, None])


@pytest.mark.parametrize("codec", [None, MP3, VORBIS])
@pytest.mark.parametrize("seed", range(2))
def test_no_alarm_on_round_waves_through_a_limiter(seed, codec):
    x = np.convolve(notes(seed, 20.0)[:, 0], np.hanning(200), mode="same")
    limited = next(loud_masters([Excerpt("bass", x, RATE)])).samples
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


@pytest.mark.parametrize("bits", [None, 16])
@pytest.mark.parametrize("hertz", [5, 50, 441, 1000, 5512.5, 11025])
@pytest.mark.parametrize("peak", [0.999, 0.05])
def test_no_alarm_on_a_sine(hertz, peak, bits):
    x = peak * np.sin(2 * np.pi * hertz * np.arange(3 * RATE) / RATE + 0.1)
    nothing_in(quantise(x, bits) if bits else x)


def test_no_alarm_on_a_sine_of_four_samples_a_period_that_is_sampled_at_its_zeros():
    nothing_in(np.sin(2 * np.pi * RATE / 4 * np.arange(5 * RATE) / RATE))


@pytest.mark.parametrize("peak", [1.0, 0.3])
def test_no_alarm_on_a_square_wave(peak):
    nothing_in(peak * np.sign(np.sin(2 * np.pi * 100.3 * np.arange(3 * RATE) / RATE)))


def test_no_alarm_on_a_low_passed_square_wave():
    square = np.sign(np.sin(2 * np.pi * 100.3 * np.arange(8 * RATE) / RATE))
    nothing_in(soxr.resample(0.5 * square[:, None], 44100, 22050))


@pytest.mark.parametrize("frames", [0, 1, 2, 100, HOP, HOP + CONTEXT + 1])
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
    x = gain * notes(seed, channels=2)
    nothing_in(x)
    if gain < 1:
        nothing_in(quantise(x, 16))


@pytest.mark.parametrize(("bits", "loudest_db"), [(16, -40), (8, -12)])
def test_no_alarm_on_a_quiet_fade_out(bits, loudest_db):
    x = notes(2)
    nothing_in(quantise(x * 10 ** (np.linspace(loudest_db, loudest_db - 50, len(x)) / 20)[:, None], bits))


@pytest.mark.parametrize("duty", [0.5, 0.25, 0.125])
def test_no_alarm_on_a_pulse_wave_whose_volume_has_four_bits(duty):
    rng = np.random.default_rng(0)
    out = []
    for _ in range(40):
        hertz, frames = 110 * 2 ** (rng.integers(0, 30) / 12), RATE // 8
        steps = np.ceil(15 * np.exp(-3 * np.arange(frames) / frames)) / 15
        pulse = np.where(np.arange(frames) * hertz / RATE % 1 < duty, 1.0, -1.0)
        out.append(0.45 * steps * pulse)
    nothing_in(quantise(np.concatenate(out)[:, None], 16))


@pytest.mark.parametrize("kind", WAVES)
def test_no_alarm_on_a_voice_of_a_chip(kind):
    x = voice(4 * RATE, RATE, np.random.default_rng(12), kind)
    nothing_in(quantise(0.999 * x[:, None] / np.abs(x).max(), 16))


@pytest.mark.parametrize("seed", range(4))
def test_no_alarm_on_a_voice_that_is_flat_while_its_glottis_is_closed(seed):
    x = vowel(4 * RATE, RATE, np.random.default_rng([12, seed]))
    nothing_in(quantise(0.7 * x[:, None] / np.abs(x).max(), 16))


@pytest.mark.parametrize("seed", range(4))
def test_no_alarm_on_troughs_that_are_softly_flattened(seed):
    x = flattened(notes(seed)[:, 0], RATE, np.random.default_rng([12, seed]))
    nothing_in(quantise(0.7 * x[:, None] / np.abs(x).max(), 16))
