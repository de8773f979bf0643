"""What is heard: delayed by a constant, the same for any block size, without a click when the mode changes or the worker is late."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clipped, music

from declipper.live.monitor import KNEE, MODES, RESCUE, SWITCH, Fader, Listening, Mode, Monitor
from declipper.live.ring_buffer import Timeline

DELAY = 1000


class Rig:
    """A monitor whose worker is played by the test: it knows the restored signal and hands out as much as the test lets it."""

    def __init__(self, mode: Mode = "restored", block: int = 128) -> None:
        self.dry_signal = clipped(30000).astype(np.float32)
        self.restored_signal = music(30000).astype(np.float32)
        self.dry, self.restored = Timeline(8192, 2), Timeline(8192, 2)
        self.monitor = Monitor(self.dry, self.restored, delay=DELAY, listening=Listening(mode, ceiling=False))
        self.block = block
        self.heard = np.zeros((0, 2), np.float32)

    def run(self, blocks: int, works: bool = True) -> None:
        for _ in range(blocks):
            at = self.dry.written
            out = np.full((self.block, 2), np.nan, np.float32)
            self.monitor.process(self.dry_signal[at : at + self.block], out)
            if works:
                self.restored.write(self.restored_signal[self.restored.written : max(self.restored.written, self.dry.written - DELAY // 2)])
            self.heard = np.concatenate([self.heard, out])

    def expected(self, signal: np.ndarray) -> np.ndarray:
        return np.concatenate([np.zeros((self.monitor.delay, 2), np.float32), signal])[: len(self.heard)]

    def steepest(self, signal: np.ndarray) -> float:
        return float(np.abs(np.diff(signal, axis=0)).max())


@pytest.mark.parametrize("block", [1, 64, 441, 2048, 5000])
@pytest.mark.parametrize("mode", [*MODES])
def test_each_mode_sample_for_sample(mode: Mode, block: int) -> None:
    rig = Rig(mode, block)
    rig.dry, rig.restored = Timeline(20000, 2), Timeline(20000, 2)
    delay = 6000 if block > 2000 else DELAY
    rig.monitor = Monitor(rig.dry, rig.restored, delay=delay, listening=Listening(mode, ceiling=False))
    rig.run(12000 // block)
    wet, dry = MODES[mode]
    assert np.array_equal(rig.heard, rig.expected(np.float32(wet) * rig.restored_signal + np.float32(dry) * rig.dry_signal))
    assert rig.monitor.gauges.late_times == 0


@pytest.mark.parametrize("first", [*MODES])
@pytest.mark.parametrize("second", [*MODES])
def test_a_switch_is_click_free_and_aligned(first: Mode, second: Mode) -> None:
    rig = Rig(first)
    rig.run(40)
    at = len(rig.heard)
    rig.monitor.mode = second
    rig.run(40)
    outcomes = [
        rig.expected(np.float32(w) * rig.restored_signal + np.float32(d) * rig.dry_signal) for w, d in (MODES[first], MODES[second])
    ]
    assert np.array_equal(rig.heard[:at], outcomes[0][:at])
    assert np.array_equal(rig.heard[at + 2 * SWITCH :], outcomes[1][at + 2 * SWITCH :])
    loudest = max(np.abs(o).max() for o in outcomes)
    assert rig.steepest(rig.heard) <= max(rig.steepest(o) for o in outcomes) + 2.1 * loudest / SWITCH


@pytest.mark.parametrize("mode", [*MODES])
@pytest.mark.parametrize("block", [16, 128, 700])
def test_a_late_worker_leaves_the_dry_signal_without_a_click(mode: Mode, block: int) -> None:
    rig = Rig(mode, block)
    rig.run(6000 // block)
    rig.run(3000 // block, works=False)
    missed = len(rig.heard)
    rig.run(1)
    rig.run(6000 // block)
    wet, dry = MODES[mode]
    good = rig.expected(np.float32(wet) * rig.restored_signal + np.float32(dry) * rig.dry_signal)
    bad = rig.expected(np.float32(wet + dry) * rig.dry_signal)
    assert rig.monitor.gauges.late_times == 1
    assert 1000 < rig.monitor.gauges.late_frames < 3000 + 2 * block
    assert np.array_equal(rig.heard[missed - 400 : missed], bad[missed - 400 : missed])
    back = missed + block + RESCUE
    assert np.array_equal(rig.heard[back:], good[back:])
    step = np.abs(rig.restored_signal - rig.dry_signal).max() / RESCUE
    assert rig.steepest(rig.heard) <= max(rig.steepest(good), rig.steepest(bad)) + 1.01 * step


def test_longer_blocks_than_before_come_without_a_click() -> None:
    rig = Rig(block=128)
    rig.run(40)
    at = len(rig.heard)
    before = rig.expected(rig.restored_signal)
    rig.block = 700
    rig.run(10)
    after = rig.expected(rig.restored_signal)
    assert rig.monitor.delay == DELAY + 700
    assert np.array_equal(rig.heard[:at], before)
    assert np.array_equal(rig.heard[at + RESCUE :], after[at + RESCUE :])
    jump = np.abs(after[at] - before[-1]).max()
    assert rig.steepest(rig.heard[at - 2 : at + RESCUE + 2]) <= rig.steepest(after) + 1.01 * jump / RESCUE
    assert jump > 0.1  # or else there was nothing to mend


def test_longer_blocks_keep_under_the_ceiling() -> None:
    wave = np.sign(np.sin(np.arange(30000) / 150)).astype(np.float32)[:, None].repeat(2, axis=1)
    dry, restored = Timeline(8192, 2), Timeline(8192, 2)
    monitor = Monitor(dry, restored, delay=DELAY, listening=Listening("dry"))
    for block in (128,) * 40 + (700,) * 10:
        out = np.zeros((block, 2), np.float32)
        monitor.process(wave[dry.written : dry.written + block], out)
        assert np.abs(out).max() < 1.0


def test_gain_and_ceiling() -> None:
    sound = np.linspace(-3, 3, 4000, dtype=np.float32)[:, None].repeat(2, axis=1)
    dry, restored = Timeline(8192, 2), Timeline(8192, 2)
    monitor = Monitor(dry, restored, delay=0, listening=Listening("dry", gain=0.5))
    out = np.zeros_like(sound)
    monitor.process(sound, out)
    monitor.process(sound, out)
    half = 0.5 * sound
    assert np.abs(out).max() < 1.0
    assert np.all(np.diff(out[:, 0]) >= 0)
    kept = np.abs(half) <= KNEE
    assert np.array_equal(out[kept], half[kept])
    assert monitor.gauges.peak_in == 3.0
    assert monitor.gauges.peak_out == np.abs(out).max()


def test_what_is_written_later_than_due_is_known() -> None:
    rig = Rig()
    rig.run(20)
    assert rig.restored.due == rig.dry.written - rig.monitor.delay + RESCUE


def test_a_fader_runs_on_a_line_and_stays() -> None:
    fader = Fader(0.0, 100)
    line = np.concatenate([fader.run(1.0, 60).copy(), fader.run(1.0, 60).copy(), fader.run(-1.0, 250).copy()])[:, 0]
    assert np.allclose(line[:100], np.arange(1, 101) / 100)
    assert np.all(line[100:120] == 1.0)
    assert np.allclose(line[120:320], 1 - np.arange(1, 201) / 100, atol=1e-6)
    assert np.all(line[320:] == -1.0)
