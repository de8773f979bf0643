"""A video stays a video: its sound is restored in step, and everything else is what it was."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from conftest import FFmpeg, Run, clipped, music, write_audio
from mutagen import id3, wave
from mutagen.mp4 import MP4

from declipper.media.encoder import Encoder, add_sound
from declipper.media.formats import MediaFormat
from declipper.media.recording import MediaRecording, recording_at
from declipper.media.timeline import Timeline
from declipper.soundtrack import as_wav

RATE, FRAMES = 48000, 20011
VIDEO = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=0.6")
CHAPTERS = """;FFMETADATA1
title=A talk
artist=Someone
[CHAPTER]
TIMEBASE=1/1000
START=0
END=200
title=Begin
[CHAPTER]
TIMEBASE=1/1000
START=200
END=416
title=End
"""
SUBTITLES = "1\n00:00:00,100 --> 00:00:00,300\nHello\n"
EVERYTHING = ("-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map_metadata", "4", "-map_chapters", "4")


@pytest.fixture
def talk(tmp_path: Path, ffmpeg: FFmpeg) -> Path:
    """A folder with the parts of a talk: two sounds, the first clipped, subtitles, chapters and tags."""
    write_audio(tmp_path / "sound.wav", clipped(FRAMES), RATE, "PCM_16")
    write_audio(tmp_path / "quiet.wav", 0.1 * music(FRAMES, 1), RATE, "PCM_16")
    (tmp_path / "words.srt").write_text(SUBTITLES)
    (tmp_path / "about.txt").write_text(CHAPTERS)
    return tmp_path


def filmed(ffmpeg: FFmpeg, name: str, *how: str, delay: str = "0") -> Path:
    """All of the talk in a video; its first sound begins so many seconds after the picture."""
    parts = (*VIDEO, "-itsoffset", delay, "-i", "sound.wav", "-i", "quiet.wav", "-i", "words.srt", "-i", "about.txt")
    return ffmpeg(*parts, *EVERYTHING, "-bf", "2", "-metadata:s:a:0", "language=deu", *how, name)


def told(path: Path, *wanted: str) -> str:
    """What ffprobe says."""
    done = subprocess.run(["ffprobe", "-v", "error", *wanted, "-of", "csv=p=0", path], capture_output=True, text=True, check=True)
    return done.stdout


def packets(path: Path, stream: str) -> str:
    """Checksums, sizes and times of the packets of a stream, by ffmpeg."""
    return told(
        path,
        "-select_streams",
        stream,
        "-show_packets",
        "-show_data_hash",
        "md5",
        "-show_entries",
        "packet=pts_time,dts_time,flags,data_hash",
    )


def heard(path: Path, stream: int = 1) -> np.ndarray:
    return np.concatenate(list(recording_at(path, stream=stream).blocks()))


VIDEOS = {
    "talk.mp4": ("alac", ("-c:v", "libx264", "-c:a", "aac", "-c:s", "mov_text", "-metadata:s:v:0", "rotate=90")),
    "talk.mov": ("pcm_s24le", ("-c:v", "libx264", "-c:a", "pcm_s16le", "-c:s", "mov_text", "-timecode", "01:00:00:00")),
    "talk.mkv": (
        "flac",
        ("-c:v", "libx264", "-c:a", "libopus", "-c:s", "subrip", "-attach", "about.txt", "-metadata:s:t", "mimetype=text/plain"),
    ),
    "talk.webm": ("flac", ("-c:v", "libvpx", "-c:a", "libopus", "-c:s", "webvtt")),
}


@pytest.mark.parametrize("delay", ["0", "0.3337"])
@pytest.mark.parametrize("name", VIDEOS)
def test_everything_but_the_clipped_sound_is_as_it_was(
    run: Run, talk: Path, ffmpeg: FFmpeg, tiny_model: Path, name: str, delay: str
) -> None:
    codec, how = VIDEOS[name]
    source = filmed(ffmpeg, name, *how, delay=delay)
    done = run("fix", source, "--model", tiny_model)
    target = talk / ("talk.declipped" + {".webm": ".mkv"}.get(source.suffix, source.suffix))
    assert done.code == 0, done.err
    assert "stream 2: nothing clipped" in done.err
    for stream in ("v:0", "a:1", "s:0"):
        assert packets(source, stream) == packets(target, stream)
        assert packets(source, stream)
    for entries in ("stream_tags=language,title,filename,timecode", "format_tags=title,artist", "stream_side_data=rotation"):
        assert told(source, "-show_entries", entries) == told(target, "-show_entries", entries)
    assert told(source, "-show_entries", "stream=codec_type,disposition") == told(target, "-show_entries", "stream=codec_type,disposition")
    chapters = ("-show_chapters", "-show_entries", "chapter=start_time,end_time:chapter_tags=title")
    assert told(source, *chapters) == told(target, *chapters)
    assert "Begin" in told(target, *chapters)
    before, after = recording_at(source, stream=1), recording_at(target, stream=1)
    assert isinstance(before, MediaRecording)
    assert isinstance(after, MediaRecording)
    assert (after.subtype, after.frames) == (codec, before.frames)
    assert after.timeline.at(0) == before.timeline.at(0)
    assert not list(talk.glob(".*"))


def test_the_sound_is_that_of_the_restored_wav_turned_down_as_it_is_told(run: Run, talk: Path, ffmpeg: FFmpeg, tiny_model: Path) -> None:
    source = filmed(ffmpeg, "talk.mov", "-c:v", "libx264", "-c:a", "pcm_s16le", "-c:s", "mov_text")
    options = ("--model", tiny_model, "--threshold", "-6.1")
    as_wav = run("fix", source, "--audio-only", *options)
    assert as_wav.code == 0
    assert "it has 2 streams of sound" in as_wav.err
    wav, rate = soundfile.read(talk / "talk.declipped.wav")
    assert rate == RATE
    reliable = np.abs(heard(talk / "sound.wav")) < 0.49
    assert np.array_equal(wav[reliable], heard(talk / "sound.wav")[reliable])
    run("fix", source, "--stream", "1", "--audio-codec", "float", "-o", talk / "float.mov", *options)
    assert np.array_equal(heard(talk / "float.mov"), wav), "to the bit"
    loud = write_audio(talk / "loud.wav", 1.9 * clipped(FRAMES), RATE, "FLOAT")
    louder = ffmpeg("-i", loud, "-c:a", "pcm_f32le", "loud.mov")
    done = json.loads(run("fix", louder, "--json", "-o", talk / "loud.m4a", "--model", tiny_model, "--threshold", "-0.5").out)
    run("fix", louder, "-o", talk / "loud.declipped.wav", "--model", tiny_model, "--threshold", "-0.5")
    assert -2.0 < done["gain_db"] < -1.0
    turned = heard(talk / "loud.declipped.wav") * 10 ** (done["gain_db"] / 20)
    assert np.abs(heard(talk / "loud.m4a") - turned).max() < 2**-23


def test_where_nothing_is_clipped_every_packet_is_as_it_was(run: Run, talk: Path, ffmpeg: FFmpeg, tiny_model: Path) -> None:
    source = ffmpeg(*VIDEO, "-i", "quiet.wav", "-c:v", "libx264", "-c:a", "aac", "quiet.mp4")
    done = run("fix", source, "--model", tiny_model)
    assert "nothing clipped" in done.err
    for stream in ("v:0", "a:0"):
        assert packets(source, stream) == packets(talk / "quiet.declipped.mp4", stream)
    memo = ffmpeg("-i", "quiet.wav", "-c:a", "aac", "memo.m4a")
    assert run("fix", memo, "--model", tiny_model, "-o", talk / "out.m4a").code == 0
    assert packets(memo, "a:0") == packets(talk / "out.m4a", "a:0")


def test_a_lossy_codec_gets_room_for_what_it_adds(run: Run, talk: Path, ffmpeg: FFmpeg, tiny_model: Path) -> None:
    source = ffmpeg(*VIDEO, "-i", "sound.wav", "-af", "volume=1.9", "-c:v", "libx264", "-c:a", "pcm_f32le", "loud.mov")
    options = ("--model", tiny_model, "--threshold", "-0.6", "--audio-codec", "aac")
    done = run("fix", source, "-o", talk / "out.mp4", "--bitrate", "256k", "--json", *options)
    assert json.loads(done.out)["gain_db"] < -1.0
    assert json.loads(done.out)["after"]["true_peak_dbtp"] == pytest.approx(-1.0, abs=0.01)
    again = recording_at(talk / "out.mp4")
    assert (again.subtype, again.frames) == ("aac", FRAMES)
    assert 0.8 < np.abs(heard(talk / "out.mp4")).max() < 1.1, "plateaus that the model only lifts are the worst that can be"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-o", "out.mp4", "--audio-codec", "opus"), ".mp4 takes no opus; use --audio-codec alac or flac or aac"),
        (("-o", "out.mp4", "--subtype", "PCM_24"), ".mp4 takes no PCM_24"),
        (("-o", "out.mp4", "--bitrate", "128k"), "alac is lossless and has no bit rate"),
        (("-o", "out.wav", "--audio-codec", "aac"), "--audio-codec and --bitrate are for .mp4"),
        (("-o", "out.mp4", "--headroom", "float"), "cannot hold peaks above full scale"),
        (
            (
                "-o",
                "out.webm",
            ),
            ".webm cannot hold what is to go into it",
        ),
        (("-o", "talk.mp4", "--overwrite"), "is the recording itself, which is never overwritten"),
    ],
)
def test_an_order_that_cannot_be_met_is_refused_before_the_work(
    run: Run, talk: Path, ffmpeg: FFmpeg, tiny_model: Path, options: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(talk)
    filmed(ffmpeg, "talk.mp4", "-c:v", "libx264", "-c:a", "aac", "-c:s", "mov_text")
    before = sorted(talk.iterdir()), (talk / "talk.mp4").read_bytes()
    told = run("fix", "talk.mp4", "--model", tiny_model, *options)
    assert told.code != 0
    assert words in told.error_line
    assert (sorted(talk.iterdir()), (talk / "talk.mp4").read_bytes()) == before


def test_what_a_container_has_no_place_for_is_told(run: Run, talk: Path, ffmpeg: FFmpeg, tiny_model: Path) -> None:
    source = filmed(ffmpeg, "talk.mkv", "-c:v", "libx264", "-c:a", "aac", "-c:s", "subrip")
    done = run("fix", source, "--model", tiny_model, "-o", talk / "out.mp4")
    assert "warning: not carried over, MP4 files have no place for it: subtitle (" in done.err
    assert packets(source, "v:0").split(",")[2::3] == packets(talk / "out.mp4", "v:0").split(",")[2::3]


def test_a_video_that_is_there_is_kept_and_nothing_half_written_is_left(run: Run, talk: Path, ffmpeg: FFmpeg, tiny_model: Path) -> None:
    source = ffmpeg(*VIDEO, "-i", "sound.wav", "-c:v", "libx264", "-c:a", "aac", "-movflags", "+faststart", "talk.mp4")
    (talk / "talk.declipped.mp4").write_bytes(b"mine")
    assert "exists; use --overwrite" in run("fix", source, "--model", tiny_model).error_line
    assert (talk / "talk.declipped.mp4").read_bytes() == b"mine"
    source.write_bytes(source.read_bytes()[:-500])
    assert "truncated" in run("fix", source, "--model", tiny_model, "--overwrite").error_line
    assert (talk / "talk.declipped.mp4").read_bytes() == b"mine"
    assert not list(talk.glob(".*"))
    assert run("fix", source, "--model", tiny_model, "--overwrite", "--truncated", "keep").code == 0
    assert recording_at(talk / "talk.declipped.mp4").frames > 0.5 * FRAMES


def test_the_same_video_comes_out_for_any_number_of_threads(run: Run, talk: Path, ffmpeg: FFmpeg, tiny_model: Path) -> None:
    source = filmed(ffmpeg, "talk.mkv", "-c:v", "libx264", "-c:a", "aac", "-c:s", "subrip")
    for jobs in ("1", "2"):
        assert run("fix", source, "--model", tiny_model, "-j", jobs, "-o", talk / f"{jobs}.mkv").code == 0
    assert (talk / "1.mkv").read_bytes() == (talk / "2.mkv").read_bytes()


def test_covers_and_tags_go_between_memos_and_other_files(run: Run, talk: Path, ffmpeg: FFmpeg, tiny_model: Path) -> None:
    cover = ffmpeg(*VIDEO, "-frames:v", "1", "cover.png")
    parts = ("-i", "sound.wav", "-i", cover, "-map", "0", "-map", "1", "-c:a", "aac", "-c:v", "copy", "-disposition:v:0", "attached_pic")
    memo = ffmpeg(*parts, "-metadata", "title=Memo", "memo.m4a")
    assert run("fix", memo, "--model", tiny_model).code == 0
    tags = wave.WAVE(talk / "memo.declipped.wav").tags
    assert isinstance(tags, id3.ID3)
    assert str(tags["TIT2"]) == "Memo"
    assert tags.getall("APIC")[0].data == cover.read_bytes()
    assert run("fix", memo, "--model", tiny_model, "-o", talk / "memo.declipped.m4a").code == 0
    again = MP4(talk / "memo.declipped.m4a")
    assert (talk / "memo.declipped.m4a").read_bytes()[8:12] == b"M4A "
    assert (again["\xa9nam"], bytes(again["covr"][0])) == (["Memo"], cover.read_bytes())
    assert run("fix", talk / "memo.declipped.wav", "--model", tiny_model, "-o", talk / "back.m4a").code == 0
    assert MP4(talk / "back.m4a")["\xa9nam"] == ["Memo"]


def test_peaks_of_an_unclipped_recording_are_kept_in_a_new_container(run: Run, talk: Path, tiny_model: Path) -> None:
    loud = write_audio(talk / "loud.wav", 1.6 * music(FRAMES), RATE, "FLOAT")
    done = run("fix", loud, "--model", tiny_model, "-o", talk / "loud.m4a", "--json")
    gain = 10 ** (json.loads(done.out)["gain_db"] / 20)
    assert gain == pytest.approx(1 / 1.6, rel=1e-3)
    assert np.abs(heard(talk / "loud.m4a") - gain * heard(loud)).max() < 2**-22


def test_a_memo_is_a_wav_for_what_reads_no_memos(talk: Path, ffmpeg: FFmpeg) -> None:
    memo = recording_at(ffmpeg("-i", "sound.wav", "-c:a", "aac", "memo.m4a"))
    (talk / "folder").mkdir()
    assert np.array_equal(heard(as_wav(memo, talk / "folder")), heard(memo.path))


def test_sound_after_a_gap_is_heard_when_it_was(tmp_path: Path) -> None:
    """Each packet begins at its time, and a gap is filled up with silence only to the end of a packet."""
    timeline = Timeline(8000, 0.001)
    for sample, time in ((0, 0.25), (10000, 3.0)):
        timeline.note(sample, time)
    form = MediaFormat("matroska", "flac")
    with av.open(tmp_path / "gap.mka", "w", format="matroska") as container:
        encoder = Encoder(add_sound(container, form, sample_rate=8000, channels=1), form, timeline)
        sound = np.full((20000, 1), 0.5, np.float32)
        for start in range(0, 20000, 700):
            container.mux(list(encoder.push(sound[start : start + 700])))
        container.mux(list(encoder.flush()))
    recording = recording_at(tmp_path / "gap.mka")
    assert isinstance(recording, MediaRecording)
    loud = np.flatnonzero(np.concatenate(list(recording.blocks()))[:, 0])
    times = [recording.timeline.at(int(sample)) for sample in loud]
    assert len(times) == 20000
    assert np.allclose(times[:10000], 0.25 + np.arange(10000) / 8000, atol=0.002)
    assert np.allclose(times[10000:], 3.0 + np.arange(10000) / 8000, atol=0.002)
