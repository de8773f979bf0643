"""The whole way through PortAudio and JACK, on JACK's dummy driver: no sound card, but a real audio thread."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import clipped

from declipper.clipping.levels import ClipLevels, Threshold
from declipper.engine.framing import Framing
from declipper.engine.session import Session
from declipper.engine.stream import DeclipStream
from declipper.live.chain import SHARE

pytestmark = pytest.mark.slow

RATE, PERIOD = 48000, 1024
SERVER = f"declipper-test-{os.getpid()}"
WAIT = 30.0
"""Seconds to wait for what should take less than one."""


def wait_for(condition, what: str):
    """What `condition` returns, as soon as that is true."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    pytest.fail(f"no {what} within {WAIT:.0f} s")


@pytest.fixture
def patient() -> bool:
    """Whether the server waits for its clients, however slow the machine is; for one that was killed it then waits long, too."""
    return True


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, patient: bool) -> Iterator:
    """A JACK client beside a server of our own."""
    jack = pytest.importorskip("jack", reason="needs JACK-Client and libjack", exc_type=Exception)
    pytest.importorskip("sounddevice", reason="needs PortAudio", exc_type=Exception)
    if shutil.which("jackd") is None:
        pytest.skip("needs jackd")
    monkeypatch.setenv("JACK_DEFAULT_SERVER", SERVER)
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    server = subprocess.Popen(
        ["jackd", "-n", SERVER, "-r", *(["-S"] if patient else []), "-t", "10000", "-d", "dummy", "-r", str(RATE), "-p", str(PERIOD)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    jack.set_error_function(lambda _message: None)
    jack.set_info_function(lambda _message: None)

    def connected():
        try:
            return jack.Client("tester", no_start_server=True, servername=SERVER)
        except jack.JackOpenError:
            return None

    found = None
    try:
        end = time.monotonic() + WAIT
        while found is None and server.poll() is None and time.monotonic() < end:
            found = connected() or time.sleep(0.1)
        if found is None:
            pytest.skip("jackd cannot run here")
        found.server_process = server
        yield found
    finally:
        # asked, not killed: a killed server leaves its entry in JACK's registry, which holds eight; and first, since a client that leaves
        # waits for a server that still waits for clients that are gone
        server.terminate()
        try:
            server.wait(WAIT)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        if found is not None:
            found.close()


class Tape:
    """Plays a signal into a program's ports and records what it gives, both from the first block after `start`."""

    def __init__(self, client, sound: np.ndarray, frames: int) -> None:
        self.sound, self.heard, self.position = sound, np.zeros((frames, 2), np.float32), -1
        self.done = threading.Event()
        self.outs = [client.outports.register(f"play_{c}") for c in range(2)]
        self.ins = [client.inports.register(f"record_{c}") for c in range(2)]
        client.set_process_callback(self.process)

    def process(self, frames: int) -> None:
        start = self.position
        for channel in range(2):
            out = self.outs[channel].get_array()
            out[:] = 0.0
            if start >= 0:
                piece = self.sound[start : start + frames, channel]
                out[: len(piece)] = piece
                room = self.heard[start : start + frames, channel]
                room[:] = self.ins[channel].get_array()[: len(room)]
        if start >= 0:
            self.position += frames
            if self.position >= len(self.heard):
                self.done.set()


def recorded(path: Path) -> int:
    """Frames on disk so far."""
    return soundfile.info(path).frames if path.exists() else 0


def start_live(*arguments: str | Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "declipper", "live", "--output", "system", *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def ended(program: subprocess.Popen) -> str:
    """What the program wrote to standard error until it ended."""
    try:
        return program.communicate(timeout=WAIT)[1]
    finally:
        program.kill()


def shift_of(needle: np.ndarray, hay: np.ndarray) -> int:
    """Where in `hay` (frames, channels) the signal begins whose first frame that is not zero is that of `needle`."""
    return int(np.flatnonzero(hay.any(axis=1))[0]) - int(np.flatnonzero(needle.any(axis=1))[0])


def test_what_is_heard_and_recorded_is_what_the_engine_gives(client, tiny_model: Path, tmp_path: Path) -> None:
    sound = np.round(clipped(RATE) * 32767).astype(np.float32) / 32768
    level = float(np.abs(sound).max())
    threshold = f"{20 * np.log10(level * (1 - 1e-6)):.6f}"
    tape = Tape(client, sound, 3 * RATE)
    client.activate()
    record = tmp_path / "take.wav"
    program = start_live(
        "--input", "system", "--threshold", threshold, "--model", tiny_model, "--no-ceiling", "--record", record, "--latency", "80ms"
    )
    try:
        ports = wait_for(lambda: client.get_ports("PortAudio.*|.*declipper.*", is_output=True) or program.poll(), "port of declipper live")
        assert isinstance(ports, list), program.communicate()[1]
        inputs = client.get_ports(ports[0].name.split(":")[0] + ":", is_input=True)
        for here, there in zip(tape.outs, inputs, strict=True):
            client.connect(here, there)
        for here, there in zip(tape.ins, ports, strict=True):
            client.connect(there, here)
        wait_for(lambda: recorded(record) or program.poll(), "recording")
        tape.position = 0
        assert tape.done.wait(WAIT)
        client.deactivate()
        program.send_signal(signal.SIGINT)
    finally:
        account = ended(program)
    assert program.returncode == 0, account

    raw, rate = soundfile.read(tmp_path / "take.raw.wav", dtype="float32")
    restored, _ = soundfile.read(record, dtype="float32")
    assert rate == RATE
    begin = shift_of(sound, raw)
    assert np.array_equal(raw[begin : begin + len(sound)], sound)

    session = Session(tiny_model, "cpu")
    framing = Framing.live(session.info, RATE, int(SHARE * 0.08 * RATE))
    positive = Threshold.at_dbfs(float(threshold)).positive
    stream = DeclipStream(RATE, 2, ClipLevels.constant(positive, -positive, 2), session, framing=framing)
    expected = np.concatenate([stream.push(raw), stream.flush()])
    assert not np.array_equal(expected, raw)
    heard = tape.heard[shift_of(sound, tape.heard) :][: len(sound)]
    expected, dry = expected[begin : begin + len(sound)], raw[begin : begin + len(sound)]
    if " 0 times late" in account:
        assert np.array_equal(restored[begin : begin + len(sound)], expected)
        assert np.array_equal(heard, expected)
    else:  # a machine too busy for real time: dry where it was late, at the same place
        near = np.minimum(expected, dry) - 1e-6 <= heard
        assert np.all(near & (heard <= np.maximum(expected, dry) + 1e-6))


def test_a_device_that_goes_away_ends_it_in_one_line(client, tiny_model: Path, tmp_path: Path) -> None:
    record = tmp_path / "take.wav"
    program = start_live("--input", "system", "--model", tiny_model, "--record", record, "-q")
    try:
        wait_for(lambda: recorded(record) > RATE // 10 or program.poll(), "recording")
        client.server_process.terminate()
    finally:
        lines = ended(program).splitlines()
    assert program.returncode == 1
    assert len(lines) == 1, lines
    assert "went away" in lines[0]
    assert recorded(record) > RATE // 10


@pytest.mark.parametrize("patient", [False])
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the process by Linux's /proc")
def test_the_process_that_plays_being_killed_ends_it_in_one_line(client, tiny_model: Path, tmp_path: Path) -> None:
    record = tmp_path / "take.wav"
    program = start_live("--input", "system", "--model", tiny_model, "--record", record, "-q")
    try:
        wait_for(lambda: recorded(record) > RATE // 10 or program.poll(), "recording")
        children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
        spawned = [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
        os.kill(min(spawned), signal.SIGKILL)  # the first is the one that plays, the second restores
    finally:
        lines = ended(program).splitlines()
    assert program.returncode == 1
    assert len(lines) == 1, lines
    assert "went away" in lines[0]
    assert recorded(record) == recorded(tmp_path / "take.raw.wav") > RATE // 10


def test_a_recording_is_rehearsed_through_a_device(client, tiny_model: Path, tmp_path: Path) -> None:
    source, record = tmp_path / "in.wav", tmp_path / "take.wav"
    soundfile.write(source, clipped(RATE), RATE, "PCM_16")
    program = start_live("--input", source, "--model", tiny_model, "--record", record)
    account = ended(program)
    assert program.returncode == 0, account
    sound, _ = soundfile.read(source, dtype="float32")
    raw, _ = soundfile.read(tmp_path / "take.raw.wav", dtype="float32")
    assert np.array_equal(raw, sound)
    assert recorded(record) == len(sound)


def test_a_sample_rate_the_device_does_not_have(client, tiny_model: Path) -> None:
    program = start_live("--input", "system", "--model", tiny_model, "--samplerate", "44100")
    lines = ended(program).splitlines()
    assert program.returncode == 1
    assert len(lines) == 1, lines
    assert "44100 Hz" in lines[0]
    assert "48000" in lines[0]
