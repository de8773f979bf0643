"""What the audio callback does: it moves samples from the input to the output, delayed, and cross-fades between what is listened to.

No lock, no file, no network, no memory that grows: every array is allocated before the first block. It runs in the process that has the
device (`declipper.live.player`); what others want to know of it lies in memory that they share.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from multiprocessing.sharedctypes import RawValue
from typing import Any, Literal

import numpy as np

from declipper.clipping.arrays import Array
from declipper.live.ring_buffer import Timeline

Mode = Literal["restored", "dry", "difference"]
MODES: dict[Mode, tuple[float, float]] = {"restored": (1.0, 0.0), "dry": (0.0, 1.0), "difference": (1.0, -1.0)}
"""Weight of the restored and of the dry signal in what is heard."""
ORDER: tuple[Mode, ...] = tuple(MODES)
"""The modes in the order of their numbers in `Gauges`."""
MOST = 4096
"""Frames moved at once; longer blocks of a device go in pieces. Hardly any device asks for more."""
RESCUE = 64
"""Frames over which a late worker's signal fades into the dry one, 1.5 ms at 44.1 kHz: short, since the restored signal must always be
there this far ahead of what is played, and long enough not to click."""
SWITCH = 512
"""Frames over which one mode fades into another: 12 ms at 44.1 kHz, so that no click is heard."""
KNEE = 0.85
"""Linear level at which the soft ceiling begins to bend: 1.4 dB below full scale, so that all but the highest peaks stay untouched."""


@dataclass(frozen=True)
class Listening:
    """How the listener hears the signal: which of the two, how loud, and whether peaks are bent under full scale.

    gain: linear. ceiling: whether what exceeds KNEE is bent to stay under 1.0, since a device would clip it.
    """

    mode: Mode = "restored"
    gain: float = 1.0
    ceiling: bool = True


class Gauges(ctypes.Structure):
    """What a monitor has done, in memory that another process reads.

    mode: index in ORDER, set by the reader; longest_block: frames; late_times, late_frames: how often the worker was late, and for how
    long; peak_in, peak_out: highest sample since the reader last set them back to 0; calls: of the device; xruns: how often it lost audio,
    or a feed had none; device_latency: seconds; cpu: seconds of processor time of the thread that calls.
    """

    mode: int
    longest_block: int
    late_times: int
    late_frames: int
    peak_in: float
    peak_out: float
    calls: int
    xruns: int
    device_latency: float
    cpu: float
    _fields_ = (
        ("mode", ctypes.c_int64),
        ("longest_block", ctypes.c_int64),
        ("late_times", ctypes.c_int64),
        ("late_frames", ctypes.c_int64),
        ("peak_in", ctypes.c_double),
        ("peak_out", ctypes.c_double),
        ("calls", ctypes.c_int64),
        ("xruns", ctypes.c_int64),
        ("device_latency", ctypes.c_double),
        ("cpu", ctypes.c_double),
    )


class Fader:
    """A weight that runs to its target on a straight line, `frames` frames per unit."""

    def __init__(self, value: float, frames: int) -> None:
        self.value = value
        self._slope = (np.arange(1, MOST + 1) / frames).astype(np.float32)
        self._weights = np.zeros(MOST, np.float32)

    def run(self, target: float, count: int) -> Array:
        """The weights of the next `count` frames, (count, 1); valid until the next call."""
        weights = self._weights[:count]
        if self.value == target:
            weights.fill(target)
        else:
            np.multiply(self._slope[:count], 1.0 if target > self.value else -1.0, out=weights)
            np.add(weights, self.value, out=weights)
            np.clip(weights, min(self.value, target), max(self.value, target), out=weights)
        self.value = float(weights[-1])
        return weights[:, None]


class Monitor:
    """Sends the input to `dry`, and plays what is `delay` frames old of `dry` and `restored`, mixed as `mode` says.

    Where the worker that writes `restored` is late, the dry signal stands in for it, at the same delay.
    """

    def __init__(self, dry: Timeline, restored: Timeline, *, delay: int, listening: Listening) -> None:
        """delay: in frames, at least the stream's latency and RESCUE; the longest block comes on top of it."""
        self.gauges = RawValue(Gauges)
        self.mode = listening.mode
        self._listening = listening
        self._delay = delay
        self.dry, self._restored = dry, restored
        self._jumped = False
        self._last = np.zeros(dry.channels, np.float32)
        self._rescue = Fader(1.0, RESCUE)
        self._wet, self._dry_share = (Fader(weight, SWITCH) for weight in MODES[listening.mode])
        self._old, self._new, self._bent = (np.zeros((MOST, dry.channels), np.float32) for _ in range(3))

    @property
    def mode(self) -> Mode:
        """What is heard; another process may set it."""
        return ORDER[self.gauges.mode]

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self.gauges.mode = ORDER.index(mode)

    def duplex(self, block: Array, out: Array, _frames: int, moment: Any, status: Any) -> None:
        """The callback of a device that gives and takes."""
        self.note(status, moment.outputBufferDacTime - moment.inputBufferAdcTime)
        self.process(block, out)

    def note(self, status: Any, device_latency: float) -> None:
        """What the device says with each call: whether it lost audio, and how many seconds it needs."""
        gauges = self.gauges
        gauges.calls += 1
        gauges.xruns += bool(status)
        gauges.device_latency = device_latency
        gauges.cpu = time.thread_time()

    def process(self, block: Array, out: Array) -> None:
        """Take the newest frames and fill `out` with as many of `delay` frames ago; both (frames, channels) float32."""
        self.expect(len(block))
        for begin in range(0, len(block), MOST):
            self._piece(block[begin : begin + MOST], out[begin : begin + MOST])

    def expect(self, frames: int) -> None:
        """Blocks of the device have so many frames: the delay is then at least that much longer."""
        longest = self.gauges.longest_block
        if 0 < longest < frames:
            self._jumped = True
        self.gauges.longest_block = max(longest, frames)

    @property
    def delay(self) -> int:
        """Frames between input and output."""
        return self._delay + int(self.gauges.longest_block)

    def _piece(self, block: Array, out: Array) -> None:
        """`process` for MOST frames or fewer."""
        count, gauges = len(block), self.gauges
        old, new, bent = self._old[:count], self._new[:count], self._bent[:count]
        start = self.dry.written - self.delay
        self.dry.write(block)
        self.dry.read(start, old)
        in_time = self._restored.written >= start + count + RESCUE
        self._restored.due = start + count + RESCUE
        self._restored.read(start, new)
        was = self._rescue.value
        if not in_time and start + count > 0:
            gauges.late_frames += count
            gauges.late_times += was == 1.0
        share = self._rescue.run(1.0 if in_time else 0.0, count)
        wet, dry = self._wet.run(MODES[self.mode][0], count), self._dry_share.run(MODES[self.mode][1], count)
        # where the worker is late, the dry signal stands in for the restored one
        np.subtract(wet, np.multiply(wet, share, out=share), out=wet)
        np.multiply(new, share, out=new)
        np.multiply(old, np.add(dry, wet, out=dry), out=old)
        np.add(new, old, out=new)
        if self._listening.gain != 1.0:
            np.multiply(new, np.float32(self._listening.gain), out=new)
        gauges.peak_in = max(gauges.peak_in, float(np.abs(block, out=bent).max()))
        if self._jumped:  # the delay has grown, and the last frames come once more: without a step
            fall = np.linspace(1, 0, min(count, RESCUE), endpoint=False, dtype=np.float32)[:, None]
            new[: len(fall)] += fall * (self._last - new[0])
            self._jumped = False
        self._last[:] = new[-1]
        if self._listening.ceiling and float(np.abs(new, out=bent).max()) > KNEE:
            _bend(new, bent)
        gauges.peak_out = max(gauges.peak_out, float(np.abs(new, out=bent).max()))
        out[:] = new


def _bend(audio: Array, held: Array) -> None:
    """Bring what exceeds KNEE under 1.0 on a smooth curve, in place; `held` is scratch."""
    np.clip(audio, -KNEE, KNEE, out=held)
    np.subtract(audio, held, out=audio)
    np.multiply(audio, np.float32(1 / (1 - KNEE)), out=audio)
    np.tanh(audio, out=audio)
    np.multiply(audio, np.float32(1 - KNEE), out=audio)
    np.add(audio, held, out=audio)
