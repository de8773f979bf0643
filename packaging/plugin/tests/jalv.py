"""jalv on JACK's dummy driver, with a client that plays to it and records it. Freewheeling: nothing depends on the machine's speed."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from material import BUNDLE, RATE, Audio, given

PERIOD = 1024
SETTLING = 20
"""Periods until all connections hold: JACK makes them one after the other."""
TAIL = RATE // 2
"""Frames recorded after the signal."""
WAIT = 30.0
"""Seconds to wait for what should take less than one."""


def with_jalv() -> Audio:
    """On JACK's dummy driver, freewheeling, in blocks of 1024 frames."""
    import jack

    server = f"declipper-plugin-{os.getpid()}"
    os.environ |= {"JACK_DEFAULT_SERVER": server, "JACK_NO_START_SERVER": "1"}
    jack.set_error_function(lambda _message: None)
    jack.set_info_function(lambda _message: None)
    jackd = ["jackd", "-n", server, "-r", "-S", "-t", "10000", "-d", "dummy", "-r", str(RATE), "-p", str(PERIOD)]

    def open_client() -> Any:
        try:
            return jack.Client("tester", servername=server)
        except jack.JackOpenError:
            return None

    with _background(jackd), _until(open_client) as client, _background(["jalv", "-i", "urn:declipper:stereo"]):
        return _through(client)


def _through(client: Any) -> Audio:
    senders = [client.outports.register(f"send_{side}") for side in "lr"]
    receivers = [client.inports.register(f"receive_{side}") for side in "lr"]
    signal, recorded = given(), []
    connected, done = threading.Event(), threading.Event()
    rest = SETTLING

    def process(_frames: int) -> None:
        nonlocal rest
        running = connected.is_set() and rest == 0
        rest -= connected.is_set() and rest > 0
        begin = len(recorded) * PERIOD
        for channel, port in enumerate(senders):
            plane = port.get_array()
            piece = signal[begin : begin + PERIOD, channel] if running else signal[:0, channel]
            plane[: len(piece)] = piece
            plane[len(piece) :] = 0
        if running and not done.is_set():
            recorded.append(np.stack([port.get_array().copy() for port in receivers], axis=1))
        if begin > len(signal) + TAIL:
            done.set()

    client.set_process_callback(process)
    client.activate()
    ports = _until(lambda: client.get_ports("^Declipper:(in|out)_") if len(client.get_ports("^Declipper:(in|out)_")) == 4 else None)
    with ports as (in_left, in_right, out_left, out_right):
        time.sleep(0.5)  # jalv names its ports before they can be connected
        for sender, target in zip(senders, (in_left, in_right), strict=True):
            client.connect(sender, target)
        for source, receiver in zip((out_left, out_right), receivers, strict=True):
            client.connect(source, receiver)
    client.set_freewheel(True)
    connected.set()
    assert done.wait(WAIT), "jalv passes nothing on"
    client.set_freewheel(False)
    client.deactivate()
    output = np.concatenate(recorded)
    # JACK's own periods come on top of the plugin's latency; the signal's first sample is not zero, and the silence before it is
    begin = int(np.flatnonzero(output.any(axis=1))[0])
    return output[begin:]


@contextmanager
def _background(command: list[str]) -> Iterator[None]:
    """A program that runs meanwhile. Asked to end, not killed: a killed jackd leaves its entry in JACK's registry."""
    environment = os.environ | {"LV2_PATH": str(BUNDLE.parent)}
    quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, **quiet) as running:
        try:
            yield
        finally:
            running.terminate()


@contextmanager
def _until(attempt: Callable[[], Any]) -> Iterator[Any]:
    """What `attempt` returns as soon as it is something; closed on leaving, if it can be."""
    end = time.monotonic() + WAIT
    while not (found := attempt()):
        assert time.monotonic() < end, "JACK does not answer"
        time.sleep(0.05)
    try:
        yield found
    finally:
        if hasattr(found, "close"):
            found.close()
