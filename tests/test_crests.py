"""Clipping shows in the crests of a recording, limiting does not; and what the detector is taught of both."""

import numpy as np
import pytest
import soundfile
from plateaus import RATE, notes

from declipper.clipping.levels import clip
from declipper.training.data.codec import VORBIS, coded
from declipper.training.histories.draw import levelled
from declipper.training.histories.levelling import limiter
from declipper.training.histories.sources import Material
from declipper.training.studies.detection.crests import flatness


@pytest.fixture(scope="module")
def mix():
    x = notes(3, 10.0) + np.random.default_rng(3).normal(0, 0.05, (10 * RATE, 1))
    return x / np.abs(x).max()


def test_a_limiter_leaves_crests_as_sharp_as_they_were(mix):
    turned_down = mix * limiter(mix[:, 0], RATE, 0.6, np.random.default_rng(0))[:, None]
    assert flatness(coded(turned_down, RATE, VORBIS)) < flatness(mix) + 0.1


def test_clipping_flattens_the_highest_crests_and_a_codec_does_not_undo_it(mix):
    assert flatness(coded(clip(mix, 0.6, -0.6), RATE, VORBIS)) > flatness(mix) + 0.1


def test_too_few_crests_tell_nothing():
    assert np.isnan(flatness(np.ones((1000, 2))))


def test_what_is_taught_of_levelled_recordings(tmp_path):
    audio = notes(1, 12.0)
    soundfile.write(tmp_path / "notes.wav", audio / np.abs(audio).max(), RATE, subtype="FLOAT")
    material = Material([tmp_path / "notes.wav"], [], [])
    drawn = [levelled(material, np.random.default_rng(seed), 16384) for seed in range(12)]
    assert all(one.y.shape == one.truth.shape == (16384,) and one.peak > 0 for one in drawn)
    assert 3 <= sum(one.truth.any() for one in drawn) < 12
    assert all(set(one.story) & {"agc", "compressor", "high-pass"} for one in drawn)
    again = levelled(material, np.random.default_rng(4), 16384)
    assert np.array_equal(again.y, drawn[4].y)
