"""The command line as a user meets it: one clear line for whatever goes wrong, nothing unasked for on standard output."""

from __future__ import annotations

import builtins
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import CONTRACT, Outcome, Run, clipped, music, write_audio, write_model

from declipper.engine import session
from declipper.files.recording import FORMATS


@pytest.fixture
def fix(run: Run, tiny_model: Path) -> Run:
    """`declipper fix` with the tiny model."""
    return lambda *arguments: run("fix", "--model", tiny_model, *arguments)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_audio(tmp_path / "song.wav", clipped(20000))


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


def without_length(flac: bytes) -> bytes:
    """As an encoder leaves it that writes into a pipe: no number of samples in STREAMINFO."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


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
    "piped.flac": (lambda d: without_length(encoded(d, ".flac")), "a FLAC that does not tell its length, as written into a pipe"),
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
    assert f"{tmp_path}: is a folder; name the files in it" in outcome.error_line
    for folder in ".", "/":
        for outcome in fix(folder), run("inspect", folder):
            assert outcome.code == 1
            assert f"{folder}: is a folder; name the files in it" in outcome.error_line
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


@pytest.mark.parametrize("name", ["out.wav", "out.flac", "out.aiff", "out.ogg", "out.mp3"])
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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing command"),
        (["fix"], "Missing argument 'FILES...'"),
        (["fix", "SONG", "--threshold", "garbage"], "'garbage' is not one dBFS value or two"),
        (["fix", "SONG", "--threshold", "-1,-2,-3"], "'-1,-2,-3' is not one dBFS value or two"),
        (["fix", "SONG", "--threshold", "nan"], "'nan' is not one dBFS value or two"),
        (["inspect", "SONG", "--threshold", "x"], "'x' is not one dBFS value or two"),
        (["fix", "SONG", "-o", "-", "--json"], "both want standard output"),
        (["fix", "SONG", "SONG", "-o", "-"], "-o - takes one recording"),
        (["fix", "SONG", "SONG", "-o", "none"], "-o none is not a folder"),
        (["fix", "SONG", "SONG"], "more than one would become"),
        (["fix", "-", "-"], "- is named more than once"),
        (["fix", "SONG", "-j", "0"], "'-j'"),
        (["fix", "SONG", "--device", "abacus"], "'abacus' is not one of"),
        (["fix", "SONG", "--headroom", "none"], "'none' is not one of"),
        (["fix", "SONG", "--nonsense"], "No such option"),
        (["repair", "SONG"], "No such command"),
        (["inspect", "SONG", "SONG", "--plot", "out.png"], "--plot takes one recording"),
        (["fix", "SONG", "--device", "dml"], "device 'dml' is not available"),
    ],
)
def test_usage(run: Run, song: Path, tmp_path: Path, tiny_model: Path, arguments: list[str], words: str) -> None:
    arguments = [str(song) if a == "SONG" else a for a in arguments]
    if "dml" in arguments:
        arguments += ["--model", str(tiny_model)]
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert words in outcome.error_line
    assert list(tmp_path.iterdir()) == [song]


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


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, "not a declipper model"),
        (CONTRACT | {"declipper.contract": "99"}, "model contract 99"),
        ({k: v for k, v in CONTRACT.items() if k != "declipper.fade"}, "metadata is broken at 'declipper.fade'"),
    ],
)
def test_models_of_another_kind(run: Run, tmp_path: Path, song: Path, metadata: dict[str, str], words: str) -> None:
    model = write_model(tmp_path / "model.onnx", (1, 1), metadata)
    outcome = run("fix", song, "--model", model)
    assert outcome.code == 2
    assert words in outcome.error_line
    assert str(model) in outcome.error_line
    assert not (tmp_path / "song.declipped.wav").exists()


def test_missing_and_broken_models(run: Run, tmp_path: Path, song: Path) -> None:
    (tmp_path / "text.onnx").write_text("Dear diary")
    (tmp_path / "empty.onnx").touch()
    for name in ("none.onnx", "text.onnx", "empty.onnx", ""):
        outcome = run("fix", song, "--model", tmp_path / name)
        assert outcome.code == 2
        assert str(tmp_path / name) in outcome.error_line


def test_the_unexpected_costs_one_line_too(fix: Run, tmp_path: Path, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = write_audio(tmp_path / "other.wav", music(1000, peak=0.5))

    def fail(*_: Any) -> Any:
        raise AssertionError("odd\nand odder")

    monkeypatch.setattr(session.Session, "estimate", fail)
    outcome = fix(song, other, "-q")
    assert outcome.code == 1
    assert f"{song}: failed unexpectedly (AssertionError: odd and odder); please report this" in outcome.error_line
    assert sorted(tmp_path.iterdir()) == sorted([song, other, tmp_path / "other.declipped.wav"])


@pytest.mark.parametrize("how", [None, signal.SIGINT, signal.SIGTERM])
def test_interrupted(fix: Run, tmp_path: Path, song: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals | None) -> None:
    def stop(_: Any, window: np.ndarray) -> Any:
        if how is None:
            raise KeyboardInterrupt
        signal.raise_signal(how)  # for the main thread, whichever thread this is
        return window[0]

    monkeypatch.setattr(session.Session, "estimate", stop)
    outcome = fix(song, song.with_name("none.wav"), "-q")
    assert outcome.code == 130
    assert "interrupted" in outcome.error_line
    assert list(tmp_path.iterdir()) == [song]


def test_plot_without_matplotlib(run: Run, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith(("matplotlib", "declipper.measure.plot")):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **more)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without)
    for command in "inspect", "fix":
        outcome = run(command, song, "--plot", tmp_path / "out.png")
        assert outcome.code == 2
        assert 'pip install "declipper[plot]"' in outcome.error_line
    assert list(tmp_path.iterdir()) == [song]


def test_fix_beside_the_source(fix: Run, tmp_path: Path, song: Path) -> None:
    outcome = fix(song)
    out = tmp_path / "song.declipped.wav"
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err.startswith(f"{song} -> {out}: ")
    assert len(outcome.err.splitlines()) == 1
    assert soundfile.info(out).subtype == "FLOAT"
    before, after = soundfile.read(song)[0], soundfile.read(out)[0]
    np.testing.assert_array_equal(after[np.abs(before) < 0.5], before[np.abs(before) < 0.5])
    assert np.abs(after).max() > 0.6
    again = fix(song)
    assert again.error_line == f"declipper: {out}: exists; use --overwrite to replace it or -o for another name"
    assert fix(song, "--overwrite", "-q") == Outcome(0, "", "")


def test_the_gain_is_told(fix: Run, tmp_path: Path) -> None:
    song = write_audio(tmp_path / "song.wav", clipped(20000, level=0.9))
    assert ", turned by -1.3" in fix(song, "--format", "flac").err
    assert "turned by" not in fix(song).err


def test_several_into_a_folder(fix: Run, tmp_path: Path, song: Path) -> None:
    other = write_audio(tmp_path / "other.flac", clipped(5000), subtype="PCM_16")
    (tmp_path / "out").mkdir()
    assert fix(song, other, "-o", tmp_path / "out", "--format", "flac").code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["other.declipped.flac", "song.declipped.flac"]
    (tmp_path / "deeper").mkdir()
    twin = write_audio(tmp_path / "deeper" / "song.wav", clipped(100))
    outcome = fix(song, twin, "-o", tmp_path / "out", "--overwrite")
    assert outcome.code == 2
    assert "more than one would become" in outcome.error_line


def test_skip_existing(fix: Run, tmp_path: Path, song: Path) -> None:
    out = tmp_path / "song.declipped.wav"
    out.write_bytes(b"precious")
    outcome = fix(song, "--skip-existing")
    assert (outcome.code, outcome.err) == (0, f"{song}: left out, {out} exists\n")
    assert json.loads(fix(song, "--skip-existing", "--json").out) == {"file": str(song), "output": str(out), "skipped": True}
    assert out.read_bytes() == b"precious"


def test_dry_run_writes_nothing_and_needs_no_model(run: Run, tmp_path: Path, song: Path) -> None:
    outcome = run("fix", song, "--dry-run")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err.startswith(f"{song} would become {tmp_path / 'song.declipped.wav'}: ")
    assert list(tmp_path.iterdir()) == [song]
    assert "is the recording itself" in run("fix", song, "--dry-run", "-o", song).error_line


def strict_json(line: str) -> Any:
    def refuse(token: str) -> Any:
        raise AssertionError(token)

    return json.loads(line, parse_constant=refuse)


def test_json(fix: Run, run: Run, tmp_path: Path, song: Path) -> None:
    silence = write_audio(tmp_path / "silence.wav", np.zeros((100, 1)))
    outcome = fix(song, silence, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    told, quiet = (strict_json(line) for line in outcome.out.splitlines())
    assert told["file"] == str(song)
    assert told["clipped_samples"] > 1000
    assert told["before"]["peak"] == 0.5 < told["after"]["peak"]
    assert told["before"]["lufs"] < told["after"]["lufs"] < 0
    assert quiet["before"] == {"peak": 0.0, "lufs": None, "true_peak_dbtp": None}
    assert quiet["channels"][0]["positive"]["level_dbfs"] is None
    inspected = [strict_json(line) for line in run("inspect", song, silence, "--json").out.splitlines()]
    assert inspected[0]["channels"] == told["channels"]
    assert [strict_json(line)["dry_run"] for line in run("fix", song, "--dry-run", "--overwrite", "--json").out.splitlines()] == [True]


def test_inspect(run: Run, tmp_path: Path, song: Path) -> None:
    outcome = run("inspect", song)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"{song}: ")
    assert outcome.out.count("level -6.02 dBFS") == 4
    clean = write_audio(tmp_path / "clean.wav", music(20000, peak=0.5))
    assert f"{clean}: nothing clipped" in run("inspect", clean).out
    assert run("inspect", clean, "--threshold", "-12,-9").out.count("level -12.00 dBFS (given") == 2


def test_verbose(fix: Run, song: Path) -> None:
    err = fix(song, "-v").err
    assert " LUFS, true peak " in err
    assert err.count("level -6.02 dBFS") == 4


def test_names_are_shown_as_they_are(fix: Run, run: Run, tmp_path: Path) -> None:
    for name in ("[bold]:smile:[]x].wav", "größer.wav"):
        song = write_audio(tmp_path / name, clipped(1000))
        assert name in fix(song).err
        assert name in run("inspect", song).out
    odd = os.fsencode(tmp_path) + b"/\xff.wav"
    try:
        song.rename(os.fsdecode(odd))
    except OSError:
        return  # this file system takes UTF-8 names only
    assert "�.declipped.wav" in fix(os.fsdecode(odd)).err
    assert run("inspect", os.fsdecode(odd)).code == 0
    assert json.loads(run("inspect", "--json", os.fsdecode(odd)).out)["file"].endswith("�.wav")
    assert fix(os.fsdecode(odd)).error_line.endswith("or -o for another name")


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


def test_progress_bar_on_a_terminal_only(fix: Run, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("FORCE_COLOR", "1")  # rich then takes anything for a terminal
        patch.setenv("TERM", "xterm")
        assert "song.wav" in fix(song).err
        assert "\x1b[" in fix(song, "--overwrite").err
    assert "\x1b" not in fix(song, "--overwrite").err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(run: Run, shell: str) -> None:
    outcome = run("completion", shell)
    assert (outcome.code, outcome.err) == (0, "")
    assert "_DECLIPPER_COMPLETE" in outcome.out


def test_version_and_help(run: Run) -> None:
    assert run("--version").out.startswith("declipper, version ")
    for arguments in (["--help"], ["fix", "-h"], ["inspect", "--help"]):
        outcome = run(*arguments)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.startswith("Usage: declipper ")


def test_standard_error_is_given_back(run: Run, song: Path) -> None:
    ours, before = sys.stderr, os.fstat(2)
    run("inspect", song)
    assert sys.stderr is ours
    assert os.fstat(2) == before


def test_plot_of_a_restoration(run: Run, tiny_model: Path, song: Path, tmp_path: Path) -> None:
    result = run("fix", "--model", tiny_model, "--plot", tmp_path / "p.png", song)
    assert result.code == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_a_recording_taken_for_the_name_of_a_picture_is_not_overwritten(run: Run, song: Path, tmp_path: Path) -> None:
    before = song.read_bytes()
    other = write_audio(tmp_path / "other.wav", clipped())
    for command in "inspect", "fix":
        result = run(command, "--plot", song, other)
        assert result.code == 2
        assert "is no name of a picture" in result.error_line
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


@pytest.mark.parametrize(
    ("options", "words"),
    [(["-o", "out.xyz"], "no output format named"), (["-o", "o.flac", "--headroom", "float"], "cannot hold peaks above full scale")],
)
def test_a_dry_run_refuses_what_the_run_would(fix: Run, song: Path, tmp_path: Path, options: list[str], words: str) -> None:
    given = [str(tmp_path / o) if o.startswith(("out", "o.")) else o for o in options]
    dry, wet = fix(song, *given, "--dry-run"), fix(song, *given)
    assert (dry.code, dry.error_line) == (1, wet.error_line)
    assert words in dry.error_line


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


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_full_scale_by_hand_is_full_scale_of_both_polarities(subtype: str, run: Run, tiny_model: Path, tmp_path: Path) -> None:
    song = write_audio(tmp_path / "song.wav", np.clip(2 * music(), -1, 1), subtype=subtype)
    assert run("fix", "--model", tiny_model, "--threshold", "0", song).code == 0
    restored, _ = soundfile.read(tmp_path / "song.declipped.wav")
    assert restored.max() > 1.2
    assert restored.min() < -1.2
