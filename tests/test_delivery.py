"""Room for peaks at the ends of a take, and what is told of an order that could not be met in full."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import clipped, music, write_audio
from test_pipeline import HALF, fix

from declipper import pipeline
from declipper.engine.session import Session
from declipper.files.recording import Recording


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_found_to_restore_in_what_was_limited(tmp_path: Path, tiny_session: Session, seed: int) -> None:
    """Of takes that begin and end loud."""
    tune = music(44100, 1, 1.6, seed)
    first, last = sorted(np.argsort(np.abs(tune[:, 0]))[[-1, -2000]])
    source = write_audio(tmp_path / "in.wav", tune[first : last + 1] if last - first > 20000 else tune[first:])
    assert fix(source, tmp_path / "out.flac", tiny_session, headroom="limit").report.clipped_samples == 0
    assert pipeline.inspect(Recording(tmp_path / "out.flac")).clipped_samples == 0


def test_a_loudness_that_does_not_fit_is_told(tmp_path: Path, tiny_session: Session) -> None:
    beats = 0.05 * music(88200, 1)
    beats[::8820] = 0.9
    quiet = write_audio(tmp_path / "in.wav", np.clip(20 * beats, -6, 6))
    done = fix(quiet, tmp_path / "out.flac", tiny_session, match_loudness=True)
    missed = done.after.lufs - done.before.lufs
    assert missed < -3
    assert done.warnings[0].startswith(
        f"the loudness is missed by {missed:+.1f} dB: the peaks do not fit under full scale; a float .wav holds"
    )
    assert fix(quiet, tmp_path / "out.wav", tiny_session, match_loudness=True).warnings == ()


@pytest.mark.skipif(os.name == "nt", reason="on Windows, what is being read cannot vanish")
def test_a_source_that_vanished_or_is_damaged_is_not_taken_for_a_full_disk(tmp_path: Path, tiny_session: Session) -> None:
    source = write_audio(tmp_path / "in.wav", clipped(10000), subtype="PCM_16")
    chunk = b"INFOINAM" + (0x7FFFFFFF).to_bytes(4, "little") + b"abc\0"
    source.write_bytes(source.read_bytes() + b"LIST" + len(chunk).to_bytes(4, "little") + chunk)
    assert soundfile.info(tmp_path / "in.wav").frames == 10000
    fix(source, tmp_path / "out.flac", tiny_session, HALF)

    def vanish(step: str, done: int, total: int) -> None:
        if step == "restore" and done == total:
            source.unlink(missing_ok=True)

    done = fix(source, tmp_path / "other.flac", tiny_session, HALF, progress=vanish)
    assert done.warnings == ("tags were not carried over (No such file or directory)",)
    assert soundfile.info(tmp_path / "other.flac").frames == 10000


@pytest.mark.parametrize("scale", [1.9e30, 1e-30, 1e-200])
@pytest.mark.parametrize(
    ("name", "options"), [("out.wav", {}), ("out.flac", {"match_loudness": True, "headroom": "limit"}), ("out.ogg", {})]
)
def test_huge_and_tiny_samples_are_worked_on_without_a_warning(
    tmp_path: Path, tiny_session: Session, scale: float, name: str, options: dict[str, Any]
) -> None:
    """Warnings are errors here."""
    source = write_audio(tmp_path / "in.wav", clipped(20000) * scale, subtype="DOUBLE")
    done = fix(source, tmp_path / name, tiny_session, **options)
    assert np.isfinite(done.after.peak)
    assert np.isfinite(soundfile.read(tmp_path / name)[0]).all()
