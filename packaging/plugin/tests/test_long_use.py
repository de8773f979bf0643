"""What a project does with a plugin in an hour: loops, jumps, bypass, other sample rates, a bounce faster or slower than real time.

The samples depend on the signal alone, and on the settings; never on blocks, clocks, or what a host did before.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from material import BUILD, CLAP, RATE, VST3, Audio, by_core, expected, given, piped, tones
from test_output import plugin

from declipper.plugins.lv2 import Lv2Plugin

HOP = 1536
"""Frames between two windows at 48 kHz."""


def played(made: Lv2Plugin, signal: Audio, sizes: tuple[int, ...] = (512,)) -> Audio:
    """What comes out while a signal goes in, in blocks of these sizes over and over."""
    begin, pieces = 0, []
    for size in itertools.cycle(sizes):
        pieces.append(made.process(signal[begin : begin + size]))
        begin += size
        if begin >= len(signal):
            return np.concatenate(pieces)
    raise AssertionError


@pytest.mark.parametrize("sizes", [(480,), (1024, 7, 333, 2048)], ids=str)
def test_loops_and_jumps_are_one_signal(sizes: tuple[int, ...]) -> None:
    """To a plugin that is not restarted, a loop and a jump are nothing but what comes next."""
    bar, elsewhere = given()[:30011], tones(1, seed=8)
    signal = np.concatenate([bar, bar, bar, elsewhere, bar, elsewhere[20000:]])
    made = plugin()
    out, late = played(made, signal, sizes), made.latency
    np.testing.assert_array_equal(out[late:], by_core(signal)[:-late])


def test_a_pause_ends_what_a_jump_leaves_behind() -> None:
    """With levels by hand nothing is remembered beyond the past that the methods see; the pause is as long as some whole hops."""
    hand = {"auto": 0, "thresh_pos": -6.1, "thresh_neg": -6.1}
    before = tones(1, seed=8)[: 20 * HOP]
    pause = np.zeros((20 * HOP, 2), np.float32)
    alone, after = plugin(**hand), plugin(**hand)
    begun = len(before) + len(pause)
    np.testing.assert_array_equal(
        played(after, np.concatenate([before, pause, given()]))[begun:], played(alone, np.concatenate([pause, given()]))[len(pause) :]
    )


def test_bypass_leaves_no_trace() -> None:
    on, made = played(plugin(), given()), plugin()
    first, second, third = np.split(given(), [30000, 50000])
    made_of = [played(made, first)]
    made["enabled"] = 0
    made_of.append(played(made, second))
    made["enabled"] = 1
    made_of.append(played(made, third))
    out, late, fade = np.concatenate(made_of), made.latency, int(0.01 * RATE)
    np.testing.assert_array_equal(out[:30000], on[:30000])
    np.testing.assert_array_equal(out[30000 + fade : 50000], given()[30000 + fade - late : 50000 - late])
    np.testing.assert_array_equal(out[50000 + fade :], on[50000 + fade :])


def test_another_sample_rate_and_back() -> None:
    import pedalboard

    vst3, low = pedalboard.load_plugin(str(VST3)), tones(1, rate=22050, seed=5)
    for _ in range(2):
        np.testing.assert_array_equal(vst3(given().T, RATE).T, expected())
        np.testing.assert_array_equal(vst3(low.T, 22050).T, by_core(low, 22050))


@pytest.mark.parametrize("block", [1, 61, 8192])
def test_a_bounce_in_blocks_of_any_size(block: int) -> None:
    import pedalboard

    np.testing.assert_array_equal(piped([str(BUILD / "tests/clap_host"), str(CLAP), str(RATE), "2", str(block)], given()), expected())
    np.testing.assert_array_equal(pedalboard.load_plugin(str(VST3))(given().T, RATE, buffer_size=block).T, expected())


def test_slower_than_real_time() -> None:
    """Nothing runs on between the blocks that could get further when there is time."""
    quick, slow, pieces = plugin(), plugin(), []
    whole = played(quick, given()[:16384])
    for begin in range(0, 16384, 1024):
        pieces.append(slow.process(given()[begin : begin + 1024]))
        time.sleep(0.05)
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
