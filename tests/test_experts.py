"""Models that take the experts' estimates as further inputs, in the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import CONTRACT, music, write_model

from declipper import ClipLevels, DeclipStream, Session, declip
from declipper.engine.experts import BRISK, DEVIATION, QUICK, THOROUGH, estimates
from declipper.errors import ModelError

RATE = 44100
LEVELS = ClipLevels.constant(0.6, -0.5, 2)
WITH_EXPERTS = CONTRACT | {
    "declipper.window": "32768",
    "declipper.context": "8192",
    "declipper.fade": "1024",
    "declipper.experts": " ".join(THOROUGH),
}


@pytest.fixture(scope="module")
def mean_session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The mean of the experts' estimates."""
    weights = (0.0, 0.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.0)
    return Session(write_model(tmp_path_factory.mktemp("models") / "mean.onnx", weights, WITH_EXPERTS), "cpu")


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.4, 0.7])
@pytest.mark.parametrize("names", [(), QUICK, BRISK, THOROUGH])
def test_estimates_are_divided_by_the_scale_and_one_for_each_name(names: tuple[str, ...], share: float) -> None:
    x = music(20000, 1)[:, 0]
    x = x * (0.5 / np.quantile(np.abs(x), 1 - share))
    y, level = np.clip(x, -0.5, 0.5), np.array([0.5])
    found = estimates(names, y, level, -level, RATE, 0.5)
    assert found.shape == (len(names), len(y))
    reliable = np.abs(y) < 0.5
    for name, row in zip(names, found, strict=True):
        if name == DEVIATION:
            assert not row[reliable].any()
            assert np.all(row[~reliable] > 0)
        else:
            assert np.allclose(row[reliable], y[reliable] / 0.5, atol=1e-6)
            assert np.all(np.abs(row[~reliable]) >= 1 - 1e-6)


@pytest.fixture(scope="module")
def recording() -> np.ndarray:
    return np.clip(music(36000), -0.5, 0.6)


@pytest.fixture(scope="module")
def whole(recording: np.ndarray, mean_session: Session) -> np.ndarray:
    return declip(recording, RATE, LEVELS, mean_session)


def test_reliable_samples_are_untouched(recording: np.ndarray, whole: np.ndarray) -> None:
    reliable = (recording < 0.6) & (recording > -0.5)
    assert np.array_equal(whole[reliable], recording[reliable])


@pytest.mark.parametrize("sizes", [[8192, 1], [30000, 7]])
def test_stream_equals_whole_for_any_blocks_and_jobs(
    sizes: list[int], recording: np.ndarray, whole: np.ndarray, mean_session: Session
) -> None:
    parts, position, turn = [], 0, 0
    with DeclipStream(RATE, 2, LEVELS, mean_session, jobs=2) as stream:
        while position < len(recording):
            size = sizes[turn % len(sizes)]
            parts.append(stream.push(recording[position : position + size]))
            position, turn = position + size, turn + 1
        assert np.array_equal(np.concatenate([*parts, stream.flush()]), whole)


def test_tones_are_restored_across_the_borders_of_windows(mean_session: Session) -> None:
    x = music(60000, 1, 1.0)
    y = np.clip(x, -0.5, 0.5)
    restored = declip(y, RATE, ClipLevels.constant(0.5, -0.5, 1), mean_session)
    before, after = (float(np.sum((x - v) ** 2)) for v in (y, restored))
    assert 10 * np.log10(before / after) > 25


def test_scaling_the_input_scales_the_output(mean_session: Session) -> None:
    """By a power of two, so that both round alike: whether a faint bin is kept hangs on the last bit."""
    y = np.clip(music(20000, 1), -0.5, 0.5)
    one, other = (declip(g * y, RATE, ClipLevels.constant(0.5 * g, -0.5 * g, 1), mean_session) for g in (1.0, 1 / 64))
    assert np.array_equal(other, one / 64)


@pytest.mark.parametrize("rate", [8000, 192000])
def test_other_rates(rate: int, mean_session: Session) -> None:
    y = np.clip(music(20000, 1), -0.5, 0.5)
    restored = declip(y, rate, ClipLevels.constant(0.5, -0.5, 1), mean_session)
    assert restored.shape == y.shape
    assert np.all(np.abs(restored[np.abs(y) >= 0.5]) >= 0.5)


def test_experts_of_another_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="experts 'autoregressive'"):
        Session(write_model(tmp_path / "m.onnx", (1.0, 1.0, 1.0), WITH_EXPERTS | {"declipper.experts": "autoregressive"}), "cpu")
