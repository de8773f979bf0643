"""The server, from its start to its end; it leaves nothing behind."""

from __future__ import annotations

import secrets
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import uvicorn

from declipper.errors import DeviceError
from declipper.web.app import Rules, application
from declipper.web.jobs import Jobs

PATIENCE = 2
"""Seconds that answers under way have to end in once the server is to end."""


def serve(host: str, port: int, *, largest: int, workers: int, tell: Callable[[str], None]) -> None:
    """Serve until a signal comes. port: 0 for one that is free. largest: bytes of an upload. tell: is given the address to open.

    Raises DeviceError where the address cannot be had.
    """
    try:
        listening = socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or error
        raise DeviceError(f"{host}:{port}: cannot be listened on ({said}); choose another --host or --port") from error
    rules = Rules(host, secrets.token_urlsafe(24), largest)
    with (
        listening,
        tempfile.TemporaryDirectory(prefix="declipper-", ignore_cleanup_errors=True) as folder,
        closing(Jobs(Path(folder), workers)) as jobs,
    ):
        app = application(jobs, rules)
        config = uvicorn.Config(app, log_level="critical", access_log=False, server_header=False, timeout_graceful_shutdown=PATIENCE)
        tell(f"http://{host}:{listening.getsockname()[1]}/{rules.token}/")
        with _hangup_as_termination():
            uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def _hangup_as_termination() -> Iterator[None]:
    """Inside, SIGHUP counts as SIGTERM, to which uvicorn answers: what a handler raises during an answer would be lost in it."""
    if not hasattr(signal, "SIGHUP") or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
