"""The chain with a device, played by a thread, and the worker in its process: recordings stay whole whatever goes away."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from conftest import clipped

from declipper.commands.live import USUAL_MODELS
from declipper.engine.session import Session, shipped_model
from declipper.errors import DeviceError, ModelError
from declipper.live.chain import Chain
from declipper.live.feed import Feed
from declipper.live.recorder import Take
from declipper.live.transport import listen

RATE = 44100
PATIENTLY = 300
"""Looks at the meters, ten a second, for which a test waits at most."""
MOMENT = SimpleNamespace(outputBufferDacTime=0.05, inputBufferAdcTime=0.02, currentTime=0.03)


def worker_process() -> BaseProcess | None:
    """The process that restores, the only one that a chain starts."""
    return next(iter(multiprocessing.active_children()), None)


class FakeDevice:
    """Calls the callback from a thread, a block each time it has been told to; stands in for a DeviceStream."""

    def __init__(self, callback, source: np.ndarray | None = None, block: int = 256, dies_after: int | None = None) -> None:
        self.callback, self.source, self.block, self.dies_after = callback, source, block, dies_after
        self.heard: list[np.ndarray] = []
        self.active = False
        self.thread = threading.Thread(target=self.run)

    def start(self) -> None:
        self.active = True
        self.thread.start()

    def run(self) -> None:
        while self.active and len(self.heard) != self.dies_after:
            out = np.zeros((self.block, 2), np.float32)
            if self.source is None:
                self.callback(out, self.block, MOMENT, None)
            else:
                at = len(self.heard) * self.block
                piece = self.source[at : at + self.block]
                self.callback(np.pad(piece, ((0, self.block - len(piece)), (0, 0))), out, self.block, MOMENT, None)
            self.heard.append(out)
            time.sleep(0.002)
        self.active = False

    def close(self) -> None:
        self.active = False
        self.thread.join()


def test_a_feed_is_played_and_recorded_to_its_end(tiny_session: Session, tmp_path: Path) -> None:
    audio = clipped(RATE // 2).astype(np.float32)
    with Chain(RATE, 2, session=tiny_session, take=Take(tmp_path / "take.wav")) as chain:
        feed = Feed(chain, iter([audio[:9000], audio[9000:]]), ahead=5.0)
        device = FakeDevice(feed.callback)
        listen(chain, device, feed=feed, show=lambda _reading: None)
        played = np.concatenate(device.heard)
        raw = soundfile.read(tmp_path / "take.raw.wav", dtype="float32")[0]
        assert np.array_equal(raw, audio)
        assert soundfile.info(tmp_path / "take.wav").frames == len(raw)
    reliable = np.abs(raw) < 0.45
    heard = played[chain.monitor.delay :][: len(raw)]
    assert np.allclose(heard[reliable], raw[reliable], atol=1e-6)
    assert chain.monitor.gauges.device_latency == pytest.approx(0.02)


@pytest.mark.parametrize("latency", USUAL_MODELS)
def test_the_shipped_models_restore_in_the_worker(latency: str, tmp_path: Path) -> None:
    audio = clipped(RATE // 2).astype(np.float32)
    session = Session(shipped_model(USUAL_MODELS[latency]), "cpu")
    with Chain(RATE, 2, session=session, latency=int(latency.removesuffix("ms")) / 1000, take=Take(tmp_path / "take.wav")) as chain:
        feed = Feed(chain, iter([audio]), ahead=5.0)
        listen(chain, FakeDevice(feed.callback), feed=feed, show=lambda _reading: None)
    assert not chain.problem
    assert np.abs(soundfile.read(tmp_path / "take.wav")[0]).max() > 1.1 * np.abs(audio).max()


def test_what_came_through_a_pipe_and_was_not_heard_yet_is_recorded(tiny_session: Session, tmp_path: Path) -> None:
    audio = clipped(4 * RATE).astype(np.float32)
    going = threading.Event()

    def endless():
        yield audio
        going.wait()

    with Chain(RATE, 2, session=tiny_session, take=Take(tmp_path / "take.wav")) as chain:
        feed = Feed(chain, endless(), pipe=True)
        listen(
            chain, FakeDevice(feed.callback), feed=feed, show=lambda _reading: None, keys=lambda: "q" if feed.frames == len(audio) else ""
        )
        going.set()
        assert chain.monitor.gauges.device_latency > 1.0  # as long as what has come waits to be heard
    raw = soundfile.read(tmp_path / "take.raw.wav", dtype="float32")[0]
    assert np.array_equal(raw[: len(audio)], audio)
    restored = soundfile.read(tmp_path / "take.wav", dtype="float32")[0]
    assert len(restored) == len(raw)
    assert not np.array_equal(restored[len(audio) // 2 :], raw[len(audio) // 2 :])


def test_a_pipe_that_runs_dry_is_counted_once_for_each_gap(tiny_session: Session) -> None:
    audio = clipped(RATE).astype(np.float32)
    going = threading.Event()

    def stalling():
        yield audio[:1000]
        going.wait()
        yield audio[1000:3000]

    with Chain(RATE, 2, session=tiny_session) as chain:
        feed, out = Feed(chain, stalling(), ahead=0.01, pipe=True), np.zeros((500, 2), np.float32)
        counted = []
        for block in range(8):
            if block == 4:
                going.set()
                while not feed.read_all:
                    time.sleep(0.001)
            feed.callback(out, 500, MOMENT, None)
            counted.append(chain.monitor.gauges.xruns)
    assert counted == [0, 0, 1, 1, 1, 1, 1, 1]


def test_a_block_too_long_to_be_moved_at_once_is_expected_whole(tiny_session: Session) -> None:
    with Chain(RATE, 2, session=tiny_session) as chain:
        feed = Feed(chain, iter([clipped(RATE).astype(np.float32)]), ahead=0.5)
        feed.callback(np.zeros((8192, 2), np.float32), 8192, MOMENT, None)
        assert chain.monitor.gauges.longest_block == 8192


def test_a_signal_to_the_worker_leaves_the_recording_whole(tiny_session: Session, tmp_path: Path) -> None:
    def interrupted() -> str:
        for name in "SIGTERM", "SIGINT":
            os.kill(worker_process().pid, getattr(signal, name))
        return next(keys)

    keys = iter(["", "", "q"])
    with Chain(RATE, 2, session=tiny_session, take=Take(tmp_path / "take.wav")) as chain:
        device = FakeDevice(chain.monitor.duplex, clipped(5 * RATE).astype(np.float32))
        listen(chain, device, feed=None, show=lambda _reading: None, keys=interrupted)
    assert soundfile.info(tmp_path / "take.wav").frames == soundfile.info(tmp_path / "take.raw.wav").frames > 0


def test_keys_switch_the_mode_and_end_it(tiny_session: Session) -> None:
    keys = iter(["", "x", "dz", "q"])
    modes = []
    with Chain(RATE, 2, session=tiny_session) as chain:
        device = FakeDevice(chain.monitor.duplex, clipped(RATE).astype(np.float32))
        listen(chain, device, feed=None, show=lambda r: modes.append(r.mode), keys=lambda: next(keys))
    assert modes == ["restored", "difference", "dry"]


def test_a_device_that_dies_leaves_the_recording_whole(tiny_session: Session, tmp_path: Path) -> None:
    audio = clipped(RATE).astype(np.float32)
    with Chain(RATE, 2, session=tiny_session, take=Take(tmp_path / "take.wav")) as chain:
        device = FakeDevice(chain.monitor.duplex, audio, dies_after=100)
        with pytest.raises(DeviceError, match=r"went away after 0\.6 s"):
            listen(chain, device, feed=None, show=lambda _reading: None)
    assert np.array_equal(soundfile.read(tmp_path / "take.raw.wav", dtype="float32")[0], audio[: 100 * 256])
    assert soundfile.info(tmp_path / "take.wav").frames == 100 * 256


class Broken(Session):
    """Runs out of memory on a window that holds a signal; the silent one that it is warmed up with does no harm."""

    broken = False

    def __init__(self, model: Path, device: str) -> None:
        super().__init__(model, device)  # which tries the model
        self.broken = True

    def estimate(self, window: np.ndarray) -> np.ndarray:
        if self.broken and window.any():
            raise MemoryError("no more memory")
        return super().estimate(window)

    def __reduce__(self) -> tuple[type[Session], tuple[Path, str]]:
        return Broken, self._made_of


def test_what_goes_wrong_in_the_worker_is_told_and_dry_sound_goes_on(tiny_model: Path) -> None:
    problems: list[str] = []

    def until_it_is_told() -> str:
        return "q" if any(problems) or len(problems) > PATIENTLY else ""

    with Chain(RATE, 2, session=Broken(tiny_model, "cpu")) as chain:
        device = FakeDevice(chain.monitor.duplex, clipped(RATE).astype(np.float32))
        with pytest.raises(ModelError, match="MemoryError: no more memory"):
            listen(chain, device, feed=None, show=lambda r: problems.append(r.problem), keys=until_it_is_told)
    assert "MemoryError: no more memory" in problems
    played = np.concatenate(device.heard)[chain.monitor.delay :]
    dry = np.concatenate([clipped(RATE).astype(np.float32), np.zeros((len(played), 2), np.float32)])  # silence follows the recording
    assert np.array_equal(played[2000:], dry[2000 : len(played)])


def test_a_worker_that_was_killed_is_told(tiny_session: Session) -> None:
    def kill() -> str:
        if worker := worker_process():
            worker.kill()
            worker.join()
        return next(keys)

    keys = iter(["", "q"])
    with Chain(RATE, 2, session=tiny_session) as chain:
        device = FakeDevice(chain.monitor.duplex, clipped(RATE).astype(np.float32))
        with pytest.raises(ModelError, match="restoring process ended"):
            listen(chain, device, feed=None, show=lambda _reading: None, keys=kill)
