"""The engine's promises: stream equals whole, reliable samples untouched, clipped ones consistent, physics of scaling and polarity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declipper import ClipLevels, DeclipStream, Session, declip
from declipper.clipping.arrays import Array
from declipper.clipping.blend import blend, network_input
from declipper.clipping.levels import mask_of
from declipper.clipping.signal import ClippedSignal
from declipper.detection.tracker import LevelTracker
from declipper.engine.framing import Framing, window_length
from declipper.engine.session import shipped_model

RATE = 44100
LEVELS = ClipLevels.constant(0.5, -0.4, channels=2)


@pytest.fixture(scope="module")
def session() -> Session:
    """A model whose experts see windows as they come, and remember nothing."""
    return Session(shipped_model("plugin"), "cpu")


def music(frames: int, seed: int = 0, channels: int = 2) -> Array:
    """Decaying harmonic notes, different in each channel."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames) / RATE
    notes = [np.sin(2 * np.pi * f * t[:, None] + rng.uniform(0, 6, channels)) for f in rng.uniform(100, 3000, 8)]
    return (0.3 * np.sum(notes, axis=0) * (0.5 + 0.5 * np.cos(2 * np.pi * 1.3 * t))[:, None]).astype(np.float32)


def clipped(frames: int, seed: int = 0) -> Array:
    return np.clip(music(frames, seed), np.float32(-0.4), np.float32(0.5))


def plain_overlap_add(y: Array, levels: ClipLevels, session: Session, framing: Framing) -> Array:
    """The reference twin: one window after the other, nothing skipped, nothing shared."""
    fade, hop, before = framing.fade, framing.hop, framing.context + framing.fade
    count = -(-(len(y) + fade) // hop)
    after = count * hop + framing.context + framing.lookahead - before - len(y)
    padded = np.concatenate([np.zeros((before, y.shape[1])), y, np.zeros((after, y.shape[1]))]).astype(y.dtype)
    rise = np.sin(0.5 * np.pi * (np.arange(fade) + 0.5) / fade) ** 2
    unused = np.zeros(framing.lookahead - fade)
    weight = np.concatenate([np.zeros(framing.context), rise, np.ones(hop - fade), 1 - rise, unused])
    total = np.zeros(padded.shape)
    for begin in range(0, count * hop, hop):
        there = slice(max(begin, before), min(begin + framing.window, before + len(y)))
        share = weight[there.start - begin : there.stop - begin]
        for c in range(y.shape[1]):
            cut = ClippedSignal(padded[there, c : c + 1], levels.positive[0, c], levels.negative[0, c], RATE)
            scale = cut.highest_level
            inputs = np.concatenate([network_input(cut), session.info.experts.rows(cut, scale=scale)])
            inputs = np.pad(inputs, ((0, 0), (0, -len(share) % session.info.multiple)))
            total[there, c] += share * scale * session.estimate(inputs)[: len(share)]
    return blend(ClippedSignal(y, levels.positive, levels.negative, RATE), total[before : before + len(y)])


def test_agrees_with_plain_overlap_add(session: Session) -> None:
    y, framing = clipped(40000), Framing(1024, 13312, 2048, 1024)
    assert np.allclose(declip(y, RATE, levels=LEVELS, session=session), plain_overlap_add(y, LEVELS, session, framing), atol=1e-6)


@pytest.mark.parametrize("end", [slice(0, 64), slice(-64, None)])
def test_the_ends_of_a_recording_are_restored_too(end: slice, session: Session) -> None:
    """Beyond them there is nothing, least of all silence: with silence it would be 11.5 dB."""
    x = music(34000)
    damage, error = 0.0, 0.0
    for begin in range(0, 4000, 160):
        truth = x[begin : begin + 30000]
        y = np.clip(truth, np.float32(-0.4), np.float32(0.5))
        damage += float(np.square(y - truth)[end].sum())
        error += float(np.square(declip(y, RATE, levels=LEVELS, session=session) - truth)[end].sum())
    assert 10 * np.log10(damage / error) > 14


@pytest.mark.parametrize("framing", [Framing(2560, 768, 768, 192), Framing(0, 1024, 1024, 1024), Framing(1280, 512, 256, 1)])
def test_windows_with_context_and_lookahead_agree_with_plain_overlap_add(framing: Framing, session: Session) -> None:
    y = clipped(6000)
    stream = DeclipStream(RATE, 2, LEVELS, session, framing=framing)
    parts = []
    for begin in range(0, len(y), 100):
        parts.append(stream.push(y[begin : begin + 100]))
        assert begin + 100 - sum(map(len, parts)) <= stream.latency == framing.hop + framing.lookahead
    restored = np.concatenate([*parts, stream.flush()])
    assert np.allclose(restored, plain_overlap_add(y, LEVELS, session, framing), atol=1e-6)


def run(y: Array, sizes: list[int], session: Session, levels: ClipLevels = LEVELS) -> Array:
    """Push blocks of the given sizes in turn until all is pushed."""
    stream = DeclipStream(RATE, y.shape[1], levels, session)
    parts, position, turn = [], 0, 0
    while position < len(y):
        size = sizes[turn % len(sizes)]
        parts.append(stream.push(y[position : position + size]))
        position, turn = position + size, turn + 1
    return np.concatenate([*parts, stream.flush()])


@pytest.mark.parametrize("sizes", [[1, 7, 64], [1000], [8192], [0, 30000, 3], [14336], [16384, 14335]])
def test_stream_equals_whole_for_any_blocks(sizes: list[int], session: Session) -> None:
    y = clipped(45000)
    assert np.array_equal(run(y, sizes, session), declip(y, RATE, levels=LEVELS, session=session))


@pytest.mark.parametrize("frames", [1, 2047, 2048, 14336, 14337, 16384, 30720])
def test_every_length_comes_out_whole(frames: int, session: Session) -> None:
    y = clipped(frames)
    assert np.array_equal(run(y, [500], session), declip(y, RATE, levels=LEVELS, session=session))
    assert declip(y, RATE, levels=LEVELS, session=session).shape == y.shape


def test_block_by_block_in_single_samples(session: Session) -> None:
    y = clipped(20000)
    assert np.array_equal(run(y, [1], session), declip(y, RATE, levels=LEVELS, session=session))


def test_empty_signal(session: Session) -> None:
    stream = DeclipStream(RATE, 2, LEVELS, session)
    assert stream.flush().shape == (0, 2)
    assert stream.push(np.zeros((0, 2), np.float32)).shape == (0, 2)
    assert stream.flush().shape == (0, 2)
    assert declip(np.zeros((0, 2), np.float32), RATE, levels=LEVELS, session=session).shape == (0, 2)


def test_reset_forgets(session: Session) -> None:
    stream = DeclipStream(RATE, 2, LEVELS, session)
    stream.push(clipped(20000, seed=5))
    stream.reset()
    y = clipped(20000)
    assert np.array_equal(np.concatenate([stream.push(y), stream.flush()]), declip(y, RATE, levels=LEVELS, session=session))


def test_output_lags_by_no_more_than_the_latency(session: Session) -> None:
    stream = DeclipStream(RATE, 2, LEVELS, session)
    received = 0
    for start in range(0, 60000, 777):
        received += len(stream.push(np.zeros((777, 2), np.float32)))
        assert start + 777 - received <= stream.latency


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reliable_samples_are_untouched_and_clipped_ones_consistent(dtype: type, session: Session) -> None:
    y = clipped(50000).astype(dtype)
    restored = declip(y, RATE, levels=LEVELS, session=session)
    mask = mask_of(y, LEVELS)
    assert restored.dtype == dtype
    assert mask.any()
    assert np.array_equal(restored[~mask], y[~mask])
    assert np.all(restored[y >= 0.5] >= 0.5)
    assert np.all(restored[y <= -0.4] <= -0.4)
    assert not np.array_equal(restored[mask], y[mask])


def test_nothing_clipped_nothing_changed(session: Session) -> None:
    y = 0.2 * music(30000)
    assert np.array_equal(declip(y, RATE, session=session), y)


def test_restoring_brings_a_clipped_signal_nearer(session: Session) -> None:
    x = music(100000)
    y = np.clip(x, np.float32(-0.4), np.float32(0.5))
    restored = declip(y, RATE, levels=LEVELS, session=session)
    assert np.linalg.norm(restored - x) < 0.7 * np.linalg.norm(y - x)


def test_scaling_the_input_scales_the_output(session: Session) -> None:
    y = clipped(40000)
    half = ClipLevels.constant(0.25, -0.2, channels=2)
    assert np.array_equal(
        0.5 * declip(y, RATE, levels=LEVELS, session=session), declip(y * np.float32(0.5), RATE, levels=half, session=session)
    )


def test_channels_are_judged_alone(session: Session) -> None:
    y = clipped(40000)
    swapped = declip(y[:, ::-1], RATE, levels=LEVELS, session=session)
    assert np.array_equal(swapped[:, ::-1], declip(y, RATE, levels=LEVELS, session=session))
    left = ClipLevels.constant(0.5, -0.4)
    assert np.array_equal(declip(y[:, 0], RATE, levels=left, session=session), declip(y, RATE, levels=LEVELS, session=session)[:, 0])


def test_a_change_far_away_changes_nothing(session: Session) -> None:
    y = clipped(120000)
    other = y.copy()
    other[100000:] = 0
    assert np.array_equal(
        declip(y, RATE, levels=LEVELS, session=session)[:80000], declip(other, RATE, levels=LEVELS, session=session)[:80000]
    )


def test_changing_levels_are_the_same_in_blocks(session: Session) -> None:
    y = clipped(50000) * np.linspace(1, 0.3, 50000, dtype=np.float32)[:, None]
    levels = ClipLevels(np.array([0, 49999]), np.array([[0.5, 0.5], [0.15, 0.15]]), np.array([[-0.4, -0.4], [-0.12, -0.12]]))
    whole = declip(y, RATE, levels=levels, session=session)
    assert np.array_equal(run(y, [333], session, levels), whole)
    mask = mask_of(y, levels)
    assert np.array_equal(whole[~mask], y[~mask])


def test_not_a_number_passes_and_stays_alone(session: Session) -> None:
    y = clipped(40000)
    y[5000, 0] = np.nan
    restored = declip(y, RATE, levels=LEVELS, session=session)
    assert np.isnan(restored[5000, 0])
    assert np.isfinite(np.delete(restored[:, 0], 5000)).all()


def test_wrong_shapes_are_refused(session: Session) -> None:
    with pytest.raises(ValueError, match="2 channels, the stream has 1"):
        DeclipStream(RATE, 1, LEVELS, session)
    with pytest.raises(ValueError, match="must be"):
        DeclipStream(RATE, 2, LEVELS, session).push(np.zeros((10, 3)))


def test_a_tracker_needs_windows_no_longer_than_its_memory(session: Session) -> None:
    with pytest.raises(ValueError, match="a tracker knows the levels of the last 1 s"):
        DeclipStream(16000, 1, LevelTracker(16000, 1), session, framing=Framing(4096, 8192, 8192, 100))


def test_windows_last_about_as_long_at_every_rate() -> None:
    for rate in (8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000):
        length = window_length(16384, 512, rate)
        assert length % 512 == 0
        assert 0.6 <= (length / rate) / (16384 / 44100) <= 1.7


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**31), st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_blend_never_breaks_its_promises(seed: int, up: float, down: float) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(0, 0.5, (200, 2)).astype(np.float32)
    estimate = rng.normal(0, 2, (200, 2))
    estimate[rng.random((200, 2)) < 0.05] = np.nan
    positive, negative = np.full((1, 2), up), np.full((1, 2), -down)
    restored = blend(ClippedSignal(y, positive, negative, RATE), estimate)
    above, below = y >= positive, y <= negative
    assert restored.dtype == y.dtype
    assert np.array_equal(restored[~(above | below)], y[~(above | below)])
    assert np.all(restored[above] >= up)
    assert np.all(restored[below] <= -down)
    assert np.isfinite(restored).all()


def test_infinite_samples_where_no_level_is_known_stay(session: Session) -> None:
    y = 0.1 * music(9000)
    y[5000, 0] = np.inf
    levels = ClipLevels(np.array([0]), np.array([[np.inf, 0.05]]), np.array([[-np.inf, -0.05]]))
    restored = declip(y, RATE, levels=levels, session=session)
    assert np.array_equal(restored[:, 0], y[:, 0])
    assert not np.array_equal(restored[:, 1], y[:, 1])
