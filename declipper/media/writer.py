"""Writes a container: the restored sound in its place, and everything else packet by packet as it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
        super().__init__(target)
        self._form = form
        self.recordings = {one.stream if isinstance(one, MediaRecording) else 1: one for one in recordings}
        self._source = recordings[0].path if isinstance(recordings[0], MediaRecording) else None
        self._with_data = True
        self._streams = 0
        try:
            self.warnings = self._tried(set(self.recordings))
        except BaseException:
            self._hidden.remove()
            raise

    def _tried(self, restored: set[int]) -> list[str]:
        """Begin such a file in memory, and tell what has no place in it. Raises OutputError where it cannot be begun."""
        import av

        try:
            return self._made(BytesIO(), restored, None)
        except (av.error.FFmpegError, ValueError) as error:
            if self._with_data:
                self._with_data = False
                return self._tried(restored)
            said = " ".join(str(error).split())
            raise OutputError(
                f"{self.target}: {self.target.suffix} cannot hold what is to go into it ({said}); --audio-only gives the sound alone"
            ) from error

    def _made(self, file: BinaryIO, restored: set[int], sounds: Mapping[int, Iterable[Array]] | None) -> list[str]:
        """Begin a container, and fill it unless there is nothing to fill it with."""
        with ExitStack() as stack:
            source = stack.enter_context(opened(self._source)) if self._source else None
            output = Output(file, self._form, self.recordings, source=source, restored=restored, with_data=self._with_data)
            stack.callback(output.container.close)
            self._streams = len(output.container.streams)
            if sounds is not None:
                output.fill(sounds)
            return output.warnings

    def copies(self, number: int) -> bool:
        """Whether the container takes a stream of sound as it is."""
        if self._source is None:
            return False
        try:
            self._tried(set(self.recordings) - {number})
        except OutputError:
            return False
        return True

    def write(self, sounds: Mapping[int, Iterable[Array]]) -> None:
        """Write the whole file. sounds: blocks by the number of their stream; all other streams are copied.

        Raises InputError where the source turns out broken, OutputError when the disk is full.
        """
        import av

        try:
            with self.part.open("r+b") as file:
                self.warnings = self._made(file, set(sounds), sounds)
        except (av.error.FFmpegError, OSError) as error:
            raise self.failed() from error

    def _is_whole(self) -> bool:
        with opened(self.part) as container:
            return len(container.streams) >= self._streams

    def close(self) -> None:
        """Let go of the hidden file."""
