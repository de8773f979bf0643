"""What is shown of long work: bars on a terminal, a line now and then elsewhere, and nothing where it is short or quiet is asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import Run, clipped, write_audio

from declipper.terminal import progress
from declipper.terminal.progress import EVERY, SHORT, Display, showing


class Clock:
    """A clock that stands until it is set on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def worked(display: Display, clock: Clock, seconds: int, share: float = 1.0) -> None:
    """A pass over a recording, a hundredth at a time, up to a share of it."""
    for part in range(round(100 * share) + 1):
        display.update("restore", part, 100)
        clock.now += seconds / 100


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich then takes anything for a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")


def test_lines_tell_the_share_and_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with showing([100], quiet=False, clock=clock) as display, display.recording("tape/song.wav", 100):
        worked(display, clock, 1000, share=0.5)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == int(500 / EVERY)
    assert lines[0] == "declipper: song.wav: restore 3 %, 17 min left"
    assert lines[-1] == "declipper: song.wav: restore 48 %, 9 min left"


def test_several_recordings_count_by_their_size(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with showing([1000, 3000, 0], quiet=False, clock=clock) as display:
        for name, size in (("a.wav", 1000), ("b.wav", 3000), ("c.wav", 0)):
            with display.recording(name, size):
                worked(display, clock, 60)
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"declipper: 0 of 3 recordings \d+ %, \d+ min left; a.wav: restore 50 %, 30 s left", lines[0])
    assert [int(line.split()[1]) for line in lines] == sorted(int(line.split()[1]) for line in lines)
    after_one = next(line for line in lines if " 1 of 3 recordings" in line)
    assert re.search(r"recordings (2[5-9]|[3-6]\d) %", after_one)


def test_of_a_folder_the_time_left_is_told_as_recordings_are_done(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with showing([10] * 8, quiet=False, clock=clock) as display:
        for _ in range(8):
            clock.now += 1800
            display.finished(10)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "declipper: 1 of 8 recordings 12 %, 3 h 30 min left"
    assert lines[-1] == "declipper: 8 of 8 recordings 100 %, 0 s left"


@pytest.mark.parametrize(("seconds", "quiet"), [(EVERY - 1, False), (10 * EVERY, True)], ids=["short", "quiet"])
def test_nothing_of_short_work_and_where_quiet_is_asked(seconds: float, quiet: bool, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with showing([1, 1], quiet=quiet, clock=clock) as display, display.recording("a.wav", 1):
        worked(display, clock, round(seconds))
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("seconds", "quiet", "shown"), [(SHORT - 1, False, False), (100, False, True), (100, True, False)])
def test_bars_on_a_terminal(seconds: float, quiet: bool, shown: bool, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with showing([1, 1], quiet=quiet, clock=clock) as display, display.recording("[b]song.wav", 1):
        worked(display, clock, round(seconds), share=0.6)
        display.say("a word")
        display.update("restore", 70, 100)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("a word\n" in err) is not quiet
    assert ("[b]song.wav: restore" in err) is shown
    assert ("0 of 2 recordings" in err) is shown
    assert ("s left" in err) is shown
    assert ("\x1b[?25l" in err) is shown
    assert err.count("\x1b[?25l") == err.count("\x1b[?25h")  # the cursor is back


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is done is told."""
    monkeypatch.setattr(progress, "SHORT", 0.0)
    monkeypatch.setattr(progress, "EVERY", 0.0)


@pytest.mark.usefixtures("at_once")
def test_commands_tell_on_standard_error_alone(fix: Run, run: Run, song: Path, tmp_path: Path) -> None:
    restored = fix("--json", song)
    assert json.loads(restored.out)["output"].endswith("song.declipped.wav")
    steps = [line.split(": ")[2].split(",")[0] for line in restored.err.splitlines()]
    assert steps == ["detect 0 %", "detect 100 %", "restore 0 %", "restore 100 %"]
    inspected = run("inspect", "--json", song, write_audio(tmp_path / "b.wav", clipped(20000)))
    assert len([json.loads(line) for line in inspected.out.splitlines()]) == 2
    assert "declipper: 1 of 2 recordings" in inspected.err
    assert fix("--quiet", "--overwrite", song).err == ""
    assert run("inspect", "--quiet", song).err == ""


@pytest.mark.usefixtures("at_once")
def test_folders_tell_how_many_are_done(fix: Run, run: Run, tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write_audio(tmp_path / name, clipped(5000))
    told = fix("-j", "1", tmp_path, "-o", tmp_path / "out")
    assert "declipper: 1 of 2 recordings 50 %" in told.err
    assert "declipper: 2 of 2 recordings 100 %" in run("inspect", "-j", "1", "--exclude", "out", tmp_path).err
    assert "recordings" not in run("inspect", "-j", "1", "-q", tmp_path).err


@pytest.mark.usefixtures("terminal", "at_once")
def test_json_stays_on_standard_output_beside_bars(fix: Run, song: Path) -> None:
    restored = fix("--json", song)
    assert json.loads(restored.out)["output"].endswith("song.declipped.wav")
    assert "song.wav: restore" in restored.err
