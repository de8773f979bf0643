"""The process that plays: it has the audio device, and Python runs nothing else in it than the callback.

A process of its own, because Python runs one thread at a time: meters, keyboard and recordings would keep the callback waiting, now and
then for longer than a short block lasts.
"""

from __future__ import annotations

import gc
import os
import signal
from multiprocessing import get_context
from multiprocessing.connection import Connection

from declipper.errors import DeviceError
from declipper.live.devices import PATIENCE, Callback, Chosen, DeviceStream, portaudio
from declipper.live.worker import READY
from declipper.signals import STOPPING

BEGINNING = 30.0
"""Seconds the process and the device get to begin."""
LATE = "the audio device does not answer; unplug it and try again"
LOOK = 0.1
"""Seconds between two looks at whether the device still runs and the program still wants it."""


class Player:
    """An open stream of 32-bit floats whose callback runs in a process of its own."""

    def __init__(self, chosen: Chosen, callback: Callback, *, blocksize: int) -> None:
        """Begins to open the devices, see `DeviceStream`. callback: goes to the other process; what it tells must lie in shared memory."""
        context = get_context("spawn")
        self._line, far_end = context.Pipe()
        self._process = context.Process(target=_play, args=(chosen, blocksize, callback, far_end), daemon=True)
        self._process.start()
        far_end.close()

    def start(self) -> None:
        """Begin to call the callback. Raises DeviceError where a device refuses."""
        try:
            self._hear()
            self._line.send(READY)
            self._hear()
        except (EOFError, OSError) as error:
            raise DeviceError("the process that plays ended; restart the program") from error

    def _hear(self) -> None:
        problem = self._line.recv() if self._line.poll(BEGINNING) else LATE
        if problem != READY:
            raise DeviceError(problem)

    @property
    def active(self) -> bool:
        """Whether the callback is being called."""
        return self._process.is_alive()

    def close(self) -> None:
        """End the stream."""
        self._line.close()
        self._process.join(2 * PATIENCE)
        self._process.kill()
        self._process.join()


def _play(chosen: Chosen, blocksize: int, callback: Callback, line: Connection) -> None:
    """Open, wait for the word, play until the device ends or the other process closes the line or ends."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    try:
        stream = DeviceStream(portaudio(), chosen, blocksize=blocksize, callback=callback)
        line.send(READY)
        line.recv()
        gc.freeze()
        stream.start()
        line.send(READY)
    except DeviceError as error:
        line.send(str(error))
        return
    except (EOFError, OSError):  # nobody waits any more
        return
    while stream.active and not line.poll(LOOK):
        pass
    if not stream.close():
        os._exit(1)  # at once: PortAudio's own ending would wait for the device as well
