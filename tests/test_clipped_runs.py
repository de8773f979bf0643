"""Levels that belong to runs of samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from declipper import ClipLevels, DeclipStream, Session
from declipper.clipping.levels import mask_of
from declipper.clipping.runs import ClippedRuns
from declipper.detection.marks import marked


def levels_of(runs: ClippedRuns, channels: int) -> ClipLevels:
    return replace(ClipLevels.constant(np.inf, -np.inf, channels), runs=runs)


def test_levels_reproduce_the_mask_in_any_window_and_any_blocks() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(0, 1, (4000, 2))
    mask = rng.random(y.shape) < 0.3
    parts = [ClippedRuns.of(y[a:b], mask[a:b], first=a) for a, b in ((0, 1777), (1777, 1777), (1777, 4000))]
    levels = levels_of(ClippedRuns.joined(parts), 2)
    for start, stop in ((0, 4000), (0, 1), (17, 18), (100, 1000), (1700, 1800), (3990, 4000)):
        np.testing.assert_array_equal(mask_of(y[start:stop], levels, start), mask[start:stop])


def test_a_run_is_held_at_its_least_sample_and_ends_where_the_sign_changes() -> None:
    y = np.array([0.1, 0.9, 0.8, 0.95, -0.7, 0.2])[:, None]
    runs = ClippedRuns.of(y, np.array([False, True, True, True, True, False])[:, None], first=10)
    assert runs.start.tolist() == [11, 14]
    assert runs.length.tolist() == [3, 1]
    assert runs.bound.tolist() == [0.8, -0.7]


def test_nothing_marked_is_nothing_clipped() -> None:
    levels = levels_of(ClippedRuns.of(np.ones((10, 1)), np.zeros((10, 1), bool)), 1)
    assert not levels.any
    assert np.isinf(levels.between(0, 10)[0]).all()


def test_runs_lie_over_levels() -> None:
    y = np.array([0.5, 0.9, 0.5, 0.5])[:, None]
    runs = ClippedRuns.of(y, np.array([False, False, True, False])[:, None])
    levels = replace(ClipLevels.constant(0.9, -np.inf), runs=runs)
    assert mask_of(y, levels)[:, 0].tolist() == [False, True, True, False]
    assert sorted(levels.heights(0)[0].tolist()) == [0.5, 0.9]


def test_only_marked_samples_change_and_never_below_their_bound() -> None:
    t = np.arange(44100) / 44100
    x = np.sin(2 * np.pi * 220 * t) + 0.3 * np.sin(2 * np.pi * 700 * t)
    y = np.clip(x, -0.8, 0.8).astype(np.float32)[:, None]
    mask = np.abs(x[:, None]) > 0.8
    stream = DeclipStream(44100, 1, levels_of(ClippedRuns.of(y, mask), 1), Session("live", "cpu"))
    out = np.concatenate([stream.push(y), stream.flush()])
    np.testing.assert_array_equal(out[~mask], y[~mask])
    assert (np.abs(out[mask]) >= np.abs(y[mask])).all()
    assert np.square(out[:, 0] - x).sum() < 0.1 * np.square(y[:, 0] - x).sum()


def test_a_gap_on_one_crest_is_marked_too() -> None:
    y = np.array([0.1, 0.9, 0.88, 0.92, 0.3, 0.9, -0.9])
    likelihood = np.array([0.0, 0.9, 0.01, 0.9, 0.0, 0.9, 0.9])
    assert marked(y, likelihood).tolist() == [False, True, True, True, False, True, True]
