"""A `declipper serve` under way, how tests talk to it, and the fixture of one (conftest.py makes it known)."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import soundfile
from conftest import PATIENCE, clipped, until

LARGEST = 2_000_000
"""Bytes that the server of these tests takes."""


def recording(frames: int = 8000, seed: int = 0) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, clipped(frames, 1, seed=seed), 44100, "FLOAT", format="WAV")
    return file.getvalue()


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    """A server under way, and the folder in which it may leave nothing."""

    process: subprocess.Popen[str]
    url: str
    folder: Path

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def root(self) -> str:
        return urlsplit(self.url).path

    def ask(self, method: str, path: str, body: Any = None, *, root: str | None = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, (self.root if root is None else root) + path, body, headers)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def upload(self, body: bytes, name: str = "song.wav") -> str:
        answer = self.ask("PUT", f"jobs?name={quote(name, safe='')}", body)
        assert answer.status == 201
        return str(answer.json["key"])

    def wait(self, key: str, state: str = "inspected") -> Any:
        """The status of a job, once it is that."""
        return until(lambda: (status := self.ask("GET", f"jobs/{key}").json)["state"] == state and status)

    def restore(self, key: str, threshold: float | None = -6.03) -> Reply:
        return self.ask("POST", f"jobs/{key}/restore", json.dumps({"quality": "live", "threshold": threshold}))

    def left(self) -> list[str]:
        """What lies in its folder, but for the one folder that it works in."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.glob("*/**/*"))

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        self.process.send_signal(number)
        assert self.process.wait(PATIENCE) == 130
        assert list(self.folder.iterdir()) == []


def _listening() -> None:
    """Background jobs of a shell have these signals ignored, and so would what they start."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def started(folder: Path) -> Iterator[Server]:
    """A server that works in a folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "declipper", "serve", "-j", "2", "--max-size", str(LARGEST)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(folder)},
        preexec_fn=_listening,
    )
    assert process.stdout is not None
    try:
        with process.stdout as said:
            yield Server(process, said.readline().strip(), folder)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server, which is interrupted in the end and must then have left nothing."""
    with started(tmp_path_factory.mktemp("serve")) as running:
        yield running
        running.stop()
