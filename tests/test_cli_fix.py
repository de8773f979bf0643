"""`declipper fix` and `declipper inspect`: results, reports, and nothing unasked for on standard output."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import Outcome, Run, clipped, music, write_audio


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
    except (OSError, UnicodeError):
        return  # this file system takes UTF-8 names only
    assert "�.declipped.wav" in fix(os.fsdecode(odd)).err
    assert run("inspect", os.fsdecode(odd)).code == 0
    assert json.loads(run("inspect", "--json", os.fsdecode(odd)).out)["file"].endswith("�.wav")
    assert fix(os.fsdecode(odd)).error_line.endswith("or -o for another name")


def test_plot_of_a_restoration(run: Run, tiny_model: Path, song: Path, tmp_path: Path) -> None:
    result = run("fix", "--model", tiny_model, "--plot", tmp_path / "p.png", song)
    assert result.code == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "words"),
    [(["-o", "out.xyz"], "no output format named"), (["-o", "o.flac", "--headroom", "float"], "cannot hold peaks above full scale")],
)
def test_a_dry_run_refuses_what_the_run_would(fix: Run, song: Path, tmp_path: Path, options: list[str], words: str) -> None:
    given = [str(tmp_path / o) if o.startswith(("out", "o.")) else o for o in options]
    dry, wet = fix(song, *given, "--dry-run"), fix(song, *given)
    assert (dry.code, dry.error_line) == (1, wet.error_line)
    assert words in dry.error_line


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_full_scale_by_hand_is_full_scale_of_both_polarities(subtype: str, run: Run, tiny_model: Path, tmp_path: Path) -> None:
    song = write_audio(tmp_path / "song.wav", np.clip(2 * music(), -1, 1), subtype=subtype)
    assert run("fix", "--model", tiny_model, "--threshold", "0", song).code == 0
    restored, _ = soundfile.read(tmp_path / "song.declipped.wav")
    assert restored.max() > 1.2
    assert restored.min() < -1.2
