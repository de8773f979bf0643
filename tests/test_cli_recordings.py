"""What is read and written: one clear line for whatever goes wrong, and nothing that is there is lost."""

from __future__ import annotations

import builtins
import io
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, clipped, write_audio

from declipper.files.formats import FORMATS


def zero_channels() -> bytes:
    return b"RIFF\x28\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 0, 44100, 0, 0, 16) + b"data" + struct.pack("<I", 4) + b"\0" * 4


def zero_frames() -> bytes:
    return b"RIFF\x24\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 44100, 88200, 2, 16) + b"data" + struct.pack("<I", 0)


def encoded(folder: Path, suffix: str, audio: np.ndarray | None = None) -> bytes:
    path = folder / f"whole{suffix}"
    container, subtype = FORMATS[suffix]
    raw = write_audio(path, clipped(20000) if audio is None else audio, subtype=subtype, format=container).read_bytes()
    path.unlink()
    return raw


def with_value(value: float) -> np.ndarray:
    audio = clipped(20000)
    audio[1234, 0] = value
    return audio


BAD = {
    "empty.wav": (lambda d: b"", "is empty (0 bytes)"),
    "text.wav": (lambda d: b"Dear diary, today it rained.\n" * 20, "not audio that libsndfile can read"),
    "bare.raw": (lambda d: b"\0\1" * 500, "not audio that libsndfile can read"),
    "channels.wav": (lambda d: zero_channels(), "not audio that libsndfile can read"),
    "frames.wav": (lambda d: zero_frames(), "contains no audio (0 frames)"),
    "cut.wav": (lambda d: encoded(d, ".wav")[:50000], "truncated"),
    "cut.flac": (lambda d: encoded(d, ".flac")[:20000], "copy it again"),
    "cut.mp3": (lambda d: encoded(d, ".mp3")[:4000], "copy it again"),
    "cut.aiff": (lambda d: encoded(d, ".aiff")[:50000], "truncated"),
    "holes.flac": (lambda d: encoded(d, ".flac")[:9000] + b"\xff" * 4000 + encoded(d, ".flac")[13000:], "copy it again"),
    "nan.wav": (lambda d: encoded(d, ".wav", with_value(np.nan)), "sample 1234 of channel 1 is nan; repair"),
    "inf.wav": (lambda d: encoded(d, ".wav", with_value(-np.inf)), "sample 1234 of channel 1 is -inf; repair"),
}


@pytest.mark.parametrize("command", ["fix", "inspect"])
@pytest.mark.parametrize("name", BAD)
def test_bad_input_costs_one_line_and_the_rest_is_done(
    run: Run, tiny_model: Path, tmp_path: Path, song: Path, command: str, name: str
) -> None:
    make, words = BAD[name]
    bad = tmp_path / name
    bad.write_bytes(make(tmp_path))
    before = sorted(tmp_path.iterdir())
    extra = ("--model", tiny_model, "-q") if command == "fix" else ()
    outcome = run(command, bad, song, *extra)
    assert outcome.code == 1
    assert outcome.error_line.startswith(f"declipper: {bad}: ")
    assert words in outcome.error_line
    assert "(;" not in outcome.error_line
    assert "()" not in outcome.error_line
    if command == "fix":
        assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "song.declipped.wav"])
    else:
        assert f"{song}: " in outcome.out
        assert sorted(tmp_path.iterdir()) == before


def test_missing_file_and_folder(fix: Run, run: Run, tmp_path: Path) -> None:
    assert fix(tmp_path / "none.wav").error_line == f"declipper: {tmp_path / 'none.wav'}: no such file; check the name"
    outcome = run("inspect", tmp_path)
    assert outcome.code == 1
    assert f"{tmp_path}: no recordings in there" in outcome.error_line
    for folder in ".", "/":
        outcome = fix(folder)
        assert outcome.code == 2
        assert "name one with -o" in outcome.error_line
    long = "n" * 300 + ".wav"
    assert f"{long}: cannot be read (File name too long)" in run("inspect", long).error_line


def test_what_looks_unreadable_is_left_to_the_reading(fix: Run, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_, **__: False)
    assert fix(song).code == 0


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read and write everything")
def test_permissions(fix: Run, tmp_path: Path, song: Path) -> None:
    song.chmod(0)
    assert "cannot be read (Permission denied)" in fix(song).error_line
    song.chmod(0o600)
    tmp_path.chmod(0o500)
    try:
        assert "cannot write in" in fix(song).error_line
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("none/out.wav", "No such file or directory"),
        ("song.wav/out.wav", "Not a directory"),
        ("none", "no such folder"),
        ("out.xyz", "no output format named '.xyz'; use one of .wav"),
        ("out.opus", "OPUS at 44100 Hz"),
        ("n" * 300 + ".wav", "File name too long"),
        ("song.wav", "is the recording itself"),
    ],
)
def test_bad_outputs(fix: Run, tmp_path: Path, song: Path, target: str, words: str) -> None:
    outcome = fix(song, "-o", tmp_path / target, "--overwrite")
    assert outcome.code == 1
    assert words in outcome.error_line
    assert str(tmp_path / target) in outcome.error_line
    assert list(tmp_path.iterdir()) == [song]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        not shutil.which("mount")
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", folder], capture_output=True).returncode
    ):
        pytest.skip("may not mount a small disk here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("name", ["out.wav", "out.flac", "out.aiff", "out.ogg", "out.mp3", "out.m4a"])
def test_full_disk(fix: Run, small_disk: Path, tmp_path: Path, name: str) -> None:
    song = write_audio(tmp_path / "song.wav", clipped(200000), 48000)
    (small_disk / name).write_bytes(b"precious")
    outcome = fix(song, "-o", small_disk / name, "--overwrite")
    assert outcome.code == 1
    assert "is the disk full? Free some room" in outcome.error_line
    assert [(p.name, p.read_bytes()) for p in small_disk.iterdir()] == [(name, b"precious")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_standard_output(tiny_model: Path, song: Path) -> None:
    line = "declipper: <stdout>: cannot be written (No space left on device); send it elsewhere\n"
    for arguments in (["fix", "--model", tiny_model, "-q", "-o", "-", song], ["--help"]):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run([sys.executable, "-m", "declipper", *arguments], stdout=full, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr) == (1, line)


def test_terminals_are_no_place_for_audio(run: Run, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", Terminal())
        assert "standard input, which is the terminal" in run("inspect", "-").error_line
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Terminal())
        assert "would write audio to the terminal" in run("fix", song, "-o", "-").error_line


def test_plot_without_matplotlib(run: Run, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **more)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without)
    for command in "inspect", "fix":
        outcome = run(command, song, "--plot", tmp_path / "out.png")
        assert outcome.code == 2
        assert 'pip install "declipper[plot]"' in outcome.error_line
    assert list(tmp_path.iterdir()) == [song]


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_pipes(fix: Run, tiny_model: Path, tmp_path: Path, song: Path, suffix: str) -> None:
    fix(song, "-o", tmp_path / f"out.{suffix}")
    command = [sys.executable, "-m", "declipper", "fix", "-", "-o", "-", "--model", tiny_model, "--format", suffix]
    done = subprocess.run(command, input=song.read_bytes(), capture_output=True, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.startswith(b"<stdin> -> -: ")
    assert done.stdout == (tmp_path / f"out.{suffix}").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["song.wav", f"out.{suffix}"])


def test_bad_input_from_a_pipe(fix: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, words in ((b"", "<stdin>: is empty"), (b"Dear diary", "<stdin>: not audio")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        outcome = fix("-", "-o", tmp_path / "out.wav")
        assert outcome.code == 1
        assert words in outcome.error_line
    assert list(tmp_path.iterdir()) == []


def test_a_recording_taken_for_the_name_of_a_picture_is_not_overwritten(run: Run, song: Path, tmp_path: Path) -> None:
    before = song.read_bytes()
    other = write_audio(tmp_path / "other.wav", clipped())
    for command in "inspect", "fix":
        result = run(command, "--plot", song, other)
        assert result.code == 2
        assert "the name does not end in .png" in result.error_line
    assert song.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == sorted([song, other])


def test_a_picture_in_a_folder_that_is_not_there_is_refused_before_the_work(run: Run, song: Path, tmp_path: Path) -> None:
    outcome = run("fix", song, "--plot", tmp_path / "none" / "p.png")
    assert outcome.code == 2
    assert "there is no folder" in outcome.error_line
    assert list(tmp_path.iterdir()) == [song]


def test_a_picture_is_replaced_only_when_asked(run: Run, song: Path, tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    picture.write_bytes(b"precious")
    assert "exists; use --overwrite" in run("inspect", song, "--plot", picture).error_line
    assert picture.read_bytes() == b"precious"
    assert run("inspect", song, "--plot", picture, "--overwrite").code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert sorted(tmp_path.iterdir()) == sorted([song, picture])


@pytest.mark.parametrize("target", ["song.wav", "link.wav"])
def test_a_recording_that_is_piped_in_is_not_replaced(song: Path, tiny_model: Path, target: str) -> None:
    (song.parent / "link.wav").symlink_to(song)
    before = song.read_bytes()
    command = [sys.executable, "-m", "declipper", "fix", "-", "--model", str(tiny_model), "--overwrite", "-o", target]
    with song.open("rb") as piped:
        done = subprocess.run(command, stdin=piped, capture_output=True, text=True, cwd=song.parent)
    assert done.returncode == 2
    assert "is the recording itself, which is never overwritten" in done.stderr
    assert song.read_bytes() == before


def test_standard_output_that_is_closed_is_told(song: Path, tiny_model: Path) -> None:
    command = f'exec "{sys.executable}" -m declipper fix "{song}" --model "{tiny_model}" -o - >&-'
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert "standard output, which is closed" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_name_that_is_too_long_is_told_by_its_name(run: Run, song: Path, tmp_path: Path) -> None:
    outcome = run("train", song, "-o", tmp_path / ("x" * 300 + ".onnx"))
    assert outcome.code == 1
    assert "xxx.onnx: File name too long" in outcome.error_line


def test_no_recording_replaces_another_one_that_is_named(run: Run, tiny_model: Path, song: Path, tmp_path: Path) -> None:
    other = write_audio(tmp_path / f"{song.stem}.declipped.wav", clipped(seed=1))
    before = other.read_bytes()
    result = run("fix", song, other, "--overwrite", "--model", tiny_model)
    assert result.code == 2
    assert f"{other} would be replaced, and is one of the recordings" in result.error_line
    assert other.read_bytes() == before
    assert run("fix", song, "--overwrite", "--model", tiny_model).code == 0
    assert other.read_bytes() != before
