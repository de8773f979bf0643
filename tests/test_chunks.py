"""Chunks go over byte for byte, and the file stays readable."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import Run, clipped, music, write_audio
from mutagen import flac

from declipper.files import chunks
from declipper.files.chunks import copy_chunks, family
from declipper.files.sizes import missing_bytes
from declipper.files.tags import copy_metadata

BEXT = (b"bext", b"Field recorder 7".ljust(602, b"\0") + b"A=PCM,F=48000,W=24,M=stereo\r\n")
CUE = (b"cue ", struct.pack("<IIIIIII", 1, 1, 10, 0x61746164, 0, 0, 10))
INFO = (b"LIST", b"INFOIART" + struct.pack("<I", 5) + b"Anna\0\0" + b"INAM" + struct.pack("<I", 4) + b"Rain")
ADTL = (b"LIST", b"adtllabl" + struct.pack("<II", 9, 1) + b"four\0\0")
IXML = (b"iXML", "<BWFXML><NOTE>größer</NOTE></BWFXML>".encode())
ODD = (b"odd!", b"123")
RIFF_CHUNKS = [BEXT, CUE, INFO, ADTL, IXML, ODD]
AIFF_CHUNKS = [
    (b"MARK", struct.pack(">HHI", 1, 1, 10) + b"\4mark\0"),
    (b"NAME", b"Odd"),
    (b"AUTH", b"Anna"),
    (b"(c) ", b"2024 Anna"),
    (b"ANNO", b"a note"),
]


def walk(path: Path) -> list[tuple[bytes, bytes]]:
    """All chunks, read strictly: sizes must add up to the whole file."""
    raw = path.read_bytes()
    order = ">" if raw[:4] == b"FORM" else "<"
    size = struct.unpack(order + "I", raw[4:8])[0]
    if raw[:4] == b"RF64":
        size, data_size = struct.unpack("<QQ", raw[20:36])
    assert size == len(raw) - 8
    found, at = [], 12
    while at < len(raw):
        name, length = struct.unpack(order + "4sI", raw[at : at + 8])
        if name == b"data" and length == 0xFFFFFFFF:
            length = data_size
        found.append((name, raw[at + 8 : at + 8 + length]))
        assert len(found[-1][1]) == length
        at += 8 + length + length % 2
    assert at == len(raw)
    return found


def with_chunks(path: Path, extra: list[tuple[bytes, bytes]], ahead: list[tuple[bytes, bytes]] | None = None) -> Path:
    """Insert chunks before all others and append chunks to a file, by hand."""
    raw = path.read_bytes()
    order = ">" if raw[:4] == b"FORM" else "<"

    def packed(part: list[tuple[bytes, bytes]]) -> bytes:
        return b"".join(struct.pack(order + "4sI", n, len(c)) + c + b"\0" * (len(c) % 2) for n, c in part)

    raw = raw[:12] + packed(ahead or []) + raw[12:] + packed(extra)
    path.write_bytes(raw[:4] + struct.pack(order + "I", len(raw) - 8) + raw[8:])
    return path


@pytest.mark.parametrize("frames", [100, 101])
@pytest.mark.parametrize(
    ("name", "channels", "subtype", "format"),
    [
        ("out.wav", 1, "FLOAT", "WAV"),
        ("out.wav", 1, "PCM_U8", "WAV"),
        ("out.wav", 1, "PCM_24", "WAV"),
        ("out.wav", 6, "FLOAT", "WAVEX"),
        ("out.rf64", 1, "PCM_24", "RF64"),
    ],
)
def test_riff_chunks_go_over(tmp_path: Path, name: str, channels: int, subtype: str, format: str, frames: int) -> None:
    audio = music(frames, channels, 0.9)
    source = with_chunks(write_audio(tmp_path / "in.wav", audio, subtype=subtype), RIFF_CHUNKS[2:], ahead=RIFF_CHUNKS[:2])
    target = write_audio(tmp_path / name, audio, subtype=subtype, format=format)
    before = soundfile.read(target)[0]
    assert copy_chunks(source, target)
    found = walk(target)
    assert [c for c in found if c[0] not in chunks.AUDIO_CHUNKS] == RIFF_CHUNKS
    np.testing.assert_array_equal(soundfile.read(target)[0], before)
    if format != "RF64":  # libsndfile does not look for it there
        with soundfile.SoundFile(target) as file:
            assert (file.artist, file.title) == ("Anna", "Rain")
    assert missing_bytes(target) == 0


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_aiff_chunks_go_over(tmp_path: Path, subtype: str) -> None:
    audio = music(101, 1, 0.9)
    source = with_chunks(write_audio(tmp_path / "in.aiff", audio, subtype="PCM_24"), AIFF_CHUNKS)
    target = write_audio(tmp_path / "out.aiff", audio, subtype=subtype)
    assert copy_chunks(source, target)
    assert [c for c in walk(target) if c[0] not in chunks.AUDIO_CHUNKS] == AIFF_CHUNKS
    assert soundfile.info(target).frames == 101


def test_chunks_about_the_samples_stay_behind(tmp_path: Path) -> None:
    source = with_chunks(
        write_audio(tmp_path / "in.wav", music(10)), [(b"MD5 ", b"0" * 16), (b"levl", b"0" * 120), (b"JUNK", b"0" * 28), ODD]
    )
    target = write_audio(tmp_path / "out.wav", music(10))
    names = [name for name, _ in walk(target)]
    copy_chunks(source, target)
    assert [name for name, _ in walk(target)] == [*names, b"odd!"]


def test_loudspeakers_of_the_channels_stay(tmp_path: Path) -> None:
    source = write_audio(tmp_path / "in.wav", music(10, 6), format="WAVEX")
    raw = bytearray(source.read_bytes())
    assert raw[12:16] == b"fmt "
    raw[40:44] = struct.pack("<I", 0x60F)  # 5.1 with side instead of back loudspeakers
    source.write_bytes(raw)
    target = write_audio(tmp_path / "out.wav", music(10, 6), format="WAVEX")
    copy_chunks(source, target)
    assert target.read_bytes()[40:44] == struct.pack("<I", 0x60F)
    assert soundfile.info(target).channels == 6


def test_different_families(tmp_path: Path) -> None:
    wav, aiff = write_audio(tmp_path / "a.wav", music(10)), write_audio(tmp_path / "a.aiff", music(10))
    flac = write_audio(tmp_path / "a.flac", music(10), subtype="PCM_16")
    assert [family(p) for p in (wav, aiff, flac)] == ["RIFF", "AIFF", ""]
    assert not copy_chunks(wav, aiff)
    assert not copy_chunks(flac, flac)


def test_a_file_must_not_outgrow_its_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "LARGEST_RIFF", 2000)
    source = with_chunks(write_audio(tmp_path / "in.wav", music(10)), [(b"big!", b"0" * 4000)])
    target = write_audio(tmp_path / "out.wav", music(10))
    before = target.read_bytes()
    with pytest.raises(ValueError, match=r"name it \.rf64"):
        copy_chunks(source, target)
    assert target.read_bytes() == before


@pytest.mark.parametrize("rubbish", [b"\0\0\0\0\0", b"\x80\x81\x82\x83\xff\xff\xff\xff", b"ds64\4\0\0\0abcd", b"huge\xf0\xff\xff\xff12"])
def test_rubbish_at_the_end_does_no_harm(tmp_path: Path, rubbish: bytes) -> None:
    source = with_chunks(write_audio(tmp_path / "in.wav", music(10)), [ODD])
    source.write_bytes(source.read_bytes() + rubbish)
    target = write_audio(tmp_path / "out.wav", music(10))
    copy_chunks(source, target)
    assert ODD in walk(target)
    assert missing_bytes(source) == 0


@pytest.mark.parametrize(("suffix", "format"), [(".wav", "WAV"), (".rf64", "RF64"), (".aiff", "AIFF"), (".w64", "W64"), (".au", "AU")])
def test_missing_bytes(tmp_path: Path, suffix: str, format: str) -> None:
    path = write_audio(tmp_path / f"a{suffix}", music(1000), format=format)
    assert missing_bytes(path) == 0
    raw = path.read_bytes()
    path.write_bytes(raw[:-1234])
    assert missing_bytes(path) == 1234


@pytest.mark.parametrize(("suffix", "subtype"), [(".mp3", "MPEG_LAYER_III"), (".ogg", "VORBIS"), (".aiff", "PCM_24"), (".caf", "FLOAT")])
def test_chunks_that_have_no_place_are_named(tmp_path: Path, suffix: str, subtype: str) -> None:
    source = with_chunks(write_audio(tmp_path / "in.wav", music(3000, 1)), [BEXT, CUE, ADTL, IXML])
    target = write_audio(tmp_path / f"out{suffix}", music(3000, 1), subtype=subtype)
    (said,) = copy_metadata(source, target)
    assert said.endswith("files have no place for it: bext, cue, labels, iXML")


def test_flac_keeps_chunks_as_its_reference_encoder_does(tmp_path: Path) -> None:
    """One APPLICATION block named riff for each chunk, the RIFF header first, of `data` the header alone: together a WAV without audio."""
    source = with_chunks(write_audio(tmp_path / "in.wav", music(3001, 1)), RIFF_CHUNKS)
    target = write_audio(tmp_path / "out.flac", music(3001, 1), subtype="PCM_24")
    audio = soundfile.read(target)[0]
    assert copy_metadata(source, target) == []
    blocks = [block.write() for block in flac.FLAC(target).metadata_blocks if block.code == 2]
    assert {block[:4] for block in blocks} == {b"riff"}
    wav = tmp_path / "again.wav"
    wav.write_bytes(b"".join(block[4:] for block in blocks) + bytes(3001 * 3 + 1))
    found = walk(wav)
    assert [c for c in found if c[0] not in (b"fmt ", b"data")] == [c for c in RIFF_CHUNKS if c != INFO]
    assert (soundfile.info(wav).frames, soundfile.info(wav).subtype) == (3001, "PCM_24")
    np.testing.assert_array_equal(soundfile.read(target)[0], audio)


@pytest.mark.parametrize("suffix", [".wav", ".rf64"])
def test_chunks_come_back_from_flac(fix: Run, tmp_path: Path, suffix: str) -> None:
    """WAV to FLAC to WAV; what was a tag comes back as a tag."""
    source = with_chunks(write_audio(tmp_path / "in.wav", music(3001, 1), subtype="PCM_16"), RIFF_CHUNKS)
    assert fix(source, "-o", tmp_path / "kept.flac").code == 0
    outcome = fix(tmp_path / "kept.flac", "-o", tmp_path / f"back{suffix}")
    assert outcome.code == 0
    assert "place for it" not in outcome.err
    back = walk(tmp_path / f"back{suffix}")
    assert [c for c in back if c in RIFF_CHUNKS] == [c for c in RIFF_CHUNKS if c != INFO]
    assert soundfile.info(tmp_path / f"back{suffix}").frames == 3001
    assert (
        "not carried over, AIFF files have no place for it: bext, cue, labels, iXML, odd!"
        in fix(tmp_path / "kept.flac", "-o", tmp_path / "back.aiff").err
    )


@pytest.mark.parametrize("block", [b"riff", b"riffbext\xff\xff\xff\xffabc", b"riffcue", b"else1234567890ab"])
def test_application_blocks_that_are_no_chunks_do_no_harm(tmp_path: Path, block: bytes) -> None:
    source, target = write_audio(tmp_path / "in.flac", music(301, 1), subtype="PCM_16"), write_audio(tmp_path / "out.wav", music(301, 1))
    file, before = flac.FLAC(source), target.read_bytes()
    odd = flac.MetadataBlock(block)
    odd.code = 2
    file.metadata_blocks.append(odd)
    file.save()
    copy_metadata(source, target)
    assert target.read_bytes() == before


def test_the_loudness_in_bext_is_that_of_other_samples(tmp_path: Path) -> None:
    bext = bytearray(BEXT[1])
    bext[346:348], bext[412:422] = struct.pack("<H", 2), struct.pack("<5h", -2300, 700, -100, -2000, -2100)
    source = with_chunks(write_audio(tmp_path / "in.wav", music(100, 1)), [(b"bext", bytes(bext))])
    for changed, expected in ((False, [-2300, 700, -100, -2000, -2100]), (True, [0x7FFF] * 5)):
        target = write_audio(tmp_path / "out.wav", music(100, 1))
        copy_chunks(source, target, changed=changed)
        (content,) = (content for name, content in walk(target) if name == b"bext")
        assert list(struct.unpack("<5h", content[412:422])) == expected
        assert content[:412] == bext[:412]


def test_ambisonic_files_stay_ambisonic(tmp_path: Path) -> None:
    source = write_audio(tmp_path / "in.wav", music(10, 4), format="WAVEX")
    chunks.mark_ambisonic(source)
    assert bytes.fromhex("03000000 2107d311 8644c8c1 ca000000") in source.read_bytes()
    target = write_audio(tmp_path / "out.wav", music(10, 4), subtype="PCM_24", format="WAVEX")
    copy_chunks(source, target)
    assert bytes.fromhex("01000000 2107d311 8644c8c1 ca000000") in target.read_bytes()
    assert target.read_bytes()[40:44] == bytes(4)
    assert soundfile.info(target).channels == 4


def test_amb_is_ambisonic(fix: Run, tmp_path: Path) -> None:
    source = write_audio(tmp_path / "in.flac", clipped(3000, 4), subtype="PCM_16")
    assert fix(source, "-o", tmp_path / "out.amb").code == 0
    assert bytes.fromhex("03000000 2107d311 8644c8c1 ca000000") in (tmp_path / "out.amb").read_bytes()
    assert soundfile.info(tmp_path / "out.amb").frames == 3000
