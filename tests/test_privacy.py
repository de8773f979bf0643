"""A run leaves nothing behind but what it was asked for: no device id, no database of events, nothing in a temporary folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "arguments",
    [
        ("-m", "declipper", "--version"),
        ("-m", "declipper", "fix", "song.wav", "-o", "restored.wav", "--model", "live", "-q"),
        ("-c", "from declipper import Session; Session('live')"),
        ("-c", "from declipper.engine.session import providers_for; providers_for('auto')"),
    ],
    ids=["version", "fix", "library", "devices"],
)
def test_a_run_leaves_no_file_it_was_not_asked_for(arguments: tuple[str, ...], tmp_path: Path, song: Path) -> None:
    folders = {name: tmp_path / name for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "TMPDIR")}
    for folder in folders.values():
        folder.mkdir()
    told = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    told |= {"ORT_DISABLE_TELEMETRY": "0"} | {name: str(folder) for name, folder in folders.items()}
    asked_for = {song, tmp_path / "restored.wav"} if "fix" in arguments else {song}
    subprocess.run([sys.executable, *arguments], cwd=tmp_path, env=told, check=True, capture_output=True)
    assert {path for path in tmp_path.rglob("*") if not path.is_dir()} == asked_for
