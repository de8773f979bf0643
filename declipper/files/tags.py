"""Tags and pictures from one audio file to another, across formats."""

# mutagen has no types
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import mutagen
import soundfile
from mutagen import flac, id3
from mutagen.easyid3 import EasyID3, EasyID3KeyError

from declipper.files.chunks import copy_chunks
from declipper.files.libsndfile import encoded

PICTURE_KEY = "metadata_block_picture"
"""The Vorbis comment that holds a picture, base64 of a FLAC picture block."""
WRITERS_OWN_BLOCKS = (flac.StreamInfo.code, flac.Padding.code, flac.SeekTable.code)
"""FLAC blocks that describe the samples of one file, so that they stay those of the new file."""


@dataclass
class Tags:
    """What a file says about its recording: (key, value) pairs with the names of Vorbis comments, and pictures."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    pictures: list[Any] = field(default_factory=list)


def copy_metadata(source: Path, target: Path) -> bool:
    """Everything of `source` that describes the recording and not its samples, into the finished file `target`.

    Between WAV files and between AIFF files all chunks go over byte for byte, between FLAC files all blocks, between files with ID3
    all frames; else tags and pictures do. False when there was something, and the format of `target` has no place for it.
    mutagen raises errors of many unrelated types.
    """
    if copy_chunks(source, target):
        return True
    before, after = _opened(source), _opened(target)
    if isinstance(before, flac.FLAC) and isinstance(after, flac.FLAC):
        _copy_flac_blocks(before, after)
        return True
    has_id3 = before is not None and isinstance(before.tags, id3.ID3)
    tags = _from_id3(before.tags) if has_id3 else _from_comments(before) if before is not None and before.tags else _from_libsndfile(source)
    if not tags.pairs and not tags.pictures:
        return True
    if after is None:
        return False
    if after.tags is None:
        after.add_tags()
    if not isinstance(after.tags, id3.ID3):
        _to_comments(after, tags)
    elif has_id3:
        for frame in before.tags.values():
            after.tags.add(frame)
    else:
        _to_id3(after.tags, tags)
    after.save()
    return True


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
    tags.pairs += [("comment", str(text)) for frame in frames.getall("COMM") for text in frame.text]
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
    for key, value in tags.pairs:
        with suppress(ValueError):  # a name that Vorbis comments cannot have
            file[key] = [*file.get(key, []), value]
    if isinstance(file, flac.FLAC):
        for picture in tags.pictures:
            file.add_picture(picture)
    elif tags.pictures:
        file[PICTURE_KEY] = [base64.b64encode(picture.write()).decode() for picture in tags.pictures]


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
