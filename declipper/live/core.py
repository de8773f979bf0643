"""What restores a live signal: the plugin's core, in C++, where it is installed, else Python, with the same methods in more time."""

from __future__ import annotations

import ctypes
import sys
import weakref
from collections.abc import Callable
from ctypes import POINTER, c_char_p, c_double, c_int32, c_size_t, c_uint32, c_void_p
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import declipper
from declipper.clipping.arrays import Array
from declipper.clipping.levels import Threshold
from declipper.detection.tracker import LevelTracker
from declipper.engine.experts import LIVE
from declipper.engine.framing import Framing
from declipper.engine.model_file import ModelFile
from declipper.engine.session import Session
from declipper.engine.stream import DeclipStream
from declipper.errors import InputError, ModelError
from declipper.plugins.constants import checksum
from declipper.plugins.flat import flat
from declipper.plugins.install import package

LIBRARY = "declipper-core" + {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
"""The file in the package `declipper_plugin`; packaging/plugin/core/library.h says what is in it."""
REASON = 256
"""Bytes for the reason why the core refuses something; its longest has about a hundred."""


class _Framing(ctypes.Structure):
    _fields_ = (("context", c_int32), ("hop", c_int32), ("lookahead", c_int32), ("fade", c_int32))


def library() -> Path:
    """The library of the core in the package of the plugin. Raises InputError where that is not installed."""
    folder = package()
    if folder is None:
        raise InputError("declipper-plugin is not installed")
    return folder / LIBRARY


def opened(path: Path) -> ctypes.CDLL:
    """A library of the core, ready to be called.

    Raises InputError where it cannot be loaded, or is that of another version or works with other numbers than this package.
    """
    try:
        found = ctypes.CDLL(str(path))
        found.declipper_version.restype = c_char_p
        version = found.declipper_version().decode(errors="replace")
        if version != declipper.__version__:
            raise InputError(f"declipper-plugin is of version {version}, not {declipper.__version__}")
        found.declipper_constants.restype = c_uint32
        if found.declipper_constants() != checksum():
            raise InputError("declipper-plugin was built from other sources")
        found.declipper_make.restype = c_void_p
        found.declipper_make.argtypes = (c_char_p, c_size_t, c_double, c_int32, _Framing, POINTER(c_double), c_char_p, c_size_t)
        found.declipper_wanted.argtypes = (c_void_p,)
        found.declipper_push.argtypes = (c_void_p, c_void_p, c_int32, c_void_p, c_int32)
        for ends in (found.declipper_reset, found.declipper_free):
            ends.argtypes, ends.restype = (c_void_p,), None
    except (OSError, AttributeError) as error:
        raise InputError(f"{path}: cannot be loaded ({error})") from error
    return found


class CoreStream:
    """What `DeclipStream` is to a listener, in C++: float32 signals alone, with one pair of levels for the whole signal or tracked ones.

    Before the first frame and after the last one, the core hears silence, where `DeclipStream` knows that there is nothing.
    """

    def __init__(
        self,
        path: Path,
        model: bytes,
        sample_rate: float,
        *,
        channels: int,
        framing: Framing,
        threshold: Threshold | None,
    ) -> None:
        """path: of the library; model: a flat file (`declipper.plugins.flat`); threshold: the levels, None tracks them.

        Raises InputError for a library that does not serve, and ModelError where the core does not run this model, rate or framing.
        """
        self.framing = framing
        self._again = partial(CoreStream, path, model, sample_rate, channels=channels, framing=framing, threshold=threshold)
        self._channels = channels
        self._held = 0
        self._library = opened(path)
        lengths = _Framing(framing.context, framing.hop, framing.lookahead, framing.fade)
        levels = None if threshold is None else (c_double * (2 * channels))(*[threshold.positive, -threshold.negative] * channels)
        reason = ctypes.create_string_buffer(REASON)
        self._stream = self._library.declipper_make(model, len(model), sample_rate, channels, lengths, levels, reason, REASON)
        if self._stream is None:
            raise ModelError(f"the core refuses it: {reason.value.decode(errors='replace')}")
        weakref.finalize(self, self._library.declipper_free, self._stream)

    def __reduce__(self) -> tuple[Callable[[], CoreStream], tuple[()]]:
        """In another process, it is a new stream."""
        return self._again, ()

    @property
    def latency(self) -> int:
        """Frames by which the output lags the input at most. `flush` gives the rest."""
        return self.framing.hop + self.framing.lookahead

    @property
    def wanted(self) -> int:
        """Frames missing until the next window can be worked on."""
        return int(self._library.declipper_wanted(self._stream))

    def warm_up(self) -> None:
        """Nothing: all that is needed is there from the start."""

    def reset(self) -> None:
        """Forget the past and begin a new signal at frame 0."""
        self._library.declipper_reset(self._stream)
        self._held = 0

    def push(self, block: Array, restore: bool = True) -> Array:
        """Take a block (frames, channels), any number of frames; returns the frames that are finished.

        Raises TypeError for what is not float32, ValueError for another number of channels. With `restore` off they come out as they went
        in, at next to no cost.
        """
        if block.dtype != np.float32:
            raise TypeError(f"the core takes float32, got {block.dtype}")
        if block.ndim != 2 or block.shape[1] != self._channels:
            raise ValueError(f"blocks must be (frames, {self._channels}), got {block.shape}")
        block = np.ascontiguousarray(block)
        out = np.empty((len(block) + self.framing.hop, self._channels), np.float32)
        count = self._library.declipper_push(self._stream, block.ctypes.data, len(block), out.ctypes.data, restore)
        self._held += len(block) - count
        return out[:count]

    def flush(self) -> Array:
        """The frames still held back; the stream is then as new."""
        held = self._held
        finished = self.push(np.zeros((self.latency, self._channels), np.float32))[:held]
        self.reset()
        return finished


@dataclass(frozen=True)
class Engine:
    """What restores a signal. runs_in: C++ or Python, in words for the meters, with the reason where Python stands in for C++."""

    stream: DeclipStream | CoreStream
    runs_in: str

    @classmethod
    def of(cls, session: Session, sample_rate: float, channels: int, *, framing: Framing, threshold: Threshold | None) -> Engine:
        """The core where it is installed and runs this model, else Python. threshold: the levels, None tracks them."""
        why = ""
        if session.info.experts == LIVE and session.on_cpu:
            try:
                path, model = library(), flat(ModelFile.read(session.path))
                return cls(CoreStream(path, model, sample_rate, channels=channels, framing=framing, threshold=threshold), "C++")
            except (InputError, ModelError) as error:
                why = f" ({error})"
        levels = LevelTracker(sample_rate, channels) if threshold is None else threshold.levels(channels)
        return cls(DeclipStream(sample_rate, channels, levels, session, framing=framing), f"Python{why}")
