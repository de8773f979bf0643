"""Overflow: samples that wrapped around full scale are told from clipping, and put back where that is certain."""

import numpy as np
import pytest
import scipy.signal
import soundfile
from click.testing import CliRunner
from plateaus import RATE, notes

from declipper.clipping.overflow import Wraps
from declipper.commands.main import cli
from declipper.detection.overflow import OverflowDetector

SUBTYPES = {8: "PCM_U8", 16: "PCM_16", 24: "PCM_24", 32: "PCM_32"}


def whole_numbers(x, bits=16):
    """x in steps of so many bits, not limited to full scale."""
    return np.rint(x * 2.0 ** (bits - 1)) / 2.0 ** (bits - 1)


def wrapped(x):
    """What of x comes out where whole numbers overflow."""
    return (x + 1) % 2 - 1


def overloaded(decibels=3.0, seconds=3.0, seed=0, channels=1):
    x = np.concatenate([notes(seed + channel, seconds) for channel in range(channels)], axis=1)
    return x / np.abs(x).max() * 10 ** (decibels / 20)


def found(y, cuts=()):
    detector = OverflowDetector(y.shape[1])
    for start, stop in zip([0, *cuts], [*cuts, len(y)], strict=True):
        detector.push(y[start:stop])
    return detector.finish()


def test_everything_of_a_smooth_signal_is_put_back():
    x = whole_numbers(overloaded())
    y = wrapped(x).astype(np.float32)
    wraps = found(y)
    assert (y != x).any()
    np.testing.assert_array_equal(wraps.unwrapped(y, 0), x)
    assert len(wraps) == (np.diff((y != x)[:, 0].astype(int)) > 0).sum()


@pytest.mark.parametrize("decibels", [1, 3, 6])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_put_where_it_did_not_come_from(decibels, seed):
    x = whole_numbers(overloaded(decibels, channels=2, seed=10 * seed))
    y = wrapped(x).astype(np.float32)
    u = found(y).unwrapped(y, 0)
    assert ((u == x) | (u == y)).all()
    assert (u == x)[y != x].mean() > 0.6


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1000, 4096])
def test_any_division_into_blocks_finds_and_puts_back_the_same(block):
    x = whole_numbers(overloaded(seconds=0.2, channels=2))
    y = wrapped(x).astype(np.float32)
    whole, parts = found(y), found(y, range(block, len(y), block))
    for name in ("start", "length", "channel", "turns"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    joined = np.concatenate([whole.unwrapped(y[i : i + block], i) for i in range(0, len(y), block)])
    np.testing.assert_array_equal(joined, whole.unwrapped(y, 0))


def test_a_single_peak_is_enough_and_a_signal_without_has_none():
    x = overloaded(seconds=1.0)
    x = x / np.abs(x).max()
    assert len(found(x.astype(np.float32))) == 0
    x[2000:2200, 0] = 1.2 * np.hanning(200)
    x[1900:2000] = x[2200:2300] = 0
    y = wrapped(x).astype(np.float32)
    assert len(found(y)) == 1


def test_what_cannot_be_told_is_left_alone():
    """A peak so high that it crosses zero, or wraps around twice, could be a signal within full scale between two other peaks."""
    for height in (2.6, 3.6):
        x = np.zeros(4096)
        x[1000:3000] = height * np.hanning(2000)
        assert len(found(wrapped(x)[:, None].astype(np.float32))) == 0


def square(hertz, noise=0.0, height=1 - 2**-15):
    t = np.arange(2 * RATE) / RATE
    rough = noise * np.random.default_rng(3).normal(size=len(t))
    return (height * np.sign(np.sin(2 * np.pi * hertz * t + 0.1)) + rough).clip(-1, 1 - 2**-15)


def clicks():
    y = np.zeros(2 * RATE)
    at = np.random.default_rng(4).integers(2, len(y) - 2, 200)
    y[at - 1], y[at] = 1 - 2**-15, -1
    return y


NEGATIVES = {
    "square wave": square(441),
    "square wave that is not quite at full scale": square(100.0, height=0.9),
    "square wave with some noise": square(441, noise=0.02, height=0.97),
    "square wave with much noise": square(441, noise=0.2, height=0.97),
    "high-passed square wave": scipy.signal.lfilter(*scipy.signal.butter(1, 20, "high", fs=RATE), square(100) * 0.5),
    "sawtooth": (2 * 440 * np.arange(2 * RATE) / RATE) % 2 - 1,
    "noise at full scale": np.random.default_rng(0).uniform(-1, 1, 2 * RATE),
    "clipped noise": np.random.default_rng(1).normal(0, 1, 2 * RATE).clip(-1, 1 - 2**-15),
    "clicks in silence": clicks(),
    "silence": np.zeros(2 * RATE),
    "clipped notes": (3 * overloaded(0.0)[:, 0]).clip(-1, 1 - 2**-15),
}


@pytest.mark.parametrize("name", NEGATIVES)
def test_other_leaps_are_no_overflow(name):
    y = NEGATIVES[name].astype(np.float32)
    assert len(found(y[:, None])) == 0
    assert len(found(-y[:, None])) == 0


def test_spans_are_kept_as_they_were_recorded():
    wraps = Wraps(np.array([3]), np.array([4], np.int32), np.array([0], np.int32), np.array([1]))
    recorded, restored = np.zeros((4, 1)), np.ones((4, 1))
    np.testing.assert_array_equal(wraps.kept(restored, recorded, 0)[:, 0], [1, 1, 1, 0])
    np.testing.assert_array_equal(wraps.kept(restored, recorded, 4)[:, 0], [0, 0, 0, 1])
    np.testing.assert_array_equal(wraps.kept(restored, recorded, 8), restored)


def run(*arguments):
    return CliRunner().invoke(cli, [*map(str, arguments)], catch_exceptions=False)


@pytest.mark.parametrize("bits", SUBTYPES)
def test_fix_leaves_it_unless_told_to_unwrap(tmp_path, bits):
    x = whole_numbers(overloaded(seconds=1.5), bits)
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    soundfile.write(source, wrapped(x), RATE, subtype=SUBTYPES[bits])
    y, _ = soundfile.read(source, always_2d=True)
    told = run("inspect", source)
    assert "overflow, not clipping" in told.stdout
    assert "nothing clipped" in told.stdout
    told = run("fix", source, "-o", target, "--quality", "live")
    assert "overflow, not clipping" in told.stderr
    assert "--unwrap" in told.stderr
    np.testing.assert_array_equal(soundfile.read(target, always_2d=True)[0], y)
    told = run("fix", source, "-o", target, "--quality", "live", "--unwrap", "--overwrite")
    assert "runs unwrapped" in told.stderr
    np.testing.assert_array_equal(soundfile.read(target, always_2d=True)[0], x)


def test_what_was_clipped_and_then_wrapped_is_unwrapped_and_restored(tmp_path):
    level = 1.25
    x = whole_numbers(overloaded(decibels=6.0).clip(-level, level))
    source, left, target = (tmp_path / name for name in ("a.wav", "b.wav", "c.wav"))
    soundfile.write(source, wrapped(x), RATE, subtype="PCM_16")
    y, _ = soundfile.read(source, always_2d=True)
    run("fix", source, "-o", left, "--quality", "live")
    beyond = np.abs(x) > 1
    np.testing.assert_array_equal(soundfile.read(left, always_2d=True)[0][beyond], y[beyond])
    told = run("fix", source, "-o", target, "--quality", "live", "--unwrap")
    assert "runs unwrapped" in told.stderr
    restored = soundfile.read(target, always_2d=True)[0]
    clipped = np.abs(x) >= level - 1e-4
    assert (np.abs(restored)[clipped] >= level - 1e-4).all()
    assert np.abs(restored).max() > level + 0.1
    np.testing.assert_array_equal(restored[~clipped], x[~clipped])
