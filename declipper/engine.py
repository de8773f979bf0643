"""Overlap-add streaming: cuts the signal into windows on a fixed grid, runs the network where samples are clipped, blends.

Window k covers frames k * hop - fade .. (k + 1) * hop; neighbours overlap by `fade` frames, over which one fades into the next
with weights that add to one. The grid is tied to the first frame, so any division into blocks gives the same output.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from declipper.arrays import Array
from declipper.blend import blend, network_input
from declipper.clipping import ClipLevels, Curve, clipped_mask
from declipper.detection import find_levels
from declipper.session import Session

AT_ONCE = 64
"""Windows worked on between two steps of the overlap-add: bounds memory for a block of any length."""


def window_length(base: int, multiple: int, sample_rate: float) -> int:
    """The window in frames at a sample rate: the model's own at 44.1 kHz, and about the same time at any other."""
    octaves = round(float(np.log2(sample_rate / 44100)))
    return max(multiple * 4, int(base * 2.0**octaves))


class DeclipStream:
    """Declips a signal that comes block by block; `declip` is the same for a whole array.

    >>> stream = DeclipStream(44100, channels=2, levels=levels, session=session)
    >>> restored = [stream.push(block) for block in blocks] + [stream.flush()]
    """

    def __init__(self, sample_rate: float, channels: int, levels: ClipLevels, session: Session, jobs: int = 1) -> None:
        """`levels` from `find_levels` or `ClipLevels.constant`; `jobs` threads share the windows. The output does not depend on `jobs`."""
        if levels.channels != channels:
            raise ValueError(f"levels are for {levels.channels} channels, the stream has {channels}")
        self._session = session
        self._levels = levels
        self._channels = channels
        self._window = window_length(session.info.window, session.info.multiple, sample_rate)
        self._fade = self._window * session.info.fade // session.info.window
        self._hop = self._window - self._fade
        ramp = np.sin(0.5 * np.pi * (np.arange(self._fade) + 0.5) / self._fade) ** 2
        self._ramp = ramp[:, None]
        self._pool = ThreadPoolExecutor(jobs)
        self.reset()

    def __enter__(self) -> DeclipStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the threads back; windows that wait for one are dropped. Called on leaving a `with` block."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def latency(self) -> int:
        """Frames by which the output lags the input at most. `flush` gives the rest."""
        return self._window

    def reset(self) -> None:
        """Forget the past and begin a new signal at frame 0."""
        self._next = -self._fade
        self._pending: Array | None = None
        self._tail = np.zeros((self._fade, self._channels))

    def push(self, block: Array) -> Array:
        """Take a block (frames, channels), any number of frames; returns the frames that are finished, of the same type."""
        block = self._checked(block)
        if self._pending is None:
            self._pending = np.zeros((self._fade, self._channels), block.dtype)
        self._pending = np.concatenate([self._pending, block])
        return self._advance(max(0, (len(self._pending) - self._fade) // self._hop))

    def flush(self) -> Array:
        """The frames still held back; the stream is then as new."""
        if self._pending is None:
            return np.zeros((0, self._channels), np.float32)
        held = len(self._pending) + min(0, self._next)
        windows = -(-len(self._pending) // self._hop)
        padding = np.zeros((windows * self._hop + self._fade - len(self._pending), self._channels), self._pending.dtype)
        self._pending = np.concatenate([self._pending, padding])
        out = self._advance(windows)[:held]
        self.reset()
        return out

    def _checked(self, block: Array) -> Array:
        block = np.asarray(block)
        block = block[:, None] if block.ndim == 1 else block
        if block.ndim != 2 or block.shape[1] != self._channels:
            raise ValueError(f"blocks must be (frames, {self._channels}), got {block.shape}")
        return block if block.dtype in (np.float32, np.float64) else block.astype(np.float32)

    def _advance(self, windows: int) -> Array:
        """Work off so many windows of what is pending; returns their finished frames from frame 0 on."""
        assert self._pending is not None
        done = [np.zeros((0, self._channels), self._pending.dtype)]
        for first in range(0, windows, AT_ONCE):
            done += self._batch(first, min(first + AT_ONCE, windows))
        before = self._next
        self._next += windows * self._hop
        self._pending = self._pending[windows * self._hop :]
        return np.concatenate(done)[max(0, -before) if windows else 0 :]

    def _batch(self, first: int, last: int) -> list[Array]:
        """The finished frames of windows first..last, one array each. The network runs in parallel, the addition in order."""
        assert self._pending is not None
        jobs = []
        for index in range(first, last):
            begin = index * self._hop
            y = self._pending[begin : begin + self._window]
            start = self._next + begin
            positive, negative = self._levels.between(start, start + self._window)
            clipped = np.any(clipped_mask(y, positive, negative), axis=0, keepdims=True)[0]
            estimates = [
                self._pool.submit(self._estimate, y[:, c], positive[:, c], negative[:, c]) if clipped[c] else None
                for c in range(self._channels)
            ]
            jobs.append((y[: self._hop], positive[: self._hop], negative[: self._hop], estimates))
        done = []
        for y, positive, negative, estimates in jobs:
            estimate = np.zeros((self._window, self._channels))
            for channel, future in enumerate(estimates):
                if future is not None:
                    estimate[:, channel] = future.result()
            estimate[: self._fade] = self._tail + self._ramp * estimate[: self._fade]
            self._tail = (1 - self._ramp) * estimate[self._hop :]
            done.append(blend(y, estimate[: self._hop], positive, negative, self._levels.softness))
        return done

    def _estimate(self, y: Array, positive: Curve, negative: Curve) -> Array:
        window, scale = network_input(y, positive, negative)
        return self._session.estimate(window).astype(np.float64) * scale


def declip(audio: Array, sample_rate: float, levels: ClipLevels | None = None, session: Session | None = None, jobs: int = 1) -> Array:
    """Restore a whole signal, (frames,) or (frames, channels) floats with full scale at 1.0; the result has its shape and type.

    `levels` None finds them. Restored peaks exceed the levels, and full scale too where the recording clipped there.
    """
    whole = np.asarray(audio)
    whole = whole if whole.dtype in (np.float32, np.float64) else whole.astype(np.float32)
    columns = whole[:, None] if whole.ndim == 1 else whole
    levels = find_levels(columns) if levels is None else levels
    if not levels.any:
        return whole.copy()
    with DeclipStream(sample_rate, columns.shape[1], levels, session if session is not None else Session(), jobs) as stream:
        return np.concatenate([stream.push(columns), stream.flush()]).reshape(whole.shape)
