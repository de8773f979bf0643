"""Headers that recorders leave behind: a size that counts too much, none after a crash, that of a longer take."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import Run, clipped, write_audio

from declipper.errors import InputError
from declipper.files.recording import Recording

FRAMES = 16000


def with_size(path: Path, size: int, *, room: bool = False) -> Path:
    """A second of clipped mono in 16 bits whose `data` is said to have so many bytes; room: with room for ds64 ahead."""
    samples = np.round(clipped(FRAMES, 1)[:, 0] * 32767).astype("<i2").tobytes()
    head = b"JUNK" + struct.pack("<I", 28) + bytes(28) if room else b""
    head += struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16) + struct.pack("<4sI", b"data", size)
    path.write_bytes(struct.pack("<4sI4s", b"RIFF", 4 + len(head) + size, b"WAVE") + head + samples)
    return path


def test_a_size_that_counts_the_header_in(fix: Run, tmp_path: Path) -> None:
    outcome = fix(with_size(tmp_path / "take.wav", 2 * FRAMES + 44))
    assert outcome.code == 0
    assert "note: its header counts 44 bytes more than the file has; nothing is missed" in outcome.err
    assert soundfile.info(tmp_path / "take.declipped.wav").frames == FRAMES


@pytest.mark.parametrize("room", [False, True])
def test_no_size_after_a_crash(fix: Run, run: Run, tmp_path: Path, room: bool) -> None:
    take, whole = with_size(tmp_path / "take.wav", 0, room=room), with_size(tmp_path / "whole.wav", 2 * FRAMES, room=room)
    outcome = fix(take, whole)
    assert outcome.code == 0
    assert outcome.err.count("note: ") == 1
    assert "its header gives no length, as after a crash; read to the end of the file, 1.00 s" in outcome.err
    one, other = (soundfile.read(tmp_path / f"{name}.declipped.wav")[0] for name in ("take", "whole"))
    np.testing.assert_array_equal(one, other)
    assert "as after a crash" in run("inspect", take).out
    assert fix(take, "--overwrite", "--plot", tmp_path / "p.png").code == 0


def test_a_wav_without_audio_is_still_one(tmp_path: Path) -> None:
    """Nothing, or other chunks, follow the empty one."""
    path = with_size(tmp_path / "take.wav", 0)
    for rest in (b"", b"LIST" + struct.pack("<I", 4) + b"INFO"):
        path.write_bytes(path.read_bytes()[:44] + rest)
        with pytest.raises(InputError, match="contains no audio"):
            Recording(path)


def test_the_size_of_a_longer_take(fix: Run, run: Run, tmp_path: Path) -> None:
    take = with_size(tmp_path / "take.wav", 4 * FRAMES)
    outcome = fix(take)
    assert outcome.code == 1
    assert "truncated, 32000 bytes of audio are missing" in outcome.error_line
    assert "restore what is there (1.00 s) with --truncated keep" in outcome.error_line
    kept = fix(take, "--truncated", "keep")
    assert kept.code == 0
    assert "note: it is truncated; what is there was kept, 1.00 s" in kept.err
    assert soundfile.info(tmp_path / "take.declipped.wav").frames == FRAMES
    assert run("inspect", take, "--truncated", "keep").code == 0


SIZES = {
    ".aiff": ("AIFF", b"SSND", 4, ">I"),
    ".rf64": ("RF64", b"ds64", 16, "<Q"),
    ".w64": ("W64", b"data", 16, "<Q"),
    ".au": ("AU", b".snd", 8, ">I"),
}
"""Where the size of the audio stands in other formats: bytes after a name, and how it is written."""


def with_other_size(path: Path, change: Callable[[int], int]) -> Path:
    """A second of clipped mono whose header gives another size."""
    container, name, after, form = SIZES[path.suffix]
    write_audio(path, clipped(FRAMES, 1), rate=16000, subtype="PCM_16", format=container)
    raw = bytearray(path.read_bytes())
    at = raw.index(name) + after
    struct.pack_into(form, raw, at, change(struct.unpack_from(form, raw, at)[0]))
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("suffix", SIZES)
def test_other_formats_with_wrong_sizes(fix: Run, tmp_path: Path, suffix: str) -> None:
    """As with WAV: none after a crash, one that counts the header in, that of a longer take, and one that was never known."""
    whole = Recording(with_other_size(tmp_path / f"whole{suffix}", lambda size: size))
    expected = np.concatenate([*whole.blocks()])
    assert whole.notes == []
    for change, said in ((0, "gives no length, as after a crash"), (44, "counts 44 bytes more")):
        take = Recording(with_other_size(tmp_path / f"take{suffix}", lambda size, change=change: size + change if change else 0))
        assert len(take.notes) == 1
        assert said in take.notes[0]
        np.testing.assert_array_equal(np.concatenate([*take.blocks()]), expected)
    longer = with_other_size(tmp_path / f"longer{suffix}", lambda size: size + 32000)
    outcome = fix(longer)
    assert outcome.code == 1
    assert "truncated, 32000 bytes of audio are missing" in outcome.error_line
    assert fix(longer, "--truncated", "keep").code == 0
    wide = SIZES[suffix][3] == "<Q"
    unknown = Recording(with_other_size(tmp_path / f"piped{suffix}", lambda _: (1 << 63) - 1 if wide else 0xFFFFFFFF))
    np.testing.assert_array_equal(np.concatenate([*unknown.blocks()]), expected)


@pytest.mark.parametrize("suffix", SIZES)
def test_other_formats_without_audio_are_still_empty(tmp_path: Path, suffix: str) -> None:
    path = write_audio(tmp_path / f"take{suffix}", np.zeros((0, 1)), subtype="PCM_16", format=SIZES[suffix][0])
    with pytest.raises(InputError, match="contains no audio"):
        Recording(path)


@pytest.mark.parametrize(
    ("suffix", "container", "subtype"),
    [(".flac", "FLAC", "PCM_16"), (".aiff", "AIFF", "PCM_16"), (".ogg", "OGG", "VORBIS"), (".mp3", "MP3", "MPEG_LAYER_III")],
)
def test_what_is_left_of_other_formats(fix: Run, tmp_path: Path, suffix: str, container: str, subtype: str) -> None:
    take = write_audio(tmp_path / f"take{suffix}", clipped(150000), subtype=subtype, format=container)
    take.write_bytes(take.read_bytes()[: take.stat().st_size * 2 // 3])
    outcome = fix(take, "--truncated", "keep", "--format", "wav")
    assert outcome.code == 0, outcome.err
    assert 40000 < soundfile.info(tmp_path / "take.declipped.wav").frames < 150000
