"""Codes restored sound into packets that are heard when the recorded ones were."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from declipper.clipping.arrays import Array
from declipper.files.writer import to_integers
from declipper.media.formats import MediaFormat
from declipper.media.timeline import Timeline

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet

PCM_FRAMES = 1024
"""Frames in a packet where the codec does not say: 21 ms at 48 kHz, as recorders make them."""
LAYOUTS = ("mono", "stereo", "2.1", "4.0", "5.0", "5.1", "6.1", "7.1")
"""FFmpeg's usual layouts of 1 to 8 channels."""


def add_sound(container: OutputContainer, form: MediaFormat, *, sample_rate: int, channels: int, layout: str = "") -> AudioStream:
    """A stream of restored sound in a container that is not yet begun. Raises ValueError, or what PyAV raises, for what it cannot hold."""
    stream: Any = container.add_stream(form.codec.encoder, sample_rate)
    coder = stream.codec_context
    coder.format = form.codec.samples
    coder.layout = layout or (LAYOUTS[channels - 1] if channels <= len(LAYOUTS) else f"{channels} channels")
    coder.time_base = Fraction(1, sample_rate)
    stream.time_base = coder.time_base
    if form.bit_rate:
        coder.bit_rate = form.bit_rate
    coder.open()
    added: AudioStream = stream
    return added


class Encoder:
    """Codes blocks of any size. A packet before a gap is filled up with silence, so that the next one begins where the gap ends."""

    def __init__(self, stream: AudioStream, form: MediaFormat, timeline: Timeline) -> None:
        self._stream = stream
        self._form = form
        self._timeline = timeline
        self._gaps = timeline.gaps
        self._size = stream.codec_context.frame_size or PCM_FRAMES
        self._ahead: list[Array] = []
        self._held = self._silence = 0
        self._done = 0
        self._earliest: int | None = None

    @property
    def time(self) -> float:
        """When the next packet begins, in seconds."""
        return self._timeline.at(self._done - self._held + self._silence)

    def push(self, block: Array) -> Iterator[Packet[Any]]:
        """Take up a block (frames, channels), and give what packets are done."""
        while len(block):
            if self._gaps and self._done == self._gaps[0]:
                self._silence = min(self._timeline.gap_at(self._gaps.pop(0)), -self._held % self._size)
                yield from self._take(np.zeros((self._silence, block.shape[1]), block.dtype))
            until = len(block) if not self._gaps else min(len(block), self._gaps[0] - self._done)
            part, self._done = block[:until], self._done + until
            yield from self._take(part)
            block = block[until:]

    def flush(self) -> Iterator[Packet[Any]]:
        """The last packets."""
        if self._held:
            yield from self._code(np.concatenate(self._ahead))
        yield from self._stream.encode(None)

    def _take(self, part: Array) -> Iterator[Packet[Any]]:
        """Hold samples, and code those that fill packets."""
        self._ahead.append(part)
        self._held += len(part)
        if self._held < self._size:
            return
        held = np.concatenate(self._ahead)
        whole = len(held) - len(held) % self._size
        for start in range(0, whole, self._size):
            yield from self._code(held[start : start + self._size])
        self._ahead = [held[whole:]]

    def _code(self, part: Array) -> Iterator[Packet[Any]]:
        """The packets that one frame's worth of samples gives."""
        import av

        form, bits = self._form.codec, self._form.bits
        sound: Any = to_integers(part, bits) if bits else part.astype(np.float32)
        planar = form.samples.endswith("p")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(sound.T) if planar else np.ascontiguousarray(sound).reshape(1, -1),
            format=form.samples,
            layout=self._stream.codec_context.layout,
        )
        rate = self._stream.codec_context.sample_rate
        told = round(self.time * rate)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = told if self._earliest is None else max(told, self._earliest)
        self._earliest = frame.pts + 1
        self._held -= len(part)
        self._silence = 0
        yield from self._stream.encode(frame)
