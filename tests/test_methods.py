"""What the exact methods have in common: sines come back at any rate, and for any signal scaling, polarity, consistency hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from conftest import clipped_to, tones

from declipper.clipping.arrays import Array
from declipper.clipping.signal import ClippedSignal
from declipper.methods.autoregressive import DEFAULT_MODEL, ARModel, autoregressive
from declipper.methods.model_averaging import averaged
from declipper.methods.social_sparsity import FallingThreshold, social_sparsity
from declipper.methods.spade import spade
from declipper.training.data.degrade import sdr

RATE = 44100
Method = Callable[[ClippedSignal], Array]


def at(y: Array, positive: float | Array = 0.5, negative: float | Array = -0.5, rate: float = RATE) -> ClippedSignal:
    """Samples that were clipped at these levels."""
    return ClippedSignal(y, np.array(positive), np.array(negative), rate)


def interpolated(signal: ClippedSignal, model: ARModel = DEFAULT_MODEL) -> Array:
    """The signal without its deviation."""
    return autoregressive(signal, model).mean


def mean(signal: ClippedSignal) -> Array:
    """Of two models, without its deviation."""
    return averaged(signal, (ARModel(8192, (16, 64, 128), 1e8), ARModel(2048, (16, 64), 1e8))).mean


METHODS: dict[str, Method] = {"autoregressive": interpolated, "averaged": mean, "social": social_sparsity, "spade": spade}
QUICKLY: dict[str, Method] = {
    "autoregressive": partial(interpolated, model=ARModel(orders=(16, 64, 128))),
    "averaged": mean,
    "social": partial(social_sparsity, threshold=FallingThreshold(6, 0.2, 0.001, 0.9, 1.2)),
    "spade": spade,
}


@pytest.fixture(params=list(QUICKLY))
def method(request: pytest.FixtureRequest) -> Method:
    """Each method, with less work where it takes less."""
    return QUICKLY[request.param]


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("rate", [8000, 48000, 192000])
def test_tones_are_restored_at_any_rate(name: str, rate: int) -> None:
    x, y = clipped_to(tones(int(0.6 * rate) + 1, rate))
    assert sdr(x, METHODS[name](at(y, rate=rate))) > 25


def test_scaling_scales_and_polarity_flips(method: Method) -> None:
    _, y = clipped_to(tones(20000))
    restored = method(at(y, 0.5, -0.4))
    assert np.array_equal(method(at(y * 4, 2.0, -1.6)), restored * 4)
    flipped = method(at(-y, 0.4, -0.5))
    if method is QUICKLY["social"]:
        assert np.allclose(flipped, -restored, atol=1e-6)
    else:
        assert np.array_equal(flipped, -restored)


@pytest.mark.parametrize(("name", "tolerance"), [("autoregressive", 1e-6), ("averaged", 1e-6), ("social", 1e-5)])
def test_any_factor_scales(name: str, tolerance: float) -> None:
    """Not SPADE: which of two partials is the larger hangs on the last bit."""
    _, y = clipped_to(tones(20000))
    once, scaled = (QUICKLY[name](at(y * g, 0.5 * g, -0.5 * g)) for g in (1.0, 0.3))
    assert np.allclose(scaled, once * 0.3, atol=tolerance)


def test_channels_are_restored_each_by_itself(method: Method) -> None:
    _, y = clipped_to(np.concatenate([tones(20000, seed=1), tones(20000, seed=2), 0.1 * tones(20000, seed=3)], axis=1))
    up, down = np.array([[0.5, 0.4, 0.5]]), np.array([[-0.5, -np.inf, -0.5]])
    each = [method(at(y[:, [c]], up[:, [c]], down[:, [c]])) for c in range(3)]
    assert np.array_equal(method(at(y, up, down)), np.concatenate(each, axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reliable_samples_stay_and_clipped_ones_keep_their_level(method: Method, dtype: type) -> None:
    y = clipped_to(tones(20000))[1].astype(dtype)
    level = np.linspace(0.3, 0.5, len(y))[:, None]
    restored = method(at(y, level))
    up, down = y >= level, y <= -0.5
    assert restored.dtype == dtype
    assert np.array_equal(restored[~(up | down)], y[~(up | down)])
    assert np.all(restored[up] >= np.broadcast_to(level, y.shape)[up])
    assert np.all(restored[down] <= -0.5)


@pytest.mark.parametrize("frames", [0, 1, 2, 100, 4097, 8193])
def test_short_signals(method: Method, frames: int) -> None:
    y = np.clip(tones(frames) * 3, -0.5, 0.5)
    restored = method(at(y))
    assert restored.shape == y.shape
    assert np.all(np.isfinite(restored))


def test_silence_a_wholly_clipped_signal_and_broken_samples(method: Method) -> None:
    assert not method(at(np.zeros((9000, 2)))).any()
    restored = method(at(np.full((20000, 1), 0.5)))
    assert np.all((restored >= 0.5) & (restored < 5))
    _, y = clipped_to(tones(20000) + 0.4)
    y[3000], y[5000], y[7000] = np.nan, np.inf, -np.inf
    restored = method(at(y))
    assert np.all(np.isfinite(restored))
    assert np.all(restored[[3000, 5000, 7000]] == 0)
