"""declipper as a library: what is loaded when, and how a model is asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import clipped

from declipper import ClipLevels, DeclipStream, LevelDetector, LevelTracker, ModelError, Session, declip, find_levels
from declipper.engine.session import shipped_model

RATE = 44100


@pytest.mark.parametrize(
    ("statement", "not_loaded"),
    [
        ("import declipper", {"numpy", "scipy", "onnxruntime", "click"}),
        ("from declipper import declip, find_levels, Session", {"scipy.signal", "onnxruntime", "torch", "matplotlib"}),
    ],
)
def test_what_is_not_needed_is_not_loaded(statement: str, not_loaded: set[str]) -> None:
    code = f"{statement}; import sys; print(sorted({not_loaded!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_is_asked_for_by_its_name_or_its_path(tiny_model: Path) -> None:
    audio, levels = clipped(9000, 1), ClipLevels.constant(0.5, -0.5)
    by_name = declip(audio, RATE, "live", levels=levels)
    assert np.array_equal(by_name, declip(audio, RATE, shipped_model("live"), levels=levels))
    assert np.array_equal(by_name, declip(audio, RATE, levels=levels, session=Session("live")))
    assert not np.array_equal(by_name, declip(audio, RATE, str(tiny_model), levels=levels))


def test_a_quality_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelError, match="superb: neither a model file nor the name of a shipped model"):
        declip(clipped(9000, 1), RATE, "superb", levels=ClipLevels.constant(0.5, -0.5))


LEVELS = ClipLevels.constant(0.5, -0.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4", ">f8", "<f4"])
def test_floats_come_back_in_their_type_and_reliable_ones_bit_for_bit(dtype: str, tiny_session: Session) -> None:
    audio = clipped(9000, 1)[:, 0].astype(dtype)
    native = audio.astype(audio.dtype.newbyteorder("="))
    restored = declip(audio, RATE, levels=LEVELS, session=tiny_session)
    reliable = np.abs(native) < 0.5
    assert restored.dtype == audio.dtype
    assert np.array_equal(restored[reliable], audio[reliable])
    assert np.array_equal(restored, declip(native, RATE, levels=LEVELS, session=tiny_session))
    assert np.array_equal(find_levels(audio).positive, find_levels(native).positive)
    stream = DeclipStream(RATE, 1, LEVELS, tiny_session)
    assert np.array_equal(np.concatenate([stream.push(audio), stream.flush()])[:, 0], restored)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "i4", ">i4", "i8", "f2", "g", "c8", "?", "U1", "O"])
def test_other_types_are_refused_by_name(dtype: str, tiny_session: Session) -> None:
    audio = np.ones((100, 1)).astype(dtype)
    if audio.dtype == np.float64:
        pytest.skip("long double is double here")
    stream = DeclipStream(RATE, 1, LEVELS, tiny_session)
    stream.push(np.zeros((10, 1), np.float32))
    calls: list[Callable[[], object]] = [
        lambda: declip(audio, RATE, levels=LEVELS, session=tiny_session),
        lambda: find_levels(audio),
        lambda: stream.push(audio),
        lambda: LevelDetector(1).push(audio),
        lambda: LevelTracker(RATE, 1).push(audio),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=rf"samples must be float32 or float64 .*, got {re.escape(str(audio.dtype))}"):
            call()


def test_lists_are_arrays_and_other_shapes_are_refused(tiny_session: Session) -> None:
    assert find_levels([0.5] * 9).channels == 1
    assert np.array_equal(declip([0.5, 0.1, -0.2], RATE, levels=LEVELS, session=tiny_session)[1:], [0.1, -0.2])
    for shape in ((), (2, 2, 2), (5, 0)):
        for call in (find_levels, lambda audio: declip(audio, RATE, session=tiny_session)):
            with pytest.raises(ValueError, match=rf"must be \(frames,\) or \(frames, channels\), got {re.escape(str(shape))}"):
                call(np.zeros(shape))
    with pytest.raises(ValueError, match="levels are for 1 channels, the signal has 2"):
        declip(np.zeros((9, 2)), RATE, levels=LEVELS, session=tiny_session)
    with pytest.raises(ValueError, match="jobs must be 1 or more, got 0"):
        declip(np.zeros((9, 1)), RATE, session=tiny_session, jobs=0)


INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    ("times", "positive", "negative", "reason"),
    [
        ([0], [[-1.0]], [[1.0]], "above and below zero, got -1.0 and 1.0"),
        ([0], [[0.0]], [[-1.0]], "above and below zero"),
        ([0], [[-INF]], [[-1.0]], "above and below zero"),
        ([0], [[NAN]], [[-1.0]], "above and below zero, got nan"),
        ([0, 9], [[1.0], [1.0]], [[-1.0], [NAN]], "above and below zero"),
        ([9, 0], [[1.0], [1.0]], [[-1.0], [-1.0]], "must ascend, got"),
        ([0, 0], [[1.0], [1.0]], [[-1.0], [-1.0]], "must ascend, got"),
        ([], np.zeros((0, 1)), np.zeros((0, 1)), "must ascend"),
        ([0], [1.0], [-1.0], r"must be \(1 knots, channels\), got \(1,\)"),
        ([0], [[1.0, 1.0]], [[-1.0]], r"got \(1, 2\) and \(1, 1\)"),
        ([0, 9], [[1.0]], [[-1.0]], r"must be \(2 knots, channels\)"),
    ],
)
def test_levels_that_cannot_be_are_refused(times: list[int], positive: object, negative: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ClipLevels(np.array(times, np.int64), np.array(positive), np.array(negative))


def test_infinite_levels_and_lists_are_taken() -> None:
    levels = ClipLevels([0, 5], [[INF], [1]], [[-0.5], [-INF]])  # type: ignore[arg-type]
    assert levels.any
    with pytest.raises(TypeError):
        ClipLevels(np.array([0.5]), np.array([[1.0]]), np.array([[-1.0]]))  # type: ignore[arg-type]


def test_a_model_may_be_given_as_text(tiny_model: Path) -> None:
    assert Session(str(tiny_model)).info == Session(tiny_model).info
