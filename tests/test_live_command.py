"""`declipper live` as a user meets it, without a device: the command line, the meters, the keyboard."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import Run, clipped, write_audio

from declipper.engine.session import Session
from declipper.live.chain import Chain
from declipper.terminal.keyboard import Keyboard
from declipper.terminal.meters import account, meters, screen

RATE = 44100


def test_meters_in_words(tiny_session: Session) -> None:
    with Chain(RATE, 2, session=tiny_session) as chain:
        reading = chain.reading()
    text = meters(reading, listening=True)
    assert "-inf dBFS" in text
    assert "restored, 0.00 % clipped" in text
    assert "q quit" in text
    assert account(reading).startswith("0.0 s, 0.00 % clipped, latency 40 ms, 0 xruns")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_single_keys_from_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        with Keyboard() as keyboard:
            assert keyboard.listening
            assert keyboard.pressed() == ""
            os.write(ours, b"rx")
            time.sleep(0.1)
            assert keyboard.pressed() == "rx"
    os.close(ours)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_no_keys_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        monkeypatch.setattr("os.tcgetpgrp", lambda _: os.getpgrp() + 1)
        with Keyboard() as keyboard:
            assert not keyboard.listening
    os.close(ours)


def test_no_terminal_no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "empty").open("w+") as file:
        monkeypatch.setattr("sys.stdin", file)
        with Keyboard() as keyboard:
            assert not keyboard.listening
            assert keyboard.pressed() == ""


def test_rehearsal_on_the_command_line(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    audio = clipped(RATE)
    source = write_audio(tmp_path / "in.wav", audio, subtype="PCM_16")
    done = run("live", "--input", source, "--output", "none", "--record", tmp_path / "take.wav", "--model", tiny_model, "--latency", "40ms")
    assert done.code == 0, done.err
    assert "latency 46 ms, 0 xruns, 0 times late" in done.err
    restored, raw = (soundfile.read(tmp_path / name, dtype="float32")[0] for name in ("take.wav", "take.raw.wav"))
    assert np.array_equal(raw, soundfile.read(source, dtype="float32")[0])
    reliable = np.abs(raw) < 0.45
    assert np.array_equal(restored[reliable], raw[reliable])
    assert np.abs(restored).max() > 0.6
    again = run("live", "--input", source, "--output", "none", "--record", tmp_path / "take.wav", "--model", tiny_model)
    assert again.code == 1
    assert "exists" in again.error_line


@pytest.mark.parametrize(("source", "record"), [("take.wav", "take.wav"), ("take.raw.wav", "take.wav")])
def test_what_is_played_is_never_overwritten(source: str, record: str, run: Run, tiny_model: Path, tmp_path: Path) -> None:
    path = write_audio(tmp_path / source, clipped(RATE))
    before = path.read_bytes()
    done = run("live", "--input", path, "--output", "none", "--record", tmp_path / record, "--overwrite", "--model", tiny_model)
    assert done.code == 1
    assert f"{path}: is the recording that is played" in done.error_line
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_piped_in_is_never_overwritten(run: Run, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_audio(tmp_path / "take.wav", clipped(RATE))
    before, kept = path.read_bytes(), os.dup(0)
    with path.open("rb") as file:
        monkeypatch.setattr("sys.stdin", file)
        os.dup2(file.fileno(), 0)
        try:
            done = run("live", "-", "--output", "none", "--record", path, "--overwrite", "--model", tiny_model)
        finally:
            os.dup2(kept, 0)
            os.close(kept)
    assert done.code == 1
    assert "is the recording that is played" in done.error_line
    assert path.read_bytes() == before


def test_problems_are_told_without_meters_too(tiny_session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    with Chain(RATE, 2, session=tiny_session) as chain, screen(quiet=True, listening=False) as show:
        for problem in "", "disk full", "disk full":
            chain.problem = problem
            show(chain.reading())
    assert capsys.readouterr().err == "declipper: disk full\n"


def test_no_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    done = run("live", "-")
    assert done.code == 2
    assert "which is closed" in done.error_line


@pytest.mark.parametrize("raw", [False, True])
def test_from_a_pipe(raw: bool, run: Run, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio = clipped(RATE // 2).astype(np.float32)
    piped = tmp_path / "piped"
    piped.write_bytes(audio.astype("<f4").tobytes()) if raw else write_audio(piped, audio, format="WAV")
    kept = os.dup(0)
    with piped.open("rb") as file:
        monkeypatch.setattr("sys.stdin", file)
        os.dup2(file.fileno(), 0)
        try:
            options = ["--raw", "f32", "--samplerate", "44100", "--channels", "2"] if raw else []
            done = run("live", "-", *options, "--output", "none", "--record", tmp_path / "take.wav", "--model", tiny_model, "-q")
        finally:
            os.dup2(kept, 0)
            os.close(kept)
    assert (done.code, done.err) == (0, "")
    assert np.array_equal(soundfile.read(tmp_path / "take.raw.wav", dtype="float32")[0], audio)


def test_a_recording_that_is_not_there(run: Run) -> None:
    done = run("live", "--input", "nowhere.wav")
    assert done.code == 1
    assert "nowhere.wav: no such file" in done.error_line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--raw", "s16"], "tells nothing about rate"),
        (["--output", "none"], "needs a recording with --input"),
        (["-", "--input", "x.wav"], "two sources"),
        (["--latency", "30ms"], "30ms"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, run: Run) -> None:
    done = run("live", *arguments)
    assert done.code == 2
    assert message in done.error_line


def test_raw_input_shorter_than_a_frame_says_so(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "declipper", "live", "-q", "-", "--raw", "s16", "--samplerate", "44100", "--channels", "2"]
    command += ["--output", "none", "--model", str(tiny_model), "--record", str(tmp_path / "take.wav")]
    done = subprocess.run(command, input=b"abc", capture_output=True)
    assert done.returncode == 1
    assert b"<stdin>: ended before the first frame of audio was whole" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert list(tmp_path.iterdir()) == []
