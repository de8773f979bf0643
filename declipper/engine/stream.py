"""Overlap-add streaming: cuts the signal into windows on a fixed grid, runs the network where samples are clipped, blends.

Window k finishes the `hop` frames from k * hop - fade on. It also sees `context` frames before them and `lookahead` frames after them,
as far as there are any; over the first `fade` of its look-ahead it fades into the next window, with weights that add to one. The grid is
tied to the first frame, so any division into blocks gives the same output.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from declipper.clipping.arrays import Array, samples_of
from declipper.clipping.blend import blend, network_input
from declipper.clipping.levels import ClipLevels
from declipper.clipping.signal import ClippedSignal
from declipper.clipping.windows import checked_rate, frames_in
from declipper.detection.detector import find_levels
from declipper.detection.tracker import MEMORY, LevelTracker
from declipper.engine.blas import one_blas_thread
from declipper.engine.framing import Framing
from declipper.engine.session import Session

AT_ONCE = 1 << 21
"""Samples, in windows times frames times channels, worked on between two steps of the overlap-add, where that is more than one window: it
bounds the memory for blocks of any length and any number of channels. 16 windows of `best` at 44.1 kHz."""


class DeclipStream:
    """Declips a signal that comes block by block; `declip` is the same for a whole array.

    >>> stream = DeclipStream(44100, channels=2, levels=levels, session=session)
    >>> restored = [stream.push(block) for block in blocks] + [stream.flush()]
    """

    def __init__(
        self,
        sample_rate: float,
        channels: int,
        levels: ClipLevels | LevelTracker,
        session: Session,
        *,
        jobs: int = 1,
        framing: Framing | None = None,
    ) -> None:
        """`levels` from `find_levels` or `ClipLevels.constant`, or a tracker that finds them as the signal comes.

        `jobs` threads share the windows; the output does not depend on `jobs`. `framing` None takes `Framing.whole`.
        Raises ValueError for a sample rate that is not supported, levels of another number of channels, no jobs, windows the model does not
        take, and windows longer than a tracker remembers.
        """
        if levels.channels != channels:
            raise ValueError(f"levels are for {levels.channels} channels, the stream has {channels}")
        if jobs < 1:
            raise ValueError(f"jobs must be 1 or more, got {jobs}")
        self._session = session
        self._sample_rate = checked_rate(sample_rate)
        self._levels = levels
        self._channels = channels
        self.framing = framing or Framing.whole(session.info, sample_rate)
        if isinstance(levels, LevelTracker) and self.framing.window > frames_in(MEMORY, sample_rate):
            raise ValueError(f"a tracker knows the levels of the last {MEMORY:g} s, {self.framing} sees more; give a shorter framing")
        if self.framing.window % session.info.multiple:
            raise ValueError(f"windows must be a multiple of {session.info.multiple} frames, {self.framing} has {self.framing.window}")
        fade = self.framing.fade
        self._ramp = (np.sin(0.5 * np.pi * (np.arange(fade) + 0.5) / fade) ** 2)[:, None]
        self._pool = ThreadPoolExecutor(jobs) if jobs > 1 else None
        self.reset()

    def __enter__(self) -> DeclipStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the threads back; windows that wait for one are dropped. Called on leaving a `with` block."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def latency(self) -> int:
        """Frames by which the output lags the input at most. `flush` gives the rest."""
        return self.framing.hop + self.framing.lookahead

    @property
    def wanted(self) -> int:
        """Frames missing until the next window can be worked on."""
        held = self.framing.fade if self._pending is None else len(self._pending) - self.framing.context
        return self.framing.hop + self.framing.lookahead - held

    def warm_up(self) -> None:
        """Run the network once on silence: the first run allocates, and takes longer."""
        self._session.estimate(np.zeros((self._session.inputs, self.framing.window), np.float32))

    def reset(self) -> None:
        """Forget the past and begin a new signal at frame 0."""
        self._next = -self.framing.fade
        self._pending: Array | None = None
        self._tail = np.zeros((self.framing.fade, self._channels))
        if isinstance(self._levels, LevelTracker):
            self._levels.reset()

    def push(self, block: Array, restore: bool = True) -> Array:
        """Take a block (frames, channels), any number of frames; returns the frames that are finished, of the same type.

        Raises TypeError for what is not float32 or float64, ValueError for another number of channels.

        With `restore` off they come out as they went in, at next to no cost: for a listener who cannot wait for the network.
        """
        block = self._checked(block)
        if self._pending is None:
            self._pending = np.zeros((self.framing.context + self.framing.fade, self._channels), block.dtype)
        self._pending = np.concatenate([self._pending, block])
        return self._advance(max(0, (len(self._pending) - self.framing.context - self.framing.lookahead) // self.framing.hop), restore)

    def flush(self) -> Array:
        """The frames still held back; the stream is then as new."""
        if self._pending is None:
            return np.zeros((0, self._channels), np.float32)
        unfinished = len(self._pending) - self.framing.context
        windows = -(-unfinished // self.framing.hop)
        out = self._advance(windows)
        self.reset()
        return out

    def _checked(self, block: Array) -> Array:
        block = samples_of(block)
        if block.shape[1] != self._channels:
            raise ValueError(f"blocks must be (frames, {self._channels}), got {block.shape}")
        return block

    def _advance(self, windows: int, restore: bool = True) -> Array:
        """Work off so many windows of what is pending; returns their finished frames from frame 0 on."""
        assert self._pending is not None
        done = [np.zeros((0, self._channels), self._pending.dtype)]
        at_once = max(1, AT_ONCE // (self.framing.window * self._channels))
        with one_blas_thread():
            for first in range(0, windows, at_once):
                done += self._batch(first, min(first + at_once, windows), restore=restore)
        before = self._next
        self._next += windows * self.framing.hop
        self._pending = self._pending[windows * self.framing.hop :]
        return np.concatenate(done)[max(0, -before) if windows else 0 :]

    def _levels_of(self, window: Array, start: int) -> ClipLevels:
        """The levels for a window that begins at frame `start`; a tracker is first shown the frames it has not seen."""
        if isinstance(self._levels, ClipLevels):
            return self._levels
        return self._levels.push(window[self._levels.seen - start :])

    def _batch(self, first: int, last: int, *, restore: bool) -> list[Array]:
        """The finished frames of windows first..last, one array each. The network runs in parallel, the addition in order.

        Windows end where the signal does, so that a short signal of many channels takes no more memory than it has samples.
        """
        assert self._pending is not None
        framing = self.framing
        core = slice(framing.context, framing.context + framing.hop)
        cuts, tasks = [], []
        for index in range(first, last):
            begin = index * framing.hop
            y = self._pending[begin : begin + framing.window]
            start = self._next - framing.context + begin
            there = slice(max(0, -start), len(y))
            levels = self._levels_of(y, start)
            window = ClippedSignal(y, *levels.between(start, start + len(y)), self._sample_rate)
            channels = self._channels_to_restore(window) if restore else []
            seen = window.part(there)
            tasks += [(seen, channel) for channel in channels]
            cuts.append((window.part(core), channels, there))
        estimates = (map if self._pool is None else self._pool.map)(self._estimate, tasks)
        done = []
        for wanted, channels, there in cuts:
            estimate = np.zeros((there.stop, self._channels))
            for channel in channels:
                estimate[there, channel] = next(estimates)
            estimate = estimate[framing.context :]
            risen = estimate[: framing.fade]
            risen[:] = self._tail[: len(risen)] + self._ramp[: len(risen)] * risen
            fallen = estimate[framing.hop : framing.hop + framing.fade]
            self._tail = (1 - self._ramp[: len(fallen)]) * fallen
            done.append(blend(wanted, estimate[: framing.hop]) if restore else wanted.samples)
        return done

    def _channels_to_restore(self, window: ClippedSignal) -> list[int]:
        """The channels with a level that is known, and a clipped sample where the window has a say in the output."""
        reach = slice(self.framing.context, self.framing.context + self.framing.hop + self.framing.fade)
        known = np.isfinite(window.positive).any(axis=0) | np.isfinite(window.negative).any(axis=0)
        channels: list[int] = np.flatnonzero(window.mask[reach].any(axis=0) & known).tolist()
        return channels

    def _estimate(self, task: tuple[ClippedSignal, int]) -> Array:
        """What the network makes of one channel of what is there of a window, (frames,)."""
        signal, channel = task
        alone, multiple = signal.channels[channel], self._session.info.multiple
        scale, frames = alone.highest_level, len(alone.samples)
        found = self._session.info.experts.rows(signal, channel, scale=scale)
        seen = np.zeros((self._session.inputs, -(-frames // multiple) * multiple), np.float32)
        seen[:, :frames] = np.concatenate([network_input(alone), found])
        return self._session.estimate(seen)[:frames].astype(np.float64) * scale


def declip(
    audio: Array,
    sample_rate: float,
    quality: str | Path = "best",
    *,
    levels: ClipLevels | None = None,
    session: Session | None = None,
    jobs: int = 1,
) -> Array:
    """Restore a whole signal, (frames,) or (frames, channels) floats with full scale at 1.0; the result has its shape and type.

    quality: best, fast or live, or the path of a model file. levels: None finds them. session: a model that is loaded already, which then
    takes the place of `quality`. jobs: threads that share the work. Restored peaks exceed the levels, and full scale too where the
    recording clipped there. Raises ModelError for a quality that is not there, TypeError or ValueError for other samples or rates.

    >>> restored = declip(audio, 44100, "fast")
    """
    whole, columns = np.asarray(audio), samples_of(audio)
    checked_rate(sample_rate)
    levels = find_levels(columns) if levels is None else levels
    if levels.channels != columns.shape[1]:
        raise ValueError(f"levels are for {levels.channels} channels, the signal has {columns.shape[1]}")
    if not levels.any:
        return whole.copy()
    with DeclipStream(sample_rate, columns.shape[1], levels, session or Session(quality), jobs=jobs) as stream:
        return np.concatenate([stream.push(columns), stream.flush()]).reshape(whole.shape).astype(whole.dtype, copy=False)
