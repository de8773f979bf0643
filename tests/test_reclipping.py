"""Pairs from clipped recordings: what is known of them, how they are weighed, and the score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tapes import FRAMES, Raised, clean, drawn, maker, pairs
from torch import Tensor, nn

from declipper.clipping.levels import clip
from declipper.engine.experts import NONE
from declipper.training.data.archive import Source, scan
from declipper.training.data.degrade import sdr
from declipper.training.learning.pairs import Pair, Pool
from declipper.training.learning.reclipping import GAINS, MOST_WEIGHT, Overload, gains_db, overloads_db, score, sure_gain

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def sources(tapes: Path) -> list[Source]:
    return scan([tapes], FRAMES)


class Told(nn.Module):
    """Restores pairs to what it was told, whatever it sees."""

    def __init__(self, truths: list[np.ndarray]) -> None:
        super().__init__()
        self.truths = nn.Parameter(torch.from_numpy(np.stack(truths))[:, None])

    def forward(self, inputs: Tensor) -> Tensor:
        """All of them at once."""
        return self.truths[: len(inputs)]


def test_what_is_clipped_further_does_not_depend_on_what_was_lost(sources: list[Source]) -> None:
    for pair in pairs(sources, 6, base=Raised(1.3)):
        own, again = pair.examples()
        clipped = (own.y >= own.positive) | (own.y <= own.negative)
        truth = np.where(clipped, 1.7 * own.y, own.y)
        assert np.array_equal(again.y, clip(np.float32(pair.gain) * truth, *pair.again).astype(np.float32))
        assert GAINS[0] <= pair.gain <= GAINS[1]


def test_lessons_are_damaged_like_the_archive(sources: list[Source]) -> None:
    seen = maker(Raised(1.3)).seen(drawn(sources[:4], 16))
    overload = Overload.of(seen)
    heaviest, mildest = (f(damage.input_sdr for damage in overload.damages) for f in (min, max))
    made = maker(Raised(1.3)).pairs(seen, overload, np.random.default_rng(0))
    assert made
    for pair in made:
        if GAINS[0] * 1.01 < pair.gain < GAINS[1] * 0.99:
            own, again = pair.examples()
            clipped = (own.y >= own.positive) | (own.y <= own.negative)
            truth = pair.gain * np.where(clipped, 1.3 * own.y, own.y)
            assert heaviest - 0.1 < sdr(truth, again.y) < mildest + 0.1


def test_samples_count_by_how_high_their_peaks_were_to_be_expected(sources: list[Source]) -> None:
    """A model that expects every peak at 2.5 times the level is sure of those alone that lie below what the recording holds."""
    for pair in pairs(sources[:4], 12, base=Raised(2.5)):
        assert pair.gain > 2.5
    for pair in pairs(sources[:4], 12, base=Raised(1.1)):
        _, again = pair.examples()
        clipped = (again.y >= again.positive) | (again.y <= again.negative)
        assert np.all(pair.weights[~clipped] == 0)
        assert np.all((pair.weights >= 0) & (pair.weights <= MOST_WEIGHT))


def test_all_of_a_clean_recording_is_known(tapes: Path, sources: list[Source]) -> None:
    overload = Overload.of(maker(Raised(1.3)).seen(drawn(sources[:4], 8)))
    segments = maker(Raised(3.9)).seen(drawn(clean(tapes, overload), 4))
    made = maker(Raised(3.9)).pairs(segments, overload, np.random.default_rng(0))
    assert len(made) == 4
    assert all(pair.whole for pair in made)
    assert not any(pair.whole for pair in pairs(sources[:4], 8, base=Raised(1.3)))


def test_score_is_zero_for_the_input_and_high_for_the_truth(sources: list[Source]) -> None:
    held = pairs(sources, 8, base=Raised(1.2))
    assert score(Raised(1.0), held) == pytest.approx(0, abs=0.01)
    assert score(Told([pair.examples()[0].y * np.float32(pair.gain) for pair in held]), held) > 39


def test_score_of_clean_recordings_is_their_dsdr(tapes: Path, sources: list[Source]) -> None:
    """Each is clipped as it is, at levels in the ratio of those of the archive."""
    overload = Overload.of(maker(Raised(1.3)).seen(drawn(sources[:4], 8)))
    segments = maker(Raised(1.3)).seen(drawn(clean(tapes, overload), 8))
    held = maker(Raised(1.3)).pairs(segments, overload, np.random.default_rng(0))
    gains = []
    for pair in held:
        assert pair.gain == 1
        assert pair.again == pytest.approx(overload.damages[0].levels, abs=1e-4)
        truth, y = np.float32(pair.gain) * pair.y, pair.examples()[1].y
        gains.append(sdr(truth, np.where(y == truth, y, np.float32(1.2) * y)) - sdr(truth, y))
    assert len(held) == 8
    paths = np.array([str(pair.recording) for pair in held])
    by_recording = [np.mean(np.array(gains)[paths == path]) for path in sorted(set(paths))]
    assert gains_db(Raised(1.2), held) == pytest.approx(np.array(by_recording), abs=0.01)
    assert score(Raised(1.2), held) == pytest.approx(np.mean(by_recording), abs=0.01)


def test_what_the_first_model_makes_of_a_recording_comes_with_a_pair(sources: list[Source]) -> None:
    for pair in pairs(sources[:4], 8, base=Raised(1.3)):
        own, _ = pair.examples()
        clipped = (own.y >= own.positive) | (own.y <= own.negative)
        assert np.array_equal(pair.first[~clipped], own.y[~clipped])
        assert pair.first[clipped] == pytest.approx(1.3 * own.y[clipped], rel=1e-5)


def test_overloads_are_those_of_whole_runs() -> None:
    y = np.array([0.1, 1, 1, 1, 0.2, -1, 0.0, 1])
    estimate = np.array([0.1, 1.5, 2, 1.2, 0.2, -4, 0.0, 0.5])
    found = overloads_db(estimate, y, np.abs(y) == 1)
    assert np.allclose(found, 20 * np.log10([1, 2, 2, 2, 1, 4, 1, 1]))
    assert not overloads_db(estimate, y, np.zeros(8, bool)).any()


def test_a_pool_gives_back_what_was_added(sources: list[Source], tmp_path: Path) -> None:
    made = pairs(sources, 8, base=Raised(1.2))
    pool = Pool(tmp_path / "pool", NONE, FRAMES)
    pool.add(made[:2])
    first = pool.pair(0)
    pool.add(made[2:])
    assert len(pool) == len(made)
    for index, pair in enumerate(made):
        same(pool.pair(index), pair)
        same(pool.pair(index).window(100, 512), pair.window(100, 512))
    same(first, made[0])


def same(one: Pair, other: Pair) -> None:
    assert (one.levels, one.gain, one.again) == (other.levels, other.gain, other.again)
    for name in ("y", "weights", "first", "own", "further"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_a_gain_is_sure_as_far_as_recordings_agree() -> None:
    before = np.array([1.0, 2, 3, 4])
    assert sure_gain(before, before + 0.5) == pytest.approx(0.5)
    assert sure_gain(before, before + np.array([0.4, 0.5, 0.6, 0.5])) == pytest.approx(0.5 - 2.353 * 0.0816 / 2, abs=0.001)
    assert sure_gain(before, before + np.array([-0.2, 0.1, 0.2, 1.9])) < 0
    for few in (1, 3):
        assert sure_gain(before[:few], before[:few] + np.array([0.2, -0.1, 0.5])[:few]) == pytest.approx([0.2, 0, 0.2][few - 1])
