"""Overlap-add streaming: cuts the signal into windows on a fixed grid, runs the network where samples are clipped, blends.

Window k finishes the `hop` frames from k * hop - fade on. It also sees `context` frames before them and `lookahead` frames after them,
as far as there are any; over the first `fade` of its look-ahead it fades into the next window, with weights that add to one. The grid is
tied to the first frame, so any division into blocks gives the same output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from declipper.clipping.arrays import Array, samples_of
from declipper.clipping.blend import blend, network_input
from declipper.clipping.levels import ClipLevels
from declipper.clipping.signal import ClippedSignal
from declipper.clipping.windows import at_rate, checked_rate, frames_in
from declipper.detection.detector import detection_work, find_levels
from declipper.detection.tracker import MEMORY, LevelTracker
from declipper.engine.experts import SETS
from declipper.engine.framing import PAST, Framing
from declipper.engine.memory import Memory
from declipper.engine.session import Session
from declipper.engine.work import restoring_work
from declipper.workers import IN_PROCESS, Workers, pool
from declipper.workers.in_order import InOrder


@dataclass(frozen=True, eq=False)
class _Window:
    """A window that was cut out.

    first: the frame where what it finishes begins. wanted: that part of it. there: which of its frames the signal has. tasks: each channel
    that is to be restored, alone or with the others that the experts hear, and its number therein. channels: those channels. restore:
    whether anything is changed at all.
    """

    first: int
    wanted: ClippedSignal
    there: slice
    tasks: list[tuple[ClippedSignal, int]]
    channels: list[int]
    restore: bool


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
        framing: Framing | None = None,
    ) -> None:
        """`levels` from `find_levels` or `ClipLevels.constant`, or a tracker that finds them as the signal comes.

        `framing` None takes `Framing.whole`. Raises ValueError for a sample rate that is not supported, levels of another number of
        channels, windows the model does not take, and windows longer than a tracker remembers.
        """
        if levels.channels != channels:
            raise ValueError(f"levels are for {levels.channels} channels, the stream has {channels}")
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
        self.reset()

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
        self._memory = Memory(self.framing, self._channels, self._session.info.experts) if self.framing.past else None
        if isinstance(self._levels, LevelTracker):
            self._levels.reset()

    def push(self, block: Array, restore: bool = True) -> Array:
        """Take a block (frames, channels), any number of frames; returns the frames that are finished, of the same type.

        Raises TypeError for what is not float32 or float64, ValueError for another number of channels.

        With `restore` off they come out as they went in, at next to no cost: for a listener who cannot wait for the network.
        """
        return self._finished(self._windows(block, restore))

    def flush(self) -> Array:
        """The frames still held back; the stream is then as new."""
        finished = self._finished(self._last_windows())
        self.reset()
        return finished

    def restored(self, blocks: Iterable[Array], workers: Workers = IN_PROCESS) -> Iterator[Array]:
        """A whole signal, block by block, to its end: the same frames as `push` and `flush` give, shared out among workers.

        It comes later than from `push`, for the workers are given the windows of the next blocks meanwhile, and in other blocks.
        """
        if self._memory is not None:  # each window needs what the one before it restored
            yield from map(self.push, blocks)
            yield self.flush()
            return
        under_way: InOrder[_Window, Array] = InOrder(workers)
        try:
            for window in self._windows_of(blocks):
                if self._session.on_cpu:
                    under_way.add(window, _estimate, [(self._session, *task) for task in window.tasks])
                else:  # only the experts, for the device is one for all
                    under_way.add(window, _experts_heard, [(self._session.info.experts.name, *task) for task in window.tasks])
                for done, results in under_way.finished():
                    yield self._joined(done, self._estimates(done, results))
            for done, results in under_way.rest():
                yield self._joined(done, self._estimates(done, results))
        finally:
            under_way.cancel()
        self.reset()

    def _estimates(self, window: _Window, results: list[Array]) -> list[Array]:
        """What workers made of a window's tasks, with the network's part where that is not theirs."""
        if self._session.on_cpu:
            return results
        return [_estimate(self._session, *task, heard=heard) for task, heard in zip(window.tasks, results, strict=True)]

    @property
    def _held(self) -> Array:
        """The frames that no window has finished yet, and the context before them."""
        return np.zeros((0, self._channels), np.float32) if self._pending is None else self._pending

    def _windows_of(self, blocks: Iterable[Array]) -> Iterator[_Window]:
        """All windows of a signal."""
        for block in blocks:
            yield from self._windows(block)
        yield from self._last_windows()

    def _windows(self, block: Array, restore: bool = True) -> Iterator[_Window]:
        """Take in a block; the windows whose frames are all there."""
        block = samples_of(block)
        if block.shape[1] != self._channels:
            raise ValueError(f"blocks must be (frames, {self._channels}), got {block.shape}")
        if self._pending is None:
            self._pending = np.zeros((self.framing.context + self.framing.fade, self._channels), block.dtype)
        self._pending = np.concatenate([self._pending, block])
        while len(self._pending) >= self.framing.window:
            yield self._window(restore)

    def _last_windows(self) -> Iterator[_Window]:
        """The windows that finish what is held, as long as it may be."""
        while len(self._held) > self.framing.context:
            yield self._window()

    def _finished(self, windows: Iterator[_Window]) -> Array:
        """The frames that windows finish, worked on here and now."""
        done = [self._joined(window, self._estimate(window)) for window in windows]
        return np.concatenate([self._held[:0], *done])

    def _estimate(self, window: _Window) -> list[Array]:
        """What the network makes of a window's channels, here and now."""
        tasks = zip(window.channels, window.tasks, strict=True)
        heard = [None if self._memory is None else self._memory.heard(seen, channel) for channel, (seen, _) in tasks]
        return [_estimate(self._session, *task, heard=rows) for task, rows in zip(window.tasks, heard, strict=True)]

    def _levels_of(self, window: Array, start: int) -> ClipLevels:
        """The levels for a window that begins at frame `start`; a tracker is first shown the frames it has not seen."""
        if isinstance(self._levels, ClipLevels):
            return self._levels
        return self._levels.push(window[self._levels.seen - start :])

    def _window(self, restore: bool = True) -> _Window:
        """Cut out the next window.

        It ends where the signal does, so that a short signal of many channels takes no more memory than it has samples.
        """
        assert self._pending is not None
        framing = self.framing
        y, first = self._pending[: framing.window], self._next
        start = first - framing.context
        there = slice(max(0, -start), len(y))
        levels = self._levels_of(y, start)
        whole = ClippedSignal(y, *levels.between(start, start + len(y)), self._sample_rate)
        self._pending, self._next = self._pending[framing.hop :], first + framing.hop
        channels = self._channels_to_restore(whole) if restore else []
        seen = whole.part(there)
        if self._session.info.experts.hears_other_channels:
            together = seen.packed() if channels else seen
            tasks = [(together, channel) for channel in channels]
        else:
            tasks = [(seen.channels[channel].packed(), 0) for channel in channels]
        return _Window(first, whole.part(slice(framing.context, framing.context + framing.hop)), there, tasks, channels, restore)

    def _joined(self, window: _Window, estimates: list[Array]) -> Array:
        """The frames that a window finishes, from what the network makes of its channels; to be called in their order."""
        framing = self.framing
        estimate = np.zeros((window.there.stop, self._channels))
        for channel, found in zip(window.channels, estimates, strict=True):
            estimate[window.there, channel] = found
        estimate = estimate[framing.context :]
        risen = estimate[: framing.fade]
        risen[:] = self._tail[: len(risen)] + self._ramp[: len(risen)] * risen
        fallen = estimate[framing.hop : framing.hop + framing.fade]
        self._tail = (1 - self._ramp[: len(fallen)]) * fallen
        finished = blend(window.wanted, estimate[: framing.hop]) if window.restore else window.wanted.samples
        finished = finished[max(0, -window.first) :]
        if self._memory is not None:
            self._memory.keep(finished)
        return finished

    def _channels_to_restore(self, window: ClippedSignal) -> list[int]:
        """The channels with a level that is known, and a clipped sample where the window has a say in the output."""
        reach = slice(self.framing.context, self.framing.context + self.framing.hop + self.framing.fade)
        known = np.isfinite(window.positive).any(axis=0) | np.isfinite(window.negative).any(axis=0)
        channels: list[int] = np.flatnonzero(window.mask[reach].any(axis=0) & known).tolist()
        return channels


def _experts_heard(experts: str, signal: ClippedSignal, channel: int) -> Array:
    """What a set of experts, known by its name, makes of one channel: see `ExpertSet.rows`."""
    return SETS[experts].rows(signal, channel, scale=signal.channels[channel].highest_level)


def _estimate(session: Session, signal: ClippedSignal, channel: int, *, heard: Array | None = None) -> Array:
    """What the network makes of one channel of what is there of a window, (frames,). heard: of its experts, None asks them.

    A network that is not told how sure its experts are relies on having learned from longer recordings than PAST: of shorter ones it keeps
    within what they say. In the music of `tests/test_short_signals.py`, 20 excerpts at each of nine lengths from 20 to 500 frames, one in
    30 came out worse than it went in, by up to 12 dB, and now one in 180 does, by 4 dB.
    """
    alone, multiple = signal.channels[channel], session.info.multiple
    scale, frames = alone.highest_level, len(alone.samples)
    found = _experts_heard(session.info.experts.name, signal, channel) if heard is None else heard
    seen = np.zeros((session.inputs, -(-frames // multiple) * multiple), np.float32)
    seen[:, :frames] = np.concatenate([network_input(alone), found])
    estimate, experts = session.estimate(seen)[:frames], session.info.experts
    if frames < at_rate(PAST, signal.sample_rate) and experts.outputs and not experts.has_deviation:
        estimate = np.clip(estimate, found.min(axis=0), found.max(axis=0))
    return estimate.astype(np.float64) * scale


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
    takes the place of `quality`. jobs: worker processes that share what takes longer than to start them; the result is the same for any
    number, and a script needs no `if __name__ == "__main__"` for them. Restored peaks exceed the levels, and full scale too where the
    recording clipped there. Raises ModelError for a quality that is not there, TypeError or ValueError for other samples or rates, and
    WorkerError where workers die over the same work twice.

    >>> restored = declip(audio, 44100, "fast")
    """
    whole, columns = np.asarray(audio), samples_of(audio)
    checked_rate(sample_rate)
    frames, channels = columns.shape
    with pool(jobs) as workers:
        if levels is None:
            levels = find_levels(columns, workers.for_work(detection_work(frames, channels)))
        if levels.channels != channels:
            raise ValueError(f"levels are for {levels.channels} channels, the signal has {channels}")
        if not levels.any:
            return whole.copy()
        session = session or Session(quality)
        work = restoring_work(session.info, sample_rate, frames=frames, levels=levels)
        restored = [*DeclipStream(sample_rate, channels, levels, session).restored([columns], workers.for_work(work))]
    return np.concatenate([columns[:0], *restored]).reshape(whole.shape).astype(whole.dtype, copy=False)
