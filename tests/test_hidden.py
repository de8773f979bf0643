"""Hidden files of programs that were killed go, those of living ones stay; links, pipes and devices are not taken the place of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import Run, clipped, write_audio

from declipper.files.hidden import HiddenFile, sweep

HOLD = "import sys, pathlib, time; from declipper.files.hidden import HiddenFile; h = HiddenFile(pathlib.Path(sys.argv[1]), '.wav');"
HOLD += "print(h.path, flush=True); time.sleep(100)"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_what_a_killed_program_left_is_swept_away(fix: Run, song: Path, tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "other.wav")], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    left = Path(holder.stdout.readline().strip())
    assert fix(song).code == 0
    assert left.exists()  # its program is alive
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert left.exists()
    assert fix(song, "--overwrite").code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["song.declipped.wav", "song.wav"]


def test_only_hidden_files_are_swept_away(tmp_path: Path) -> None:
    names = [
        ".song.part",
        "song.0123456789abcdef.declipper-part.wav",
        ".song.0123456789abcdef.part.wav",
        ".x.0123456789abcdef.declipper-part.wav.bak",
    ]
    for name in names:
        (tmp_path / name).touch()
    mine = HiddenFile(tmp_path / "song.wav", ".wav")
    sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*names, mine.path.name])
    mine.remove()
    assert len(list(tmp_path.iterdir())) == len(names)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_stays_and_what_it_leads_to_is_replaced(fix: Run, song: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real = tmp_path / "real" / "old.bin"
    real.write_bytes(b"old")
    link = tmp_path / "link.wav"
    link.symlink_to(real)
    assert "exists" in fix(song, "-o", link).error_line
    outcome = fix(song, "-o", link, "--overwrite")
    assert outcome.code == 0
    assert f"-> {link} ({real})" in outcome.err
    assert link.is_symlink()
    assert soundfile.info(str(real)).frames == 20000
    assert sorted(p.name for p in real.parent.iterdir()) == ["old.bin"]
    empty = tmp_path / "empty.wav"
    empty.symlink_to(tmp_path / "real" / "new.wav")
    assert "exists" in fix(song, "-o", empty).error_line
    assert fix(song, "-o", empty, "--overwrite").code == 0
    assert empty.is_symlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_not_replaced(fix: Run, song: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.wav")
    os.mkfifo(tmp_path / "p.png")
    outcome = fix(song, "-o", tmp_path / "p.wav", "--overwrite")
    assert outcome.code == 1
    assert "is a pipe or a device, not a file" in outcome.error_line
    assert "not a file" in fix(song, "--plot", tmp_path / "p.png", "--overwrite").error_line
    assert (tmp_path / "p.wav").is_fifo()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_with_control_characters_stay_in_their_line(fix: Run, run: Run, tmp_path: Path) -> None:
    song = write_audio(tmp_path / "plain.wav", clipped(2000))
    song = song.rename(tmp_path / "a\nb\x1b[31m.wav")
    outcome = fix(song)
    assert outcome.code == 0
    assert len(outcome.err.splitlines()) == 1
    assert outcome.err.count(r"a\nb\x1b[31m") == 2
    assert r"a\nb\x1b[31m.wav: " in run("inspect", song).out
    assert "\x1b" not in fix(song).error_line


def test_samples_beyond_all_audio_are_refused(fix: Run, tmp_path: Path) -> None:
    for value in (1e300, -3e38):
        audio = clipped(3000, 1)
        audio[100] = value
        song = write_audio(tmp_path / "song.wav", audio, subtype="DOUBLE")
        outcome = fix(song, "--subtype", "FLOAT")
        assert outcome.code == 1
        assert f"sample 100 of channel 1 is {value:g}; repair or re-export" in outcome.error_line
    assert np.array_equal([p.name for p in tmp_path.iterdir()], ["song.wav"])
