"""The command line as a user meets it: usage, models, errors and Ctrl-C, completion, and how quickly it answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import soundfile
from conftest import CONTRACT, Run, music, write_audio, write_model

from declipper.engine.stream import DeclipStream


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

    monkeypatch.setattr(DeclipStream, "restored", fail)
    outcome = fix(song, other, "-q")
    assert outcome.code == 1
    assert f"{song}: failed unexpectedly (AssertionError: odd and odder); please report this" in outcome.error_line
    assert sorted(tmp_path.iterdir()) == sorted([song, other, tmp_path / "other.declipped.wav"])
    assert outcome.error_line.endswith("with the traceback that DECLIPPER_DEBUG=1 shows")


@pytest.mark.parametrize("command", ["fix", "train"])
def test_the_traceback_of_the_unexpected_is_shown_on_demand(song: Path, command: str) -> None:
    """In a process of its own; `fix` fails on one recording, `train` as a whole."""
    code = "from declipper.commands import fix, main, train\nfrom declipper.commands.fix import pipeline\n"
    code += "def odd(*_, **__): raise AssertionError('odd')\npipeline.fix = train.train.callback = odd\nmain.main()"
    arguments = [command, str(song), "-o", str(song.with_name("out.wav"))]
    environment = os.environ | {"DECLIPPER_DEBUG": "1"}
    done = subprocess.run([sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert "in odd" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("failed unexpectedly (AssertionError: odd); please report this")


@pytest.mark.parametrize("how", [None, signal.SIGINT, signal.SIGTERM])
def test_interrupted(fix: Run, tmp_path: Path, song: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals | None) -> None:
    def stop(*_: Any) -> Any:
        if how is None:
            raise KeyboardInterrupt
        signal.raise_signal(how)

    monkeypatch.setattr(DeclipStream, "restored", stop)
    outcome = fix(song, song.with_name("none.wav"), "-q")
    assert outcome.code == 130
    assert "interrupted" in outcome.error_line
    assert list(tmp_path.iterdir()) == [song]


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


def test_help_is_quick(run: Run) -> None:
    """What takes long to load is loaded by the command that needs it."""
    slow = ("numpy", "scipy", "onnxruntime", "soundfile", "rich", "matplotlib")
    code = f"import sys, atexit; atexit.register(lambda: print([m for m in {slow} if m in sys.modules], file=sys.stderr))"
    code += "; from declipper.commands.main import main; main()"
    for arguments in (["--help"], ["--version"], ["completion", "bash"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "[]\n")
        assert done.stdout


@pytest.mark.parametrize("command", ["completion", "fix", "inspect", "live", "plugin", "train"])
def test_every_command_is_listed_and_has_its_help(run: Run, command: str) -> None:
    assert f"\n  {command} " in run("--help").out
    assert run(command, "--help").out.startswith(f"Usage: declipper {command} ")


def test_options_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    for words, wanted in (("declipper in", "plain,inspect"), ("declipper fix --thr", "plain,--threshold")):
        environment = os.environ | {"_DECLIPPER_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = subprocess.run([sys.executable, "-m", "declipper"], env=environment, capture_output=True, text=True)
        assert wanted in done.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="watches the process in /proc")
@pytest.mark.parametrize("numbers", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT]])
def test_a_signal_while_the_program_is_loading(song: Path, tiny_model: Path, numbers: list[signal.Signals]) -> None:
    for wait in (0.0, 0.05, 0.2, 0.5):
        command = [sys.executable, "-m", "declipper", "fix", str(song), "--model", str(tiny_model), "--overwrite"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        status = Path(f"/proc/{process.pid}/status")
        while not int(status.read_text().partition("SigCgt:")[2].split()[0], 16) >> (signal.SIGTERM - 1) & 1:
            time.sleep(0.001)
        time.sleep(wait)
        for number in numbers:
            process.send_signal(number)
        _, errors = process.communicate()
        assert process.returncode == 130
        assert errors.startswith("declipper: interrupted; ")
        assert errors.count("\n") == 1
        assert sorted(p.name for p in song.parent.iterdir()) == ["song.wav"]


def test_signals_after_the_first_one_and_at_the_end_do_nothing() -> None:
    """Two at once, a third one in the midst of the tidying up, a fourth after it."""
    code = """
import signal, sys
from declipper.signals import interruptible
with interruptible():
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    finally:
        import atexit
        atexit.register(lambda: signal.raise_signal(signal.SIGTERM))
        signal.raise_signal(signal.SIGINT)
        print("tidied up")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "tidied up\n")
    assert done.stderr == "declipper: interrupted; nothing half written is left\n"


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_closed_standard_error_stops_nothing(song: Path, tiny_model: Path, closed: str) -> None:
    for arguments, code in ((f'fix "{song}" --model "{tiny_model}" --overwrite', 0), (f'fix "{song}x"', 1), ("fix", 2), ("--version", 0)):
        done = subprocess.run(["sh", "-c", f'exec "{sys.executable}" -m declipper {arguments} {closed}'], stdout=subprocess.PIPE)
        assert done.returncode == code
    out = song.with_name("song.declipped.wav")
    assert soundfile.info(out).frames == 20000
    assert sorted(p.name for p in song.parent.iterdir()) == ["song.declipped.wav", "song.wav"]
