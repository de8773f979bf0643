"""Tags and pictures from one audio file to another, across formats."""

# mutagen has no types
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import base64
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import mutagen
import soundfile
from mutagen import flac, id3
from mutagen.easyid3 import EasyID3, EasyID3KeyError

from declipper.files.chunks import LARGEST_RIFF, append_chunks, copy_chunks, described, family, foreign
from declipper.files.libsndfile import encoded

PICTURE_KEY = "metadata_block_picture"
"""The Vorbis comment that holds a picture, base64 of a FLAC picture block."""
WRITERS_OWN_BLOCKS = (flac.StreamInfo.code, flac.Padding.code, flac.SeekTable.code)
"""FLAC blocks that describe the samples of one file, so that they stay those of the new file."""
APPLICATION = 2
"""The code of APPLICATION blocks of FLAC, which hold data of other programs (RFC 9639, section 8.4)."""
LARGEST_BLOCK = (1 << 24) - 16
"""Bytes that an APPLICATION block holds, whose size is a number of 24 bits."""
GAIN_KEYS = ("replaygain_", "r128_", "mp3gain_", "itunnorm")
"""What the names of tags begin with that tell gains and peaks: ReplayGain 2.0, RFC 7845 for Opus, mp3gain, iTunes."""
GAIN_FRAMES = ("RVA2", "RVAD", "RGAD")
"""ID3 frames that do."""

NO_PLACE = "tags were not carried over, {} files have no place for them"
STALE_GAINS = "gains and peaks in the tags (ReplayGain, R128) were of the clipped samples and are left out; measure them again"
"""What is told of tags that stay behind."""


@dataclass
class Tags:
    """What a file says about its recording: (key, value) pairs with the names of Vorbis comments, and pictures."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    pictures: list[Any] = field(default_factory=list)


def copy_metadata(source: Path, target: Path, *, changed: bool = False) -> list[str]:
    """Everything of `source` that describes the recording and not its samples, into the finished file `target`.

    Between WAV files and between AIFF files all chunks go over byte for byte, between FLAC files all blocks, between files with ID3
    all frames; else tags and pictures do, and the chunks of a WAV into a FLAC. changed: whether the samples of `target` are others, so
    that gains and peaks measured on those of `source` are left out. Returns what could not be carried over, and what was left out on
    purpose, in words. mutagen raises errors of many unrelated types.
    """
    problems = []
    if copy_chunks(source, target, changed=changed):
        after = None
        with suppress(mutagen.MutagenError):  # then there is nothing to be found in it either
            after = _opened(target)
    else:
        before, after = _opened(source), _opened(target)
        if isinstance(before, flac.FLAC) and isinstance(after, flac.FLAC):
            _copy_flac_blocks(before, after)
        else:
            if not _copy_tags(source, before, after):
                problems.append(NO_PLACE.format(target.suffix[1:].upper()))
            lost = _copy_foreign(source, target, before, after, changed=changed)
            if lost:
                names = ", ".join(dict.fromkeys(lost))
                problems.append(f"not carried over, {target.suffix[1:].upper()} files have no place for it: {names}")
    if changed and after is not None and _forget_loudness(after):
        problems.append(STALE_GAINS)
    return problems


def tags_of(path: Path) -> Tags:
    """Tags and pictures of a file that libsndfile reads."""
    return _tags_of(path, _opened(path))


def write_tags(tags: Tags, target: Path, *, changed: bool = False) -> list[str]:
    """Tags and pictures into the finished file `target`; changed and what is returned: see `copy_metadata`."""
    measured = [pair for pair in tags.pairs if is_gain(pair[0])] if changed else []
    kept = Tags([pair for pair in tags.pairs if pair not in measured], tags.pictures)
    problems = [] if _write(kept, _opened(target)) else [NO_PLACE.format(target.suffix[1:].upper())]
    return problems + ([STALE_GAINS] if measured else [])


def _tags_of(path: Path, file: Any) -> Tags:
    if file is not None and isinstance(file.tags, id3.ID3):
        return _from_id3(file.tags)
    return _from_comments(file) if file is not None and file.tags else _from_libsndfile(path)


def _copy_tags(source: Path, before: Any, after: Any) -> bool:
    """Tags and pictures; False when there were some and the target has no place for them. before, after: mutagen's views of both."""
    frames = before.tags if before is not None and isinstance(before.tags, id3.ID3) else None
    return _write(_tags_of(source, before), after, frames)


def _write(tags: Tags, after: Any, frames: Any = None) -> bool:
    """Tags into mutagen's view of a file; False when it has no place for them. frames: the ID3 that they came from."""
    if not tags.pairs and not tags.pictures:
        return True
    if after is None:
        return False
    if after.tags is None:
        after.add_tags()
    if not isinstance(after.tags, id3.ID3):
        _to_comments(after, tags)
    elif frames is not None:
        for frame in frames.values():
            after.tags.add(frame)
    else:
        _to_id3(after.tags, tags)
    after.save()
    return True


def _copy_foreign(source: Path, target: Path, before: Any, after: Any, *, changed: bool) -> list[str]:
    """The chunks that tags cannot hold, as FLAC's reference encoder keeps and returns them. Gives the names of those lost."""
    if isinstance(before, flac.FLAC):
        return _bring_back(target, before, changed=changed)
    chunks = described(source, changed=changed)
    fitting = [chunk for chunk in chunks if len(chunk.raw) <= LARGEST_BLOCK] if family(source) == "RIFF" else []
    size = after.info.total_samples * after.info.channels * -(-after.info.bits_per_sample // 8) if isinstance(after, flac.FLAC) else 0
    if not fitting or not 0 < size < LARGEST_RIFF:
        return [chunk.shown for chunk in chunks]
    rate, channels, width = after.info.sample_rate, after.info.channels, -(-after.info.bits_per_sample // 8)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * channels * width, channels * width, after.info.bits_per_sample)
    data = struct.pack("<4sI", b"data", size)
    parts = [form, *(chunk.raw for chunk in fitting), data]
    length = 4 + sum(map(len, parts)) + size + size % 2
    for part in (struct.pack("<4sI4s", b"RIFF", length, b"WAVE"), *parts):
        block: Any = flac.MetadataBlock(b"riff" + part)
        block.code = APPLICATION
        after.metadata_blocks.append(block)
    after.save()
    return [chunk.shown for chunk in chunks if chunk not in fitting]


def _bring_back(target: Path, before: Any, *, changed: bool) -> list[str]:
    """The chunks that a FLAC has kept, into a WAV. Returns the names of what was not carried over."""
    blocks = [block.write() for block in before.metadata_blocks if block.code == APPLICATION]
    chunks = foreign(blocks, changed=changed)
    lost = ["cue sheet"] * any(block.code == flac.CueSheet.code for block in before.metadata_blocks)
    lost += ["application data"] * any(block[:4] != b"riff" for block in blocks)
    if family(target) != "RIFF":
        return lost + [chunk.shown for chunk in chunks]
    append_chunks(target, chunks)
    return lost


def _forget_loudness(file: Any) -> bool:
    """Remove what says how loud the samples are and how far players turn them. Returns whether there was anything."""
    tags = file.tags
    if isinstance(tags, id3.ID3):
        gains = [key for key, frame in tags.items() if frame.FrameID in GAIN_FRAMES or is_gain(getattr(frame, "desc", ""))]
    else:
        gains = list({key.lower() for key, _ in tags or () if is_gain(key)})
    for key in gains:
        del tags[key]
    if gains:
        file.save()
    return bool(gains)


def is_gain(key: str) -> bool:
    """Whether a tag of this name tells how loud the samples are."""
    return key.lower().startswith(GAIN_KEYS)


def _opened(path: Path) -> Any:
    """mutagen's view of a file, None where it has none."""
    with path.open("rb") as file:
        return None if file.read(4) == b"RF64" else mutagen.File(path)  # which mutagen takes for a broken WAV


def _copy_flac_blocks(before: Any, after: Any) -> None:
    """Comments, pictures, cue sheet and application blocks; the name of the encoder stays that of `after`."""
    encoder = after.tags.vendor if after.tags is not None else None
    own = [block for block in after.metadata_blocks if block.code in WRITERS_OWN_BLOCKS]
    carried = [block for block in before.metadata_blocks if block.code not in WRITERS_OWN_BLOCKS]
    after.metadata_blocks = own[:1] + carried + own[1:]
    after.tags = next((block for block in carried if block.code == flac.VCFLACDict.code), None)
    after.cuesheet = next((block for block in carried if block.code == flac.CueSheet.code), None)
    if after.tags is not None and encoder:
        after.tags.vendor = encoder
    after.save()


def _from_id3(frames: Any) -> Tags:
    plain, buffer = id3.ID3(), BytesIO()
    for frame in frames.values():
        plain.add(frame)  # the tags of a WAV or AIFF would save themselves as a chunk
    plain.save(buffer)
    buffer.seek(0)
    easy: Any = EasyID3(buffer)
    tags = Tags()
    for key in easy:
        with suppress(EasyID3KeyError):
            tags.pairs += [(key, str(value)) for value in easy[key]]
    for frame in frames.getall("TXXX"):
        tags.pairs += [(frame.desc.lower(), str(text)) for text in frame.text]
    tags.pairs += [("comment", str(text)) for frame in frames.getall("COMM") if not is_gain(frame.desc) for text in frame.text]
    tags.pairs += [("lyrics", str(frame.text)) for frame in frames.getall("USLT")]
    for frame in frames.getall("APIC"):
        picture: Any = flac.Picture()
        picture.data, picture.type, picture.mime, picture.desc = frame.data, int(frame.type), frame.mime, frame.desc
        tags.pictures.append(picture)
    tags.pairs = list(dict.fromkeys(tags.pairs))
    return tags


def _from_comments(file: Any) -> Tags:
    tags = Tags(pictures=list(getattr(file, "pictures", [])))
    for key, value in file.tags:
        if key.lower() == PICTURE_KEY:
            tags.pictures.append(flac.Picture(base64.b64decode(value)))
        elif key.lower() != "encoder":
            tags.pairs.append((key, str(value)))
    return tags


def _from_libsndfile(source: Path) -> Tags:
    """LIST/INFO of a WAV, the text chunks of an AIFF, the strings of a CAF."""
    with soundfile.SoundFile(encoded(source)) as file:
        return Tags([(key, text) for key, text in file.copy_metadata().items() if text])


def _to_comments(file: Any, tags: Tags) -> None:
    # appended as they are: mutagen looks through all of them each time that one is set by its name
    file.tags.extend((key, value) for key, value in tags.pairs if _may_be_comment(key))
    if isinstance(file, flac.FLAC):
        for picture in tags.pictures:
            file.add_picture(picture)
    elif tags.pictures:
        file[PICTURE_KEY] = [base64.b64encode(picture.write()).decode() for picture in tags.pictures]


def _may_be_comment(key: str) -> bool:
    """Whether Vorbis comments can have this name: printable ASCII without = (Vorbis I specification, section 5.2.1)."""
    return bool(key) and all(" " <= letter <= "}" and letter != "=" for letter in key)


def _to_id3(frames: Any, tags: Tags) -> None:
    grouped: dict[str, list[str]] = {}
    for key, value in tags.pairs:
        grouped.setdefault(key.lower(), []).append(value)
    easy: Any = EasyID3()
    for key, values in grouped.items():
        if key == "comment":
            frames.add(id3.COMM(encoding=3, lang="XXX", desc="", text=values))
        elif key == "lyrics":
            frames.add(id3.USLT(encoding=3, lang="XXX", desc="", text="\n".join(values)))
        else:
            try:
                easy[key] = values
            except (EasyID3KeyError, ValueError):
                frames.add(id3.TXXX(encoding=3, desc=key, text=values))
    buffer = BytesIO()
    easy.save(buffer)
    buffer.seek(0)
    for frame in id3.ID3(buffer).values():
        frames.add(frame)
    for p in tags.pictures:
        frames.add(id3.APIC(encoding=3, mime=p.mime, type=p.type, desc=p.desc, data=p.data))
