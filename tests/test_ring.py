"""A timeline gives back what was written, frame for frame, and says when it no longer can."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from declipper.live.ring_buffer import Timeline


def ramp(start: int, count: int) -> np.ndarray:
    """Frames that hold their own number, counted from 1, and its negative."""
    numbers = np.arange(start + 1, start + count + 1, dtype=np.float32)
    return np.stack([numbers, -numbers], axis=1)


@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 40), st.integers(-50, 50), st.integers(0, 60)), max_size=30))
def test_reads_what_was_written(capacity: int, steps: list[tuple[int, int, int]]) -> None:
    line = Timeline(capacity, 2)
    for count, offset, length in steps:
        line.write(ramp(line.written, min(count, capacity)))
        start = line.written + offset
        out = np.full((length, 2), np.nan, np.float32)
        held = line.read(start, out)
        frames = np.arange(start, start + length)
        inside = (frames >= 0) & (frames < line.written)
        assert held == bool(np.all(frames[inside] >= line.written - capacity))
        if held:
            assert np.array_equal(out, np.where(inside[:, None], ramp(start, length), 0.0))


def test_starts_in_silence() -> None:
    line = Timeline(8, 1)
    out = np.ones((4, 1), np.float32)
    assert line.read(-2, out)
    assert not out.any()
    assert (line.capacity, line.channels, line.written) == (8, 1, 0)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_reader_in_another_thread_sees_whole_frames_in_order(size: int) -> None:
    line, total = Timeline(512, 2), 6000
    taken = [0]

    def write() -> None:
        while line.written < total:
            if line.written - taken[0] < 512 - size:
                line.write(ramp(line.written, size))
            else:
                time.sleep(1e-4)

    writer = threading.Thread(target=write)
    writer.start()
    right = True
    out = np.zeros((100, 2), np.float32)
    while taken[0] < total:
        if line.written == taken[0]:
            time.sleep(1e-4)
        count = min(100, line.written - taken[0], total - taken[0])
        right = right and line.read(taken[0], out[:count]) and np.array_equal(out[:count], ramp(taken[0], count))
        taken[0] += count
    writer.join()
    assert right
