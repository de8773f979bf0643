"""Drives a chain: with a device in real time, or without one as fast as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import numpy as np

from declipper.clipping.arrays import Array
from declipper.errors import DeviceError, ModelError
from declipper.live.chain import Chain, Reading
from declipper.live.feed import Feed
from declipper.live.monitor import Mode
from declipper.live.player import Player

REFRESH = 0.1
"""Seconds between two looks at the meters and the keyboard: as often as an eye follows."""
SILENT = 3.0
"""Seconds without a call from the device after which it counts as lost; the longest block lasts a fraction of one."""
KEYS: dict[str, Mode] = {"r": "restored", "d": "dry", "x": "difference"}
REHEARSED = 256
"""Frames per block where there is no device: as many as devices usually ask for."""


def no_keys() -> str:
    """No keyboard: nothing was pressed."""
    return ""


def rehearse(chain: Chain, blocks: Iterable[Array], *, show: Callable[[Reading], None], keys: Callable[[], str] = no_keys) -> None:
    """Send a signal through, without a device and as fast as it goes, for what is recorded of it; q or Ctrl-C ends it early.

    Raises ModelError where restoring failed, OutputError where recording did.
    """
    shown = time.monotonic()
    unheard = np.zeros((REHEARSED, chain.dry.channels), np.float32)
    try:
        for piece in (block[begin : begin + REHEARSED] for block in blocks for begin in range(0, len(block), REHEARSED)):
            chain.monitor.process(piece, unheard[: len(piece)])
            chain.work()
            if time.monotonic() - shown >= REFRESH:
                shown = time.monotonic()
                show(chain.reading())
                if "q" in keys():
                    break
    except KeyboardInterrupt:
        pass
    chain.stop()


def listen(chain: Chain, player: Player, *, feed: Feed | None, show: Callable[[Reading], None], keys: Callable[[], str] = no_keys) -> None:
    """Run until the feed has ended, the user quits (q or Ctrl-C), or the device goes away; what was recorded is safe in every case.

    Raises DeviceError where the device went away, ModelError where restoring failed, InputError where the feed is broken.
    """
    try:
        chain.start()
        player.start()
        _watch(chain, player, feed=feed, show=show, keys=keys)
    except KeyboardInterrupt:
        pass
    finally:
        player.close()
        if feed is not None and chain.monitor.gauges.calls:
            feed.record_rest()
        chain.stop(feed.ended_at if feed is not None else None)
    if feed is not None and feed.error is not None:
        raise feed.error
    if chain.problem:
        raise ModelError(f"restoring failed ({chain.problem}); the dry signal was passed on, and what was recorded is safe")


def _watch(chain: Chain, player: Player, *, feed: Feed | None, show: Callable[[Reading], None], keys: Callable[[], str]) -> None:
    calls, moved = chain.monitor.gauges.calls, time.monotonic()
    while not (feed is not None and (feed.played or feed.error is not None)):
        time.sleep(REFRESH)
        for key in keys():
            if key == "q":
                return
            chain.monitor.mode = KEYS.get(key, chain.monitor.mode)
        show(chain.reading())
        if chain.monitor.gauges.calls != calls:
            calls, moved = chain.monitor.gauges.calls, time.monotonic()
        if not player.active or time.monotonic() - moved > SILENT:
            raise DeviceError(
                f"the audio device went away after {chain.dry.written / chain.sample_rate:.1f} s; unplugged, or its sample rate changed? "
                "What was recorded is safe"
            )
