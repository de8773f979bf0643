"""The promises: reliable samples bit for bit, clipped ones never below the threshold, one gain at most, whole files only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyloudnorm
import pytest
import soundfile
from conftest import clipped, music, write_audio, write_model
from mutagen import flac

from declipper import pipeline
from declipper.clipping.levels import Threshold
from declipper.engine.session import Session
from declipper.errors import InputError, OutputError
from declipper.files import recording as files
from declipper.files.delivery import Delivery
from declipper.files.formats import FORMATS, INTEGER_BITS
from declipper.files.recording import Recording
from declipper.pipeline import Fixed

SUBTYPES = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]
HALF = Threshold(0.5, 0.5)
NO_LINKS = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


def fix(source: Path, target: Path, session: Session, threshold: Threshold | None = None, **options: Any) -> Fixed:
    """The recording `source` restored into `target`; options: those of `Delivery.planned`, and `progress`."""
    how = {name: options.pop(name) for name in ("progress",) if name in options}
    recording = Recording(source)
    return pipeline.fix(recording, Delivery.planned(recording, target, **options), session=session, threshold=threshold, **how)


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float64", always_2d=True)[0]


def assert_promises(before: np.ndarray, after: np.ndarray, level: float) -> None:
    """Of a restoration at unity gain, with samples at or beyond `level` clipped, in doubles."""
    assert before.shape == after.shape
    reliable = np.abs(before) < level
    assert 0 < (~reliable).sum() < reliable.sum()
    np.testing.assert_array_equal(after[reliable], before[reliable])
    assert (np.abs(after[~reliable]) >= level).all()
    np.testing.assert_array_equal(np.sign(after[~reliable]), np.sign(before[~reliable]))


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_promises_for_every_sample_type(tmp_path: Path, tiny_session: Session, subtype: str) -> None:
    source = write_audio(tmp_path / "in.wav", clipped(30000), subtype=subtype)
    done = fix(source, tmp_path / "out.wav", tiny_session, HALF)
    after = read(tmp_path / "out.wav")
    assert_promises(read(source), after, 0.5)
    assert done.gain_db == 0
    assert after.max() == pytest.approx(0.65, abs=0.01)  # the model's factor of 1.3 did arrive
    assert soundfile.info(tmp_path / "out.wav").subtype == ("DOUBLE" if subtype in ("PCM_32", "DOUBLE") else "FLOAT")


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_promises_for_found_levels(tmp_path: Path, tiny_session: Session, subtype: str) -> None:
    source = write_audio(tmp_path / "in.wav", clipped(44100, level=0.6), subtype=subtype)
    done = fix(source, tmp_path / "out.wav", tiny_session)
    level = 10 ** (done.report.channels[0][0].level_dbfs / 20)  # type: ignore[operator]
    assert level == pytest.approx(0.6, rel=1e-3)
    assert_promises(read(source), read(tmp_path / "out.wav"), level)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32"])
def test_same_integers_out_at_unity_gain(tmp_path: Path, tiny_session: Session, subtype: str) -> None:
    source = write_audio(tmp_path / "in.wav", clipped(20000), subtype=subtype)
    done = fix(source, tmp_path / "out.wav", tiny_session, HALF, subtype=subtype)
    before, after = (soundfile.read(p, dtype="int32")[0] for p in (source, tmp_path / "out.wav"))
    assert done.gain_db == 0
    reliable = np.abs(before.astype(np.int64)) < 2**30
    np.testing.assert_array_equal(after[reliable], before[reliable])
    assert (np.abs(after[~reliable].astype(np.int64)) >= 2**30).all()


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_24", 24)])
def test_levels_between_two_integers_hold_after_rounding(tmp_path: Path, subtype: str, bits: int) -> None:
    """A model that estimates too little leaves every clipped sample at its level, which no integer has."""
    top, level = 2 ** (bits - 1), 2 ** (bits - 2) - 0.66
    source = write_audio(tmp_path / "in.wav", clipped(20000), subtype=subtype)
    session = Session(write_model(tmp_path / "low.onnx", (1.0, 0.5)), "cpu")
    fix(source, tmp_path / "out.wav", session, Threshold(level / top, level / top), subtype=subtype)
    before, after = (np.abs(soundfile.read(p, dtype="int32")[0].astype(np.int64)) >> 32 - bits for p in (source, tmp_path / "out.wav"))
    assert (before >= level).any()
    assert (after[before >= level] >= level).all()


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24"])
def test_full_scale_by_hand_is_that_of_the_sample_type(tmp_path: Path, tiny_session: Session, subtype: str) -> None:
    source = write_audio(tmp_path / "in.wav", np.clip(2 * music(20000), -1, 1), subtype=subtype)
    report = pipeline.inspect(Recording(source), Threshold(1.0, 1.0))
    assert all(polarity.clipped_samples > 0 for pair in report.channels for polarity in pair)
    assert pipeline.inspect(Recording(source), Threshold(1.5, 1.5)).clipped_samples == 0


@pytest.mark.parametrize(("suffix", "subtype"), [(".flac", "PCM_16"), (".aiff", "PCM_24"), (".wav", "PCM_U8"), (".caf", "ALAC_16")])
def test_nothing_clipped_nothing_changed(tmp_path: Path, tiny_session: Session, suffix: str, subtype: str) -> None:
    """Full-scale integers of an unclipped recording survive too."""
    audio = music(70000, peak=0.9)
    audio[100, 0], audio[50000, 1] = -1.0, 1.0
    top = 2.0 ** (INTEGER_BITS[subtype] - 1)
    ints = (np.clip(np.rint(audio * top), -top, top - 1) * 2**31 / top).astype(np.int32)
    source = tmp_path / f"in{suffix}"
    soundfile.write(source, ints, 44100, subtype, format=FORMATS[suffix][0])
    done = fix(source, tmp_path / f"out{suffix}", tiny_session, subtype=subtype)
    assert (done.report.clipped_samples, done.gain_db) == (0, 0)
    np.testing.assert_array_equal(soundfile.read(tmp_path / f"out{suffix}", dtype="int32")[0], ints)


def test_peaks_above_full_scale_are_kept_in_floats(tmp_path: Path, tiny_session: Session) -> None:
    source = write_audio(tmp_path / "in.wav", np.clip(2.0 * music(20000), -1.5, 1.5))
    done = fix(source, tmp_path / "out.wav", tiny_session)
    assert_promises(read(source), read(tmp_path / "out.wav"), 1.499)
    assert done.after.peak == np.abs(read(tmp_path / "out.wav")).max() > 1.9


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_every_output_format(tmp_path: Path, tiny_session: Session, suffix: str) -> None:
    source = write_audio(tmp_path / "in.wav", clipped(30000, level=0.9), 48000, "PCM_16")
    done = fix(source, tmp_path / f"out{suffix}", tiny_session)
    assert done.report.clipped_samples > 0
    after = read(tmp_path / f"out{suffix}")
    assert len(after) >= 30000
    gain = 10 ** (done.gain_db / 20)
    if FORMATS[suffix][1] == "FLOAT":
        assert gain == 1
        assert np.abs(after).max() > 1.1
    else:
        assert gain == pytest.approx(1 / (1.3 * 0.9), rel=0.01)
    assert np.abs(after[:30000] - gain * read(source)).max() < 0.5


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (48000, 6), (192000, 2)])
def test_rates_and_channels(tmp_path: Path, tiny_session: Session, rate: int, channels: int) -> None:
    source = write_audio(tmp_path / "in.wav", clipped(30000, channels), rate, "PCM_24")
    fix(source, tmp_path / "out.wav", tiny_session, HALF)
    info = soundfile.info(tmp_path / "out.wav")
    assert (info.samplerate, info.channels) == (rate, channels)
    assert_promises(read(source), read(tmp_path / "out.wav"), 0.5)


@pytest.mark.parametrize("frames", [1, 17, 600, 4096])
def test_short_recordings(tmp_path: Path, tiny_session: Session, frames: int) -> None:
    source = write_audio(tmp_path / "in.wav", np.clip(music(frames, 1, 2.0), -0.5, 0.5))
    done = fix(source, tmp_path / "out.flac", tiny_session, HALF)
    assert done.report.frames == frames == soundfile.info(tmp_path / "out.flac").frames
    assert done.report.clipped_samples > 0


def test_attenuate_is_one_gain_that_just_fits(tmp_path: Path, tiny_session: Session) -> None:
    source = write_audio(tmp_path / "in.wav", clipped(20000, level=0.9))
    fix(source, tmp_path / "plain.wav", tiny_session)
    done = fix(source, tmp_path / "out.flac", tiny_session)
    plain, turned = read(tmp_path / "plain.wav"), read(tmp_path / "out.flac")
    gain = 10 ** (done.gain_db / 20)
    assert gain < 0.9
    np.testing.assert_allclose(turned, plain * gain, atol=2**-23)
    assert np.abs(turned).max() > 1 - 2**-20
    assert done.after.peak == pytest.approx(np.abs(turned).max(), abs=1e-6)
    loud = fix(source, tmp_path / "float.wav", tiny_session, headroom="attenuate")
    assert loud.gain_db == pytest.approx(done.gain_db, abs=1e-3)


def test_clip_and_float_headroom(tmp_path: Path, tiny_session: Session) -> None:
    source = write_audio(tmp_path / "in.wav", clipped(20000, level=0.9))
    fix(source, tmp_path / "plain.wav", tiny_session, headroom="float")
    done = fix(source, tmp_path / "clip.wav", tiny_session, headroom="clip")
    np.testing.assert_array_equal(read(tmp_path / "clip.wav"), np.clip(read(tmp_path / "plain.wav"), -1, 1))
    assert (done.gain_db, done.after.peak) == (0, 1)
    with pytest.raises(OutputError, match="PCM_24 cannot hold peaks above full scale"):
        fix(source, tmp_path / "out.flac", tiny_session, headroom="float")


def test_limit_holds_the_ceiling_whatever_the_blocks(tmp_path: Path, tiny_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_audio(tmp_path / "in.wav", clipped(30000, level=0.9))
    results = []
    for block in (30000, 7777, 1000):
        monkeypatch.setattr(files, "BLOCK", block)
        done = fix(source, tmp_path / f"{block}.wav", tiny_session, headroom="limit")
        results.append(read(tmp_path / f"{block}.wav"))
        assert done.after.peak == np.abs(results[-1]).max() <= 1.0
        assert done.gain_db == 0
    np.testing.assert_allclose(results[1], results[0], atol=1e-6)
    np.testing.assert_allclose(results[2], results[0], atol=1e-6)
    before = read(source)
    quiet = np.abs(before).max(axis=1) < 0.3
    assert (results[0] == before)[quiet].mean() > 0.3
    assert not (results[0] == before).all()


@pytest.mark.parametrize("name", ["out.wav", "out.flac"])
def test_match_loudness(tmp_path: Path, tiny_session: Session, name: str) -> None:
    source = write_audio(tmp_path / "in.wav", clipped(88200))
    done = fix(source, tmp_path / name, tiny_session, match_loudness=True)
    assert done.gain_db < -0.2
    meter = pyloudnorm.Meter(44100)
    expected = meter.integrated_loudness(read(source))
    assert meter.integrated_loudness(read(tmp_path / name)) == pytest.approx(expected, abs=0.1)
    assert done.after.lufs == pytest.approx(expected, abs=0.1)
    assert done.before.lufs == pytest.approx(expected, abs=0.1)


def test_match_loudness_of_silence(tmp_path: Path, tiny_session: Session) -> None:
    source = write_audio(tmp_path / "in.wav", np.zeros((30000, 2)))
    done = fix(source, tmp_path / "out.flac", tiny_session, match_loudness=True)
    assert (done.gain_db, done.before.lufs, done.after.true_peak_dbtp) == (0, -np.inf, -np.inf)


def test_inspect_agrees_with_fix_and_writes_nothing(tmp_path: Path, tiny_session: Session) -> None:
    source = write_audio(tmp_path / "in.wav", clipped(70000))
    report = pipeline.inspect(Recording(source))
    assert list(tmp_path.iterdir()) == [source]
    assert report == fix(source, tmp_path / "out.wav", tiny_session).report
    assert report.clipped_samples == (np.abs(read(source)) == np.float32(0.5)).sum()


def test_progress_counts_every_frame(tmp_path: Path, tiny_session: Session) -> None:
    calls: list[tuple[str, int, int]] = []
    source = write_audio(tmp_path / "in.wav", clipped(70000))
    fix(source, tmp_path / "out.wav", tiny_session, progress=lambda *call: calls.append(call))
    assert ("detect", 70000, 70000) in calls
    assert calls[-1] == ("restore", 70000, 70000)


def same_file(target: Path, source: Path, how: str) -> Path:
    if how == "symlink":
        target.symlink_to(source)
    elif how == "hardlink":
        target.hardlink_to(source)
    return source if how == "itself" else target


@pytest.mark.parametrize("how", ["itself", pytest.param("symlink", marks=NO_LINKS), "hardlink"])
def test_the_recording_itself_is_never_overwritten(tmp_path: Path, tiny_session: Session, how: str) -> None:
    source = write_audio(tmp_path / "in.wav", clipped(10000))
    before = source.read_bytes()
    target = same_file(tmp_path / "out.wav", source, how)
    with pytest.raises(OutputError, match="is the recording itself"):
        fix(source, target, tiny_session, overwrite=True)
    assert source.read_bytes() == before


def test_existing_output(tmp_path: Path, tiny_session: Session) -> None:
    source, target = write_audio(tmp_path / "in.wav", clipped(10000)), tmp_path / "out.wav"
    target.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists; use --overwrite"):
        fix(source, target, tiny_session)
    assert target.read_bytes() == b"precious"
    fix(source, target, tiny_session, overwrite=True)
    assert soundfile.info(target).frames == 10000
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        fix(source, tmp_path / "folder.wav", tiny_session, overwrite=True)
    with pytest.raises(OutputError, match=r"cannot be (written|put in place)"):
        fix(source, tmp_path / ("n" * 300 + ".wav"), tiny_session)


@pytest.mark.parametrize("name", ["out.wav", "out.flac"])
@pytest.mark.parametrize("where", ["estimate", "metadata", "input"])
@pytest.mark.parametrize("trouble", [KeyboardInterrupt, MemoryError])
def test_trouble_on_the_way_leaves_no_trace(
    tmp_path: Path, tiny_session: Session, monkeypatch: pytest.MonkeyPatch, name: str, where: str, trouble: type[BaseException]
) -> None:
    source, target = write_audio(tmp_path / "in.wav", clipped(100000)), tmp_path / name
    target.write_bytes(b"precious")

    def fail(*_: Any, **__: Any) -> Any:
        raise trouble

    def fail_late(_pass: str, done: int, _total: int) -> None:
        if done == 100000:
            raise trouble

    if where == "estimate":
        monkeypatch.setattr(tiny_session, "estimate", fail, raising=True)
    elif where == "metadata":
        if trouble is MemoryError:
            pytest.skip("reported as a warning")
        monkeypatch.setattr(pipeline, "copy_metadata", fail)
    with pytest.raises(trouble):
        fix(source, target, tiny_session, HALF, overwrite=True, progress=fail_late if where == "input" else pipeline.silent)
    assert target.read_bytes() == b"precious"
    assert sorted(tmp_path.iterdir()) == sorted([source, target])


def test_not_a_number_late_in_the_file_leaves_no_trace(tmp_path: Path, tiny_session: Session) -> None:
    audio = clipped(100000)
    audio[99999, 1] = np.nan
    source = write_audio(tmp_path / "in.wav", audio)
    with pytest.raises(InputError, match="sample 99999 of channel 2 is nan"):
        fix(source, tmp_path / "out.wav", tiny_session, HALF)
    assert list(tmp_path.iterdir()) == [source]


def test_metadata_goes_with_the_samples(tmp_path: Path, tiny_session: Session) -> None:
    source = write_audio(tmp_path / "in.flac", clipped(10000), subtype="PCM_16")
    file: Any = flac.FLAC(source)
    file["title"] = ["Rain"]
    file.save()
    done = fix(source, tmp_path / "out.flac", tiny_session, HALF)
    assert (done.warnings, flac.FLAC(tmp_path / "out.flac")["title"]) == ((), ["Rain"])
    done = fix(source, tmp_path / "out.caf", tiny_session, HALF)
    assert "CAF files have no place for them" in done.warnings[0]


def test_broken_metadata_costs_a_warning_only(tmp_path: Path, tiny_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise IndexError("odd")

    monkeypatch.setattr(pipeline, "copy_metadata", fail)
    done = fix(write_audio(tmp_path / "in.wav", clipped(10000)), tmp_path / "out.wav", tiny_session, HALF)
    assert done.warnings == ("tags were not carried over (odd)",)
    assert soundfile.info(tmp_path / "out.wav").frames == 10000
