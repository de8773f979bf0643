"""`declipper serve` as a server: names lead nowhere, sizes are bounded, nobody else gets in, and nothing is left behind."""

from __future__ import annotations

import io
import json
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import PATIENCE, Run, until
from served import Server, recording, started

from declipper.web import jobs as jobs_of
from declipper.web.jobs import Jobs, TooMany, shown_name


@pytest.fixture
def job(server: Server) -> Iterator[str]:
    """The key of an uploaded recording that was inspected; in the end it is removed."""
    key = server.upload(recording())
    server.wait(key)
    yield key
    server.ask("DELETE", f"jobs/{key}")
    until(lambda: server.left() == [])


def test_a_recording_is_inspected_restored_and_taken(server: Server, job: str) -> None:
    found = server.ask("GET", f"jobs/{job}").json["result"]
    assert found["levels"] == pytest.approx([-6.02, -6.02], abs=0.01)
    assert sum(found["histogram"]) == 8000
    assert server.ask("GET", f"jobs/{job}/restored").status == 404
    assert server.restore(job).status == 202
    server.wait(job, "restored")
    taken = server.ask("GET", f"jobs/{job}/restored")
    assert "song.declipped.wav" in taken.headers["content-disposition"]
    before, after = (soundfile.read(io.BytesIO(data))[0] for data in (recording(), taken.body))
    assert np.array_equal(after[np.abs(before) < 0.499], before[np.abs(before) < 0.499])
    assert np.abs(after).max() > 0.51
    page = server.ask("GET", f"jobs/{job}/page").body.decode()
    assert "<h1>song.wav</h1>" in page
    assert str(server.folder) not in page


def test_nobody_gets_in_without_the_token(server: Server, job: str) -> None:
    for root in ("/", "/jobs/", f"/{'x' * 32}/", server.root.rstrip("/")[:-1] + "/"):
        for method, path in (("GET", ""), ("GET", f"jobs/{job}"), ("PUT", "jobs?name=a"), ("DELETE", f"jobs/{job}")):
            assert server.ask(method, path, root=root).status == 404
    assert server.ask("GET", f"jobs/{job}").status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example:{port}", ""])
def test_a_site_whose_name_leads_here_is_refused(server: Server, host: str) -> None:
    assert server.ask("GET", "", Host=host.format(port=server.port)).status == 400
    assert server.ask("GET", "", Host=f"localhost:{server.port}").status == 200


def test_answers_are_not_kept_nor_shared_and_tell_no_address(server: Server) -> None:
    headers = server.ask("GET", "", Origin="https://evil.example").headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("name", ["../../../../tmp/away.wav", "a\r\nX-Evil: 1\x00"])
def test_names_lead_nowhere(server: Server, name: str) -> None:
    key = server.upload(recording(), name)
    assert server.wait(key)["name"] == shown_name(name)
    assert {Path(path).name for path in server.folder.glob("*/*/*")} == {"recording", "progress"}
    server.restore(key)
    server.wait(key, "restored")
    assert {Path(path).name for path in server.folder.glob("*/*/*")} == {"recording", "progress", "restored.wav", "page.html"}
    taken = server.ask("GET", f"jobs/{key}/restored")
    assert taken.status == 200
    assert "x-evil" not in {header.lower() for header in taken.headers}
    assert server.ask("DELETE", f"jobs/{key}").status == 204
    until(lambda: server.left() == [])


@pytest.mark.parametrize("path", ["jobs/..", "jobs/../../etc/passwd", "jobs/..%2f..%2fetc%2fpasswd", "jobs/%00", "jobs/../restored", "../"])
def test_addresses_lead_nowhere_either(server: Server, path: str) -> None:
    assert server.ask("GET", path).status == 404


def test_an_upload_of_5_gigabytes_is_refused_before_it_is_sent(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as wire:
        wire.sendall(f"PUT {server.root}jobs?name=a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000000000\r\n\r\n".encode())
        assert b" 413 " in wire.recv(1000)
    assert server.left() == []


def test_an_upload_that_does_not_tell_its_size_is_broken_off_at_the_bound(server: Server) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield bytes(100_000)

    try:
        status = server.ask("PUT", "jobs?name=a", endless()).status
    except (BrokenPipeError, ConnectionResetError):  # the answer came while there was still being sent
        status = 413
    assert status == 413
    until(lambda: server.left() == [])


def test_an_upload_that_breaks_off_leaves_nothing(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as wire:
        wire.sendall(f"PUT {server.root}jobs?name=a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n".encode() + bytes(5000))
        until(lambda: server.left() != [])
    until(lambda: server.left() == [])


@pytest.mark.parametrize(("body", "reason"), [(b"dear diary\n" * 50, "not audio that libsndfile can read"), (b"", "is empty")])
def test_what_is_no_recording_is_told_in_a_line(server: Server, body: bytes, reason: str) -> None:
    key = server.upload(body, "notes.txt")
    error = server.wait(key, "failed")["error"]
    assert error.startswith("notes.txt: ")
    assert reason in error
    assert str(server.folder) not in error
    assert server.restore(key).status == 409
    server.ask("DELETE", f"jobs/{key}")
    until(lambda: server.left() == [])


def test_two_users_at_once_get_each_their_own(server: Server) -> None:
    bodies = [recording(seed=seed) for seed in (1, 2)]
    keys = [server.upload(body, f"{number}.wav") for number, body in enumerate(bodies)]
    for key in keys:
        server.wait(key)
    for key in keys:
        assert server.restore(key).status == 202
    for number, (key, body) in enumerate(zip(keys, bodies, strict=True)):
        assert server.wait(key, "restored")["name"] == f"{number}.wav"
        before, after = (soundfile.read(io.BytesIO(data))[0] for data in (body, server.ask("GET", f"jobs/{key}/restored").body))
        assert np.array_equal(after[np.abs(before) < 0.499], before[np.abs(before) < 0.499])
    server.ask("DELETE", f"jobs/{keys[0]}")
    assert server.ask("GET", f"jobs/{keys[0]}").status == 404
    assert server.ask("GET", f"jobs/{keys[1]}/page").status == 200
    server.ask("DELETE", f"jobs/{keys[1]}")
    until(lambda: server.left() == [])


@pytest.mark.parametrize(
    "order", [b"{}", b"[]", b"nonsense", b'{"quality": "../best", "threshold": null}', b'{"quality": "best", "threshold": 1e9}']
)
def test_an_order_that_is_none_is_refused(server: Server, job: str, order: bytes) -> None:
    assert server.ask("POST", f"jobs/{job}/restore", order).status == 400


def test_a_tab_that_is_closed_ends_the_work(server: Server) -> None:
    key = server.upload(recording(100_000))
    server.wait(key)
    server.ask("POST", f"jobs/{key}/restore", json.dumps({"quality": "best", "threshold": -6.03}))
    until(lambda: server.ask("GET", f"jobs/{key}").json.get("step"))
    assert server.restore(key).status == 409
    server.ask("DELETE", f"jobs/{key}")
    until(lambda: server.left() == [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_server_that_is_ended_at_work_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path) as server:
        key = server.upload(recording(100_000))
        server.wait(key)
        server.ask("POST", f"jobs/{key}/restore", json.dumps({"quality": "best", "threshold": -6.03}))
        until(lambda: server.ask("GET", f"jobs/{key}").json.get("step"))
        server.stop(number)


def test_jobs_go_when_their_tabs_are_not_heard_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = Jobs(tmp_path, 1)
    closed, alive = jobs.new("a"), jobs.new("b")
    closed.state = alive.state = "inspected"
    closed.seen -= jobs_of.FORGOTTEN + 1
    jobs.forget_closed()
    assert jobs.find(closed.key) is None
    assert jobs.find(alive.key) is alive
    assert list(tmp_path.iterdir()) == [alive.folder]
    monkeypatch.setattr(jobs_of, "MOST_JOBS", 1)
    with pytest.raises(TooMany):
        jobs.new("c")
    jobs.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../a.wav", "a.wav"),
        ("a\\b.wav", "b.wav"),
        ("", "recording"),
        ("/", "recording"),
        ("..", ".."),
        ("a\r\nX: 1\x00", "aX: 1"),
        ("x" * 3000, "x" * 120),
        ("ä b.wav", "ä b.wav"),
    ],
)
def test_names_as_they_are_shown(name: str, shown: str) -> None:
    assert shown_name(name) == shown


def test_every_address_at_once_is_refused(run: Run) -> None:
    assert "stands for every address" in run("serve", "--host", "0.0.0.0").error_line


def test_an_address_that_is_taken_is_told_in_a_line(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        outcome = run("serve", "--port", str(taken.getsockname()[1]))
    assert "cannot be listened on" in outcome.error_line
    assert outcome.code == 1


def test_without_its_extra_serve_names_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "declipper.web.server", raising=False)
    assert 'pip install "declipper[web]"' in run("serve").error_line
