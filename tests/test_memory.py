"""A live stream remembers: its experts see the past as it was restored, and are asked for what is new alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from declipper import ClipLevels, DeclipStream, Session, declip
from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.clipping.signal import ClippedSignal
from declipper.engine.experts import LIVE
from declipper.engine.framing import USUAL_DELAY, Framing
from declipper.engine.memory import Memory
from declipper.engine.recipes import Found, Recipe
from declipper.live.chain import SHARE
from declipper.training.data.degrade import sdr, threshold_for_sdr
from declipper.training.data.made import plucked_strings
from declipper.workers import Workers, pool

RATE = 44100
FRAMING = Framing(context=300, hop=200, lookahead=100, fade=20, past=500)


@pytest.fixture(scope="module")
def session() -> Session:
    return Session("live", "cpu")


@pytest.fixture(scope="module")
def truth() -> Array:
    return plucked_strings(RATE, 0.6)


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with pool(2) as two:
        yield two


def recording(truth: Array, input_sdr: float = 10.0) -> tuple[Array, ClipLevels]:
    level = threshold_for_sdr(truth, input_sdr)
    return clip(truth, level, -level)[:, None].astype(np.float32), ClipLevels.constant(np.float32(level), np.float32(-level))


@dataclass(frozen=True)
class Recorder(Recipe):
    """Takes down what it is shown, and makes twice as much of what is clipped."""

    shown: list[ClippedSignal] = field(default_factory=list)

    def __call__(self, signal: ClippedSignal) -> Found:
        self.shown.append(signal)
        found = np.where(signal.mask, 2 * signal.samples, signal.samples)
        return {"social": found, "autoregressive": found}


def test_experts_see_what_is_finished_as_it_was_restored_and_are_asked_for_the_rest() -> None:
    recipe = Recorder()
    memory = Memory(FRAMING, 2, replace(LIVE, recipe=recipe))
    rng = np.random.default_rng(0)
    past = rng.standard_normal((700, 2))
    memory.keep(past[:400])
    memory.keep(past[400:])
    window = ClippedSignal(rng.standard_normal((600, 1)), np.array(0.5), np.array(-0.5), RATE)
    rows = memory.heard(window, 1)
    (shown,) = recipe.shown
    assert np.array_equal(shown.samples[:500, 0], past[200:, 1])
    assert not shown.mask[:500].any()
    assert np.array_equal(shown.samples[500:], window.samples[300:])
    assert np.array_equal(shown.mask[500:], window.mask[300:])
    assert np.allclose(rows[:, :300], past[400:, 1] / 0.5, atol=1e-6)
    clipped = window.mask[300:, 0]
    assert np.allclose(rows[:, 300:], np.where(clipped, 2, 1) * window.samples[300:, 0] / 0.5, atol=1e-6)
    memory.keep(np.zeros((200, 2)))
    again = memory.heard(window, 1)
    assert np.array_equal(again[:, :100], rows[:, 200:300])
    assert np.array_equal(again[:, 100:300], rows[:, 300:500])
    assert not memory.heard(window, 0)[:, 100:300].any()


@pytest.mark.parametrize("sizes", [[1, 7, 64], [1000], [8192]])
def test_any_blocks_give_the_same(sizes: list[int], session: Session, truth: Array) -> None:
    y, levels = recording(truth)
    stream, parts, position = DeclipStream(RATE, 1, levels, session), [], 0
    while position < len(y):
        size = sizes[len(parts) % len(sizes)]
        parts.append(stream.push(y[position : position + size]))
        position += size
    whole = declip(y, RATE, levels=levels, session=session)
    assert np.array_equal(np.concatenate([*parts, stream.flush()]), whole)
    reliable = ~ClippedSignal(y, levels.positive, levels.negative, RATE).mask
    assert np.array_equal(whole[reliable], y[reliable])
    assert np.all(np.abs(whole[~reliable]) >= np.abs(y[~reliable]))


@pytest.mark.parametrize("rate", [16000, 44100, 48000, 96000])
def test_a_recording_has_the_windows_of_a_listener(rate: int, session: Session) -> None:
    assert Framing.whole(session.info, rate) == Framing.live(session.info, rate, int(SHARE * int(0.08 * rate)))
    assert Framing.whole(session.info, rate).hop + Framing.whole(session.info, rate).lookahead == int(USUAL_DELAY * rate)


def test_the_future_beyond_the_delay_changes_nothing(session: Session, truth: Array) -> None:
    y, levels = recording(truth)
    other = np.concatenate([y[:15000], y[:-15000]])
    delay = DeclipStream(RATE, 1, levels, session).latency
    one, two = (declip(v, RATE, levels=levels, session=session) for v in (y, other))
    assert np.array_equal(one[: 15000 - delay], two[: 15000 - delay])
    assert not np.array_equal(one[15000:], two[15000:])


def test_a_stream_that_was_reset_is_as_new(session: Session, truth: Array) -> None:
    y, levels = recording(truth)
    stream = DeclipStream(RATE, 1, levels, session)
    stream.push(y[: len(y) // 2])
    stream.reset()
    assert np.array_equal(np.concatenate([stream.push(y), stream.flush()]), declip(y, RATE, levels=levels, session=session))


def test_workers_change_nothing(session: Session, truth: Array, workers: Workers) -> None:
    y, levels = recording(truth)
    stream = DeclipStream(RATE, 1, levels, session)
    blocks = (y[begin : begin + 5000] for begin in range(0, len(y), 5000))
    assert np.array_equal(np.concatenate([*stream.restored(blocks, workers)]), declip(y, RATE, levels=levels, session=session))


def test_the_recipe_restores_a_signal_that_is_clipped_all_over_piece_by_piece(truth: Array) -> None:
    """Each piece sees as much of the future as a listener's window does, and gains by the pieces before it."""
    y, levels = recording(truth)
    signal = ClippedSignal(y.astype(np.float64), levels.positive, levels.negative, RATE)
    whole, reach = LIVE.recipe(signal), LIVE.recipe.hop + LIVE.recipe.lookahead
    first = int(np.flatnonzero(signal.mask[:, 0])[0])
    start = LIVE.recipe(signal.part(slice(0, first + reach)))
    finished = slice(first, first + LIVE.recipe.hop)
    for name, found in whole.items():
        assert np.array_equal(found[finished], start[name][finished])
        assert np.array_equal(found[~signal.mask], signal.samples[~signal.mask])
        assert sdr(truth, found[:, 0]) > sdr(truth, y[:, 0]) + 4


def test_what_is_not_a_number_counts_as_silence_to_what_comes_after(session: Session, truth: Array) -> None:
    y, levels = recording(truth)
    y[:12000] = 0
    begins = int(np.flatnonzero(np.abs(y[:, 0]) >= levels.positive[0, 0])[0])
    silent, broken = y.copy(), y.copy()
    at = np.arange(begins - 3000, begins - 100, 100)
    at = at[np.abs(y[at, 0]) < levels.positive[0, 0]]
    silent[at], broken[at] = 0, np.nan
    expected, restored = (declip(v, RATE, levels=levels, session=session) for v in (silent, broken))
    assert np.isnan(restored[at, 0]).all()
    assert np.array_equal(np.delete(restored, at, axis=0), np.delete(expected, at, axis=0))
