"""Opens a recording in a container with FFmpeg's demuxers: those of recordings, for this one file, and nothing it refers to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.container import InputContainer

DEMUXERS = (
    "aac,ac3,amr,amrnb,amrwb,ape,asf,avi,caf,dts,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mpeg,mpegts,mpc,mpc8,ogg,rm,tak,tta,wv"
)
"""What recordings come in. Playlists, streams and pictures, whose demuxers open other files, are not among them."""
CLOCKED = ("mov", "matroska", "webm", "flv", "avi", "asf")
"""Containers whose time begins at 0; that of all others begins anywhere."""


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """A container to be read. Raises what PyAV raises, all of it an `av.error.FFmpegError` or an OSError."""
    import av

    options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
    with (
        path.open("rb") as file,
        av.open(file, "r", container_options=options, metadata_errors="replace", io_open=_refuse) as container,
    ):
        yield container


def _refuse(url: str, _flags: int, _options: dict[str, str]) -> Any:
    """Of whatever a file refers to, nothing is opened."""
    raise PermissionError(f"it refers to another file ({url}), which is not opened")


def starts_at(container: InputContainer) -> float:
    """The time in seconds at which a container begins, to be taken off all times in it."""
    clocked = set(CLOCKED) & set(container.format.name.split(","))
    return 0.0 if clocked or container.start_time is None else container.start_time / 1e6


def holds_video(path: Path) -> bool:
    """Whether a file is a video, and not sound alone or none of both; the cover of an album is no video."""
    import av

    try:
        with opened(path) as container:
            return any(not is_cover(stream) for stream in container.streams.video)
    except (av.error.FFmpegError, OSError):
        return False


def is_cover(stream: Any) -> bool:
    """Whether a stream is one picture that belongs to the sound."""
    from av.stream import Disposition

    return bool(stream.type == "video" and stream.disposition & Disposition.attached_pic)
