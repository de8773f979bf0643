"""Folders of recordings: what is taken, where results go, and that a run goes on where the last one stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import Outcome, Run, clipped, music, write_audio

from declipper.archive.manifest import NAME, Manifest

LEVEL = ("--threshold", "-6.03", "-j", "1")
"""The level of the clipped recordings by hand, so that no time is spent on finding it."""


def recordings(folder: Path, count: int = 2) -> Path:
    """`count` clipped recordings and one that is not, in a tree."""
    for number in range(count):
        path = folder / "a" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_audio(path, clipped(3000, 1, seed=number), subtype="PCM_16")
    (folder / "b").mkdir()
    write_audio(folder / "b" / "clean.flac", music(3000, 1, 0.4), subtype="PCM_16")
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return recordings(tmp_path / "in")


@pytest.fixture
def archive(fix: Run, tmp_path: Path) -> Callable[..., Outcome]:
    """`declipper fix FOLDER -o out` with the level given."""
    return lambda folder, *options: fix(folder, "-o", tmp_path / "out", *LEVEL, *options)


def results(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and p.name != NAME}


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / NAME).read_text().splitlines()]


def test_the_tree_is_mirrored_and_only_recordings_of_it_are_taken(archive: Run, tree: Path, tmp_path: Path) -> None:
    elsewhere = write_audio(tmp_path / "elsewhere.wav", clipped(100, 1))
    (tree / "away.wav").symlink_to(elsewhere)
    (tree / "within.wav").symlink_to(tree / "a" / "0.wav")
    (tree / "loop").symlink_to(tree)
    write_audio(tree / ".hidden.wav", clipped(100, 1))
    (tree / "notes.txt").write_text("of the session")
    (tree / "bad.wav").write_bytes(b"no audio at all")
    outcome = archive(tree, "-q")
    assert outcome.code == 1
    assert outcome.error_line.startswith(f"declipper: {tree / 'bad.wav'}: not audio that libsndfile can read")
    out = results(tmp_path / "out")
    assert list(out) == ["a/0.declipped.wav", "a/1.declipped.wav", "b/clean.flac", "within.declipped.wav"]
    assert out["b/clean.flac"] == (tree / "b" / "clean.flac").read_bytes()
    before, after = (soundfile.read(path)[0] for path in (tree / "a" / "0.wav", tmp_path / "out" / "a" / "0.declipped.wav"))
    reliable = np.abs(before) < 0.49
    np.testing.assert_array_equal(after[reliable], before[reliable])
    assert np.abs(after).max() > 0.6


def test_results_inside_the_folder_are_no_recordings(fix: Run, tree: Path) -> None:
    for _ in range(2):
        assert fix(tree, "-o", tree / "done", *LEVEL).code == 0
    assert len(results(tree / "done")) == 3
    assert len(lines(tree / "done")) == 6
    outcome = fix(tree, "-o", tree, *LEVEL)
    assert outcome.code == 2
    assert "is the folder of the recordings" in outcome.error_line


def test_globs(archive: Run, tree: Path, tmp_path: Path) -> None:
    assert archive(tree, "--exclude", "b", "--exclude", "a/1*").code == 0
    assert list(results(tmp_path / "out")) == ["a/0.declipped.wav"]
    assert archive(tree, "--include", "*.flac").code == 0
    assert list(results(tmp_path / "out")) == ["a/0.declipped.wav", "b/clean.flac"]
    assert "no recordings in there" in archive(tree, "--include", "*.mp3").error_line


def test_names_that_meet_are_told_before_the_work(archive: Run, tree: Path, tmp_path: Path) -> None:
    write_audio(tree / "a" / "0.flac", clipped(100, 1), subtype="PCM_16")
    outcome = archive(tree)
    assert outcome.code == 2
    both = f"{tree / 'a' / '0.flac'} and {tree / 'a' / '0.wav'} would both become {tmp_path / 'out' / 'a' / '0.declipped.wav'}"
    assert both in outcome.error_line
    assert not (tmp_path / "out").exists()


def test_only_what_changed_is_done_again(archive: Run, tree: Path, tmp_path: Path) -> None:
    def done() -> set[str]:
        """What the last call did, by the names of the recordings."""
        nonlocal known
        new, known = lines(tmp_path / "out")[known:], len(lines(tmp_path / "out"))
        return {Path(line["input"]).name for line in new if line["result"] != "begun"}

    known = 0
    assert archive(tree).code == 0
    assert done() == {"0.wav", "1.wav", "clean.flac"}
    first = results(tmp_path / "out")
    assert archive(tree).code == 0
    assert done() == set()
    write_audio(tree / "a" / "1.wav", clipped(2000, 1, seed=7), subtype="PCM_16")
    assert archive(tree).code == 0
    assert done() == {"1.wav"}
    (tmp_path / "out" / "b" / "clean.flac").unlink()
    assert archive(tree).code == 0
    assert done() == {"clean.flac"}
    second = results(tmp_path / "out")
    assert {name for name in first if first[name] != second[name]} == {"a/1.declipped.wav"}
    assert archive(tree, "--subtype", "DOUBLE").code == 0
    assert done() == {"0.wav", "1.wav", "clean.flac"}


def test_what_failed_is_tried_again_when_asked(archive: Run, tree: Path) -> None:
    bad = tree / "bad.wav"
    bad.write_bytes(b"nonsense")
    assert archive(tree, "-q").code == 1
    again = archive(tree)
    assert again.code == 1
    assert "3 done before, 1 failed before (--retry-failed tries them again)" in again.err
    assert "not audio" in archive(tree, "-q", "--retry-failed").error_line
    write_audio(bad, clipped(100, 1))
    assert archive(tree).code == 0


def test_a_file_of_the_user_stays_until_asked(archive: Run, tree: Path, tmp_path: Path) -> None:
    taken = tmp_path / "out" / "a" / "0.declipped.wav"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"precious")
    assert archive(tree, "-q", "--skip-existing") == Outcome(0, "", "")
    for _ in range(2):
        outcome = archive(tree, "-q")
        assert outcome.code == 1
        assert f"{taken}: exists; use --overwrite" in outcome.error_line
        assert taken.read_bytes() == b"precious"
    assert archive(tree, "-q", "--overwrite") == Outcome(0, "", "")
    assert soundfile.info(taken).frames == 3000
    taken.write_bytes(b"edited since")
    write_audio(tree / "a" / "0.wav", clipped(2000, 1, seed=7))
    assert f"{taken}: exists; use --overwrite" in archive(tree, "-q").error_line
    assert taken.read_bytes() == b"edited since"


def test_what_is_not_clipped(fix: Run, tree: Path, tmp_path: Path) -> None:
    clean = tree / "b" / "clean.flac"
    assert fix(tree, "-o", tmp_path / "skipped", "--unclipped", "skip", *LEVEL).code == 0
    assert list(results(tmp_path / "skipped")) == ["a/0.declipped.wav", "a/1.declipped.wav"]
    for _ in range(2):
        assert fix(tree, "-o", tmp_path / "linked", "--unclipped", "link", *LEVEL).code == 0
    link = tmp_path / "linked" / "b" / "clean.flac"
    assert link.readlink() == clean
    assert len(lines(tmp_path / "linked")) == 6
    assert fix(tree, "-o", tmp_path / "linked", "--unclipped", "copy", *LEVEL).code == 0
    assert not link.is_symlink()
    assert link.read_bytes() == clean.read_bytes()


def test_a_torn_last_line_costs_one_recording(archive: Run, run: Run, tree: Path, tmp_path: Path) -> None:
    assert archive(tree).code == 0
    manifest = tmp_path / "out" / NAME
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-30])
    assert "1 begun and not done" in run("report", manifest).out
    outcome = archive(tree, "-q")
    assert outcome.code == 0
    assert "its last line is torn" in outcome.error_line
    assert len(lines(tmp_path / "out")) == 7
    assert archive(tree, "-q") == Outcome(0, "", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"manifest": 2, "input": "x"}\n', "line 1 is of manifest version 2, and this declipper knows 1; update declipper"),
        (b"Dear diary\n", "line 1 is not of a manifest, it begins with 'Dear diary'"),
        (b'{"manifest": 1, "input": "x", "result": "well"}\n', "line 1 is not of a manifest"),
        (b"[]\n", "line 1 is not of a manifest"),
    ],
)
def test_a_manifest_that_is_none_of_ours(archive: Run, run: Run, tree: Path, tmp_path: Path, content: bytes, words: str) -> None:
    manifest = tmp_path / "out" / NAME
    manifest.parent.mkdir()
    manifest.write_bytes(content)
    for outcome in archive(tree), run("report", manifest):
        assert outcome.code == 1
        assert words in outcome.error_line
    assert manifest.read_bytes() == content
    assert list(manifest.parent.iterdir()) == [manifest]


def test_two_runs_into_one_folder(archive: Run, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with Manifest(tmp_path / "out" / NAME, tell=print):
        assert "another declipper is at work there" in archive(tree).error_line


def test_the_report(archive: Run, run: Run, tree: Path, tmp_path: Path) -> None:
    (tree / "bad.wav").write_bytes(b"nonsense")
    archive(tree)
    told = run("report", tmp_path / "out" / NAME, "--worst", "1").out.splitlines()
    assert told[0] == "4 recordings: 2 restored, 1 not clipped, 1 failed, 0 begun and not done"
    assert len([line for line in told if "dB over" in line]) == 1
    assert told[-1].startswith(f"  {tree / 'bad.wav'}: not audio")
    table = run("report", tmp_path / "out" / NAME, "--csv").out.splitlines()
    assert table[0] == "input,result,output,clipped_percent,overload_db,audio_seconds,seconds,error"
    assert [row.split(",")[1] for row in table[1:]] == ["restored", "restored", "unclipped", "failed"]


@pytest.mark.parametrize("command", ["inspect", "fix"])
def test_what_is_clipped_in_an_archive_most_first(run: Run, tree: Path, tmp_path: Path, command: str) -> None:
    write_audio(tree / "worst.wav", np.clip(clipped(3000, 1) * 8, -0.5, 0.5))
    options = ("-o", tmp_path / "out", "--dry-run") if command == "fix" else ()
    found = [json.loads(line) for line in run(command, tree, "--json", *LEVEL, *options).out.splitlines()]
    shares = [report["clipped_percent"] for report in found]
    assert len(shares) == 4
    assert shares == sorted(shares, reverse=True)
    assert found[0]["file"] == str(tree / "worst.wav")
    assert found[-1]["clipped_percent"] == 0
    assert not (tmp_path / "out").exists()
    shown = run(command, tree, *LEVEL, *options)
    assert (shown.out + shown.err).startswith(f"{tree / 'worst.wav'}")


def test_options_for_folders_need_one(fix: Run, song: Path, tree: Path, tmp_path: Path) -> None:
    assert "--retry-failed is for folders" in fix(song, "--retry-failed").error_line
    assert "--plot takes recordings, not folders" in fix(tree, "-o", tmp_path / "out", "--plot", tmp_path / "p.png").error_line


def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(
    archive: Run, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("soundfile.SoundFile.write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        outcome = archive(tree, "-q")
    assert outcome.code == 1
    full, stopped = outcome.err.splitlines()
    assert "is the disk full?" in full
    assert "the same call goes on where this one stopped" in stopped
    assert results(tmp_path / "out") == {}
    assert archive(tree, "-q") == Outcome(0, "", "")
    assert len(results(tmp_path / "out")) == 3


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_results(archive: Run, tiny_model: Path, tmp_path: Path) -> None:
    tree = recordings(tmp_path / "in", 12)
    assert archive(tree).code == 0
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "declipper", "fix", str(tree), "-o", str(out), "--model", str(tiny_model), "--threshold", "-6.03"]
    process = subprocess.Popen([*command, "-j", "2"], stderr=subprocess.DEVNULL)
    while process.poll() is None and not ((out / NAME).exists() and (out / NAME).read_bytes().count(b'"restored"') >= 2):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {line["input"] for line in lines(out) if line["result"] in ("restored", "unclipped")}
    assert 2 <= len(before) < 13
    subprocess.run([*command, "-j", "1"], check=True, stderr=subprocess.DEVNULL)
    ended = [line["input"] for line in lines(out) if line["result"] in ("restored", "unclipped")]
    assert len(ended) == len(set(ended)) == 13
    assert results(out) == results(tmp_path / "out")
