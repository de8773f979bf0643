"""Reads one stream of sound out of a container, to the sample: what the encoder added before and after it is taken off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from declipper.clipping.arrays import Array
from declipper.errors import InputError, UnreadFormat
from declipper.files.recording import Recording
from declipper.files.tags import Tags
from declipper.media.boxes import missing_bytes, movie_in
from declipper.media.container import opened, packets_of, starts_at
from declipper.media.tags import tags_in
from declipper.media.timeline import Timeline

if TYPE_CHECKING:
    from av.container import InputContainer

ENCRYPTED = ("drms", "enca", "aavd", "p608")
"""Names of codecs in MP4 that stand for encrypted sound: FairPlay, common encryption (ISO/IEC 23001-7), Audible."""
PADDING = "iTunSMPB"
"""The tag in which iTunes writes the samples that the encoder added before and after, and the length without them."""
MOST_PADDING = 8192
"""Samples that this tag may take off: four frames of the longest kind, more than any encoder adds."""


class MediaRecording(Recording):
    """One stream of sound in a container.

    stream: its number among those, from 1; streams: how many there are; index: its place among streams of any kind. layout: FFmpeg's name
    for what its channels are. timeline: when its samples are heard, in seconds of the container. cut_off: whether the file has lost its
    end, and the rest was asked for.
    """

    def __init__(self, path: Path, name: str | None = None, *, keep_truncated: bool = False, stream: int | None = None) -> None:
        """stream: which one, None for the one that players choose.

        Raises UnreadFormat where the file is none of ours, InputError where it holds no sound that can be read.
        """
        import av

        self.path = path
        self.name = name or str(path)
        self.notes: list[str] = []
        self._first_bytes()
        self._movie = movie_in(path)
        if self._movie is not None and not self._movie.indexed:
            raise InputError(
                f"{self.name}: has lost its index (moov), as when a recorder was stopped before it was done; copy it again, or have it "
                "rebuilt by a program for that, with another file of the same recorder"
            )
        try:
            with opened(path) as container:
                self.streams = len(container.streams.audio)
                self.index = self._chosen(container, stream)
                self._survey(container, keep_truncated)
        except (av.error.InvalidDataError, av.error.ArgumentError) as error:
            if self._movie is None:
                raise UnreadFormat(f"{self.name}: {_words(error)}") from error
            raise InputError(f"{self.name}: a damaged file ({_words(error)}); copy it again") from error
        except (av.error.FFmpegError, OSError) as error:
            raise InputError(f"{self.name}: cannot be read ({_words(error)}); copy it again") from error

    def _chosen(self, container: InputContainer, wanted: int | None) -> int:
        """The place of the stream among all of the container. Raises InputError where it cannot be read."""
        sounds = container.streams.audio
        if not sounds:
            held = ", ".join(dict.fromkeys(s.type for s in container.streams)) or "nothing"
            raise InputError(f"{self.name}: holds no sound, only {held}; nothing to do")
        if wanted is not None and wanted > len(sounds):
            has = "one stream" if len(sounds) == 1 else f"{len(sounds)} streams"
            raise InputError(f"{self.name}: has {has} of sound and no number {wanted}; choose another --stream")
        best = container.streams.best("audio")
        stream = sounds[wanted - 1] if wanted else best if best in sounds else sounds[0]
        self.stream = sounds.index(stream) + 1
        tracks = [t for t in self._movie.tracks if t.handler == "soun"] if self._movie else []
        coding = tracks[self.stream - 1].coding if self.stream <= len(tracks) else ""
        if coding in ENCRYPTED:
            raise InputError(f"{self.name}: its sound is encrypted ({coding}, copy protection); ask its seller for a file without that")
        if stream.codec_context is None:
            raise InputError(
                f"{self.name}: its sound is in a codec that no decoder here knows ({coding or 'unnamed'}); save it as a float WAV with the "
                "program that made it"
            )
        return stream.index

    def _survey(self, container: InputContainer, keep_truncated: bool) -> None:
        """Decode all of it once, to know how long it is, when it is heard, and how fine its samples are."""
        stream: Any = container.streams[self.index]
        begin, base = starts_at(container), float(stream.time_base or 0)
        self.frames, self._broken, low = 0, False, 0
        lacking = missing_bytes(self.path)
        kind, end = "", 0.0
        for frame, raw in self._decoded(container, keep_truncated=keep_truncated or lacking > 0):
            if not kind:
                kind = frame.format.name
                self.sample_rate, self.channels, self.layout = frame.sample_rate, raw.shape[1], frame.layout.name
                self.timeline = Timeline(self.sample_rate, base + 1 / self.sample_rate)
            if frame.pts is not None and frame.time_base:
                self.timeline.note(self.frames, float(frame.pts * frame.time_base) - begin)
            if raw.dtype == np.int32:
                low |= int(np.bitwise_or.reduce(raw, axis=None)) & 0xFF
            self.frames += len(raw)
            end = self._end
        if not self.frames:
            raise InputError(f"{self.name}: contains no audio (0 frames); nothing to do")
        self._check_rate()
        whole = {"u8": 8, "s16": 16, "s32": 32 if low else 24}
        self.bits = whole.get(kind.removesuffix("p"))
        self.subtype = str(stream.codec_context.name)
        self.dtype: type[np.floating] = np.float64 if self.bits == 32 or kind.startswith("dbl") else np.float32
        self._take_off_padding(container, stream, end)
        if lacking and not keep_truncated:
            raise InputError(
                f"{self.name}: truncated, {lacking} bytes are missing; copy it again, or restore what is there "
                f"({self.frames / self.sample_rate:.2f} s) with --truncated keep"
            )
        self.cut_off = keep_truncated and bool(lacking or self._broken)
        if self.cut_off:
            self.notes.append(f"it is truncated; what is there was kept, {self._seconds(self.frames)}")
        if self.timeline.gaps:
            lost = sum(map(self.timeline.gap_at, self.timeline.gaps)) / self.sample_rate
            self.notes.append(f"its sound has gaps, {lost:.2f} s in all; a video keeps them, a sound file does not")

    def _take_off_padding(self, container: InputContainer, stream: Any, end: float) -> None:
        """Shorten the recording by what the encoder added after it. end: where its last packet says that it ends, in s.

        The edit list may end earlier. It counts in ticks of the whole movie: what is less than one tick is rounding, and no cut.
        """
        if self._movie is None or self.timeline.gaps:
            return
        start = self.timeline.at(0)
        length = round((end - start) * self.sample_rate) if end > start else self.frames
        edit = (stream.duration or 0) * float(stream.time_base or 0)
        if 0 < edit < end - start - self._movie.tick - 1 / self.sample_rate:
            length = round(edit * self.sample_rate)
        told = container.metadata.get(PADDING, "").split()
        if len(told) > 3:
            with suppress(ValueError):
                counted = int(told[3], 16)
                length = counted if 0 <= self.frames - counted <= MOST_PADDING else length
        if 0 < length < self.frames:
            self.frames = length

    def tags(self) -> Tags:
        """What the container says about the recording, and its cover."""
        with opened(self.path) as container:
            return tags_in(container, container.streams[self.index])

    def _decoded(self, container: InputContainer, *, keep_truncated: bool) -> Iterator[tuple[Any, np.ndarray]]:
        """Each decoded frame, and its samples (frames, channels) as they are coded. Raises InputError where the stream is broken."""
        import av

        stream: Any = container.streams[self.index]
        first, done, self._end = None, 0, 0.0
        try:
            for packet in packets_of(container, [stream]):
                if packet.is_corrupt and keep_truncated:
                    self._broken = True
                    return
                try:
                    frames: list[Any] = packet.decode()
                except av.error.InvalidDataError:
                    if first is None:  # a stream that was cut out of another begins in the middle of something
                        continue
                    raise
                if packet.pts is not None and packet.time_base and not packet.is_discard:
                    self._end = max(self._end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                for frame in frames:
                    first = first or frame
                    found, before = (_kind(f) for f in (frame, first))
                    if found != before:
                        where = f"{done / first.sample_rate:.2f} s"
                        was, is_now = (f"{rate} Hz and {channels} channels" for rate, channels, _ in (before, found))
                        raise InputError(f"{self.name}: its sound changes from {was} to {is_now} after {where}; cut it in two there")
                    raw = frame.to_ndarray()
                    yield frame, raw.T if frame.format.is_planar else raw.reshape(-1, found[1])
                    done += frame.samples
        except (av.error.FFmpegError, OSError) as error:
            if keep_truncated and first is not None:
                self._broken = True
                return
            where = f"{done / first.sample_rate:.2f} s" if first else "0 s"
            tip = ", or restore what is before that with --truncated keep" if first else ""
            raise InputError(f"{self.name}: broken after {where} ({_words(error)}); copy it again{tip}") from error

    def blocks(self) -> Iterator[Array]:
        """The whole recording in blocks (frames, channels). Raises InputError where it turns out broken or holds what is no audio."""
        position = 0
        for block in self._gathered():
            block = block[: self.frames - position]
            self._check_sound(block, position)
            position += len(block)
            yield block
            if position == self.frames:
                return
        raise InputError(f"{self.name}: changed while it was read; try again")

    def _gathered(self) -> Iterator[Array]:
        """Blocks of at least the usual size, but for the last one."""
        ahead: list[Array] = []
        with opened(self.path) as container:
            for _, raw in self._decoded(container, keep_truncated=self.cut_off):
                ahead.append(_as_floats(raw, self.dtype))
                if sum(map(len, ahead)) >= self.block:
                    yield np.concatenate(ahead)
                    ahead = []
            if ahead:
                yield np.concatenate(ahead)


def recording_at(path: Path, name: str | None = None, *, keep_truncated: bool = False, stream: int | None = None) -> Recording:
    """The recording in a file: through libsndfile where that reads it, else through FFmpeg. stream: see `MediaRecording`.

    Raises InputError for what neither of them reads.
    """
    try:
        recording = Recording(path, name, keep_truncated=keep_truncated)
    except UnreadFormat as refused:
        try:
            return MediaRecording(path, name, keep_truncated=keep_truncated, stream=stream)
        except UnreadFormat:
            raise refused from None
    if stream not in (None, 1):
        raise InputError(f"{recording.name}: has one stream of sound and no number {stream}; leave out --stream")
    return recording


def _kind(frame: Any) -> tuple[int, int, str]:
    """Sample rate, channels and sample type of a frame, which must stay."""
    return frame.sample_rate, frame.layout.nb_channels, frame.format.name


def _as_floats(raw: np.ndarray, dtype: type[np.floating]) -> Array:
    """Samples with full scale at 1; nothing is cut off."""
    if raw.dtype == np.uint8:
        raw = (raw.astype(np.float64) - 128) / 128
    elif np.issubdtype(raw.dtype, np.integer):
        raw = raw / 2.0 ** (8 * raw.dtype.itemsize - 1)
    return np.ascontiguousarray(raw, dtype)


def _words(error: Exception) -> str:
    """What FFmpeg or the system says, in a few words that fit into a sentence."""
    said = getattr(error, "strerror", None) or str(error)
    return " ".join(said.split()).rstrip(".")
