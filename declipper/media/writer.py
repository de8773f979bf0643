"""Writes a container: the restored sound in its place, and everything else packet by packet as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from declipper.clipping.arrays import Array
from declipper.errors import OutputError
from declipper.files.recording import Recording
from declipper.files.writer import PartFile
from declipper.media.container import opened
from declipper.media.formats import MediaFormat
from declipper.media.output import Output
from declipper.media.recording import MediaRecording


class MediaWriter(PartFile):
    """Writes the container in which restored streams of sound are.

    recordings: by the number of their stream of sound. warnings: what has no place in the container, in words.
    """

    def __init__(self, target: Path, form: MediaFormat, recordings: list[Recording]) -> None:
        """recordings: the streams of sound of one file that may be restored. Raises OutputError for what the container cannot hold."""
        self._form = form
        self.recordings = {one.stream if isinstance(one, MediaRecording) else 1: one for one in recordings}
        self._source = recordings[0].path if isinstance(recordings[0], MediaRecording) else None
        self._with_data = self._begins(set(self.recordings), with_data=True)
        if not self._with_data and not self._begins(set(self.recordings), with_data=False):
            raise OutputError(
                f"{target}: {target.suffix} cannot hold what is to go into it ({self._said}); --audio-only gives the sound alone"
            )
        super().__init__(target)

    def _begins(self, restored: set[int], *, with_data: bool) -> bool:
        """Whether the container takes the streams, with those in `restored` coded anew: such a file is begun in memory."""
        import av

        try:
            self._made(BytesIO(), restored, with_data=with_data)
        except (av.error.FFmpegError, ValueError) as error:
            self._said = " ".join(str(error).split())
            return False
        return True

    def copies(self, number: int) -> bool:
        """Whether the container takes a stream of sound as it is."""
        return self._source is not None and self._begins(set(self.recordings) - {number}, with_data=self._with_data)

    def _made(self, file: BinaryIO, restored: set[int], *, with_data: bool, sounds: Mapping[int, Iterable[Array]] | None = None) -> None:
        """Begin a container, and fill it unless there is nothing to fill it with."""
        with ExitStack() as stack:
            source = stack.enter_context(opened(self._source)) if self._source else None
            output = Output(file, self._form, self.recordings, source=source, restored=restored, with_data=with_data)
            stack.callback(output.container.close)
            self._streams, self.warnings = len(output.container.streams), output.warnings
            if sounds is not None:
                output.fill(sounds)

    def write(self, sounds: Mapping[int, Iterable[Array]]) -> None:
        """Write the whole file. sounds: blocks by the number of their stream; all other streams are copied.

        Raises InputError where the source turns out broken, OutputError when the disk is full.
        """
        import av

        try:
            with self.part.open("r+b") as file:
                watched = {number: self._counted(blocks) for number, blocks in sounds.items()}
                self._made(file, set(sounds), with_data=self._with_data, sounds=watched)
        except (av.error.FFmpegError, OSError) as error:
            raise self.failed() from error

    def _counted(self, blocks: Iterable[Array]) -> Iterator[Array]:
        for block in blocks:
            yield block
            self.written += len(block)

    def _is_whole(self) -> bool:
        with opened(self.part) as container:
            return len(container.streams) >= self._streams

    def close(self) -> None:
        """Let go of the hidden file."""
