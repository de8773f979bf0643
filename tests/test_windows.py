"""What is done otherwise on Windows, as far as it can be tried elsewhere: without locks, with its signal, on its consoles."""

from __future__ import annotations

import io
import os
import runpy
import signal
import sys
import time
from pathlib import Path, PureWindowsPath

import pytest
from conftest import Run, clipped, write_audio

from declipper import signals
from declipper.archive.tree import restored_name
from declipper.files import hidden
from declipper.files.hidden import LONG_AGO, HiddenFile, put_in_place, sweep
from declipper.signals import open_standard_streams


@pytest.fixture
def _no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where there is no fcntl: hidden files are not locked there."""
    monkeypatch.setattr(hidden, "fcntl", None)


@pytest.mark.usefixtures("_no_locks")
def test_without_locks_only_what_is_old_is_swept_away(tmp_path: Path) -> None:
    part = HiddenFile(tmp_path / "song.wav", ".wav")
    part.path.write_bytes(b"half")
    sweep(tmp_path)  # another program, in between
    assert part.path.exists()
    os.utime(part.path, (0, time.time() - LONG_AGO - 60))
    sweep(tmp_path)
    assert not part.path.exists()


@pytest.mark.usefixtures("_no_locks")
def test_without_locks_a_file_gets_its_name_once_it_is_whole(tmp_path: Path) -> None:
    part = HiddenFile(tmp_path / "song.wav", ".wav")
    part.path.write_bytes(b"whole")
    put_in_place(part.path, tmp_path / "song.wav", overwrite=False)
    part.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


@pytest.mark.usefixtures("_no_locks")
def test_without_locks_an_archive_is_restored_and_gone_on_with(fix: Run, tmp_path: Path) -> None:
    (tmp_path / "tapes").mkdir()
    write_audio(tmp_path / "tapes" / "a.wav", clipped(3000))
    for expected in ("1 restored", "1 done before"):
        done = fix("-j", "1", tmp_path / "tapes", "-o", tmp_path / "out")
        assert done.code == 0
        assert expected in done.err


def test_ctrl_break_ends_the_program_as_ctrl_c_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "SIGBREAK", 21, raising=False)
    monkeypatch.delattr(signal, "SIGHUP", raising=False)
    there = runpy.run_path(signals.__file__)["STOPPING"]
    assert there == (signal.SIGINT, signal.SIGTERM, 21)


def test_a_console_that_lacks_a_letter_gets_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "cp1252", write_through=True))
    open_standard_streams()
    print("größer 日本.wav", end="")
    assert written.getvalue() == "größer ".encode("cp1252") + rb"\u65e5\u672c.wav"


def test_names_of_results_are_names_on_windows() -> None:
    for name in ("song.wav", "a.b.c.flac", "größer.mp3"):
        made = PureWindowsPath(restored_name(name, "wav"))
        assert made.name == str(made)
        assert not set(made.name) & set('<>:"|?*')
