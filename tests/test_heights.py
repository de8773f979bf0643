"""Levels are found at any height, and nothing depends on where full scale is; memory follows samples, however many channels they are in."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import CONTRACT, clipped, music, write_model

from declipper import ClipLevels, DeclipStream, LevelDetector, Session, declip, find_levels
from declipper.clipping.levels import mask_of
from declipper.measure.loudness import LoudnessMeter

LOWER, HIGHER = (1e-300, 1e-38, 1e-10, 1e-5, 1e-4, 1e-3), (1e3, 1e7, 1e11, 1e38, 1e300)


@pytest.mark.parametrize("gain", LOWER + HIGHER)
def test_an_exact_plateau_is_found_at_any_height(gain: float) -> None:
    levels = find_levels(gain * clipped(90000, 1))
    assert levels.positive[0, 0] / gain == pytest.approx(0.5, rel=1e-3)
    assert levels.negative[0, 0] / gain == pytest.approx(-0.5, rel=1e-3)
    assert np.isinf(find_levels(gain * music(90000, 1)).positive).all()


@pytest.mark.parametrize("gain", [1e-38, 1e-5, 1e8, 1e30])
def test_what_came_after_the_clipping_hides_nothing_at_any_height(gain: float) -> None:
    rng = np.random.default_rng(0)
    blurred = clipped(150000, 1) + 0.002 * rng.standard_normal((150000, 1))
    fading = clipped(150000, 1) * np.linspace(1, 0.4, 150000)[:, None]
    for y in (blurred, fading):
        expected, found = mask_of(y, find_levels(y)), mask_of(gain * y, find_levels(gain * y))
        assert expected.any()
        assert np.mean(expected != found) < 1e-3


@pytest.mark.parametrize("gain", [1e-30, 1e-4, 1e12])
def test_what_is_so_low_or_so_high_is_restored_too(gain: float) -> None:
    x = music(60000, 1)
    y = np.clip(x, -0.5, 0.5)
    restored = declip(gain * y, 44100, "fast") / gain
    assert np.linalg.norm(restored - x) < 0.5 * np.linalg.norm(y - x)


def test_the_division_into_blocks_does_not_matter_at_any_height() -> None:
    y = 1e-5 * clipped(100000, 2)
    detector = LevelDetector(2)
    for begin in range(0, len(y), 7777):
        block = y[begin : begin + 7777].copy()
        detector.push(block)
        block[:] = 7  # a caller may use its array again
    levels, whole = detector.finish().levels, find_levels(y)
    assert np.array_equal(levels.positive, whole.positive)
    assert np.array_equal(levels.negative, whole.negative)


def memory_of(channels: int, session: Session, frames: int) -> float:
    """Bytes at the peak for each byte of the signal."""
    y = np.tile(clipped(frames, 1).astype(np.float32), channels)
    tracemalloc.start()
    try:
        detector = LevelDetector(channels)
        detector.push(y)
        detector.finish()
        stream = DeclipStream(44100, channels, ClipLevels.constant(0.5, -0.5, channels), session)
        restored = np.concatenate([stream.push(y), stream.flush()])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert restored.shape == y.shape
    return peak / y.nbytes


RUN_AND_TELL = """
from pathlib import Path
from declipper.__main__ import main
try:
    main()
finally:
    print(*(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""
"""A run of the program that prints the most memory it had, in KiB. (What the system tells a parent counts the parent's in.)"""


def test_meters_take_no_more_memory_for_longer_signals() -> None:
    """Blocks as large as files are read in: less than a block is held for a moment, and of what has passed 8 bytes each 0.1 s."""
    block = np.zeros((1 << 20, 1), np.float32)
    tracemalloc.start()
    try:
        meter, peaks = LoudnessMeter(44100, 1), []
        for _ in range(12):
            meter.push(block)
            peaks.append(tracemalloc.get_traced_memory()[1])
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert peaks[-1] < 1.5 * block.nbytes
    assert peaks[-1] - peaks[1] < 1 << 16
    assert held < 1 << 18


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_the_memory_of_a_run_does_not_grow_with_silence(tmp_path: Path, tiny_model: Path) -> None:
    """Whole processes, on two minutes and a half and on ten, three and nine blocks."""
    peaks = []
    for seconds in (150, 600):
        path = tmp_path / f"{seconds}.wav"
        with soundfile.SoundFile(path, "w", 8000, 2, "PCM_16") as file:
            for _ in range(seconds // 30):
                file.write(np.zeros((30 * 8000, 2), np.int16))
        command = ["fix", str(path), "-o", str(tmp_path / "out.wav"), "--overwrite", "--threshold", "-1", "--model", str(tiny_model)]
        told = subprocess.run([sys.executable, "-c", RUN_AND_TELL, *command], check=True, capture_output=True, text=True)
        peaks.append(int(told.stdout.split()[-1]))
    assert peaks[1] - peaks[0] < 24 << 10


def test_a_thousand_short_channels_take_no_more_memory_than_their_samples_need(tmp_path: Path) -> None:
    """0.03 s in a window of three seconds."""
    long = CONTRACT | {"declipper.window": "131072", "declipper.context": "4096", "declipper.fade": "2048"}
    assert memory_of(1000, Session(write_model(tmp_path / "long.onnx", (1.0, 1.3), long), "cpu"), 1300) < 60


def test_memory_of_many_channels_is_bounded(tiny_session: Session) -> None:
    """More windows than are worked on at once."""
    assert memory_of(64, tiny_session, 60000) < 12
