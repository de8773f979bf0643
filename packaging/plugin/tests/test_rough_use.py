"""Random settings, blocks and broken samples; what an audio thread must not do; the cost beside that of a gain plugin."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from hosts import bench
from material import BUILD, BUNDLE, given
from test_output import plugin

INPUTS = ["auto", "thresh_pos", "thresh_neg", "link", "ceiling", "makeup", "mix", "delta", "enabled"]
BROKEN = [np.nan, np.inf, -np.inf, 1e38, -1e38, 1e-42]


@pytest.mark.parametrize("seed", range(4))
def test_random_use(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = plugin(rate=int(rng.choice([8000, 44100, 48000, 192000])))
    made.process(np.zeros((0, 2), np.float32))
    for _ in range(150):
        for symbol in rng.choice(INPUTS, 2):
            made[symbol] = float(rng.choice([rng.uniform(-100, 150), rng.integers(0, 2), *BROKEN]))
        begin, size = rng.integers(0, len(given()) // 2), int(rng.choice([0, 1, 64, 1000, 3000, 8192]))
        block = given()[begin : begin + size].copy()
        if rng.random() < 0.3 and size:
            block[rng.integers(0, size, 3), rng.integers(0, 2, 3)] = rng.choice(BROKEN, 3)
        made.process(block)
        assert all(np.isfinite(made[symbol]) for symbol in ("detected_pos", "detected_neg", "clipped_pct", "latency"))


@pytest.mark.parametrize("value", BROKEN)
def test_a_broken_sample_passes(value: float) -> None:
    """It may be heard, but nothing of it stays."""
    made, signal = plugin(), np.concatenate([given(), given()])
    signal[20000] = value
    out = made.process(signal)
    late = made.latency
    whole = plugin().process(np.concatenate([given(), given()]))
    assert np.isfinite(out[20000 + 10 * late :]).all()
    assert np.isnan(value) or not np.isnan(out).any()
    np.testing.assert_array_equal(out[:20000], whole[:20000])


def test_crossed_channels() -> None:
    """Hosts may give an output the buffer of the other input."""
    made = plugin(makeup=-6)
    whole = plugin(makeup=-6).process(given())
    planes = np.ascontiguousarray(given().T)
    for port, plane in zip(made.inputs + made.outputs, (0, 1, 1, 0), strict=True):
        made.connect(port, planes[plane])
    made.run(planes.shape[1])
    np.testing.assert_array_equal(planes[::-1].T, whole)


def test_no_number_and_no_port_mean_the_default() -> None:
    whole = plugin().process(given())
    np.testing.assert_array_equal(plugin(**dict.fromkeys(INPUTS, np.nan)).process(given()), whole)
    made = plugin()
    for port in range(min(made.inputs)):
        made.connect(port, None)
    np.testing.assert_array_equal(made.process(given()), whole)


def test_settings_outlive_a_restart_and_the_signal_does_not() -> None:
    made = plugin(makeup=-6)
    made.process(given()[:20000])
    made.activate()
    np.testing.assert_array_equal(made.process(given()), plugin(makeup=-6).process(given()))


@pytest.mark.parametrize("rate", [0, 100, 10**7])
def test_impossible_sample_rates_are_refused(rate: int) -> None:
    with pytest.raises(ValueError, match="instantiated"):
        plugin(rate=rate)


def test_run_neither_allocates_nor_frees() -> None:
    done = subprocess.run([BUILD / "tests/realtime", BUNDLE / "declipper.so"], capture_output=True, text=True, check=True)
    calls, misdeeds = map(int, done.stdout.split())
    assert calls > 500
    assert misdeeds == 0


def test_lv2bench() -> None:
    cost = bench()
    assert set(cost) == {"urn:declipper:stereo", "http://lv2plug.in/plugins/eg-amp"}
    assert all(seconds > 0 for seconds in cost.values())
