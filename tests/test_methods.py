"""What the exact methods have in common: sines come back at any rate, and for any signal scaling, polarity, consistency hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from conftest import clipped_to, tones

from declipper.clipping.arrays import Array
from declipper.methods.autoregressive import autoregressive
from declipper.methods.model_averaging import averaged
from declipper.methods.social_sparsity import falling, spectral
from declipper.methods.spade import sparse
from declipper.training.data.degrade import sdr

UP, DOWN = np.array([[0.5]]), np.array([[-0.5]])
RATE = 44100
Method = Callable[..., Array]


def interpolated(*arguments: Any, **options: Any) -> Array:
    """The signal without its deviation."""
    return autoregressive(*arguments, **options)[0]


def mean(y: Array, up: Array, down: Array, rate: float) -> Array:
    """Of two models, without its deviation."""
    return averaged(y, up, down, rate, ((8192, (16, 64, 128)), (2048, (16, 64))), 1e8, None)[0]


METHODS: dict[str, Method] = {"autoregressive": interpolated, "averaged": mean, "spectral": spectral, "sparse": sparse}
QUICKLY: dict[str, Method] = {
    "autoregressive": partial(interpolated, orders=(16, 64, 128)),
    "averaged": mean,
    "spectral": partial(spectral, iterations=falling(6, 0.2, 0.001, 0.9, 1.2)),
    "sparse": sparse,
}


@pytest.fixture(params=list(QUICKLY))
def method(request: pytest.FixtureRequest) -> Method:
    """Each method, with less work where it takes less."""
    return QUICKLY[request.param]


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("rate", [8000, 48000, 192000])
def test_tones_are_restored_at_any_rate(name: str, rate: int) -> None:
    x, y = clipped_to(tones(int(0.6 * rate) + 1, rate))
    assert sdr(x, METHODS[name](y, UP, DOWN, rate)) > 25


def test_scaling_scales_and_polarity_flips(method: Method) -> None:
    _, y = clipped_to(tones(20000))
    restored = method(y, UP, 0.8 * DOWN, RATE)
    assert np.array_equal(method(y * 4, UP * 4, 3.2 * DOWN, RATE), restored * 4)
    flipped = method(-y, -0.8 * DOWN, -UP, RATE)
    if method is QUICKLY["spectral"]:
        assert np.allclose(flipped, -restored, atol=1e-6)
    else:
        assert np.array_equal(flipped, -restored)


@pytest.mark.parametrize(("name", "tolerance"), [("autoregressive", 1e-6), ("averaged", 1e-6), ("spectral", 1e-5)])
def test_any_factor_scales(name: str, tolerance: float) -> None:
    """Not the sparse method: which of two partials is the larger hangs on the last bit."""
    _, y = clipped_to(tones(20000))
    once, scaled = (QUICKLY[name](y * g, UP * g, DOWN * g, RATE) for g in (1.0, 0.3))
    assert np.allclose(scaled, once * 0.3, atol=tolerance)


def test_channels_are_restored_each_by_itself(method: Method) -> None:
    _, y = clipped_to(np.concatenate([tones(20000, seed=1), tones(20000, seed=2), 0.1 * tones(20000, seed=3)], axis=1))
    up, down = np.array([[0.5, 0.4, 0.5]]), np.array([[-0.5, -np.inf, -0.5]])
    each = [method(y[:, [c]], up[:, [c]], down[:, [c]], RATE) for c in range(3)]
    assert np.array_equal(method(y, up, down, RATE), np.concatenate(each, axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reliable_samples_stay_and_clipped_ones_keep_their_level(method: Method, dtype: type) -> None:
    y = clipped_to(tones(20000))[1].astype(dtype)
    level = np.linspace(0.3, 0.5, len(y))[:, None]
    restored = method(y, level, DOWN, RATE)
    up, down = y >= level, y <= DOWN
    assert restored.dtype == dtype
    assert np.array_equal(restored[~(up | down)], y[~(up | down)])
    assert np.all(restored[up] >= np.broadcast_to(level, y.shape)[up])
    assert np.all(restored[down] <= -0.5)


@pytest.mark.parametrize("frames", [0, 1, 2, 100, 4097, 8193])
def test_short_signals(method: Method, frames: int) -> None:
    y = np.clip(tones(frames) * 3, -0.5, 0.5)
    restored = method(y, UP, DOWN, RATE)
    assert restored.shape == y.shape
    assert np.all(np.isfinite(restored))


def test_silence_a_wholly_clipped_signal_and_broken_samples(method: Method) -> None:
    assert not method(np.zeros((9000, 2)), UP, DOWN, RATE).any()
    restored = method(np.full((20000, 1), 0.5), UP, DOWN, RATE)
    assert np.all((restored >= 0.5) & (restored < 5))
    _, y = clipped_to(tones(20000) + 0.4)
    y[3000], y[5000], y[7000] = np.nan, np.inf, -np.inf
    restored = method(y, UP, DOWN, RATE)
    assert np.all(np.isfinite(restored))
    assert np.all(restored[[3000, 5000, 7000]] == 0)
