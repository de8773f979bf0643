"""Sample rates: measurements once a second are restored like music, and what no converter runs at is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import Run, clipped

from declipper import ClipLevels, DeclipStream, Framing, LevelTracker, Session, declip
from declipper.clipping.windows import HIGHEST_RATE, LOWEST_RATE, at_rate
from declipper.errors import InputError
from declipper.files.recording import Recording
from declipper.measure.loudness import LoudnessMeter, limit
from declipper.training.data.archive import scan

SLOW = (1, 5, 37, 77, 100, 999, 2000)


@pytest.mark.parametrize("rate", SLOW)
def test_slow_signals_are_restored_as_well_as_fast_ones(rate: int) -> None:
    t = np.arange(6000)
    x = np.sin(0.05 * t) * (1 + 0.5 * np.sin(0.003 * t)) + 0.4 * np.sin(0.31 * t)
    y = np.clip(x, -0.9, 0.9)
    levels, mask = ClipLevels.constant(0.9, -0.9), np.abs(x) > 0.9
    for quality in ("live", "fast"):
        restored = declip(y, rate, quality, levels=levels)
        assert np.array_equal(restored[~mask], y[~mask])
        assert np.all(np.abs(restored[mask]) >= 0.9)
        assert np.linalg.norm(restored - x) < 0.3 * np.linalg.norm(y - x)


@pytest.mark.parametrize("rate", [1, 10, 76, 100, 999, 2000, 3001, HIGHEST_RATE])
def test_loudness_is_bounded_at_every_rate(rate: int) -> None:
    meter = LoudnessMeter(rate, 1)
    meter.push(0.5 * np.sin(0.3 * np.arange(rate // 2 + 4000))[:, None])
    assert meter.integrated() < 0
    assert 0.49 < meter.true_peak() < 0.6
    assert np.abs(limit(np.full((100, 1), 3.0), rate)).max() <= 1


@pytest.mark.parametrize("rate", SLOW)
def test_slow_signals_are_restored_while_they_come(rate: int, tiny_session: Session) -> None:
    framing = Framing.live(tiny_session.info, rate, 100)
    stream = DeclipStream(rate, 1, LevelTracker(rate, 1), tiny_session, framing=framing)
    y = clipped(9000, 1)
    restored = np.concatenate([stream.push(y), stream.flush()])
    assert len(restored) == len(y)
    assert np.abs(restored).max() > 0.6


def test_lengths_do_not_become_shorter_than_those_at_2_khz() -> None:
    assert at_rate(32, 1) == at_rate(32, 2000) == 2
    assert at_rate(32, 8000) == 8


def test_a_file_of_another_rate_is_refused_before_anything_is_done_with_it(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    soundfile.write(path, clipped(3000), HIGHEST_RATE + 1)
    with pytest.raises(InputError, match=r"take\.wav: .*resample it"):
        Recording(path)
    told: list[str] = []
    assert scan([path], shortest=100, tell=told.append) == []
    assert "resample it" in told[0]


@pytest.mark.parametrize("rate", [0, -44100, 0.5, HIGHEST_RATE + 1, 2**31 - 1, float("nan"), float("inf")])
def test_other_rates_are_refused(rate: float, tiny_session: Session) -> None:
    levels = ClipLevels.constant(0.5, -0.5)
    for call in (
        lambda: declip(np.zeros(9), rate, session=tiny_session),
        lambda: DeclipStream(rate, 1, levels, tiny_session),
        lambda: LevelTracker(rate, 1),
    ):
        with pytest.raises(ValueError, match=f"sample rates from {LOWEST_RATE} to {HIGHEST_RATE} Hz are supported, got"):
            call()


@pytest.mark.parametrize("command", ["fix", "inspect"])
def test_files_of_other_rates_are_refused_in_one_line(tmp_path: Path, run: Run, tiny_model: Path, command: str) -> None:
    name = tmp_path / "fast.wav"
    soundfile.write(name, clipped(2000, 1), 2**31 - 1)
    options = ("--model", tiny_model, "-o", tmp_path / "out.wav") if command == "fix" else ()
    done = run(command, name, *options)
    assert done.code == 1
    assert "fast.wav: sample rates from 1 to 768000 Hz are supported, got 2147483647; resample it" in done.error_line
    assert [path.name for path in tmp_path.iterdir()] == ["fast.wav"]


@pytest.mark.parametrize("rate", [1, 20, 37, 100])
def test_slow_files_are_restored(tmp_path: Path, fix: Run, rate: int) -> None:
    soundfile.write(tmp_path / "slow.wav", clipped(9000, 1), rate, "FLOAT")
    for headroom in ("float", "limit", "attenuate"):
        assert fix(tmp_path / "slow.wav", "-o", tmp_path / f"{headroom}.wav", "--headroom", headroom).code == 0
    assert np.abs(soundfile.read(tmp_path / "float.wav")[0]).max() > 0.6
