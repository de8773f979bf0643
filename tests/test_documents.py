"""What the documents say holds: their code runs, their commands are ones that the program takes, and every file that they name is there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import av
import click
import numpy as np
import pytest
from conftest import Run, clipped, write_audio
from documents import DOCUMENTS, OUTPUT, ROOT, Block, blocks, calls_of_declipper, extras_of

from declipper.commands.main import cli

LINK = re.compile(r"\]\(([^)#]*)(#[^)]*)?\)")
NAMED = re.compile(r"`((?:declipper|training|models|tests|packaging|docs|examples)/[\w./-]*)`")
"""A path from the top of the repository, in backticks."""
WITH_CODE = [d for d in DOCUMENTS if d.parts[0] == "docs" or (d.name == "README.md" and len(d.parts) == 1)]
"""The documents whose code is run."""
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every recording that the documents speak of, half a second each, at 11 kHz."""
    folder = tmp_path_factory.mktemp("recordings")
    rate, sound = 11025, clipped(5512, channels=1)
    (folder / "tapes" / "side a").mkdir(parents=True)
    (folder / "restored").mkdir()
    for name in ("song.wav", "take.wav", "in.wav", "tapes/side a/1.wav"):
        write_audio(folder / name, sound, rate, "PCM_16")
    write_audio(folder / "song.flac", sound, rate, "PCM_16")
    write_audio(folder / "take.flac", sound, rate, "PCM_16")
    _coded(folder / "memo.m4a", sound, picture=False)
    _coded(folder / "talk.mp4", sound, picture=True)
    return folder


def _coded(path: Path, sound: np.ndarray, *, picture: bool) -> None:
    """Sound as AAC, with a few black pictures or none."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("aac", rate=44100, layout="mono")]
        frames: list[Any] = [av.AudioFrame.from_ndarray(np.repeat(sound[:, 0], 4).astype(np.float32)[None], "fltp", "mono")]
        frames[0].sample_rate = 44100
        if picture:
            shown = container.add_stream("mpeg4", rate=10)
            shown.width = shown.height = 64
            shown.pix_fmt = "yuv420p"
            streams.append(shown)
        for packet in streams[0].encode(frames[0]):
            container.mux(packet)
        for _ in range(5 if picture else 0):
            for packet in streams[1].encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))):
                container.mux(packet)
        for stream in streams:
            container.mux(stream.encode(None))


@pytest.mark.parametrize("document", WITH_CODE, ids=str)
def test_code_runs(document: Path, run: Run, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a reader runs it, one block after another, in a folder with the recordings that are spoken of."""
    shutil.copytree(recordings, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["declipper.workers.pool"], "can_start", lambda: False)  # worker processes take a second each to start
    names: dict[str, Any] = {}
    for block in blocks(document):
        language, _, name = block.language.partition(" ")
        if name:
            assert f"block {name}" in (ROOT / ".ci" / "run").read_text()
        elif language == "python":
            exec(compile(block.code, str(document), "exec"), names)
        elif language == "sh":
            for command in block.commands:
                _checked(command, block, run)
        else:
            assert language in OUTPUT, f"{document}: a block must say what it is: sh, python, {', '.join(OUTPUT)}"
    if "parts" in names:
        assert np.array_equal(np.concatenate(names["parts"]), names["restored"])
        assert np.abs(names["restored"]).max() > np.abs(names["audio"]).max()


def _checked(command: str, block: Block, run: Run) -> None:
    """Runs a command, or only reads it where it is not to be run or is of another program."""
    assert extras_of(command) <= set(EXTRAS), command
    calls = calls_of_declipper(command)
    piped = re.search(r"[<>|]", command) is not None
    for call in calls:
        arguments = [file for word in call for file in (_files(word) if "*" in word and "'" not in command else [word])]
        _parsed(arguments)
        if not block.reason and not piped:
            again = ["--overwrite"] if arguments[0] in ("fix", "report") else []  # what another line of the block made
            done = run(*arguments, *again)
            assert done.code == 0, f"{command}: {done.err}"
    if calls and piped and not block.reason:
        ours = f'declipper() {{ {sys.executable} -m declipper "$@"; }}; set -euo pipefail; {command}'
        subprocess.run(["bash", "-c", ours], check=True, capture_output=True)


def _files(pattern: str) -> list[str]:
    return sorted(map(str, Path().glob(pattern)))


def _parsed(arguments: list[str]) -> None:
    """Raises UsageError for what the program would not take."""
    with click.Context(cli) as parent:
        _, command, rest = cli.resolve_command(parent, arguments)
        while isinstance(command, click.Group):
            _, command, rest = command.resolve_command(parent, rest)
        assert command is not None
        command.make_context(arguments[0], list(rest), parent=parent)


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_file_that_a_document_names_is_there(document: Path) -> None:
    text = (ROOT / document).read_text()
    links = [link for link, _ in LINK.findall(text) if link and "://" not in link]
    missing = [link for link in links if not (ROOT / document.parent / link).exists()]
    missing += [name for name in NAMED.findall(text) if not (ROOT / name).exists()]
    assert not missing


def test_what_inspect_says_of_the_drum_loop(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "tests" / "data")
    assert run("inspect", "loop_amen_full.flac").out in (ROOT / "docs" / "index.md").read_text()


def test_the_site_builds_without_a_warning_and_asks_no_other_host(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs declipper[docs]")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, done.stderr
    pages = {page.relative_to(tmp_path).as_posix(): page.read_text() for page in tmp_path.rglob("*.html")}
    assert {"index.html", "algorithm.html", "guides/memo.html", "training/results/evaluation.html"} <= set(pages)
    assert "<math" in pages["algorithm.html"]
    assert "--headroom" in pages["reference/cli.html"]
    assert "DeclipStream" in pages["reference/api.html"]
    fetched = re.compile(r"""(?:<(?:script|img|source|audio|iframe)[^>]*src|<link[^>]*href)="(?:https?:)?//""")
    assert [name for name, page in pages.items() if fetched.search(page)] == []
    assert not re.search(r"\\\\(?:frac|hat|text)", re.sub(r"<annotation.*?</annotation>", "", pages["algorithm.html"]))
    assert json.loads((tmp_path / "search" / "search_index.json").read_text())["docs"]
