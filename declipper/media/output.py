"""A container that is being written: its streams laid out like those of the source, copied or coded anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import TYPE_CHECKING, Any, BinaryIO

from declipper.clipping.arrays import Array
from declipper.errors import InputError
from declipper.files.chunks import described
from declipper.files.recording import Recording
from declipper.files.tags import Tags, is_gain, tags_of
from declipper.media.boxes import movie_in
from declipper.media.container import is_cover, packets_of, starts_at
from declipper.media.encoder import Encoder, add_sound
from declipper.media.formats import MediaFormat
from declipper.media.recording import MediaRecording
from declipper.media.tags import OF_THE_CODEC, OF_THE_FILE, to_ffmpeg
from declipper.media.timeline import Timeline

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

REMADE = ("tmcd", "text")
"""Tracks of an MP4 that its writer makes itself, from the time code in the tags and from the chapters."""
QUICKTIME = "com."
"""What the names of tags begin with that only QuickTime's own list of keys has a place for, such as where a phone was."""
OPTIONAL = ("data", "attachment", "subtitle")
"""Streams that a container may have no place for: they are left out with a warning. Without its video no video is written."""
MP4 = ("mp4", "mov")
"""FFmpeg's names of the writers of MP4 files."""


class Output:
    """The streams of `source` in a new container, beginning as soon as it is made. warnings: what has no place in it, in words."""

    def __init__(
        self,
        file: BinaryIO,
        form: MediaFormat,
        recordings: Mapping[int, Recording],
        *,
        source: InputContainer | None,
        restored: Set[int],
        with_data: bool = True,
    ) -> None:
        """recordings: by the number of their stream of sound; of those in `restored` the sound is coded anew.

        source None: they come from files of sound alone. with_data: whether streams of unknown data are tried. Raises what PyAV raises,
        and ValueError, for what the container cannot hold.
        """
        import av

        self.form = form
        self.source = source
        self.warnings: list[str] = []
        self._recordings = recordings
        self._with_data = with_data
        self._copies: dict[int, Stream] = {}
        self.encoders: dict[int, Encoder] = {}
        first = next(iter(recordings.values()))
        tags = tags_of(first.path) if source is None else Tags()
        told = to_ffmpeg(tags) if source is None else dict(source.metadata)
        told = {key: text for key, text in told.items() if key.lower() not in OF_THE_FILE and not (restored and is_gain(key))}
        options = {"fflags": "+bitexact"}  # the same content always makes the same bytes
        if form.container in MP4:
            options["movie_timescale"] = str(first.sample_rate)  # so that the delay of the sound is a whole number of samples
            if form.container == "mp4" and not form.video:
                options["brand"] = "M4A "  # by which players know sound
            if any(key.startswith(QUICKTIME) for key in told):
                options["movflags"] = "use_metadata_tags"
        self.container = av.open(file, "w", format=form.container, container_options=options)
        self.container.metadata.update(told)
        if source is None:
            self._add_sound(1)
            lost = [chunk.shown for chunk in described(first.path)] + ["pictures"] * bool(tags.pictures)
            self.warnings += [self._no_place(", ".join(dict.fromkeys(lost)))] if lost else []
        else:
            self._lay_out(source, restored, [track.coding for track in movie.tracks] if (movie := movie_in(first.path)) else [])
        self.container.start_encoding()

    def _lay_out(self, source: InputContainer, restored: Set[int], codings: list[str]) -> None:
        """Add a stream for each of the source's that goes over. codings: names of their codecs in an MP4."""
        for stream in source.streams:
            number = source.streams.audio.index(stream) + 1 if stream.type == "audio" else 0
            coding = codings[stream.index] if stream.index < len(codings) else ""
            if not (self.form.video or number or is_cover(stream)) or (stream.type == "data" and coding in REMADE):
                continue
            if number in restored:
                added: Any = self._add_sound(number)
            elif (added := self._add_copy(stream, same=self.form.container in source.format.name.split(","))) is None:
                self.warnings.append(self._no_place(f"{stream.type} ({coding or stream.name})"))
                continue
            else:
                self._copies[stream.index] = added
            theirs = OF_THE_CODEC if number in restored else ()
            added.metadata.update({key: text for key, text in stream.metadata.items() if not key.lower().startswith(theirs)})
            added.disposition = stream.disposition
        self.container.set_chapters(source.chapters())

    def _no_place(self, what: str) -> str:
        return f"not carried over, {self.form.container.upper()} files have no place for it: {what}"

    def _add_sound(self, number: int) -> Stream:
        """A stream for a restored sound."""
        one = self._recordings[number]
        layout, timeline = (one.layout, one.timeline) if isinstance(one, MediaRecording) else ("", Timeline(one.sample_rate, 0.0))
        stream = add_sound(self.container, self.form, sample_rate=one.sample_rate, channels=one.channels, layout=layout)
        self.encoders[number] = Encoder(stream, self.form, timeline)
        return stream

    def _add_copy(self, stream: Stream, *, same: bool) -> Stream | None:
        """A stream for packets of another, None where the container has no place for it and can do without.

        same: whether both are in containers of one kind.
        """
        if stream.type == "data" and not self._with_data:
            return None
        try:
            added: Stream = self.container.add_stream_from_template(stream, opaque=True)
        except ValueError:
            if stream.type in OPTIONAL:
                return None
            raise
        if stream.codec_context is not None and same:
            added.codec_context.codec_tag = stream.codec_context.codec_tag  # players tell hvc1 from hev1
        return added

    def fill(self, sounds: Mapping[int, Iterable[Array]]) -> None:
        """Write everything. sounds: blocks by the number of their stream. Raises InputError, and what PyAV raises where it cannot write."""
        pumps = [_Pump(self, self.encoders[number], blocks) for number, blocks in sounds.items()]
        begin = starts_at(self.source) if self.source else 0.0
        copied = [stream for stream in self.source.streams if stream.index in self._copies] if self.source else []
        for packet in self._packets(copied):
            if packet.dts is None and not packet.size:
                continue
            base = packet.time_base
            shift = round(begin / base)
            packet.pts, packet.dts = (None if ticks is None else ticks - shift for ticks in (packet.pts, packet.dts))
            ticks = packet.dts if packet.dts is not None else packet.pts
            for pump in pumps:
                pump.run_to(float("-inf") if ticks is None else float(ticks * base))
            packet.stream = self._copies[packet.stream.index]
            self.container.mux(packet)
        for pump in pumps:
            pump.run_to(float("inf"))
        self.container.close()

    def _packets(self, copied: list[Stream]) -> Iterator[Packet[Any]]:
        """The packets of streams of the source. Raises InputError where it turns out broken, unless it is known to have lost its end."""
        import av

        first = next(iter(self._recordings.values()))
        try:
            yield from packets_of(self.source, copied) if self.source else ()
        except (av.error.FFmpegError, OSError) as error:
            if not (isinstance(first, MediaRecording) and first.cut_off):
                raise InputError(
                    f"{first.name}: broken beside its sound ({error}); copy it again, or restore the sound with --audio-only"
                ) from error


class _Pump:
    """Brings a restored sound into the container, as far as the other streams are."""

    def __init__(self, output: Output, encoder: Encoder, blocks: Iterable[Array]) -> None:
        self._output = output
        self._encoder = encoder
        self._blocks = iter(blocks)
        self._ended = False

    def run_to(self, time: float) -> None:
        """Write the sound up to a time in seconds."""
        while not self._ended and self._encoder.time < time:
            block = next(self._blocks, None)
            self._ended = block is None
            for packet in self._encoder.flush() if block is None else self._encoder.push(block):
                self._output.container.mux(packet)
