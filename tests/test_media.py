"""Sound in containers is read to the sample, without cutting, whichever stream it is; what cannot be read costs one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import FFmpeg, Run, clipped, music, write_audio
from mutagen.mp4 import MP4, MP4FreeForm

from declipper.errors import InputError
from declipper.media.recording import MediaRecording, recording_at
from declipper.media.timeline import Timeline

RATE, FRAMES = 48000, 20011
"""A length that fills no whole number of packets of any codec."""
VIDEO = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=0.4")


def samples(path: Path, stream: int | None = None) -> np.ndarray:
    return np.concatenate(list(recording_at(path, stream=stream).blocks()))


@pytest.fixture
def tune(tmp_path: Path) -> np.ndarray:
    """Music with plateaus just below full scale, which codecs overshoot, also in sound.wav."""
    audio = 1.9 * clipped(FRAMES)
    write_audio(tmp_path / "sound.wav", audio, RATE)
    return audio


LOSSY = {
    "memo.m4a": ("-c:a", "aac", "-b:a", "128k"),
    "memo.mov": ("-c:a", "aac", "-b:a", "128k"),
    "memo.3gp": ("-c:a", "aac", "-b:a", "128k"),
    "memo.webm": ("-c:a", "libopus", "-b:a", "128k"),
}


@pytest.mark.parametrize("name", LOSSY)
def test_what_the_encoder_added_at_both_ends_is_taken_off_and_nothing_else(tune: np.ndarray, ffmpeg: FFmpeg, name: str) -> None:
    path = ffmpeg("-i", "sound.wav", *LOSSY[name], name)
    decoded = samples(path)
    assert recording_at(path).frames == len(decoded) == FRAMES
    assert np.abs(decoded).max() > 1.0, "overshoots are kept"

    def distance(late: int) -> float:
        return float(np.abs(np.roll(decoded, late, axis=0) - tune)[100:-100].mean())

    assert min(range(-3, 4), key=distance) == 0


LOSSLESS = {
    "16.m4a": (("-c:a", "alac", "-sample_fmt", "s16p"), 16),
    "24.m4a": (("-c:a", "alac", "-sample_fmt", "s32p"), 24),
    "16.mkv": (("-c:a", "flac", "-sample_fmt", "s16"), 16),
    "24.mov": (("-c:a", "pcm_s24le"), 24),
    "float.mov": (("-c:a", "pcm_f32le"), None),
    "double.mkv": (("-c:a", "pcm_f64le"), None),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_sound_is_read_to_the_bit(tmp_path: Path, tune: np.ndarray, ffmpeg: FFmpeg, name: str) -> None:
    how, bits = LOSSLESS[name]
    recording = recording_at(ffmpeg("-i", "sound.wav", *how, name))
    wave = ffmpeg("-i", name, "-c:a", {16: "pcm_s16le", 24: "pcm_s24le"}.get(bits, "pcm_f64le"), "same.wav")
    assert recording.bits == bits
    assert recording.dtype is (np.float64 if name.startswith("double") else np.float32)
    assert np.array_equal(np.concatenate(list(recording.blocks())), samples(wave))


def test_the_delay_and_length_that_itunes_writes_are_heeded(tune: np.ndarray, ffmpeg: FFmpeg) -> None:
    path = ffmpeg("-i", "sound.wav", "-c:a", "aac", "-use_editlist", "0", "memo.m4a")
    told = MP4(path)
    fields = (0, 1024, 0, FRAMES, 0, 0, 0, 0, 0, 0, 0, 0)
    told["----:com.apple.iTunes:iTunSMPB"] = [MP4FreeForm("".join(f" {n:0{16 if i == 3 else 8}X}" for i, n in enumerate(fields)).encode())]
    told.save()
    assert np.array_equal(samples(path), samples(ffmpeg("-i", "sound.wav", "-c:a", "aac", "plain.m4a")))


def test_blocks_of_any_size_are_the_same_sound(tune: np.ndarray, ffmpeg: FFmpeg, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ffmpeg("-i", "sound.wav", "-c:a", "aac", "memo.m4a")
    whole = samples(path)
    monkeypatch.setattr("declipper.files.recording.BLOCK", 3000)
    blocks = list(recording_at(path).blocks())
    assert max(map(len, blocks)) < 1500 + 1024
    assert np.array_equal(np.concatenate(blocks), whole)


def test_a_memo_of_a_telephone_is_read(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "memo.amr"
    with av.open(path, "w") as container:
        stream = container.add_stream("libopencore_amrnb", 8000)
        stream.layout = "mono"
        sound = (20000 * music(8000, 1)[:, 0]).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(sound, format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    recording = recording_at(path)
    assert (recording.sample_rate, recording.channels, recording.frames) == (8000, 1, 51 * 160), (
        "whole packets of 20 ms, the coder's delay in them"
    )
    assert run("inspect", path).code == 0


def test_a_flac_from_a_pipe_that_tells_no_length_is_read(tmp_path: Path) -> None:
    whole = write_audio(tmp_path / "whole.flac", clipped(9000), subtype="PCM_16")
    raw = whole.read_bytes()
    (tmp_path / "piped.flac").write_bytes(raw[:21] + bytes([raw[21] & 0xF0]) + bytes(4) + raw[26:])
    assert np.array_equal(samples(tmp_path / "piped.flac"), samples(whole))


def test_any_of_the_streams_is_read(run: Run, tmp_path: Path, tune: np.ndarray, ffmpeg: FFmpeg) -> None:
    write_audio(tmp_path / "quiet.wav", 0.1 * music(9000, 1), RATE)
    path = ffmpeg(*VIDEO, "-i", "quiet.wav", "-i", "sound.wav", "-map", "0", "-map", "1", "-map", "2", "-c:a", "flac", "two.mkv")
    assert samples(path, 1).shape == (9000, 1)
    assert samples(path, 2).shape == (FRAMES, 2)
    both = run("inspect", path)
    assert "stream 1: nothing clipped" in both.out
    assert "stream 2: " in both.out
    assert "not clipped" not in run("inspect", path, "--stream", "2").out
    assert "has 2 streams of sound and no number 3; choose another --stream" in run("inspect", path, "--stream", "3").error_line
    assert "has one stream of sound and no number 2" in run("inspect", tmp_path / "sound.wav", "--stream", "2").error_line


def changed(path: Path, change: Callable[[bytes], bytes]) -> Path:
    bad = path.with_stem("bad")
    bad.write_bytes(change(path.read_bytes()))
    return bad


def no_index(raw: bytes) -> bytes:
    return raw[: raw.rindex(b"moov") - 4]


def two_rates(ffmpeg: FFmpeg) -> Path:
    parts = [ffmpeg("-i", "sound.wav", "-c:a", "aac", "-ar", rate, f"{rate}.aac").read_bytes() for rate in ("48000", "44100")]
    return changed(ffmpeg("-i", "sound.wav", "-c:a", "aac", "both.aac"), lambda _: b"".join(parts))


BAD: dict[str, tuple[Callable[[FFmpeg], Path], str]] = {
    "silent": (lambda f: f(*VIDEO, "silent.mp4"), "holds no sound, only video"),
    "FairPlay": (lambda f: changed(f("-i", "sound.wav", "a.m4a"), lambda raw: raw.replace(b"mp4a", b"drms")), "is encrypted (drms"),
    "common encryption": (
        lambda f: changed(f("-i", "sound.wav", "a.m4a"), lambda raw: raw.replace(b"mp4a", b"enca")),
        "is encrypted (enca",
    ),
    "unknown codec": (
        lambda f: changed(f("-i", "sound.wav", "-c:a", "alac", "a.m4a"), lambda raw: raw.replace(b"alac", b"zzzz")),
        "in a codec that no decoder here knows (zzzz); save it as a float WAV",
    ),
    "no index": (lambda f: changed(f("-i", "sound.wav", "a.m4a"), no_index), "has lost its index (moov)"),
    "index cut": (lambda f: changed(f("-i", "sound.wav", "a.m4a"), lambda raw: raw[:-100]), "has lost its index (moov)"),
    "end cut": (
        lambda f: changed(f("-i", "sound.wav", "-movflags", "+faststart", "a.m4a"), lambda raw: raw[:-1000]),
        "truncated, 1000 bytes are missing; copy it again, or restore what is there",
    ),
    "webm cut": (lambda f: changed(f("-i", "sound.wav", "a.webm"), lambda raw: raw[:-1000]), "truncated, 1000 bytes are missing"),
    "two rates": (two_rates, "its sound changes from 48000 Hz and 2 channels to 44100 Hz and 2 channels after 0.4"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_read_is_told_in_one_line(run: Run, tmp_path: Path, tune: np.ndarray, ffmpeg: FFmpeg, kind: str) -> None:
    make, words = BAD[kind]
    path = make(ffmpeg)
    for command in ("inspect", "fix"):
        told = run(command, path)
        assert told.code == 1
        assert str(path) in told.error_line
        assert words in told.error_line
    assert not list(tmp_path.glob("*declipped*"))


def test_what_is_there_of_a_cut_memo_is_restored_on_demand(run: Run, tune: np.ndarray, ffmpeg: FFmpeg) -> None:
    whole = ffmpeg("-i", "sound.wav", "-movflags", "+faststart", "whole.m4a")
    path = changed(whole, lambda raw: raw[:-1000])
    kept = recording_at(path, keep_truncated=True)
    assert 0.5 * FRAMES < kept.frames < FRAMES
    assert np.array_equal(np.concatenate(list(kept.blocks())), samples(whole)[: kept.frames])
    assert "it is truncated; what is there was kept" in run("inspect", path, "--truncated", "keep").out


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "list.mkv"])
def test_nothing_that_a_file_refers_to_is_opened(tmp_path: Path, tune: np.ndarray, name: str) -> None:
    for text in ("#EXTM3U\n#EXTINF:1,\nsound.wav\n", "ffconcat version 1.0\nfile sound.wav\n"):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match="not audio that"):
            recording_at(tmp_path / name)


def test_ffmpeg_is_loaded_only_for_what_needs_it(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", clipped(9000))
    code = "import sys; from pathlib import Path; import declipper.commands.fix; from declipper.media.recording import recording_at\n"
    code += f"recording_at(Path({str(tmp_path / 'a.wav')!r})); print('av' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_timeline_follows_the_clock_and_knows_gaps_from_unevenness() -> None:
    timeline = Timeline(1000, 0.002)
    for sample, time in ((0, 0.5), (100, 0.601), (200, 0.710), (300, 1.3)):
        timeline.note(sample, time)
    assert [timeline.at(s) for s in (0, 100, 150)] == pytest.approx([0.5, 0.6, 0.65]), "rounding is none of its business"
    assert [timeline.at(s) for s in (200, 250, 300, 400)] == pytest.approx([0.71, 0.76, 1.3, 1.4])
    assert timeline.gaps == [300]
    assert timeline.gap_at(300) == 490
    assert Timeline(1000, 0.002).at(500) == 0.5


def test_a_gap_is_told_and_takes_no_room_in_a_sound_file(tmp_path: Path) -> None:
    path = tmp_path / "gap.mka"
    with av.open(path, "w") as container:
        stream = container.add_stream("pcm_s16le", 8000)
        stream.layout = "mono"
        for start in (0, 4000, 12000):
            frame = av.AudioFrame.from_ndarray(np.full((1, 4000), 1000, np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8000, start
            container.mux(stream.encode(frame))
    recording = recording_at(path)
    assert isinstance(recording, MediaRecording)
    assert recording.frames == 12000
    assert recording.timeline.gap_at(8000) == 4000
    assert recording.notes == ["its sound has gaps, 0.50 s in all; a video keeps them, a sound file does not"]
