"""`declipper live` on the core: what the library gives, beside the stream in Python, in the windows of the live monitor."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from material import BUILD, RATE, by_core, learned, tones
from test_core import ALIKE, CLOSE, error, music

from declipper.clipping.levels import Threshold
from declipper.clipping.windows import at_rate, frames_in
from declipper.detection.tracker import LevelTracker
from declipper.engine.framing import USUAL_DELAY, Framing
from declipper.engine.model_file import ModelFile
from declipper.engine.session import Session, shipped_model
from declipper.engine.stream import DeclipStream
from declipper.errors import InputError, ModelError
from declipper.live.chain import Chain
from declipper.live.core import LIBRARY, CoreStream, Engine, opened
from declipper.plugins.constants import FRAMING
from declipper.plugins.flat import flat

PATH = BUILD / "bin" / LIBRARY
LIVE = flat(ModelFile.read(shipped_model("live")))


@pytest.fixture(scope="module")
def session() -> Session:
    return Session("live", "cpu")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The build as the installed package."""
    (tmp_path / "declipper_plugin").symlink_to(BUILD / "bin")
    monkeypatch.syspath_prepend(tmp_path)


def usual(session: Session, sample_rate: int) -> Framing:
    return Framing.live(session.info, sample_rate, frames_in(USUAL_DELAY, sample_rate))


def made(session: Session, sample_rate: int, channels: int = 2, threshold: Threshold | None = None) -> CoreStream:
    return CoreStream(PATH, LIVE, sample_rate, channels=channels, framing=usual(session, sample_rate), threshold=threshold)


def restored(stream: DeclipStream | CoreStream, y: np.ndarray) -> np.ndarray:
    """Pushed as the worker does."""
    parts, at = [], 0
    while at < len(y):
        count = stream.wanted
        parts.append(stream.push(y[at : at + count]))
        at += count
    return np.concatenate([*parts, stream.flush()])


def both(session: Session, y: np.ndarray, sample_rate: int, threshold: Threshold | None) -> tuple[np.ndarray, np.ndarray]:
    """What core and Python make of it. To the core there is silence before the first frame and after the last one, so both are given it."""
    framing = usual(session, sample_rate)
    levels = LevelTracker(sample_rate, 2) if threshold is None else threshold.levels(2)
    silence = np.zeros((16 * framing.hop, 2), np.float32)
    whole = np.concatenate([silence, y, silence])
    streams = made(session, sample_rate, threshold=threshold), DeclipStream(sample_rate, 2, levels, session, framing=framing)
    core, python = (restored(stream, whole)[len(silence) : -len(silence)] for stream in streams)
    return core, python


@pytest.mark.parametrize("sample_rate", [8000, 44100, 48000, 96000])
def test_as_the_python_stream_where_interpolation_is_alone(session: Session, sample_rate: int) -> None:
    y = music(int(0.7 * sample_rate), sample_rate).clip(-0.5, 0.45).astype(np.float32)
    core, python = both(session, y, sample_rate, None)
    np.testing.assert_allclose(core, python, rtol=0, atol=CLOSE)
    assert np.mean(core != y) > 1e-3


@pytest.mark.parametrize("sample_rate", [44100, 48000])
def test_gains_what_the_python_stream_gains_where_much_is_clipped(session: Session, sample_rate: int) -> None:
    x = music(sample_rate, sample_rate)
    y = x.clip(-0.15, 0.15).astype(np.float32)
    core, python = both(session, y, sample_rate, Threshold(0.15, 0.15))
    assert error(python, x) < error(y, x) - 5
    assert abs(error(core, x) - error(python, x)) < ALIKE


@pytest.mark.parametrize("levels", [(), (0.5, 0.5)])
def test_gives_in_the_windows_of_the_plugin_what_the_core_renders(levels: tuple[float, ...]) -> None:
    y = tones()
    framing = Framing(**{name: at_rate(frames, RATE) for name, frames in FRAMING.items()})
    threshold = Threshold(*levels) if levels else None
    stream = CoreStream(PATH, LIVE, RATE, channels=2, framing=framing, threshold=threshold)
    wanted = by_core(y, RATE, *levels)
    assert not np.array_equal(wanted, y)
    assert np.array_equal(restored(stream, y), wanted)


def test_reliable_samples_stay_and_clipped_ones_rise(session: Session) -> None:
    y = tones(channels=3)
    level = 0.4
    y = y.clip(-level, level)
    z = restored(made(session, RATE, 3, Threshold(level, level)), y)
    clipped = np.abs(y) >= level
    assert np.array_equal(z[~clipped], y[~clipped])
    assert np.all((z * np.sign(y))[clipped] >= level)
    assert np.mean(z != y) > 0.05


def test_the_same_in_any_blocks_again_and_in_another_process(session: Session) -> None:
    y = tones()
    stream = made(session, RATE)
    whole = restored(stream, y)
    assert len(whole) == len(y)
    again = [stream.push(block) for block in np.array_split(y, 77)] + [stream.flush()]
    assert np.array_equal(np.concatenate(again), whole)
    assert np.array_equal(restored(pickle.loads(pickle.dumps(stream)), y), whole)


def test_what_nobody_waits_for_passes(session: Session) -> None:
    y = tones()
    stream = made(session, RATE)
    passed = stream.push(y, restore=False)
    assert np.array_equal(passed, y[: len(passed)])
    assert len(y) - len(passed) <= stream.latency


def test_blocks_that_are_none(session: Session) -> None:
    stream = made(session, RATE)
    with pytest.raises(TypeError, match="takes float32, got float64"):
        stream.push(np.zeros((10, 2)))
    with pytest.raises(ValueError, match=r"must be \(frames, 2\), got \(10, 3\)"):
        stream.push(np.zeros((10, 3), np.float32))


def test_what_the_core_refuses_is_told(session: Session) -> None:
    framing = Framing(500, 1844, 460, 115)
    with pytest.raises(ModelError, match="windows of 2804 frames are no multiple of 128"):
        CoreStream(PATH, LIVE, RATE, channels=2, framing=framing, threshold=None)
    with pytest.raises(ModelError, match="its checksum is wrong"):
        CoreStream(PATH, LIVE[:-1] + b"\0", RATE, channels=2, framing=usual(session, RATE), threshold=None)


@pytest.mark.usefixtures("package")
def test_the_chain_takes_it_in_its_process(session: Session) -> None:
    y = tones()
    with Chain(RATE, 2, session=session, latency=0.08) as chain:
        chain.start()
        chain.monitor.process(y, np.zeros_like(y))
        chain.stop()
        assert chain.reading().runs_in == "C++"
        assert not chain.problem
        heard = np.zeros_like(y)
        assert chain.restored.written == len(y)
        chain.restored.read(0, heard)
    assert np.array_equal(heard, restored(made(session, RATE), y))


@pytest.mark.usefixtures("package")
def test_a_model_of_ones_own(tmp_path: Path, session: Session) -> None:
    own = Session(learned(tmp_path / "voice.onnx"), "cpu")
    framing, y = usual(own, RATE), tones()
    found = Engine.of(own, RATE, 2, framing=framing, threshold=None)
    assert found.runs_in == "C++"
    assert np.abs(restored(found.stream, y) - restored(made(session, RATE), y)).max() > 1e-3


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("declipper.__version__", "9.9.9", r"declipper-plugin is of version \d+\.\d+\.\d+, not 9\.9\.9"),
        ("declipper.live.core.checksum", lambda: 0, "declipper-plugin was built from other sources"),
    ],
)
def test_python_stands_in_for_a_library_that_does_not_fit(
    session: Session, monkeypatch: pytest.MonkeyPatch, name: str, value: object, reason: str
) -> None:
    monkeypatch.setattr(name, value)
    found = Engine.of(session, RATE, 2, framing=usual(session, RATE), threshold=None)
    assert isinstance(found.stream, DeclipStream)
    with pytest.raises(InputError, match=reason) as refused:
        opened(PATH)
    assert found.runs_in == f"Python ({refused.value})"
