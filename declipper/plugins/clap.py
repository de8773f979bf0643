"""A minimal CLAP host: loads our own plugin and runs it. The structures are those of the headers of CLAP 1."""

from __future__ import annotations

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_bool,
    c_char,
    c_char_p,
    c_double,
    c_int64,
    c_uint32,
    c_uint64,
    c_void_p,
    create_string_buffer,
    pointer,
)
from pathlib import Path

import numpy as np

from declipper.clipping.arrays import Array


class _Version(Structure):
    _fields_ = (("major", c_uint32), ("minor", c_uint32), ("revision", c_uint32))


class _Host(Structure):
    _fields_ = (
        ("version", _Version),
        ("data", c_void_p),
        ("name", c_char_p),
        ("vendor", c_char_p),
        ("url", c_char_p),
        ("release", c_char_p),
        ("get_extension", CFUNCTYPE(c_void_p, c_void_p, c_char_p)),
        ("request_restart", CFUNCTYPE(None, c_void_p)),
        ("request_process", CFUNCTYPE(None, c_void_p)),
        ("request_callback", CFUNCTYPE(None, c_void_p)),
    )


class _Entry(Structure):
    _fields_ = (
        ("version", _Version),
        ("init", CFUNCTYPE(c_bool, c_char_p)),
        ("deinit", CFUNCTYPE(None)),
        ("get_factory", CFUNCTYPE(c_void_p, c_char_p)),
    )


class _About(Structure):
    _fields_ = (("version", _Version), ("id", c_char_p))


class _Buffer(Structure):
    _fields_ = (("data32", c_void_p), ("data64", c_void_p), ("channels", c_uint32), ("latency", c_uint32), ("constant", c_uint64))


_Size = CFUNCTYPE(c_uint32, c_void_p)
_Get = CFUNCTYPE(c_void_p, c_void_p, c_uint32)
_Push = CFUNCTYPE(c_bool, c_void_p, c_void_p)


class _InputEvents(Structure):
    _fields_ = (("context", c_void_p), ("size", _Size), ("get", _Get))


class _OutputEvents(Structure):
    _fields_ = (("context", c_void_p), ("try_push", _Push))


class _Process(Structure):
    _fields_ = (
        ("steady_time", c_int64),
        ("frames", c_uint32),
        ("transport", c_void_p),
        ("inputs", POINTER(_Buffer)),
        ("outputs", POINTER(_Buffer)),
        ("input_count", c_uint32),
        ("output_count", c_uint32),
        ("in_events", POINTER(_InputEvents)),
        ("out_events", POINTER(_OutputEvents)),
    )


class _Plugin(Structure):
    _fields_ = (
        ("about", POINTER(_About)),
        ("data", c_void_p),
        ("init", CFUNCTYPE(c_bool, c_void_p)),
        ("destroy", CFUNCTYPE(None, c_void_p)),
        ("activate", CFUNCTYPE(c_bool, c_void_p, c_double, c_uint32, c_uint32)),
        ("deactivate", CFUNCTYPE(None, c_void_p)),
        ("start_processing", CFUNCTYPE(c_bool, c_void_p)),
        ("stop_processing", CFUNCTYPE(None, c_void_p)),
        ("reset", CFUNCTYPE(None, c_void_p)),
        ("process", CFUNCTYPE(ctypes.c_int32, c_void_p, POINTER(_Process))),
        ("get_extension", CFUNCTYPE(c_void_p, c_void_p, c_char_p)),
    )


class _Factory(Structure):
    _fields_ = (
        ("count", CFUNCTYPE(c_uint32, c_void_p)),
        ("about", CFUNCTYPE(POINTER(_About), c_void_p, c_uint32)),
        ("create", CFUNCTYPE(POINTER(_Plugin), c_void_p, POINTER(_Host), c_char_p)),
    )


class _PluginLatency(Structure):
    _fields_ = (("get", CFUNCTYPE(c_uint32, c_void_p)),)


class _ParameterInfo(Structure):
    _fields_ = (
        ("id", c_uint32),
        ("flags", c_uint32),
        ("cookie", c_void_p),
        ("name", c_char * 256),
        ("module", c_char * 1024),
        ("least", c_double),
        ("most", c_double),
        ("usual", c_double),
    )


class _Parameters(Structure):
    _fields_ = (
        ("count", CFUNCTYPE(c_uint32, c_void_p)),
        ("about", CFUNCTYPE(c_bool, c_void_p, c_uint32, POINTER(_ParameterInfo))),
        ("value", CFUNCTYPE(c_bool, c_void_p, c_uint32, POINTER(c_double))),
        ("words", CFUNCTYPE(c_bool, c_void_p, c_uint32, c_double, c_char_p, c_uint32)),
    )


class _HostLatency(Structure):
    _fields_ = (("changed", CFUNCTYPE(None, c_void_p)),)


class ClapPlugin:
    """The first plugin of a CLAP file, activated."""

    BLOCK = 1024
    """Frames of the blocks that it is run on, a usual size in hosts."""

    def __init__(self, path: Path, sample_rate: float) -> None:
        """Raises ValueError where the plugin refuses, and OSError where it cannot be loaded."""
        binary = path / "Contents/MacOS" / path.stem if path.is_dir() else path
        entry = _Entry.in_dll(ctypes.CDLL(str(binary)), "clap_entry")
        if not entry.init(str(path).encode()):
            raise ValueError("its entry refuses to start")
        factory = ctypes.cast(entry.get_factory(b"clap.plugin-factory"), POINTER(_Factory))
        ignore = CFUNCTYPE(None, c_void_p)(lambda _: None)
        latency = _HostLatency(ignore)
        # DPF calls the host's latency extension without asking whether there is one
        extension = CFUNCTYPE(c_void_p, c_void_p, c_char_p)(lambda _, name: ctypes.addressof(latency) if name == b"clap.latency" else None)
        self._no_input_events = _InputEvents(None, _Size(lambda _: 0), _Get(lambda *_: None))
        self._no_output_events = _OutputEvents(None, _Push(lambda *_: True))
        self._host = _Host(_Version(1, 1, 0), None, b"declipper", b"", b"", b"1", extension, ignore, ignore, ignore)
        self._plugin = factory.contents.create(factory, self._host, factory.contents.about(factory, 0).contents.id)
        if not self._plugin or not self._plugin.contents.init(self._plugin):
            raise ValueError("it cannot be instantiated")
        if not self._plugin.contents.activate(self._plugin, sample_rate, 1, self.BLOCK):
            raise ValueError("it cannot be activated")

    @property
    def latency(self) -> int:
        """Frames by which the output lags the input, as the plugin reports."""
        found = ctypes.cast(self._plugin.contents.get_extension(self._plugin, b"clap.latency"), POINTER(_PluginLatency))
        return int(found.contents.get(self._plugin))

    def words(self, symbol: str) -> str:
        """The value of a parameter, as the plugin puts it."""
        found = self._plugin.contents.get_extension(self._plugin, b"clap.params")
        parameters, info = ctypes.cast(found, POINTER(_Parameters)).contents, _ParameterInfo()
        for index in range(parameters.count(self._plugin)):
            parameters.about(self._plugin, index, info)
            if info.module == symbol.encode():
                value, text = c_double(), create_string_buffer(256)
                parameters.value(self._plugin, info.id, value)
                parameters.words(self._plugin, info.id, value.value, text, len(text))
                return text.value.decode()
        raise ValueError(f"it has no parameter {symbol}")

    def process(self, audio: Array) -> Array:
        """What it makes of (frames, channels) float32, block by block."""
        planes = np.ascontiguousarray(audio.T, np.float32)
        out = np.zeros_like(planes)
        plugin = self._plugin.contents
        plugin.start_processing(self._plugin)
        for begin in range(0, planes.shape[1], self.BLOCK):
            frames = min(self.BLOCK, planes.shape[1] - begin)
            source, target = (self._buffer(side, begin) for side in (planes, out))
            events = (pointer(self._no_input_events), pointer(self._no_output_events))
            plugin.process(self._plugin, _Process(begin, frames, None, pointer(source), pointer(target), 1, 1, *events))
        plugin.stop_processing(self._plugin)
        return out.T

    @staticmethod
    def _buffer(planes: Array, begin: int) -> _Buffer:
        rows = (c_void_p * len(planes))(*(row[begin:].ctypes.data for row in planes))
        buffer = _Buffer(ctypes.addressof(rows), None, len(planes), 0, 0)
        buffer.rows = rows  # kept alive as long as the buffer
        return buffer
