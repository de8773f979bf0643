"""Recordings and results at addresses: in memory, on an S3 server on this machine, and what is told of stores that refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, clipped, music, write_audio

from declipper.archive.addresses import folder_at
from declipper.archive.folders import Stamp
from declipper.archive.manifest import NAME
from declipper.errors import OutputError, StoreError

BUCKETS = count()
fsspec: Any = pytest.importorskip("fsspec", reason="fsspec is not installed; pip install 'declipper[cluster]'")


@pytest.fixture
def recordings(tmp_path: Path) -> dict[str, bytes]:
    """Two recordings, one of them clipped, by their names in a store."""
    files = {
        "tapes/a.wav": write_audio(tmp_path / "a.wav", clipped(2000, 1), subtype="PCM_16"),
        "tapes/side b/clean.flac": write_audio(tmp_path / "clean.flac", music(2000, 1, 0.4), subtype="PCM_16"),
    }
    return {name: path.read_bytes() for name, path in files.items()} | {"tapes/.hidden.wav": b"x", "tapes/notes.txt": b"y"}


@pytest.fixture
def memory(recordings: dict[str, bytes]) -> Iterator[str]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    for name, content in recordings.items():
        system.pipe(f"/archive/{name}", content)
    yield "memory://archive"
    system.store.clear()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An S3 server on the loopback, which checks nothing."""
    server: Any = pytest.importorskip("moto.server", reason="moto is not installed; pip install 'declipper[dev]'")
    pytest.importorskip("s3fs", reason="s3fs is not installed; pip install 'declipper[dev]'")
    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    yield "http://{}:{}".format(*running.get_host_and_port())
    running.stop()


@pytest.fixture
def bucket(endpoint: str, recordings: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The address of a folder with the recordings, and keys for it."""
    told = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    system = fsspec.filesystem("s3")
    bucket = f"archive{next(BUCKETS)}"
    system.mkdir(bucket)
    for relative, content in recordings.items():
        system.pipe(f"{bucket}/{relative}", content)
    return f"s3://{bucket}"


@pytest.mark.parametrize("store", ["memory", "bucket"])
def test_from_a_store_into_a_store_and_on(
    fix: Run, recordings: dict[str, bytes], tmp_path: Path, request: pytest.FixtureRequest, store: str
) -> None:
    address = request.getfixturevalue(store)
    options = (f"{address}/tapes", "-o", f"{address}/restored", "--threshold", "-6.03", "-j", "1")
    without = fix(*options)
    assert without.code == 2
    assert "--manifest" in without.error_line
    manifest = tmp_path / "run.jsonl"
    outcome = fix(*options, "--manifest", manifest)
    assert outcome.code == 0, outcome.err
    system, root = fsspec.core.url_to_fs(address)
    made = {path.removeprefix(f"{root}/restored/"): system.cat_file(path) for path in system.find(f"{root}/restored")}
    assert sorted(made) == ["a.declipped.wav", NAME, "side b/clean.flac"]
    assert made["side b/clean.flac"] == recordings["tapes/side b/clean.flac"]
    assert made[NAME] == manifest.read_bytes()
    (tmp_path / "here").mkdir()
    assert fix(tmp_path / "a.wav", "-o", tmp_path / "here" / "a.wav", "--threshold", "-6.03").code == 0
    assert made["a.declipped.wav"] == (tmp_path / "here" / "a.wav").read_bytes()
    for kept in manifest, tmp_path / "fetched.jsonl":
        assert "2 done before" in fix(*options, "--manifest", kept).err
    assert json.loads(manifest.read_text().splitlines()[0])["input"] == f"{address}/tapes/a.wav"


def test_a_recording_at_an_address(fix: Run, run: Run, memory: str, tmp_path: Path) -> None:
    assert fix(f"{memory}/tapes/a.wav", "-o", tmp_path / "out", "--threshold", "-6.03").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.declipped.wav", NAME]
    found = [json.loads(line)["file"] for line in run("inspect", f"{memory}/tapes", "--json", "-j", "1").out.splitlines()]
    assert found == [f"{memory}/tapes/a.wav", f"{memory}/tapes/side b/clean.flac"]
    assert run("inspect", f"file://{tmp_path}/a.wav", "-j", "1").code == 0
    missing = fix(f"{memory}/tapes/none.wav", "-o", tmp_path / "out", "-q")
    assert missing.code == 1
    assert missing.error_line == f"declipper: {memory}/tapes/none.wav: no such file or folder; check the name"


def test_a_store_puts_whole_files_in_place_and_replaces_none_unasked(memory: str, tmp_path: Path) -> None:
    folder = folder_at(memory)
    source = tmp_path / "source.wav"
    source.write_bytes(b"new")
    with pytest.raises(OutputError, match="exists; use --overwrite"):
        folder.copy(source, "tapes/a.wav", replace=False)
    folder.copy(source, "tapes/a.wav", replace=True)
    found = folder.stamp("tapes/a.wav")
    assert isinstance(found, Stamp)
    assert found.size == 3
    assert folder.stamp("tapes/none.wav") is None
    with folder.reading("tapes/a.wav") as path:
        assert path.read_bytes() == b"new"
    assert not [name for name in fsspec.filesystem("memory").store if "declipper-part" in name]


def test_wrong_credentials_and_a_bucket_that_is_not_there(fix: Run, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = fix("s3://nobody/tapes", "-o", tmp_path / "out")
    assert refused.code == 1
    assert refused.error_line.startswith("declipper: s3://nobody/tapes")
    settings = pytest.importorskip("moto.settings")
    monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)  # from now on it knows whose keys it gave
    outcome = fix(f"{bucket}/tapes", "-o", tmp_path / "out")
    assert outcome.code == 1
    assert outcome.error_line.startswith(f"declipper: {bucket}/tapes: the store says ")
    assert outcome.error_line.endswith("check the address and your credentials")
    assert not (tmp_path / "out").exists()


def test_addresses_that_nothing_reaches() -> None:
    with pytest.raises(StoreError, match="odd://x: the store says ValueError: Protocol not known"):
        folder_at("odd://x")
