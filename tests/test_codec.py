"""What a lossy codec does to a signal, and to examples that training sees."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import music

from declipper.clipping.arrays import Array
from declipper.clipping.levels import clipped_mask
from declipper.training.data.codec import MP3, VORBIS, Codec, coded
from declipper.training.data.degrade import after_codec, draw_example, sdr


@pytest.mark.parametrize("codec", [MP3, VORBIS])
@pytest.mark.parametrize("frames", [44100, 100001])
def test_what_comes_back_is_aligned_and_near(codec: Codec, frames: int) -> None:
    x = music(frames, 2, 0.4)
    back = coded(x, 44100, codec)
    assert back.shape == x.shape
    inner = slice(4096, -4096)
    assert sdr(x[inner], back[inner]) > 15
    assert sdr(x[inner], np.roll(back, 1, axis=0)[inner]) < sdr(x[inner], back[inner]) - 3


@pytest.fixture(params=[44100, 22050])
def segment(request: pytest.FixtureRequest) -> tuple[Array, int]:
    """Music and its sample rate, of which MP3 takes only one at the bit rates in question."""
    return music(50000, 1)[:, 0].astype(np.float32), request.param


def test_levels_lie_below_the_plateau_that_the_codec_blurred(segment: tuple[Array, int]) -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        before = draw_example(segment[0], rng, input_sdr=(6, 14))
        assert before is not None
        after = after_codec(before, segment[1], rng=rng)
        assert after is not None
        truly = clipped_mask(before.y, before.positive, before.negative)
        found = clipped_mask(after.y, after.positive, after.negative)
        assert np.mean(found[truly]) > 0.95
        assert np.mean(found) < 3 * np.mean(truly)
        assert np.isinf(after.negative) == (np.isinf(before.negative) or not np.any(before.y <= before.negative))
        gain = float(after.x @ before.x / (before.x @ before.x))
        assert np.allclose(after.x, gain * before.x, atol=1e-5)
        assert sdr(after.x[~truly], after.y[~truly]) > 10


def test_the_same_draw_gives_the_same_example(segment: tuple[Array, int]) -> None:
    before = [draw_example(segment[0], np.random.default_rng(3), input_sdr=(10, 10)) for _ in range(2)]
    one, other = (after_codec(example, segment[1], rng=np.random.default_rng(5)) for example in before)
    assert np.array_equal(one.y, other.y)
    assert (one.positive, one.negative) == (other.positive, other.negative)
