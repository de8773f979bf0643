import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declipper.clipping.levels import ClipLevels, clip
from declipper.clipping.runs import ClippedRuns
from declipper.detection.detector import FoundLevel, FoundLevels
from declipper.detection.interpretation import History, Interpretation
from declipper.measure import report
from declipper.measure.report import ReportBuilder


def build(audio, levels, cuts=()):
    builder = ReportBuilder(44100, levels)
    for start, stop in zip([0, *cuts], [*cuts, len(audio)], strict=True):
        builder.push(audio[start:stop])
    return builder.finish()


def runs_of(mask):
    """Lengths of the unbroken stretches, one sample after the other."""
    lengths, length = [], 0
    for clipped in [*mask, False]:
        if clipped:
            length += 1
        elif length:
            lengths.append(length)
            length = 0
    return lengths


def example(seed, frames=300, channels=2):
    rng = np.random.default_rng(seed)
    smooth = np.stack([np.convolve(rng.normal(size=frames + 4), np.ones(5), mode="valid") for _ in range(channels)], axis=1)
    return clip(smooth, 1.5, -1.0)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 300), max_size=12).map(sorted))
def test_any_division_into_blocks_gives_the_same_report(seed, cuts):
    audio = example(seed)
    levels = ClipLevels.constant(1.5, -1.0, 2)
    assert build(audio, levels, cuts) == build(audio, levels)


def test_a_level_that_ends_early_is_told() -> None:
    audio = example(0)
    curve = np.where(np.arange(5)[:, None] < 2, 1.5, np.inf)
    levels = ClipLevels(np.array([0, 200, 201, 250, 299]), curve, np.full((5, 1), -np.inf))
    up, down = build(audio[:, :1], levels).channels[0]
    assert up.clipped_samples > 0
    assert up.level_dbfs == pytest.approx(20 * np.log10(1.5))
    assert down.level_dbfs is None


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_counts_against_counting_one_by_one(seed, block):
    audio = example(seed)
    got = build(audio, ClipLevels.constant(1.5, -1.0, 2), range(block, 300, block))
    for channel in range(2):
        for polarity, mask in enumerate((audio[:, channel] >= 1.5, audio[:, channel] <= -1.0)):
            lengths = runs_of(mask)
            part = got.channels[channel][polarity]
            assert (part.clipped_samples, part.runs, part.longest_run) == (sum(lengths), len(lengths), max(lengths, default=0))
    assert got.frames == 300
    assert got.clipped_samples == ((audio >= 1.5) | (audio <= -1.0)).sum()
    assert got.clipped_percent == pytest.approx(100 * got.clipped_samples / 600)


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64, 300])
def test_runs_at_both_ends_and_over_many_borders(block):
    x = np.zeros(300)
    x[:5], x[50:130], x[299] = 1.0, 1.0, 1.0
    got = build(x[:, None], ClipLevels.constant(1.0, -1.0), range(block, 300, block)).channels[0][0]
    assert (got.clipped_samples, got.runs, got.longest_run) == (86, 3, 80)


def test_changing_levels_are_followed_over_blocks():
    frames = np.arange(300)
    gain = np.linspace(1.0, 0.2, 300)
    levels = ClipLevels(np.array([0, 299]), np.array([[1.0], [0.2]]) * (1 - 1e-9), -np.array([[1.0], [0.2]]) * (1 - 1e-9))
    audio = (clip(2 * np.sin(0.2 * frames), 1.0, -1.0) * gain)[:, None]
    whole = build(audio, levels)
    assert whole.clipped_samples == (np.abs(2 * np.sin(0.2 * frames)) >= 1).sum()
    for block in (1, 17, 128):
        assert build(audio, levels, range(block, 300, block)) == whole


def test_a_level_that_begins_later():
    levels = ClipLevels(np.array([0, 100]), np.array([[np.inf], [1.0]]), np.array([[-np.inf], [-np.inf]]))
    audio = np.ones((200, 1))
    for cuts in ((), (30,), (100,), (50, 99, 101), (150,)):
        assert build(audio, levels, cuts).channels[0][0].clipped_samples == 100


def test_a_level_that_ends_within_a_run():
    levels = ClipLevels(np.array([0, 100]), np.array([[1.0], [np.inf]]), np.array([[-np.inf], [-np.inf]]))
    audio = np.ones((200, 1))
    audio[:10] = 0.0
    whole = build(audio, levels)
    assert whole.channels[0][0].clipped_samples == 90
    for cuts in ((30,), (100,), (50, 99, 101), (150,)):
        assert build(audio, levels, cuts) == whole


def test_a_run_too_long_to_hold_is_still_counted_in_full(monkeypatch):
    monkeypatch.setattr(report, "LONGEST_HELD", 16)
    got = build(np.ones((1000, 1)), ClipLevels.constant(1.0, -1.0), range(10, 1000, 10))
    assert got.clipped_samples == 1000


def test_overload_of_a_parabola():
    # 2 (1 - t^2) above the level 1: 6.02 dB over it
    t = np.linspace(-2, 2, 4001)
    top = 2 * (1 - t**2)
    got = build(clip(top, 1.0, -10.0)[:, None], ClipLevels.constant(1.0, -np.inf))
    assert got.overload_db == pytest.approx(20 * np.log10(2), abs=0.05)


def test_scaling_and_polarity():
    audio = example(1)
    plain = build(audio, ClipLevels.constant(1.5, -1.0, 2))
    half = build(0.5 * audio, ClipLevels.constant(0.75, -0.5, 2))
    turned = build(-audio, ClipLevels.constant(1.0, -1.5, 2))
    assert half.overload_db == pytest.approx(plain.overload_db)
    assert [p.runs for pair in half.channels for p in pair] == [p.runs for pair in plain.channels for p in pair]
    assert [pair[::-1] for pair in turned.channels] == [tuple(pair) for pair in plain.channels]


def test_level_and_what_was_found_are_told():
    found = [FoundLevels(FoundLevel("blurred", 0.9), FoundLevel("", 0.0))]
    history = History({"coded": 0.97, "resampled": 0.2}, ("coded",))
    interpretation = Interpretation(0.95, tuple(found), history)
    got = ReportBuilder(8000, ClipLevels.constant(0.5, -np.inf), interpretation=interpretation, overflow_runs=3).finish()
    up, down = got.channels[0]
    assert up.level_dbfs == pytest.approx(-6.0206, abs=1e-3)
    assert (up.kind, up.confidence, down.level_dbfs) == ("blurred", 0.9, None)
    told = got.as_dict()
    assert (told["confidence"], told["overflow_runs"]) == (0.95, 3)
    assert told["history"] == {"likely": "clipped, then lossy-coded", "probabilities": {"coded": 0.97, "resampled": 0.2}}
    assert build(np.zeros((1, 1)), ClipLevels.constant(1.0, -1.0)).channels[0][0].kind == "given"


def test_nothing_at_all():
    got = build(np.zeros((0, 2)), ClipLevels.constant(1.0, -1.0, 2))
    assert (got.frames, got.runs, got.longest_run, got.clipped_percent, got.overload_db) == (0, 0, 0, 0.0, 0.0)


def test_as_dict_is_plain():
    got = build(example(3), ClipLevels.constant(1.5, -np.inf, 2))
    again = json.loads(json.dumps(got.as_dict(), allow_nan=False))
    assert again["clipped_samples"] == got.clipped_samples
    assert again["channels"][1]["negative"]["level_dbfs"] is None


def test_the_overload_is_that_of_the_highest_peak():
    x = 1.6 * np.sin(2 * np.pi * 300 * np.arange(4410) / 44100)
    y, mask = np.clip(x, -0.8, 0.8), np.abs(x) > 0.8
    y[:4], mask[2] = [0.0, 0.3, 0.001, 0.3], True
    levels = replace(ClipLevels.constant(np.inf, -np.inf), runs=ClippedRuns.of(y[:, None], mask[:, None]))
    assert abs(build(y[:, None], levels).overload_db - 6.0) < 1.0
