"""The chain without a device: stream equals file, recordings, catching up, the meters, the keyboard, the command line."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from conftest import Run, clipped, write_audio

from declipper.commands.keyboard import Keyboard
from declipper.commands.meters import account, meters, screen
from declipper.detection.tracker import LevelTracker
from declipper.engine.experts import NONE
from declipper.engine.framing import Framing
from declipper.engine.session import ModelInfo, Session
from declipper.engine.stream import DeclipStream
from declipper.errors import DeviceError, ModelError, OutputError
from declipper.live.chain import Chain
from declipper.live.feed import Feed
from declipper.live.recorder import GrowingWav
from declipper.live.transport import listen, rehearse
from declipper.live.worker import Tally

RATE = 44100
PATIENTLY = 300
"""Looks at the meters, ten a second, for which a test waits at most."""
MOMENT = SimpleNamespace(outputBufferDacTime=0.05, inputBufferAdcTime=0.02, currentTime=0.03)


def whole(chain: Chain, audio: np.ndarray, session: Session) -> np.ndarray:
    """What the engine gives for the whole signal with the same windows and tracked levels."""
    with DeclipStream(RATE, audio.shape[1], LevelTracker(RATE, audio.shape[1]), session, framing=chain.framing) as stream:
        return np.concatenate([stream.push(audio), stream.flush()])


@pytest.mark.parametrize("latency", [0.02, 0.04, 0.08])
@pytest.mark.parametrize("block", [64, 333, 2048])
def test_stream_equals_file_for_every_block_size(block: int, latency: float, tiny_session: Session) -> None:
    audio = clipped(RATE // 3).astype(np.float32)
    with Chain(RATE, 2, tiny_session, latency) as chain:
        heard = []
        for begin in range(0, len(audio) - block, block):
            out = np.zeros((block, 2), np.float32)
            chain.monitor.process(audio[begin : begin + block], out)
            while chain.worker.step():
                pass
            heard.append(out)
        assert chain.monitor.delay == int(latency * RATE) + block
        expected = whole(chain, audio, tiny_session)
    played = np.concatenate(heard)
    delayed = np.concatenate([np.zeros((chain.monitor.delay, 2), np.float32), expected])[: len(played)]
    bent = np.abs(delayed) > 0.85
    assert not np.array_equal(expected, audio)
    assert np.array_equal(played[~bent], delayed[~bent])
    assert chain.monitor.gauges.late_times == 0


def test_framing_keeps_the_latency_and_fits_the_model() -> None:
    info = ModelInfo("m", NONE.windows, 512, NONE, {}, "")
    for rate in (44100, 48000, 96000):
        for delay in (400, 1000, 3000):
            framing = Framing.live(info, rate, delay)
            assert framing.hop + framing.lookahead == delay
            assert framing.window % 512 == 0
            assert (1024 if rate == 96000 else 512) <= framing.context < 512 + (1024 if rate == 96000 else 512)
    with pytest.raises(ValueError, match="fade <= lookahead"):
        Framing(0, 100, 50, 60)


def test_windows_the_model_does_not_take_are_refused(tiny_session: Session) -> None:
    with pytest.raises(ValueError, match="multiple of 512"):
        DeclipStream(RATE, 2, LevelTracker(RATE, 2), tiny_session, framing=Framing(0, 500, 500, 100))


def test_a_recording_is_the_whole_signal_restored(tiny_session: Session, tmp_path: Path) -> None:
    audio = clipped(RATE).astype(np.float32)
    shown = []
    with Chain(RATE, 2, tiny_session, record=tmp_path / "take.wav") as chain:
        rehearse(chain, iter([audio[:30000], audio[30000:]]), shown.append)
        expected = whole(chain, audio, tiny_session)
    for name, sound in (("take.wav", expected), ("take.raw.wav", audio)):
        assert np.array_equal(soundfile.read(tmp_path / name, dtype="float32")[0], sound)
    assert chain.worker.tally.skipped == 0
    readings = [*shown, chain.reading()]
    assert 0 < readings[-1].clipped_in_all < 0.5
    assert max(reading.overload for reading in readings) == pytest.approx(1.3, rel=0.2)


def test_a_rehearsal_is_recorded_however_long_its_blocks_are(
    tiny_session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("declipper.live.chain.HELD", 2.0)
    audio = clipped(5 * RATE).astype(np.float32)
    with Chain(RATE, 2, tiny_session, record=tmp_path / "take.wav") as chain:
        rehearse(chain, iter([audio]), lambda _reading: None)
    assert np.array_equal(soundfile.read(tmp_path / "take.raw.wav", dtype="float32")[0], audio)
    assert soundfile.info(tmp_path / "take.wav").frames == len(audio)


def test_a_rehearsal_ends_on_q(tiny_session: Session, tmp_path: Path) -> None:
    audio = clipped(2 * RATE).astype(np.float32)
    with Chain(RATE, 2, tiny_session, record=tmp_path / "take.wav") as chain:
        rehearse(chain, itertools.repeat(audio), lambda _reading: None, lambda: "q")
    frames = soundfile.info(tmp_path / "take.wav").frames
    assert frames == soundfile.info(tmp_path / "take.raw.wav").frames > 0


@pytest.mark.parametrize("frames", [RATE, 100])
def test_a_rehearsal_that_fails_is_one_error_and_keeps_the_raw_recording(frames: int, tiny_model: Path, tmp_path: Path) -> None:
    audio = clipped(RATE).astype(np.float32)
    begin = int(np.abs(audio).max(axis=1).argmax())  # the first clipped frame
    audio = audio[begin : begin + frames]
    chain = Chain(RATE, 2, Broken(tiny_model, "cpu"), threshold=(0.45, 0.45), record=tmp_path / "take.wav")
    with pytest.raises(ModelError, match="MemoryError: no more memory"), chain:
        rehearse(chain, iter([audio]), lambda _reading: None)
    raw = soundfile.read(tmp_path / "take.raw.wav", dtype="float32")[0]
    assert len(raw) > 0
    assert np.array_equal(raw, audio[: len(raw)])


def test_a_full_recording_ends_a_rehearsal(tiny_session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GrowingWav, "write", lambda *_: (_ for _ in ()).throw(OutputError("disk full")))
    endless = itertools.repeat(clipped(RATE).astype(np.float32))
    with Chain(RATE, 2, tiny_session, record=tmp_path / "take.wav") as chain, pytest.raises(OutputError, match="disk full"):
        rehearse(chain, endless, lambda _reading: None)


def test_a_worker_that_is_behind_skips_the_network_to_catch_up(tiny_session: Session) -> None:
    audio = clipped(3 * RATE).astype(np.float32)
    with Chain(RATE, 2, tiny_session) as chain:
        out = np.zeros((512, 2), np.float32)
        for begin in range(0, RATE, 512):
            chain.monitor.process(audio[begin : begin + 512], out)
        while chain.worker.step():
            pass
        assert chain.worker.tally.skipped > 0.8 * RATE
        skipped = chain.worker.tally.skipped
        for begin in range(chain.dry.written, 2 * RATE, 512):
            chain.monitor.process(audio[begin : begin + 512], out)
            while chain.worker.step():
                pass
        assert chain.worker.tally.skipped == skipped
        assert chain.monitor.gauges.late_times == 1
        held = np.zeros((chain.restored.written, 2), np.float32)
        assert chain.restored.read(0, held)
    assert np.array_equal(held[: RATE // 2], audio[: RATE // 2])
    assert not np.array_equal(held[RATE + 8000 :], audio[RATE + 8000 : len(held)])


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
    with Chain(RATE, 2, tiny_session, record=tmp_path / "take.wav") as chain:
        feed = Feed(chain, iter([audio[:9000], audio[9000:]]), ahead=5.0)
        device = FakeDevice(feed.callback)
        listen(chain, device, feed, lambda: "", lambda _reading: None)
        played = np.concatenate(device.heard)
        raw = soundfile.read(tmp_path / "take.raw.wav", dtype="float32")[0]
        assert np.array_equal(raw, audio)
        assert soundfile.info(tmp_path / "take.wav").frames == len(raw)
    reliable = np.abs(raw) < 0.45
    heard = played[chain.monitor.delay :][: len(raw)]
    assert np.allclose(heard[reliable], raw[reliable], atol=1e-6)
    assert chain.monitor.gauges.device_latency == pytest.approx(0.02)


def test_what_came_through_a_pipe_and_was_not_heard_yet_is_recorded(tiny_session: Session, tmp_path: Path) -> None:
    audio = clipped(4 * RATE).astype(np.float32)
    going = threading.Event()

    def endless():
        yield audio
        going.wait()

    with Chain(RATE, 2, tiny_session, record=tmp_path / "take.wav") as chain:
        feed = Feed(chain, endless(), pipe=True)
        listen(chain, FakeDevice(feed.callback), feed, lambda: "q" if feed._ahead.written == len(audio) else "", lambda _reading: None)
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

    with Chain(RATE, 2, tiny_session) as chain:
        feed, out = Feed(chain, stalling(), 0.01, pipe=True), np.zeros((500, 2), np.float32)
        counted = []
        for block in range(8):
            if block == 4:
                going.set()
                while not feed._progress.read_all:
                    time.sleep(0.001)
            feed.callback(out, 500, MOMENT, None)
            counted.append(chain.monitor.gauges.xruns)
    assert counted == [0, 0, 1, 1, 1, 1, 1, 1]


def test_a_block_too_long_to_be_moved_at_once_is_expected_whole(tiny_session: Session) -> None:
    with Chain(RATE, 2, tiny_session) as chain:
        feed = Feed(chain, iter([clipped(RATE).astype(np.float32)]), 0.5)
        feed.callback(np.zeros((8192, 2), np.float32), 8192, MOMENT, None)
        assert chain.monitor.gauges.longest_block == 8192


def test_a_signal_to_the_worker_leaves_the_recording_whole(tiny_session: Session, tmp_path: Path) -> None:
    def interrupted() -> str:
        for name in "SIGTERM", "SIGINT":
            os.kill(chain._process.pid, getattr(signal, name))
        return next(keys)

    keys = iter(["", "", "q"])
    with Chain(RATE, 2, tiny_session, record=tmp_path / "take.wav") as chain:
        device = FakeDevice(chain.monitor.duplex, clipped(5 * RATE).astype(np.float32))
        listen(chain, device, None, interrupted, lambda _reading: None)
    assert soundfile.info(tmp_path / "take.wav").frames == soundfile.info(tmp_path / "take.raw.wav").frames > 0


def test_keys_switch_the_mode_and_end_it(tiny_session: Session) -> None:
    keys = iter(["", "x", "dz", "q"])
    modes = []
    with Chain(RATE, 2, tiny_session) as chain:
        device = FakeDevice(chain.monitor.duplex, clipped(RATE).astype(np.float32))
        listen(chain, device, None, lambda: next(keys), lambda r: modes.append(r.mode))
    assert modes == ["restored", "difference", "dry"]


def test_a_device_that_dies_leaves_the_recording_whole(tiny_session: Session, tmp_path: Path) -> None:
    audio = clipped(RATE).astype(np.float32)
    with Chain(RATE, 2, tiny_session, record=tmp_path / "take.wav") as chain:
        device = FakeDevice(chain.monitor.duplex, audio, dies_after=100)
        with pytest.raises(DeviceError, match=r"went away after 0\.6 s"):
            listen(chain, device, None, lambda: "", lambda _reading: None)
    assert np.array_equal(soundfile.read(tmp_path / "take.raw.wav", dtype="float32")[0], audio[: 100 * 256])
    assert soundfile.info(tmp_path / "take.wav").frames == 100 * 256


class Broken(Session):
    """Runs out of memory on a window that holds a signal; the silent one that it is warmed up with does no harm."""

    def estimate(self, window: np.ndarray) -> np.ndarray:
        if window.any():
            raise MemoryError("no more memory")
        return super().estimate(window)

    def __reduce__(self) -> tuple[type[Session], tuple[Path, str]]:
        return Broken, self._made_of


def test_what_goes_wrong_in_the_worker_is_told_and_dry_sound_goes_on(tiny_model: Path) -> None:
    problems: list[str] = []

    def until_it_is_told() -> str:
        return "q" if any(problems) or len(problems) > PATIENTLY else ""

    with Chain(RATE, 2, Broken(tiny_model, "cpu"), mode="restored") as chain:
        device = FakeDevice(chain.monitor.duplex, clipped(RATE).astype(np.float32))
        with pytest.raises(ModelError, match="MemoryError: no more memory"):
            listen(chain, device, None, until_it_is_told, lambda r: problems.append(r.problem))
    assert "MemoryError: no more memory" in problems
    played = np.concatenate(device.heard)[chain.monitor.delay :]
    dry = np.concatenate([clipped(RATE).astype(np.float32), np.zeros((len(played), 2), np.float32)])  # silence follows the recording
    assert np.array_equal(played[2000:], dry[2000 : len(played)])


def test_a_worker_that_was_killed_is_told(tiny_session: Session) -> None:
    def kill() -> str:
        chain._process.kill()
        chain._process.join()
        return next(keys)

    keys = iter(["", "q"])
    with Chain(RATE, 2, tiny_session) as chain:
        device = FakeDevice(chain.monitor.duplex, clipped(RATE).astype(np.float32))
        with pytest.raises(ModelError, match="restoring process ended"):
            listen(chain, device, None, kill, lambda _reading: None)


def test_percentiles_of_times() -> None:
    tally = Tally()
    assert tally.percentile(99) == 0.0
    for milliseconds in range(1, 101):
        tally.timed(milliseconds / 1000)
    assert tally.windows == 100
    assert tally.percentile(50) == pytest.approx(0.05, rel=0.04)
    assert tally.percentile(99) == pytest.approx(0.099, rel=0.04)
    assert tally.percentile(100) == tally.longest == 0.1


def test_meters_in_words(tiny_session: Session) -> None:
    with Chain(RATE, 2, tiny_session) as chain:
        reading = chain.reading()
    text = meters(reading, listening=True)
    assert "-inf dBFS" in text
    assert "restored, 0.00 % clipped" in text
    assert "q quit" in text
    assert account(reading).startswith("0.0 s, 0.00 % clipped, latency 40 ms, 0 xruns")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_single_keys_from_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        with Keyboard() as keyboard:
            assert keyboard.listening
            assert keyboard.pressed() == ""
            os.write(ours, b"rx")
            time.sleep(0.1)
            assert keyboard.pressed() == "rx"
    os.close(ours)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_no_keys_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        monkeypatch.setattr("os.tcgetpgrp", lambda _: os.getpgrp() + 1)
        with Keyboard() as keyboard:
            assert not keyboard.listening
    os.close(ours)


def test_no_terminal_no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "empty").open("w+") as file:
        monkeypatch.setattr("sys.stdin", file)
        with Keyboard() as keyboard:
            assert not keyboard.listening
            assert keyboard.pressed() == ""


def test_rehearsal_on_the_command_line(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    audio = clipped(RATE)
    source = write_audio(tmp_path / "in.wav", audio, subtype="PCM_16")
    done = run("live", "--input", source, "--output", "none", "--record", tmp_path / "take.wav", "--model", tiny_model, "--latency", "40ms")
    assert done.code == 0, done.err
    assert "latency 46 ms, 0 xruns, 0 times late" in done.err
    restored, raw = (soundfile.read(tmp_path / name, dtype="float32")[0] for name in ("take.wav", "take.raw.wav"))
    assert np.array_equal(raw, soundfile.read(source, dtype="float32")[0])
    reliable = np.abs(raw) < 0.45
    assert np.array_equal(restored[reliable], raw[reliable])
    assert np.abs(restored).max() > 0.6
    again = run("live", "--input", source, "--output", "none", "--record", tmp_path / "take.wav", "--model", tiny_model)
    assert again.code == 1
    assert "exists" in again.error_line


@pytest.mark.parametrize(("source", "record"), [("take.wav", "take.wav"), ("take.raw.wav", "take.wav")])
def test_what_is_played_is_never_overwritten(source: str, record: str, run: Run, tiny_model: Path, tmp_path: Path) -> None:
    path = write_audio(tmp_path / source, clipped(RATE))
    before = path.read_bytes()
    done = run("live", "--input", path, "--output", "none", "--record", tmp_path / record, "--overwrite", "--model", tiny_model)
    assert done.code == 1
    assert f"{path}: is the recording that is played" in done.error_line
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_piped_in_is_never_overwritten(run: Run, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_audio(tmp_path / "take.wav", clipped(RATE))
    before, kept = path.read_bytes(), os.dup(0)
    with path.open("rb") as file:
        monkeypatch.setattr("sys.stdin", file)
        os.dup2(file.fileno(), 0)
        try:
            done = run("live", "-", "--output", "none", "--record", path, "--overwrite", "--model", tiny_model)
        finally:
            os.dup2(kept, 0)
            os.close(kept)
    assert done.code == 1
    assert "is the recording that is played" in done.error_line
    assert path.read_bytes() == before


def test_problems_are_told_without_meters_too(tiny_session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    with Chain(RATE, 2, tiny_session) as chain, screen(quiet=True, listening=False) as show:
        for problem in "", "disk full", "disk full":
            chain.problem = problem
            show(chain.reading())
    assert capsys.readouterr().err == "declipper: disk full\n"


def test_no_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    done = run("live", "-")
    assert done.code == 2
    assert "which is closed" in done.error_line


@pytest.mark.parametrize("raw", [False, True])
def test_from_a_pipe(raw: bool, run: Run, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio = clipped(RATE // 2).astype(np.float32)
    piped = tmp_path / "piped"
    piped.write_bytes(audio.astype("<f4").tobytes()) if raw else write_audio(piped, audio, format="WAV")
    kept = os.dup(0)
    with piped.open("rb") as file:
        monkeypatch.setattr("sys.stdin", file)
        os.dup2(file.fileno(), 0)
        try:
            options = ["--raw", "f32", "--samplerate", "44100", "--channels", "2"] if raw else []
            done = run("live", "-", *options, "--output", "none", "--record", tmp_path / "take.wav", "--model", tiny_model, "-q")
        finally:
            os.dup2(kept, 0)
            os.close(kept)
    assert (done.code, done.err) == (0, "")
    assert np.array_equal(soundfile.read(tmp_path / "take.raw.wav", dtype="float32")[0], audio)


def test_a_recording_that_is_not_there(run: Run) -> None:
    done = run("live", "--input", "nowhere.wav")
    assert done.code == 1
    assert "nowhere.wav: no such file" in done.error_line


def test_a_rehearsal_counts_its_processor_time_once(tiny_session: Session) -> None:
    with Chain(RATE, 2, tiny_session) as chain:
        rehearse(chain, [clipped(RATE // 2).astype(np.float32)], lambda _: None)
        chain.worker.tally.cpu = 1e6
        assert chain.reading().cpu_share < 1e3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--raw", "s16"], "tells nothing about rate"),
        (["--output", "none"], "needs a recording with --input"),
        (["-", "--input", "x.wav"], "two sources"),
        (["--latency", "30ms"], "30ms"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, run: Run) -> None:
    done = run("live", *arguments)
    assert done.code == 2
    assert message in done.error_line


@pytest.mark.parametrize(
    "audio",
    [np.zeros((20000, 1)), np.ones((20000, 1)), np.full((20000, 1), -0.3), np.where(np.arange(20000)[:, None] // 50 % 2, 1.0, -1.0)],
    ids=["silence", "full scale", "DC", "square wave"],
)
def test_nothing_to_restore_passes_bit_for_bit(audio: np.ndarray, tiny_session: Session, tmp_path: Path) -> None:
    with Chain(RATE, 1, tiny_session, record=tmp_path / "take.wav") as chain:
        rehearse(chain, iter([audio.astype(np.float32)]), lambda _reading: None)
    assert np.array_equal(soundfile.read(tmp_path / "take.wav", dtype="float32", always_2d=True)[0], audio.astype(np.float32))
