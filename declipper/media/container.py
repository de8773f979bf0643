"""Opens a recording in a container with FFmpeg's demuxers: those of recordings, for this one file, and nothing it refers to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet

DEMUXERS = (
    "aac,ac3,amr,amrnb,amrwb,ape,asf,avi,caf,dts,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mpeg,mpegts,mpc,mpc8,ogg,rm,tak,tta,wv"
)
"""What recordings come in. Playlists, streams and pictures, whose demuxers open other files, are not among them."""
MOST_STREAMS = 100
"""Streams that are looked at: more than any recording has; PyAV reads past its notes where many more begin late in a file."""
CLOCKED = ("mov", "matroska", "webm", "flv", "avi", "asf")
"""Containers whose time begins at 0; that of all others begins anywhere."""


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """A container to be read. Raises what PyAV raises, all of it an `av.error.FFmpegError` or an OSError."""
    import av

    options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file", "max_streams": str(MOST_STREAMS)}
    with (
        _File(path.open("rb", buffering=0)) as file,
        av.open(file, "r", container_options=options, metadata_errors="replace", io_open=_refuse) as container,
    ):
        yield container


def packets_of(container: InputContainer, streams: list[Any]) -> Iterator[Packet[Any]]:
    """The packets of some streams, in the order of the file, with an empty one at the end of each. Raises what PyAV raises."""
    if streams:
        with suppress(IndexError):  # at the very end, where other streams began in the middle of a damaged file
            yield from container.demux(streams)


class _File(BufferedReader):
    """A file in which damaged containers may look for a place that cannot be: FFmpeg is told, where PyAV would show a traceback."""

    def seek(self, target: int, whence: int = 0) -> int:
        """Go to a place in the file, -1 where there is none."""
        try:
            return super().seek(target, whence)
        except (OSError, ValueError, OverflowError):
            return -1


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
