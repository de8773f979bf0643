"""Tags and pictures from one audio file to another, across formats, with mutagen."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import mutagen
from mutagen.easyid3 import EasyID3, EasyID3KeyError
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3, TXXX

from declipper.chunks import copy_chunks

PICTURE_KEY = "metadata_block_picture"


def copy_metadata(source: Path, target: Path) -> None:
    """Everything of `source` that describes the recording and not its samples, into the finished file `target`.

    Between WAV files and between AIFF files all chunks go over byte for byte; else tags and pictures do. Raises mutagen.MutagenError.
    """
    if copy_chunks(source, target):
        return
    before, after = mutagen.File(source), mutagen.File(target)
    if before is None or after is None or not before.tags:
        return
    tags, pictures = _read(before)
    if not tags and not pictures:
        return
    if after.tags is None:
        after.add_tags()
    _write(after, tags, pictures)
    after.save()


def _read(file: Any) -> tuple[dict[str, list[str]], list[Picture]]:
    if isinstance(file.tags, ID3):
        buffer = BytesIO()
        file.tags.save(buffer)
        buffer.seek(0)
        easy = EasyID3(buffer)
        tags = {key: [str(v) for v in easy[key]] for key in easy}
        tags |= {frame.desc.lower(): [str(t) for t in frame.text] for frame in file.tags.getall("TXXX")}
        pictures = []
        for frame in file.tags.getall("APIC"):
            picture = Picture()
            picture.data, picture.type, picture.mime, picture.desc = frame.data, frame.type, frame.mime, frame.desc
            pictures.append(picture)
        return tags, pictures
    tags = {key.lower(): [str(v) for v in values] for key, values in file.tags.as_dict().items()}
    encoded = tags.pop(PICTURE_KEY, [])
    pictures = [Picture(base64.b64decode(p)) for p in encoded] + (list(file.pictures) if isinstance(file, FLAC) else [])
    return tags, pictures


def _write(file: Any, tags: dict[str, list[str]], pictures: list[Picture]) -> None:
    if isinstance(file.tags, ID3):
        easy = EasyID3()
        for key, values in tags.items():
            try:
                easy[key] = values
            except (EasyID3KeyError, ValueError):
                file.tags.add(TXXX(encoding=3, desc=key, text=values))
        buffer = BytesIO()
        easy.save(buffer)
        buffer.seek(0)
        for frame in ID3(buffer).values():
            file.tags.add(frame)
        for p in pictures:
            file.tags.add(APIC(encoding=3, mime=p.mime, type=p.type, desc=p.desc, data=p.data))
        return
    for key, values in tags.items():
        file[key] = values
    if isinstance(file, FLAC):
        for p in pictures:
            file.add_picture(p)
    elif pictures:
        file[PICTURE_KEY] = [base64.b64encode(p.write()).decode() for p in pictures]
