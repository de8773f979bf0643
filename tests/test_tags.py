"""Tags and pictures survive every way from format to format."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
import soundfile
from conftest import calls, music, write_audio
from mutagen import flac, id3
from mutagen.wave import WAVE

from declipper.files.formats import FORMATS
from declipper.files.tags import copy_metadata

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
TEXTS = {
    "title": ["Größe"],
    "artist": ["Anna", "Bert"],
    "tracknumber": ["3/12"],
    "date": ["2024"],
    "comment": ["a note"],
    "mood_of_it": ["wet"],
}


def blank(path: Path) -> Path:
    container, subtype = FORMATS[path.suffix]
    return write_audio(path, music(4800, peak=0.5), 48000, subtype, format=container)


def picture() -> Any:
    made = flac.Picture()
    made.data, made.type, made.mime, made.desc = PICTURE, 3, "image/png", "cover"
    return made


def tagged(path: Path) -> Path:
    """Titles, a name of nobody's standard, and a cover, in the way of the format."""
    file: Any = mutagen.File(blank(path))
    if path.suffix in (".mp3", ".wav", ".aiff"):
        if file.tags is None:
            file.add_tags()
        for frame in (
            id3.TIT2(encoding=3, text=TEXTS["title"]),
            id3.TPE1(encoding=3, text=TEXTS["artist"]),
            id3.TRCK(encoding=3, text=TEXTS["tracknumber"]),
            id3.TDRC(encoding=3, text=TEXTS["date"]),
            id3.COMM(encoding=3, lang="eng", desc="", text=TEXTS["comment"]),
            id3.TXXX(encoding=3, desc="mood_of_it", text=TEXTS["mood_of_it"]),
            id3.APIC(encoding=3, mime="image/png", type=3, desc="cover", data=PICTURE),
            id3.PRIV(owner="someone", data=b"\0\1\2"),
        ):
            file.tags.add(frame)
    else:
        for key, values in TEXTS.items():
            file[key] = values
        if path.suffix == ".flac":
            file.add_picture(picture())
        else:
            file["metadata_block_picture"] = [base64.b64encode(picture().write()).decode()]
    file.save()
    return path


def assert_tagged(path: Path) -> None:
    file: Any = mutagen.File(path)
    if isinstance(file.tags, id3.ID3):
        frames = file.tags
        assert [str(t) for t in frames["TIT2"].text] == TEXTS["title"]
        assert frames["TPE1"].text == TEXTS["artist"]
        assert str(frames["TRCK"]) == "3/12"
        assert str(frames["TDRC"]) == "2024"
        assert frames.getall("COMM")[0].text == TEXTS["comment"]
        assert frames["TXXX:mood_of_it"].text == TEXTS["mood_of_it"]
        assert frames.getall("APIC")[0].data == PICTURE
    else:
        assert {key: file[key] for key in TEXTS} == TEXTS
        pictures = file.pictures if isinstance(file, flac.FLAC) else [flac.Picture(base64.b64decode(file["metadata_block_picture"][0]))]
        assert [(p.data, p.mime, p.type, p.desc) for p in pictures] == [(PICTURE, "image/png", 3, "cover")]


@pytest.mark.parametrize("target", [".wav", ".aiff", ".flac", ".ogg", ".opus", ".mp3"])
@pytest.mark.parametrize("source", [".wav", ".aiff", ".flac", ".ogg", ".opus", ".mp3"])
def test_tags_from_every_format_to_every_format(tmp_path: Path, source: str, target: str) -> None:
    before, after = tagged(tmp_path / f"in{source}"), blank(tmp_path / f"out{target}")
    samples = soundfile.read(after)[0]
    assert copy_metadata(before, after) == []
    assert_tagged(after)
    np.testing.assert_array_equal(soundfile.read(after)[0], samples)


def test_id3_frames_without_an_equal_go_over_too(tmp_path: Path) -> None:
    target = blank(tmp_path / "out.wav")
    copy_metadata(tagged(tmp_path / "in.mp3"), target)
    assert WAVE(target).tags.getall("PRIV")[0].data == b"\0\1\2"


def test_flac_blocks_go_over(tmp_path: Path) -> None:
    source, target = tagged(tmp_path / "in.flac"), blank(tmp_path / "out.flac")
    file: Any = flac.FLAC(source)
    sheet = flac.CueSheet(None)
    sheet.media_catalog_number = b"1234567890123"
    sheet.tracks = [flac.CueSheetTrack(1, 0), flac.CueSheetTrack(170, 4800)]
    sheet.tracks[0].indexes = [flac.CueSheetTrackIndex(1, 0)]
    application = flac.MetadataBlock(b"riff-and-so-on")
    application.code = 2
    file.metadata_blocks += [sheet, application]
    file.tags.append(("MusicBrainz_TrackID", "abc"))
    file.save()
    encoder = flac.FLAC(target).tags.vendor
    copy_metadata(source, target)
    copied: Any = flac.FLAC(target)
    assert_tagged(target)
    assert ("MusicBrainz_TrackID", "abc") in list(copied.tags)
    assert copied.cuesheet == flac.FLAC(source).cuesheet
    assert copied.cuesheet.media_catalog_number == b"1234567890123"
    assert [b.write() for b in copied.metadata_blocks if b.code == 2] == [b"riff-and-so-on"]
    assert copied.tags.vendor == encoder
    assert soundfile.info(target).frames == 4800


def test_wav_info_and_aiff_texts_become_tags(tmp_path: Path) -> None:
    for suffix in (".wav", ".aiff"):
        source = tmp_path / f"in{suffix}"
        with soundfile.SoundFile(source, "w", 48000, 1, "PCM_16") as file:
            file.title, file.artist = "Rain", "Anna"
            file.write(np.zeros(100))
        target = blank(tmp_path / f"out{suffix}.flac")
        copy_metadata(source, target)
        assert (flac.FLAC(target)["title"], flac.FLAC(target)["artist"]) == (["Rain"], ["Anna"])


@pytest.mark.parametrize("suffix", [".caf", ".w64", ".au", ".rf64"])
def test_formats_without_a_place_for_tags_say_so(tmp_path: Path, suffix: str) -> None:
    target = blank(tmp_path / f"out{suffix}")
    before = target.read_bytes()
    assert copy_metadata(blank(tmp_path / "untagged.flac"), target) == []
    (said,) = copy_metadata(tagged(tmp_path / "in.flac"), target)
    assert f"{suffix[1:].upper()} files have no place for them" in said
    assert target.read_bytes() == before


def test_names_that_vorbis_comments_cannot_have_are_left_out(tmp_path: Path) -> None:
    source = tagged(tmp_path / "in.mp3")
    file: Any = mutagen.File(source)
    file.tags.add(id3.TXXX(encoding=3, desc="größe=", text=["x"]))
    file.save()
    target = blank(tmp_path / "out.flac")
    assert copy_metadata(source, target) == []
    assert_tagged(target)


def test_untagged(tmp_path: Path) -> None:
    target = blank(tmp_path / "out.wav")
    before = target.read_bytes()
    for suffix in (".flac", ".ogg", ".mp3", ".caf", ".w64"):
        assert copy_metadata(blank(tmp_path / f"in{suffix}"), target) == []
    assert target.read_bytes() == before


def gained(path: Path) -> Path:
    """A tagged file whose gains and peaks were measured."""
    file: Any = mutagen.File(tagged(path))
    if isinstance(file.tags, id3.ID3):
        file.tags.add(id3.TXXX(encoding=3, desc="REPLAYGAIN_TRACK_GAIN", text=["-9.00 dB"]))
        file.tags.add(id3.RVA2(desc="track", channel=1, gain=-9.0, peak=0.5))
        file.tags.add(id3.COMM(encoding=0, lang="eng", desc="iTunNORM", text=[" 00000401"]))
    else:
        file["replaygain_track_gain"], file["REPLAYGAIN_album_peak"], file["R128_TRACK_GAIN"] = ["-9.00 dB"], ["0.5"], ["-2000"]
    file.save()
    return path


@pytest.mark.parametrize("target", [".wav", ".aiff", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("source", [".wav", ".aiff", ".flac", ".ogg", ".mp3"])
def test_gains_of_other_samples_are_left_out(tmp_path: Path, source: str, target: str) -> None:
    before, after = gained(tmp_path / f"in{source}"), blank(tmp_path / f"out{target}")
    (said,) = copy_metadata(before, after, changed=True)
    assert "ReplayGain, R128" in said
    assert_tagged(after)
    names = " ".join(map(str, mutagen.File(after).tags)).lower()
    assert not [word for word in ("replaygain", "r128", "rva2", "itunnorm") if word in names]
    kept = blank(tmp_path / f"kept{target}")
    assert copy_metadata(before, kept) == []
    assert {"replaygain_track_gain", "rva2:track"} & set(" ".join(map(str, mutagen.File(kept).tags)).lower().replace("'", " ").split(" "))


def commented(tmp_path: Path, count: int) -> int:
    """The work of copying so many comments, in calls of functions."""
    source, target = blank(tmp_path / "in.flac"), blank(tmp_path / "out.ogg")
    file: Any = mutagen.File(source)
    if file.tags is None:
        file.add_tags()
    file.tags.extend((f"key{n % (count // 2)}", f"word {n}") for n in range(count))
    file.save()
    work = calls(lambda: copy_metadata(source, target))
    assert len(mutagen.File(target).tags) >= count
    return work


def test_the_work_of_copying_comments_grows_as_their_number(tmp_path: Path) -> None:
    assert commented(tmp_path, 2400) < 5 * commented(tmp_path, 600)
