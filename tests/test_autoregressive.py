"""AR interpolation and its deviation against the theory: a plain dense solver, and true AR processes."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clipped_to, tones
from scipy.linalg import cho_solve_banded, toeplitz
from scipy.signal import lfilter

from declipper.clipping.arrays import Array
from declipper.clipping.blend import blend
from declipper.clipping.levels import clip
from declipper.clipping.signal import ClippedSignal
from declipper.methods.ar_equations import error_filter, normal_equations
from declipper.methods.autoregressive import ARModel, autoregressive, predicted
from declipper.training.data.degrade import sdr

RATE = 44100
SHORT = ARModel(orders=(16, 64, 128))


def at(y: Array, level: float = 0.5) -> ClippedSignal:
    """Samples that were clipped at a level, up and down."""
    return ClippedSignal(y, np.array(level), np.array(-level), RATE)


def process(frames: int, seed: int = 1) -> tuple[Array, Array]:
    """A resonant AR process of order 4, and its error filter."""
    filter_ = np.poly(np.concatenate([0.99 * np.exp(np.array([0.3j, -0.3j])), 0.97 * np.exp(np.array([0.9j, -0.9j]))])).real
    return lfilter([1.0], filter_, np.random.default_rng(seed).normal(size=frames + 500))[500:], filter_


def dense(known: Array, unknown: Array, filter_: Array) -> Array:
    """The reference twin: least squares on every prediction error, forward and back, that lies within the window."""
    places = np.arange(len(known) - len(filter_) + 1)[:, None] + np.arange(len(filter_))
    errors = np.zeros((2, len(places), len(known)))
    errors[0, np.arange(len(places))[:, None], places] = filter_[::-1]
    errors[1, np.arange(len(places))[:, None], places] = filter_
    rows = errors.reshape(-1, len(known))
    return np.linalg.lstsq(rows[:, unknown], -rows @ known, rcond=None)[0]


@pytest.mark.parametrize("order", [4, 40])
def test_band_solver_agrees_with_dense_least_squares(order: int) -> None:
    x, _ = process(600)
    unknown = np.flatnonzero((np.abs(x) > 1.5 * x.std()) | np.isin(np.arange(len(x)), [0, 1, 30, 590, 598, 599]))
    known = x.copy()
    known[unknown] = 0
    correlation = np.correlate(x, x, "full")[len(x) - 1 :][: order + 1]
    filter_ = error_filter(correlation)
    assert np.allclose(toeplitz(correlation[:-1]) @ filter_[1:], -correlation[1:])
    ahead = np.abs(unknown[:, None] + 0 * unknown - unknown)
    bandwidth = max(int(np.sum((row <= order) & (unknown >= at))) for row, at in zip(ahead, unknown, strict=True)) - 1
    distance = np.full((len(unknown), bandwidth + 1), order + 1, np.int32)
    for i in range(len(unknown)):
        for j in range(i, min(i + bandwidth + 1, len(unknown))):
            distance[i, j - i] = min(unknown[j] - unknown[i], order + 1)
    factor, right = normal_equations(known, unknown, filter_=filter_, distance=distance)
    assert np.allclose(cho_solve_banded((factor, True), right), dense(known, unknown, filter_), atol=1e-9 * x.std())


def test_the_ends_of_a_recording_are_as_good_as_its_middle() -> None:
    """Nothing is known of what lies beyond them: least of all that it is silence."""
    x = tones(9000) / np.abs(tones(9000)).max()
    parts = [x[begin : begin + 8192] for begin in range(0, 600, 20)]
    before = np.concatenate([clip(part, 0.5, -0.5)[:20] for part in parts])
    after = np.concatenate([autoregressive(at(clip(part, 0.5, -0.5)), SHORT, draws=0).mean[:20] for part in parts])
    truth = np.concatenate([part[:20] for part in parts])
    assert sdr(truth, after) - sdr(truth, before) > 60


def test_comes_near_least_squares_with_the_true_filter() -> None:
    x, filter_ = process(8000)
    level = 1.8 * x.std()
    y = clip(x, level, -level)
    unknown = np.flatnonzero(np.abs(x) >= level)
    best, known = x.copy(), x.copy()
    known[unknown] = 0
    best[unknown] = dense(known, unknown, filter_)
    restored = autoregressive(at(y[:, None], level), ARModel(orders=(4, 8, 8, 8, 8))).mean[:, 0]
    assert sdr(x, restored) > sdr(x, best) - 2
    assert sdr(x, restored) > sdr(x, y) + 15


def test_context_of_one_window_is_enough() -> None:
    _, y = clipped_to(tones(40000))
    other = y.copy()
    other[:8192], other[36000:] = 0, 0
    whole, part = (autoregressive(at(v), SHORT).mean[16384 : 36000 - 8192] for v in (y, other))
    assert np.array_equal(part, whole)


def test_a_signal_no_longer_than_a_window_is_one_window() -> None:
    _, y = clipped_to(tones(3000))
    short, whole, long = (autoregressive(at(y), ARModel(window, SHORT.orders)).mean for window in (2000, 3000, 8192))
    assert np.array_equal(whole, long)
    assert not np.array_equal(short, long)


def test_the_order_falls_where_many_samples_are_clipped() -> None:
    """At 80 % clipped, order 512 would couple 400 neighbours; the result is still finite and bounded."""
    noise = np.random.default_rng(0).normal(size=(12000, 1))
    high, low = (autoregressive(at(clip(noise, 0.25, -0.25), 0.25), ARModel(orders=(order,))).mean for order in (512, 256))
    assert np.allclose(high, low, rtol=1e-6)
    assert np.abs(high).max() < 10


def test_a_wholly_clipped_signal_stays_as_it_is() -> None:
    full = np.full((20000, 1), 0.5)
    assert np.array_equal(autoregressive(at(full)).mean, full)


def test_a_long_gap_does_not_break_the_solver() -> None:
    x, y = clipped_to(tones(20000))
    y[8000:10000] = 0.5
    restored = autoregressive(at(y)).mean
    assert np.all(np.isfinite(restored))
    assert np.abs(restored).max() < 5 * np.abs(x).max()


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_the_deviation_is_the_size_of_the_error(share: float) -> None:
    """Of a true AR process, where the model holds."""
    x = process(30000)[0][:, None]
    level = np.quantile(np.abs(x), 1 - share)
    clipped = np.abs(x) >= level
    found = autoregressive(at(clip(x, level, -level), level), ARModel(orders=(16, 16, 16, 16)))
    assert not found.deviation[~clipped].any()
    error, expected = (np.sqrt(np.mean(np.square(v[clipped]))) for v in (found.mean - x, found.deviation))
    assert 0.5 < expected / error < 2


def test_the_deviation_is_larger_inside_long_runs_than_at_lone_samples() -> None:
    x = process(20000)[0][:, None]
    y = x.copy()
    run, lone = np.arange(5000, 5040), np.arange(12000, 16000, 400)
    y[run], y[lone] = 100, 100
    signal = ClippedSignal(y, np.array(99.0), np.array(-np.inf), RATE)
    found = autoregressive(signal, ARModel(orders=(16,)), start=x).deviation[:, 0]
    assert found[run[15:25]].min() > 3 * found[lone].max()


def test_the_deviation_scales_and_is_finite_for_any_signal() -> None:
    _, y = clipped_to(tones(20000))
    model = ARModel(orders=(64,))
    found = autoregressive(at(y), model).deviation
    assert np.array_equal(autoregressive(at(4 * y, 2.0), model).deviation, 4 * found)
    full = np.full((20000, 1), 0.5)
    assert np.all(np.isfinite(autoregressive(at(full)).deviation))
    gap = np.zeros((20000, 1))
    gap[5000:5010] = 0.5
    assert np.array_equal(autoregressive(at(gap), start=0 * gap).deviation, 0 * gap)
    y[3000] = np.nan
    assert np.all(np.isfinite(autoregressive(at(y), model).deviation))


def test_without_draws_it_is_janssens_method_with_no_deviation() -> None:
    _, y = clipped_to(tones(20000))
    found = autoregressive(at(y), SHORT, draws=0)
    assert not found.deviation.any()
    assert np.array_equal(found.mean, blend(at(y), predicted(at(y), SHORT, draws=0).mean))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_what_the_levels_say_brings_samples_nearer_to_the_truth(share: float) -> None:
    """Of a true AR process, where prediction has much left to say: noise, not tones."""
    x = lfilter([1.0], [1, -0.9], np.random.default_rng(5).normal(size=30000))[:, None]
    level = np.quantile(np.abs(x), 1 - share)
    signal, model = at(clip(x, level, -level), level), ARModel(orders=(16, 16, 16))
    plain, told = (sdr(x, autoregressive(signal, model, draws=draws).mean) for draws in (0, 8))
    assert told > plain + 1


def test_the_scatter_of_the_plateaus_tells_of_noise_in_all_samples() -> None:
    """Of two signals that differ only in it, the one that shows it is restored better: what is noise is not predicted."""
    x = tones(20000) / np.abs(tones(20000)).max()
    clipped = np.abs(x) >= 0.7
    y = clip(x, 0.7, -0.7) + np.random.default_rng(4).normal(0, 0.005, x.shape)
    hidden = np.where(clipped, np.sign(x) * 0.7, y)
    shown, unshown = (predicted(at(v, 0.68), ARModel(orders=(128, 512))).mean for v in (y, hidden))
    assert sdr(x[clipped], shown[clipped]) > sdr(x[clipped], unshown[clipped]) + 1


def test_the_newest_samples_are_those_of_a_window_that_ends_with_the_signal() -> None:
    """What is older than the window plays no part, and the deviation is about what the error is."""
    x, _ = process(6000)
    level = float(1.5 * x.std())
    new = np.arange(len(x)) >= 5000
    y, levels = np.where(new, clip(x, level, -level), x)[:, None], np.where(new, level, np.inf)[:, None]
    signal, model = ClippedSignal(y, levels, -levels, RATE), ARModel(2048, (16, 16))
    found = predicted(signal, model, newest=1000)
    clipped = signal.mask
    assert np.array_equal(found.mean[~clipped], y[~clipped])
    shorter = predicted(signal.part(slice(len(x) - 2048, None)), model, newest=1000)
    assert np.allclose(found.mean[-2048:], shorter.mean, rtol=0, atol=0.05 * x.std())
    error = np.abs(found.mean - x[:, None])[clipped]
    assert np.mean(error) < 0.2 * np.mean(np.abs(y - x[:, None])[clipped])
    assert 0.4 < np.sqrt(np.mean(np.square(error / found.deviation[clipped]))) < 2.5
