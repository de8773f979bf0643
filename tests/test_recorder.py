"""A growing recording is a valid float WAV at every moment, whatever becomes of the program."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from declipper.errors import OutputError
from declipper.files.sizes import missing_bytes
from declipper.live.recorder import HEADER, GrowingWav, Recorder, Take, raw_name, wav_header
from declipper.live.ring_buffer import Timeline


def noise(frames: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.8, (frames, channels)).astype(np.float32)


def recorder_of(take: Take, dry: Timeline, restored: Timeline) -> Recorder:
    return Recorder(take, dry=dry, restored=restored, sample_rate=48000)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_readable_after_every_write(channels: int, tmp_path: Path) -> None:
    path, audio = tmp_path / "take.wav", noise(3000, channels)
    file = GrowingWav(path, sample_rate=48000, channels=channels)
    assert soundfile.info(path).frames == 0
    for begin in range(0, 3000, 1000):
        file.write(audio[begin : begin + 1000])
        read, rate = soundfile.read(path, dtype="float32", always_2d=True)
        assert rate == 48000
        assert np.array_equal(read, audio[: begin + 1000])
        assert missing_bytes(path) == 0
    file.close()
    assert soundfile.info(path).subtype == "FLOAT"


def test_a_header_for_more_than_four_gigabytes_is_rf64() -> None:
    frames = 1 << 30
    header = wav_header(48000, 2, frames=frames)
    assert len(header) == len(wav_header(48000, 2, frames=0)) == HEADER
    assert header[:4] == b"RF64"
    assert header[12:16] == b"ds64"
    assert struct.unpack("<QQQ", header[20:44]) == (frames * 8 + HEADER - 8, frames * 8, frames)


def test_a_sparse_file_of_five_gigabytes_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    frames = 650_000_000
    try:
        with path.open("wb") as file:
            file.write(wav_header(48000, 2, frames=frames))
            file.truncate(HEADER + frames * 8)
    except OSError:
        pytest.skip("no sparse files here")
    assert soundfile.info(path).frames == frames


def test_killed_while_recording(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    script = f"""
import numpy as np, pathlib, itertools
from declipper.live.recorder import GrowingWav
file = GrowingWav(pathlib.Path({str(path)!r}), sample_rate=48000, channels=2)
for number in itertools.count():
    file.write(np.full((4800, 2), number, np.float32))
"""
    process = subprocess.Popen([sys.executable, "-c", script])
    end = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size > 1 << 20) and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    audio, _ = soundfile.read(path, dtype="float32")
    assert len(audio) >= (1 << 20) // 8 - 4800
    assert np.array_equal(audio[:, 0], np.arange(len(audio)) // 4800)
    assert (path.stat().st_size - HEADER) // 8 - len(audio) <= 4800


def test_both_tracks_from_timelines(tmp_path: Path) -> None:
    dry, restored = Timeline(1000, 2), Timeline(1000, 2)
    recorder = recorder_of(Take(tmp_path / "take.wav"), dry, restored)
    a, b = noise(2500), noise(2500, seed=1)
    for begin in range(0, 2500, 500):
        dry.write(a[begin : begin + 500])
        restored.write(b[max(0, begin - 300) : begin + 200])
        recorder.step()
    assert recorder.frames == 2200
    recorder.close(2000)
    for path, audio in ((tmp_path / "take.wav", b), (tmp_path / "take.raw.wav", a)):
        read, _ = soundfile.read(path, dtype="float32")
        assert np.array_equal(read, audio[:2000])
        assert missing_bytes(path) == 0


def test_what_is_replaced_stays_until_the_first_sound(tmp_path: Path) -> None:
    dry, restored = Timeline(1000, 1), Timeline(1000, 1)
    path = tmp_path / "take.wav"
    path.write_bytes(b"old")
    raw_name(path).write_bytes(b"old too")
    recorder = recorder_of(Take(path, overwrite=True), dry, restored)
    recorder.step()
    assert (path.read_bytes(), raw_name(path).read_bytes()) == (b"old", b"old too")
    audio = noise(800, 1)
    dry.write(audio)
    restored.write(audio)
    recorder.step()
    assert soundfile.info(path).frames == 800  # at once, and not only when all is over
    recorder.close()
    for name in path, raw_name(path):
        assert np.array_equal(soundfile.read(name, dtype="float32", always_2d=True)[0], audio)
    assert sorted(tmp_path.iterdir()) == sorted([path, raw_name(path)])


def test_a_disk_that_is_too_slow_ends_the_recording_and_keeps_it(tmp_path: Path) -> None:
    dry, restored = Timeline(1000, 1), Timeline(1000, 1)
    recorder = recorder_of(Take(tmp_path / "take.wav"), dry, restored)
    dry.write(noise(800, 1))
    restored.write(noise(800, 1))
    recorder.step()
    for _ in range(2):
        restored.write(noise(900, 1))
    recorder.step()
    recorder.step()
    assert recorder.error is not None
    assert "too slow" in str(recorder.error)
    recorder.close()
    assert soundfile.info(tmp_path / "take.wav").frames == 800


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """Files may not grow beyond a size, which the system tells as it tells a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        with pytest.raises(OutputError, match=r"writing failed after 0\.0 s .* what was recorded is safe"):
            GrowingWav(tmp_path / "full.wav", sample_rate=48000, channels=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("overwrite", [False, True])
def test_pipes_and_devices_are_not_recorded_into(tmp_path: Path, overwrite: bool) -> None:
    """Nor through a link; a file that a link leads to is replaced, and the link stays."""
    pipe, device, folder = (tmp_path / f"{name}.wav" for name in ("pipe", "device", "folder"))
    os.mkfifo(pipe)
    device.symlink_to("/dev/null")
    folder.mkdir()
    for path, said in ((pipe, "is a pipe or a device"), (device, "is a pipe or a device"), (folder, "is a folder")):
        with pytest.raises(OutputError, match=said):
            GrowingWav(path, sample_rate=48000, channels=1, overwrite=overwrite)
    assert sorted(tmp_path.iterdir()) == [device, folder, pipe]
    take, link = tmp_path / "take.wav", tmp_path / "link.wav"
    take.write_bytes(b"old")
    link.symlink_to(take)
    file = GrowingWav(link, sample_rate=48000, channels=1, overwrite=True)
    file.write(noise(100, 1))
    file.close()
    assert link.is_symlink()
    assert soundfile.info(take).frames == 100


def test_never_overwrites_unasked_and_leaves_nothing_behind(tmp_path: Path) -> None:
    dry, restored = Timeline(10, 1), Timeline(10, 1)
    path = tmp_path / "take.wav"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"exists; use --overwrite"):
        recorder_of(Take(path), dry, restored)
    assert path.read_bytes() == b"precious"
    assert not raw_name(path).exists()
    recorder_of(Take(path, overwrite=True), dry, restored).close()
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]
    raw_name(path).mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        recorder_of(Take(path, overwrite=True), dry, restored)
    assert path.read_bytes() == b"precious"
    raw_name(path).rmdir()
    with pytest.raises(OutputError, match=r"ends in \.wav"):
        GrowingWav(tmp_path / "take.flac", sample_rate=48000, channels=1)
    with pytest.raises(OutputError, match="cannot be written"):
        GrowingWav(tmp_path / "nowhere" / "take.wav", sample_rate=48000, channels=1)


def test_both_recordings_of_a_long_name_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / ("take" * 15 + ".wav")
    for old in path, raw_name(path):
        old.write_bytes(b"old")
    dry, restored = Timeline(1000, 1), Timeline(1000, 1)
    recorder = recorder_of(Take(path, overwrite=True), dry, restored)
    a, b = noise(800, 1), noise(800, 1, seed=1)
    dry.write(a)
    restored.write(b)
    recorder.step()
    recorder.close()
    assert recorder.error is None
    for name, audio in ((path, b), (raw_name(path), a)):
        assert np.array_equal(soundfile.read(name, dtype="float32", always_2d=True)[0], audio)
    assert sorted(tmp_path.iterdir()) == sorted([path, raw_name(path)])


def test_no_stump_stays_where_not_even_the_header_has_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GrowingWav, "_put", lambda *_: (_ for _ in ()).throw(OutputError("disk full")))
    with pytest.raises(OutputError, match="disk full"):
        recorder_of(Take(tmp_path / "take.wav"), Timeline(10, 1), Timeline(10, 1))
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_reach_the_disk_is_told_and_the_other_track_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dry, restored = Timeline(1000, 1), Timeline(1000, 1)
    recorder = recorder_of(Take(tmp_path / "take.wav"), dry, restored)
    for line in dry, restored:
        line.write(noise(800, 1))
    recorder.step()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    recorder.close(500)
    assert f"{tmp_path / 'take.wav'}: may not all be on the disk (Input/output error)" in str(recorder.error)
    assert soundfile.info(tmp_path / "take.wav").frames == soundfile.info(tmp_path / "take.raw.wav").frames == 500
