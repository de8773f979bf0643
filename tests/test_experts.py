"""Models that take the experts' estimates as further inputs, in the engine."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import CONTRACT, music, write_model
from threadpoolctl import threadpool_info, threadpool_limits

from declipper import ClipLevels, DeclipStream, Session, declip
from declipper.clipping.signal import ClippedSignal
from declipper.engine.experts import BEST, DEVIATION, FAST, LIVE, NONE, SETS, ExpertSet
from declipper.engine.framing import Framing
from declipper.engine.recipes import NoRecipe
from declipper.errors import ModelError
from declipper.methods.blas import one_blas_thread

RATE = 44100
LEVELS = ClipLevels.constant(0.6, -0.5, 2)
WITH_EXPERTS = CONTRACT | {
    "declipper.window": "32768",
    "declipper.context": "8192",
    "declipper.fade": "1024",
    "declipper.experts": "best",
    "declipper.fingerprint": BEST.fingerprint,
}


@pytest.fixture(scope="module")
def mean_session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The mean of the experts' estimates."""
    weights = (0.0, 0.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.0)
    return Session(write_model(tmp_path_factory.mktemp("models") / "mean.onnx", weights, WITH_EXPERTS), "cpu")


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.4, 0.7])
@pytest.mark.parametrize("experts", SETS.values(), ids=SETS.keys())
def test_estimates_are_divided_by_the_scale_and_one_for_each_name(experts: ExpertSet, share: float) -> None:
    x = music(20000, 1)[:, 0]
    x = x * (0.5 / np.quantile(np.abs(x), 1 - share))
    y = np.clip(x, -0.5, 0.5)
    signal = ClippedSignal(y[:, None], np.array(0.5), np.array(-0.5), RATE)
    found = experts.run(signal, scale=0.5)
    assert tuple(found) == experts.outputs
    assert np.array_equal(experts.rows(signal, scale=0.5), np.reshape([*found.values()], (len(found), len(y))))
    reliable = np.abs(y) < 0.5
    for name, row in found.items():
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
    return declip(recording, RATE, levels=LEVELS, session=mean_session)


def test_reliable_samples_are_untouched(recording: np.ndarray, whole: np.ndarray) -> None:
    reliable = (recording < 0.6) & (recording > -0.5)
    assert np.array_equal(whole[reliable], recording[reliable])


@pytest.mark.parametrize("sizes", [[8192, 1], [30000, 7]])
def test_stream_equals_whole_for_any_blocks(sizes: list[int], recording: np.ndarray, whole: np.ndarray, mean_session: Session) -> None:
    parts, position, turn = [], 0, 0
    stream = DeclipStream(RATE, 2, LEVELS, mean_session)
    while position < len(recording):
        size = sizes[turn % len(sizes)]
        parts.append(stream.push(recording[position : position + size]))
        position, turn = position + size, turn + 1
    assert np.array_equal(np.concatenate([*parts, stream.flush()]), whole)


def test_tones_are_restored_across_the_borders_of_windows(mean_session: Session) -> None:
    x = music(60000, 1, 1.0)
    y = np.clip(x, -0.5, 0.5)
    restored = declip(y, RATE, levels=ClipLevels.constant(0.5, -0.5, 1), session=mean_session)
    before, after = (float(np.sum((x - v) ** 2)) for v in (y, restored))
    assert 10 * np.log10(before / after) > 25


def test_scaling_the_input_scales_the_output(mean_session: Session) -> None:
    """By a power of two, so that both round alike: whether a faint bin is kept hangs on the last bit."""
    y = np.clip(music(20000, 1), -0.5, 0.5)
    one, other = (declip(g * y, RATE, levels=ClipLevels.constant(0.5 * g, -0.5 * g, 1), session=mean_session) for g in (1.0, 1 / 64))
    assert np.array_equal(other, one / 64)


@pytest.mark.parametrize("rate", [8000, 192000])
def test_other_rates(rate: int, mean_session: Session) -> None:
    y = np.clip(music(20000, 1), -0.5, 0.5)
    restored = declip(y, rate, levels=ClipLevels.constant(0.5, -0.5, 1), session=mean_session)
    assert restored.shape == y.shape
    assert np.all(np.abs(restored[np.abs(y) >= 0.5]) >= 0.5)


def changed(path: Path, **values: str) -> Path:
    """A model with other metadata."""
    return write_model(path, (0.0, 0.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.0), WITH_EXPERTS | {f"declipper.{k}": v for k, v in values.items()})


def test_models_that_see_other_experts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="sees the experts 'tubes', this version of declipper has none, plugin, live, fast, best"):
        Session(changed(tmp_path / "m.onnx", experts="tubes"), "cpu")
    with pytest.raises(ModelError, match=r"was trained with best experts that computed something else .* train it again"):
        Session(changed(tmp_path / "m.onnx", fingerprint="0123456789abcdef"), "cpu")


def test_a_fingerprint_changes_with_what_is_computed() -> None:
    """With the values of the recipe and the version of a method, and with nothing else."""
    assert len({experts.fingerprint for experts in SETS.values()}) == len(SETS)
    assert replace(FAST, cost=9.0, serves_live=True).fingerprint == FAST.fingerprint
    assert replace(FAST, recipe=replace(FAST.recipe, few=0.03)).fingerprint != FAST.fingerprint
    assert replace(BEST, versions=(*BEST.versions[:-1], BEST.versions[-1] + 1)).fingerprint != BEST.fingerprint


@pytest.mark.parametrize("experts", SETS.values(), ids=SETS)
def test_experts_can_be_sent_to_another_process(experts: ExpertSet) -> None:
    """As `declipper live` does."""
    assert pickle.loads(pickle.dumps(experts)) == experts


@pytest.mark.parametrize("experts", [FAST, BEST], ids=["fast", "best"])
def test_slow_experts_are_refused_in_live_framing(experts: ExpertSet) -> None:
    session = Session(experts.name, "cpu")
    with pytest.raises(ModelError, match=f"{experts.name}: sees {experts.name} experts, which take too long for live use"):
        Framing.live(session.info, RATE, 1000)
    for served in (LIVE, NONE):
        assert Framing.live(replace(session.info, experts=served), RATE, 1000).hop == 800


def threads() -> set[int]:
    """Of the BLAS libraries that are loaded, how many each would use."""
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_blas_has_its_threads_back_after_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """One while estimates are made, in all threads of the process, and as many as before when the last of them is done."""
    during: list[set[int]] = []
    monkeypatch.setattr(NoRecipe, "__call__", lambda _self, _signal: during.append(threads()) or {"x": np.zeros((10, 1))})
    experts = replace(NONE, outputs=("x",))
    signal = ClippedSignal(np.zeros((10, 1)), np.array(0.5), np.array(-0.5), RATE)
    with threadpool_limits(2, "blas"):
        with one_blas_thread(), ThreadPoolExecutor(2) as pool:
            list(pool.map(experts.run, [signal, signal]))
            assert threads() == {1}
        experts.run(signal)
        assert during == [{1}] * 3
        assert threads() == {2}
