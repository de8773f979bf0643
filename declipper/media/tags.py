"""Tags and pictures in containers, as FFmpeg names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mutagen import flac

from declipper.files.tags import Tags
from declipper.media.container import is_cover, packets_of

if TYPE_CHECKING:
    from av.container import InputContainer

OF_THE_FILE = (
    "major_brand", "minor_version", "compatible_brands", "encoder", "vendor_id", "handler_name", "itunsmpb", "duration", "language",
    "bps", "number_of_frames", "number_of_bytes",
)  # fmt: skip
"""Entries that are about the file and how it was made, not about the recording."""
OF_THE_CODEC = ("encoder", "vendor_id", "bps", "number_of_frames", "number_of_bytes", "_statistics", "duration")
"""What the names of entries of a stream begin with that are no longer true of one that is coded anew."""
COMMENTS = {"album_artist": "albumartist", "track": "tracknumber", "disc": "discnumber"}
"""FFmpeg's names of tags that Vorbis comments call otherwise."""
PICTURES = {"mjpeg": "image/jpeg", "png": "image/png", "bmp": "image/bmp", "gif": "image/gif"}
"""Types of pictures by FFmpeg's names of their codecs."""
FRONT_COVER = 3
"""What a picture shows (ID3v2.4, section 4.14)."""
MOST_PICTURES = 16 << 20
"""Bytes of the largest picture that a tag of every format holds."""


def tags_in(container: InputContainer, stream: Any) -> Tags:
    """What a container says about one stream of sound, with the names of Vorbis comments, and its cover."""
    told = dict(container.metadata) | dict(stream.metadata)
    pairs = [(COMMENTS.get(key.lower(), key), text) for key, text in told.items() if text and key.lower() not in OF_THE_FILE]
    return Tags([(key, text) for key, text in pairs if not key.lower().startswith("_statistics")], _covers_in(container))


def _covers_in(container: InputContainer) -> list[Any]:
    """The pictures of a container that belong to the sound."""
    streams = [stream for stream in container.streams.video if is_cover(stream) and stream.codec_context is not None]
    found = []
    for packet in packets_of(container, streams):
        mime = PICTURES.get(packet.stream.codec_context.name)
        if packet.size and mime and packet.size < MOST_PICTURES:
            picture: Any = flac.Picture()  # type: ignore[no-untyped-call]
            picture.data, picture.type, picture.mime = bytes(packet), FRONT_COVER, mime
            found.append(picture)
    return found


def to_ffmpeg(tags: Tags) -> dict[str, str]:
    """Tags with FFmpeg's names; several values of one are joined."""
    names = {comment: name for name, comment in COMMENTS.items()}
    told: dict[str, str] = {}
    for key, text in tags.pairs:
        name = names.get(key.lower(), key.lower())
        told[name] = f"{told[name]}; {text}" if name in told else text
    return told
