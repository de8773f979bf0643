"""The chain without a device: stream equals file, recordings, catching up."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import clipped

from declipper.clipping.levels import Threshold
from declipper.detection.tracker import LevelTracker
from declipper.engine.experts import NONE
from declipper.engine.framing import Framing
from declipper.engine.session import ModelInfo, Session
from declipper.engine.stream import DeclipStream
from declipper.errors import ModelError, OutputError
from declipper.live.chain import Chain
from declipper.live.recorder import GrowingWav, Take
from declipper.live.transport import rehearse
from declipper.live.worker import Tally

RATE = 44100


def whole(chain: Chain, audio: np.ndarray, session: Session) -> np.ndarray:
    """What the engine gives for the whole signal with the same windows and tracked levels."""
    stream = DeclipStream(RATE, audio.shape[1], LevelTracker(RATE, audio.shape[1]), session, framing=chain.framing)
    return np.concatenate([stream.push(audio), stream.flush()])


@pytest.mark.parametrize("latency", [0.02, 0.04, 0.08])
@pytest.mark.parametrize("block", [64, 333, 2048])
def test_stream_equals_file_for_every_block_size(block: int, latency: float, tiny_session: Session) -> None:
    audio = clipped(RATE // 3).astype(np.float32)
    with Chain(RATE, 2, session=tiny_session, latency=latency) as chain:
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
    with Chain(RATE, 2, session=tiny_session, take=Take(tmp_path / "take.wav")) as chain:
        rehearse(chain, iter([audio[:30000], audio[30000:]]), show=shown.append)
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
    with Chain(RATE, 2, session=tiny_session, take=Take(tmp_path / "take.wav")) as chain:
        rehearse(chain, iter([audio]), show=lambda _reading: None)
    assert np.array_equal(soundfile.read(tmp_path / "take.raw.wav", dtype="float32")[0], audio)
    assert soundfile.info(tmp_path / "take.wav").frames == len(audio)


def test_a_rehearsal_ends_on_q(tiny_session: Session, tmp_path: Path) -> None:
    audio = clipped(2 * RATE).astype(np.float32)
    with Chain(RATE, 2, session=tiny_session, take=Take(tmp_path / "take.wav")) as chain:
        rehearse(chain, itertools.repeat(audio), show=lambda _reading: None, keys=lambda: "q")
    frames = soundfile.info(tmp_path / "take.wav").frames
    assert frames == soundfile.info(tmp_path / "take.raw.wav").frames > 0


@pytest.mark.parametrize("frames", [RATE, 100])
def test_a_rehearsal_that_fails_is_one_error_and_keeps_the_raw_recording(
    frames: int, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = clipped(RATE).astype(np.float32)
    begin = int(np.abs(audio).max(axis=1).argmax())  # the first clipped frame
    audio = audio[begin : begin + frames]

    def estimate(window: np.ndarray) -> np.ndarray:
        if window.any():
            raise MemoryError("no more memory")
        return window[0]

    session = Session(tiny_model, "cpu")
    monkeypatch.setattr(session, "estimate", estimate)
    chain = Chain(RATE, 2, session=session, threshold=Threshold(0.45, 0.45), take=Take(tmp_path / "take.wav"))
    with pytest.raises(ModelError, match="MemoryError: no more memory"), chain:
        rehearse(chain, iter([audio]), show=lambda _reading: None)
    raw = soundfile.read(tmp_path / "take.raw.wav", dtype="float32")[0]
    assert len(raw) > 0
    assert np.array_equal(raw, audio[: len(raw)])


def test_a_full_recording_ends_a_rehearsal(tiny_session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GrowingWav, "write", lambda *_: (_ for _ in ()).throw(OutputError("disk full")))
    endless = itertools.repeat(clipped(RATE).astype(np.float32))
    with Chain(RATE, 2, session=tiny_session, take=Take(tmp_path / "take.wav")) as chain, pytest.raises(OutputError, match="disk full"):
        rehearse(chain, endless, show=lambda _reading: None)


def test_a_worker_that_is_behind_skips_the_network_to_catch_up(tiny_session: Session) -> None:
    audio = clipped(3 * RATE).astype(np.float32)
    with Chain(RATE, 2, session=tiny_session) as chain:
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


def test_percentiles_of_times() -> None:
    tally = Tally()
    assert tally.percentile(99) == 0.0
    for milliseconds in range(1, 101):
        tally.timed(milliseconds / 1000)
    assert tally.windows == 100
    assert tally.percentile(50) == pytest.approx(0.05, rel=0.04)
    assert tally.percentile(99) == pytest.approx(0.099, rel=0.04)
    assert tally.percentile(100) == tally.longest == 0.1


def test_a_rehearsal_counts_its_processor_time_once(tiny_session: Session) -> None:
    with Chain(RATE, 2, session=tiny_session) as chain:
        rehearse(chain, [clipped(RATE // 2).astype(np.float32)], show=lambda _: None)
        chain.worker.tally.cpu = 1e6
        assert chain.reading().cpu_share < 1e3


@pytest.mark.parametrize(
    "audio",
    [np.zeros((20000, 1)), np.ones((20000, 1)), np.full((20000, 1), -0.3), np.where(np.arange(20000)[:, None] // 50 % 2, 1.0, -1.0)],
    ids=["silence", "full scale", "DC", "square wave"],
)
def test_nothing_to_restore_passes_bit_for_bit(audio: np.ndarray, tiny_session: Session, tmp_path: Path) -> None:
    with Chain(RATE, 1, session=tiny_session, take=Take(tmp_path / "take.wav")) as chain:
        rehearse(chain, iter([audio.astype(np.float32)]), show=lambda _reading: None)
    assert np.array_equal(soundfile.read(tmp_path / "take.wav", dtype="float32", always_2d=True)[0], audio.astype(np.float32))
