"""What the shell makes of the dry and the restored signal, seen through the LV2: bypass, mix, delta, makeup, ceiling, without clicks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from material import BUNDLE, LEVEL, RATE, Audio, by_core, expected, given, tones

from declipper.plugins.lv2 import Lv2Plugin


def plugin(rate: int = RATE, channels: int = 2, **controls: float) -> Lv2Plugin:
    made = Lv2Plugin(BUNDLE, f"urn:declipper:{'mono' if channels == 1 else 'stereo'}", sample_rate=rate)
    for symbol, value in controls.items():
        made[symbol] = value
    return made


def rendered(signal: Audio, rate: int = RATE, **controls: float) -> Audio:
    """In one block, the latency taken off."""
    made = plugin(rate, signal.shape[1], **controls)
    latency = made.latency
    return made.process(np.concatenate([signal, np.zeros((latency, signal.shape[1]), np.float32)]))[latency:]


def test_restored_is_the_cores() -> None:
    np.testing.assert_array_equal(rendered(given()), expected())
    mono = tones(1, channels=1, seed=2)
    np.testing.assert_array_equal(rendered(mono), by_core(mono))


@pytest.mark.parametrize("sizes", [(1,), (64,), (1000,), (8192,), (0, 1, 7, 1024, 333, 20000)], ids=str)
def test_any_block_size(sizes: tuple[int, ...]) -> None:
    signal = given()[:40000]
    whole = plugin().process(signal)
    made, pieces, begin = plugin(), [], 0
    for size in itertools.cycle(sizes):
        pieces.append(made.process(signal[begin : begin + size]))
        begin += size
        if begin >= len(signal):
            break
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_bypass_mix_and_delta() -> None:
    dry = given()
    np.testing.assert_array_equal(rendered(dry, enabled=0, makeup=-6, ceiling=0), dry)
    np.testing.assert_array_equal(rendered(dry, mix=0), dry)
    half = rendered(dry, mix=50)
    np.testing.assert_allclose(half, (dry + expected()) / 2, rtol=1e-6)
    np.testing.assert_allclose(rendered(dry, delta=1), expected() - dry, atol=1e-6)
    np.testing.assert_array_equal(half[expected() == dry], dry[expected() == dry])


def test_makeup_and_ceiling() -> None:
    np.testing.assert_allclose(rendered(given(), makeup=6), expected() * 10 ** (6 / 20), rtol=1e-6)
    limited = rendered(given(), ceiling=-3)
    most = 10 ** (-3 / 20)
    assert np.abs(limited).max() <= most
    below = np.abs(expected()) < 0.84 * most
    np.testing.assert_array_equal(limited[below], expected()[below])


def test_thresholds_by_hand() -> None:
    signal = tones(1, seed=3)
    db = 20 * np.log10(LEVEL)
    by_hand = rendered(signal, auto=0, thresh_pos=db - 0.01, thresh_neg=0)
    assert np.mean(by_hand[signal == LEVEL] > LEVEL) > 0.2
    np.testing.assert_array_equal(by_hand[signal < 0], signal[signal < 0])


def test_meters() -> None:
    made = plugin()
    made.process(given())
    assert made["detected_pos"] == pytest.approx(-6.02, abs=0.05)
    assert made["detected_neg"] == pytest.approx(-6.02, abs=0.05)
    assert 0 < made["clipped_pct"] < 100
    silent = plugin()
    silent.process(np.zeros((RATE, 2), np.float32))
    assert (silent["detected_pos"], silent["detected_neg"], silent["clipped_pct"]) == (-90, -90, 0)


@pytest.mark.parametrize(("symbol", "value"), [("enabled", 0), ("delta", 1), ("makeup", -24), ("makeup", 12), ("ceiling", -12)])
def test_changes_do_not_click(symbol: str, value: float) -> None:
    t = np.arange(RATE)[:, None] / RATE
    low = (0.9 * np.sin(2 * np.pi * 50 * t) * np.ones((1, 2))).astype(np.float32)
    made = plugin(makeup=6 if symbol == "enabled" else 0)
    before = made.process(low[: RATE // 2])
    made[symbol] = value
    after = made.process(low[RATE // 2 :])
    steps = np.abs(np.diff(np.concatenate([before, after]), axis=0))
    steepest = 0.9 * 4 * 2 * np.pi * 50 / RATE  # of the tone at the highest makeup
    ramp = 0.9 * 4 / (0.01 * RATE)
    assert steps.max() < steepest + ramp


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000])
def test_any_sample_rate(rate: int) -> None:
    signal = tones(1, rate=rate, seed=4)
    out = rendered(signal, rate)
    np.testing.assert_array_equal(out, by_core(signal, rate))
    assert plugin(rate).latency / rate == pytest.approx(0.08, rel=0.45)


def test_instances_are_apart() -> None:
    one, other = plugin(), plugin(makeup=-6)
    mixed = []
    for begin in range(0, 20000, 500):
        mixed.append(one.process(given()[begin : begin + 500]))
        other.process(-given()[begin : begin + 500])
    np.testing.assert_array_equal(np.concatenate(mixed), plugin().process(given()[:20000]))
