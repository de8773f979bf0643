"""The recordings of an archive: what is read, how segments are drawn, what is held back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from tapes import FRAMES

from declipper.clipping.levels import ClipLevels, Threshold, clip, clipped_mask
from declipper.training.data.archive import Source, batches, collate, draw, scan, split, to_clip
from declipper.training.data.batches import Share, ahead
from declipper.training.data.degrade import sdr

pytestmark = pytest.mark.usefixtures("one_thread")


def test_scan_finds_levels_and_says_what_it_leaves_out(tapes: Path) -> None:
    said: list[str] = []
    sources = scan([tapes], FRAMES, tell=said.append)
    assert [s.path.name for s in sources] == ["0.wav", "1.wav", "2.wav", "3.wav", "4.wav"]
    assert [s.levels.any for s in sources] == [True, True, True, True, False]
    assert sources[1].levels.channels == 2
    assert sources[0].levels.positive[0, 0] == pytest.approx(0.6, abs=1e-3)
    assert sources[0].levels.negative[0, 0] == pytest.approx(-0.5, abs=1e-3)
    assert len(said) == 2
    assert "broken.flac" in said[0]
    assert "short.wav" in said[1]


def test_restorations_are_not_taken_for_recordings(tapes: Path) -> None:
    for name in ("0.declipped.wav", "take.wav", "take.raw.wav"):
        (tapes / name).write_bytes((tapes / "deep" / "0.wav").read_bytes())
    said: list[str] = []
    found = [s.path.name for s in scan([tapes], FRAMES, tell=said.append)]
    assert found == ["0.wav", "1.wav", "2.wav", "3.wav", "4.wav", "take.raw.wav"]
    assert sum("is a restoration" in line for line in said) == 2
    assert [s.path.name for s in scan([tapes / "0.declipped.wav"], FRAMES)] == ["0.declipped.wav"]


@pytest.mark.parametrize("options", [{"clean": True}, {"threshold": Threshold(0.5, 0.5)}])
def test_a_truncated_recording_is_left_out_whatever_is_known_of_its_levels(tapes: Path, options: dict[str, Any]) -> None:
    audio, rate = soundfile.read(tapes / "deep" / "1.wav")
    soundfile.write(tapes / "cut.flac", audio, rate)
    whole = (tapes / "cut.flac").read_bytes()
    (tapes / "cut.flac").write_bytes(whole[: len(whole) // 2])
    said: list[str] = []
    assert "cut.flac" not in [s.path.name for s in scan([tapes], FRAMES, tell=said.append, **options)]
    assert any("cut.flac" in line for line in said)


@pytest.mark.parametrize("frames", [1500, 3000, 5000, 9000, 30000])
def test_what_is_held_back_of_a_recording_is_not_taught(tmp_path: Path, frames: int) -> None:
    """Each sample is its own position, so a segment tells where it was taken from."""
    path = tmp_path / "ramp.wav"
    soundfile.write(path, np.linspace(0.5, 1, frames), 8000, subtype="FLOAT")
    source = Source(path, 8000, frames, ClipLevels.constant(1.0, -np.inf, 1))
    rng, parts = np.random.default_rng(0), split([source], FRAMES)
    drawn = [np.concatenate([draw(part, FRAMES, rng=rng).y for _ in range(40)]) for part in (parts.taught, parts.held)]
    taught, held = (y[y > 0] for y in drawn)  # what is too short is followed by silence
    assert taught.max() < held.min()
    assert held.max() == pytest.approx(1.0, abs=0.02)
    assert len(np.unique(taught)) >= 0.4 * frames


def test_items_are_divided_by_their_level(tapes: Path) -> None:
    sources = scan([tapes], FRAMES)
    rng = np.random.default_rng(0)
    for source in sources[:4]:
        item = draw([source], FRAMES, rng=rng)
        assert item.y.shape == (FRAMES,)
        assert item.y.max() <= 1.001
        assert item.positive == pytest.approx(1.0, abs=1e-3)
        assert item.negative == pytest.approx(-0.5 / 0.6, abs=1e-2)
    unclipped = draw(sources[4:], FRAMES, rng=rng)
    assert np.abs(unclipped.y).max() == pytest.approx(1.0, abs=1e-3)
    assert unclipped.whole
    assert not np.any(clipped_mask(unclipped.y, unclipped.positive, unclipped.negative))


def test_a_margin_comes_along_as_far_as_the_recording_reaches(tmp_path: Path) -> None:
    ramp = np.linspace(0.1, 1, 9000)
    soundfile.write(tmp_path / "ramp.wav", ramp, 8000, subtype="FLOAT")
    source = Source(tmp_path / "ramp.wav", 8000, 9000, ClipLevels.constant(1.0, -np.inf, 1))
    margins = set()
    for seed in range(20):
        alone, item = (draw([source], FRAMES, rng=np.random.default_rng(seed), margin=margin) for margin in (0, 3000))
        assert np.array_equal(item.y[item.inner], alone.y)
        assert np.allclose(item.y, ramp[np.searchsorted(ramp, item.y[0] - 1e-6) :][: len(item.y)], atol=1e-4)
        margins.add((min(item.inner.start, 3000), len(item.y) - item.inner.stop))
    assert max(before for before, _ in margins) == 3000
    assert min(after for _, after in margins) < 3000


def test_processes_share_one_stream_of_items(tapes: Path) -> None:
    sources = scan([tapes], FRAMES)
    whole = batches(sources, FRAMES, size=4, seed=1)
    parts = [batches(sources, FRAMES, size=4, seed=1, share=Share(rank, 2)) for rank in (0, 1)]
    for _ in range(2):
        y = next(whole).y
        halves = [next(part).y for part in parts]
        assert torch.equal(y[0::2], halves[0])
        assert torch.equal(y[1::2], halves[1])
    next(whole)
    assert torch.equal(next(whole).y, next(batches(sources, FRAMES, size=4, seed=1, first_step=3)).y)


def test_what_is_drawn_ahead_comes_in_its_order_and_errors_where_they_were_due() -> None:
    def items() -> Iterator[int]:
        yield from range(20)
        raise OSError(5, "the disk is gone")

    found = ahead(items())
    assert [next(found) for _ in range(20)] == list(range(20))
    with pytest.raises(OSError, match="the disk is gone"):
        next(found)


def test_recordings_are_held_back_whole_where_there_are_enough(tapes: Path) -> None:
    sources = scan([tapes], FRAMES)
    parts = split(sources, FRAMES)
    assert not set(parts.taught) & set(parts.held)
    assert set(parts.taught) | set(parts.held) == set(sources)
    few = split(sources[:2], FRAMES)
    assert [s.path for s in few.taught] == [s.path for s in few.held] == [s.path for s in sources[:2]]


def test_clean_recordings_are_taken_for_unclipped(tapes: Path) -> None:
    sources = scan([tapes], FRAMES, clean=True)
    assert len(sources) == 5
    assert not any(s.levels.any for s in sources)


@pytest.mark.parametrize(("positive", "negative"), [(1.0, -1.0), (0.8, -0.4), (np.inf, -0.9), (0.9, -np.inf)])
def test_a_clean_recording_is_clipped_at_one_level_as_heavily_as_another(tmp_path: Path, positive: float, negative: float) -> None:
    """And what is drawn of it reaches that level, and is not clipped yet."""
    x = 0.1 * np.random.default_rng(0).standard_normal((40000, 2)) * np.linspace(0, 1, 40000)[:, None]
    soundfile.write(tmp_path / "x.wav", x, 16000, subtype="FLOAT")
    (source,) = scan([tmp_path], FRAMES, clean=True)
    found = to_clip(source, 6.0, (positive, negative))
    up, down = (level[0] for level in found.levels.between(0, 40000))
    assert sdr(x, clip(x, up, down)) == pytest.approx(6.0, abs=0.02)
    if np.isfinite([positive, negative]).all():
        assert down == pytest.approx(up * negative / positive)
    else:
        assert np.array_equal(np.isinf(up), np.full(2, np.isinf(positive)))
    for seed in range(4):
        item = draw([found], FRAMES, rng=np.random.default_rng(seed))
        assert item.whole
        assert np.array_equal(item.reached, (item.y >= item.positive) | (item.y <= item.negative))
        assert item.reached.any()
        assert np.abs(item.y).max() > 1.01
        assert not clipped_mask(item.y, *item.own_levels).any()


def test_collated_levels_broadcast(tapes: Path) -> None:
    recorded = collate([draw(scan([tapes], FRAMES), FRAMES, rng=np.random.default_rng(i)) for i in range(3)])
    assert recorded.y.shape == (3, 1, FRAMES)
    assert recorded.levels.positive.shape == recorded.levels.negative.shape == (3, 1, 1)
    assert recorded.rates.tolist() == [16000.0] * 3


def test_levels_that_change_are_taken_at_their_lowest(tmp_path: Path) -> None:
    path = tmp_path / "fade.wav"
    soundfile.write(path, np.clip(np.sin(np.arange(4096) / 9), -0.5, 0.5) * np.linspace(1, 0.5, 4096), 8000, subtype="FLOAT")
    levels = ClipLevels(np.array([0, 4095]), np.array([[0.5], [0.25]]), np.array([[-0.5], [-0.25]]))
    item = draw([Source(path, 8000, 4096, levels)], 4096, rng=np.random.default_rng(0))
    assert item.y.max() <= 1.0 + 1e-6
