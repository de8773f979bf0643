"""Every format in and out, samples bit for bit, and never half a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import music, write_audio

from declipper.errors import InputError, OutputError
from declipper.files.formats import FORMATS, INTEGER_BITS, FileFormat, format_for
from declipper.files.mpeg import samples_in, tells_length
from declipper.files.recording import BLOCK, Recording
from declipper.files.writer import Writer, to_integers

LOSSY = {".ogg", ".oga", ".opus", ".mp3"}


def whole(path: Path) -> np.ndarray:
    return np.concatenate(list(Recording(path).blocks()))


def writer_of(target: Path, rate: int, channels: int, frames: int, subtype: str | None = None, wide: bool = False) -> Writer:
    chosen = format_for(target, sample_rate=rate, channels=channels, frames=frames, subtype=subtype, wide=wide)
    return Writer(target, chosen, sample_rate=rate, channels=channels, frames=frames)


def copy(source: Path, target: Path, subtype: str | None = None) -> Path:
    """Through our reader and our writer, and nothing else."""
    recording = Recording(source)
    wide = recording.dtype is np.float64
    with writer_of(target, recording.sample_rate, recording.channels, recording.frames, subtype, wide) as writer:
        for block in recording.blocks():
            writer.write(block)
        writer.finish()
        writer.place(overwrite=False)
    return target


def random_integers(bits: int, frames: int = 3000, channels: int = 2) -> np.ndarray:
    """Every value likely, both ends of the range surely, in the high bits of int32."""
    rng = np.random.default_rng(bits)
    values = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (frames, channels), dtype=np.int64)
    values[0], values[1] = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return (values << (32 - bits)).astype(np.int32)


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [
        *((".wav", s) for s in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32")),
        *((".rf64", s) for s in ("PCM_16", "PCM_24")),
        *((".w64", s) for s in ("PCM_16", "PCM_32")),
        *((".aiff", s) for s in ("PCM_S8", "PCM_16", "PCM_24", "PCM_32")),
        *((".au", s) for s in ("PCM_S8", "PCM_16", "PCM_24", "PCM_32")),
        *((".caf", s) for s in ("PCM_16", "PCM_24", "ALAC_16")),
        *((".flac", s) for s in ("PCM_S8", "PCM_16", "PCM_24")),
    ],
)
def test_integers_come_back_bit_for_bit(tmp_path: Path, suffix: str, subtype: str) -> None:
    data = random_integers(INTEGER_BITS[subtype])
    soundfile.write(tmp_path / f"in{suffix}", data, 48000, subtype, format=FORMATS[suffix][0])
    out = copy(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", subtype)
    assert soundfile.info(out).subtype == subtype
    np.testing.assert_array_equal(soundfile.read(out, dtype="int32")[0], data)
    # and as floats, losslessly, in the format's own usual type
    floats = copy(tmp_path / f"in{suffix}", tmp_path / "float.wav")
    np.testing.assert_array_equal(soundfile.read(floats, dtype="float64")[0] * 2.0**31, data)


@pytest.mark.parametrize("suffix", [".wav", ".wave", ".rf64", ".w64", ".aif", ".aiff", ".caf", ".au"])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floats_come_back_bit_for_bit_above_full_scale_too(tmp_path: Path, suffix: str, subtype: str) -> None:
    data = (3 * np.random.default_rng(1).standard_normal((2000, 2))).astype("f4" if subtype == "FLOAT" else "f8")
    data[:4, 0] = [-0.0, 1e-42, 1.0, -1.0]
    source = write_audio(tmp_path / "in.wav", data, subtype=subtype)
    out = copy(source, tmp_path / f"out{suffix}")
    info = soundfile.info(out)
    assert (info.format.removesuffix("EX"), info.subtype) == (FORMATS[suffix][0], subtype)
    assert soundfile.read(out, dtype=data.dtype.name)[0].tobytes() == data.tobytes()


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_every_format_reads_back(tmp_path: Path, suffix: str) -> None:
    audio = music(48000, peak=0.5)
    out = copy(write_audio(tmp_path / "in.wav", audio, 48000), tmp_path / f"out{suffix}")
    back = whole(out)
    assert back.shape[1] == 2
    assert len(back) == len(audio) if suffix not in LOSSY else len(back) >= len(audio)
    if suffix not in LOSSY:
        assert np.abs(back - audio).max() < 1e-6


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".caf", ".w64"])
@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (22050, 2), (96000, 6), (192000, 2), (44100, 8)])
def test_rates_and_channels(tmp_path: Path, suffix: str, rate: int, channels: int) -> None:
    audio = music(3000, channels, 0.9)
    out = copy(write_audio(tmp_path / "in.wav", audio, rate, "PCM_24"), tmp_path / f"out{suffix}", "PCM_24")
    info = soundfile.info(out)
    assert (info.samplerate, info.channels, info.frames) == (rate, channels, 3000)
    np.testing.assert_array_equal(soundfile.read(out, dtype="int32")[0], soundfile.read(tmp_path / "in.wav", dtype="int32")[0])


@pytest.mark.parametrize("channels", [2, 64])
def test_long_recordings_come_in_blocks_of_so_many_samples(tmp_path: Path, channels: int) -> None:
    audio = music(2 * BLOCK // channels + 17, channels)
    recording = Recording(write_audio(tmp_path / "in.wav", audio))
    blocks = list(recording.blocks())
    assert [len(b) for b in blocks] == [BLOCK // channels, BLOCK // channels, 17]
    np.testing.assert_array_equal(np.concatenate(blocks), audio.astype("f4"))


@pytest.mark.parametrize(("subtype", "dtype"), [("PCM_24", np.float32), ("PCM_32", np.float64), ("DOUBLE", np.float64)])
def test_blocks_are_as_wide_as_the_file(tmp_path: Path, subtype: str, dtype: type) -> None:
    recording = Recording(write_audio(tmp_path / "in.wav", music(100), subtype=subtype))
    assert recording.dtype is dtype
    assert next(recording.blocks()).dtype == dtype


def test_to_integers_rounds_and_holds_at_the_ends() -> None:
    values = np.array([[-1.5], [-1.0], [0.4 / 32768], [0.6 / 32768], [1.0], [2.0]])
    assert to_integers(values, 16).ravel().tolist() == [-32768, -32768, 0, 1, 32767, 32767]
    assert to_integers(values, 24).ravel().tolist() == [-(2**31), -(2**31), 102 * 256, 154 * 256, 2**31 - 256, 2**31 - 256]


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24"])
def test_integer_files_are_rounded_not_truncated(tmp_path: Path, subtype: str) -> None:
    step = 2.0 ** (1 - INTEGER_BITS[subtype])
    source = write_audio(tmp_path / "in.wav", step * np.array([[0.6], [-0.6], [0.4], [-0.4], [10.6], [-10.6]]), subtype="DOUBLE")
    back = soundfile.read(copy(source, tmp_path / "out.wav", subtype))[0]
    assert (back / step).tolist() == [1, -1, 0, 0, 11, -11]


def test_large_wav_becomes_rf64(tmp_path: Path) -> None:
    assert format_for(tmp_path / "big.wav", sample_rate=44100, channels=2, frames=600_000_000).container == "RF64"


def test_surround_wav_names_its_loudspeakers(tmp_path: Path) -> None:
    assert format_for(tmp_path / "surround.wav", sample_rate=44100, channels=6, frames=10).container == "WAVEX"
    assert format_for(tmp_path / "stereo.wav", sample_rate=44100, channels=2, frames=10, subtype="pcm_16") == FileFormat("WAV", "PCM_16")


@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype", "words"),
    [
        ("out.xyz", 44100, 2, None, "no output format named '.xyz'"),
        ("out", 44100, 2, None, "no ending that names a format"),
        ("out.flac", 44100, 2, "FLOAT", "FLAC cannot hold FLOAT; it takes PCM_S8, PCM_16, PCM_24"),
        ("out.wav", 44100, 2, "GARBAGE", "WAV cannot hold GARBAGE"),
        ("out.caf", 44100, 2, "ALAC_32", "CAF cannot hold ALAC_32"),
        ("out.opus", 44100, 2, None, "OPUS at 44100 Hz"),
        ("out.mp3", 44100, 6, None, "MPEG_LAYER_III at 44100 Hz with 6 channels"),
        ("none/out.wav", 44100, 2, None, "No such file or directory"),
        ("file/out.wav", 44100, 2, None, "No such file or directory" if os.name == "nt" else "Not a directory"),
    ],
)
def test_impossible_outputs(tmp_path: Path, name: str, rate: int, channels: int, subtype: str | None, words: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as raised:
        writer_of(tmp_path / name, rate, channels, 10, subtype)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def write_zeros(target: Path, frames: int, promised: int, meanwhile: Callable[[Writer], object], overwrite: bool = True) -> None:
    """Writes silence, with something happening between the last sample and the file's getting its name."""
    with writer_of(target, 44100, 1, promised) as writer:
        writer.write(np.zeros((frames, 1), np.float32))
        writer.finish()
        meanwhile(writer)
        writer.place(overwrite)


@pytest.mark.parametrize("trouble", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path: Path, trouble: type[BaseException]) -> None:
    target = tmp_path / "out.wav"
    target.write_bytes(b"precious")

    def fail(writer: Writer) -> None:
        assert sorted(tmp_path.iterdir()) == sorted([target, writer.part])
        raise trouble

    with pytest.raises(trouble):
        write_zeros(target, 5, 5, fail)
    assert target.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [target]


def test_too_few_frames_are_never_put_in_place(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="writing failed after 5 frames"):
        write_zeros(tmp_path / "out.wav", 5, 10, lambda writer: None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_lost_its_end_is_never_put_in_place(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is the disk full"):
        write_zeros(tmp_path / "out.wav", 1000, 1000, lambda writer: os.truncate(writer.part, 2000))
    assert list(tmp_path.iterdir()) == []


def test_a_name_taken_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "out.wav"
    with pytest.raises(OutputError, match="exists"):
        write_zeros(target, 1, 1, lambda writer: target.write_bytes(b"precious"), overwrite=False)
    assert target.read_bytes() == b"precious"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_new_file_has_the_permissions_the_user_gives_new_files(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_zeros(tmp_path / "out.wav", 1, 1, lambda writer: None)
    assert (tmp_path / "out.wav").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_same_samples_make_the_same_bytes(tmp_path: Path) -> None:
    """libsndfile writes the time into PEAK."""
    source = write_audio(tmp_path / "in.wav", music(100))
    for suffix in (".wav", ".aiff"):
        raw = copy(source, tmp_path / f"out{suffix}").read_bytes()
        at = raw.index(b"PEAK") + 12
        assert raw[at : at + 4] == b"\0\0\0\0"
        assert len(soundfile.read(tmp_path / f"out{suffix}")[0]) == 100


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_need_not_be_utf8_and_may_be_long(tmp_path: Path) -> None:
    source = write_audio(tmp_path / "in.wav", music(100))
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xe9.wav"))
    try:
        source.rename(odd)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    copy(odd, odd.with_name("n" * 251 + ".wav"))
    copy(odd, Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xfe.flac")))
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("suffix", [".wav", ".rf64", ".aiff", ".w64", ".au", ".caf", ".flac", ".mp3"])
def test_truncated(tmp_path: Path, suffix: str) -> None:
    container, subtype = FORMATS[suffix]
    path = write_audio(tmp_path / f"cut{suffix}", music(44100), subtype=subtype, format=container)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * 2 // 3])
    with pytest.raises(InputError) as raised:
        whole(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_a_wav_written_to_a_pipe_has_no_sizes_and_is_whole(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "in.wav", music(100), subtype="PCM_16")
    raw = bytearray(path.read_bytes())
    raw[4:8] = raw[40:44] = b"\xff" * 4
    assert raw[36:40] == b"data"
    path.write_bytes(raw)
    assert whole(path).shape == (100, 2)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.wav", b"", "is empty (0 bytes)"),
        ("text.wav", b"Dear diary, today", "not audio that libsndfile can read"),
        ("text.mp3", b"Dear diary, today", "not audio that libsndfile can read"),
        ("bare.raw", b"\0\1\2\3" * 100, "not audio that libsndfile can read"),
        ("stub.wav", b"RIFF\0\0\0\0WAVE", "not audio that libsndfile can read"),
        ("stub.flac", b"fLaC" + b"\0" * 60, "not audio that libsndfile can read"),
    ],
)
def test_what_is_not_audio(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as raised:
        Recording(tmp_path / name)
    assert str(raised.value).startswith(f"{tmp_path / name}: ")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(InputError, match="is a pipe or a device"):
        Recording(tmp_path / "pipe.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_a_number_is_named_by_its_place(tmp_path: Path, value: float) -> None:
    audio = music(BLOCK // 2 + 100)
    audio[BLOCK // 2 + 7, 1] = value
    path = write_audio(tmp_path / "nan.wav", audio)
    with pytest.raises(InputError, match=rf"sample {BLOCK // 2 + 7} of channel 2 is {value}; repair"):
        whole(path)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 32000, 44100, 48000])
def test_mp3_frames_are_counted(tmp_path: Path, rate: int) -> None:
    path = write_audio(tmp_path / "a.mp3", music(2 * rate, peak=0.5), rate, "MPEG_LAYER_III", "MP3")
    assert 2 * rate <= samples_in(path) <= 2 * rate + 4 * 1152
    path.write_bytes(b"ID3\x04\0\0\0\0\1\0" + b"\xff\xfb\x90\0" * 32 + path.read_bytes() + b"TAG" + b"\0" * 125)
    assert 2 * rate <= samples_in(path) <= 2 * rate + 4 * 1152
    assert abs(Recording(path).frames - 2 * rate) < 4 * 1152


def test_an_mp3_that_tells_no_length_and_holds_a_picture_is_read_whole(tmp_path: Path) -> None:
    raw = write_audio(tmp_path / "a.mp3", music(3 * 44100, peak=0.5), 44100, "MPEG_LAYER_III", "MP3").read_bytes()
    assert tells_length(tmp_path / "a.mp3")
    first = raw.index(b"\xff\xfb")
    second = raw.index(b"\xff\xfb", first + 100)
    tag = b"ID3\x04\0\0" + bytes([0, 18, 0, 0])
    (tmp_path / "a.mp3").write_bytes(tag + bytes(18 << 14) + raw[second:])
    assert not tells_length(tmp_path / "a.mp3")
    recording = Recording(tmp_path / "a.mp3")
    assert sum(map(len, recording.blocks())) == recording.frames
    assert recording.frames == pytest.approx(3 * 44100, abs=4000)
    (tmp_path / "a.mp3").write_bytes(raw[:5000])
    with pytest.raises(InputError, match="copy it again"):
        for _ in Recording(tmp_path / "a.mp3").blocks():
            pass


def test_an_mp3_that_hides_its_length_is_not_cut_short(tmp_path: Path) -> None:
    """Two files in a row: the header of the first tells the length of the first."""
    raw = write_audio(tmp_path / "a.mp3", music(3 * 44100, peak=0.5), 44100, "MPEG_LAYER_III", "MP3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(raw * 2)
    with pytest.raises(InputError, match=r"false length: libsndfile would read 3\.\d s of its 6\.\d s"):
        Recording(tmp_path / "a.mp3")


def test_a_damaged_mp3_costs_an_input_error(tmp_path: Path) -> None:
    raw = write_audio(tmp_path / "a.mp3", music(44100, peak=0.5), 44100, "MPEG_LAYER_III", "MP3").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(raw)
        for place in rng.integers(0, 4000, 40):
            damaged[place] = rng.integers(256)
        (tmp_path / "b.mp3").write_bytes(damaged[: int(rng.integers(100, len(raw)))])
        with suppress(InputError):
            whole(tmp_path / "b.mp3")
