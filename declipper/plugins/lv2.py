"""A minimal LV2 host: loads our own plugin and runs it. The structures are those of the header lv2.h.

A plugin describes its ports in files written in Turtle. Ours are always laid out alike, so regular expressions read them.
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import numpy as np

from declipper.clipping.arrays import Array

_HANDLE = ctypes.c_void_p


class _Descriptor(ctypes.Structure):
    _fields_ = (
        ("uri", ctypes.c_char_p),
        (
            "instantiate",
            ctypes.CFUNCTYPE(_HANDLE, ctypes.c_void_p, ctypes.c_double, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p)),
        ),
        ("connect_port", ctypes.CFUNCTYPE(None, _HANDLE, ctypes.c_uint32, ctypes.c_void_p)),
        ("activate", ctypes.CFUNCTYPE(None, _HANDLE)),
        ("run", ctypes.CFUNCTYPE(None, _HANDLE, ctypes.c_uint32)),
        ("deactivate", ctypes.c_void_p),
        ("cleanup", ctypes.CFUNCTYPE(None, _HANDLE)),
        ("extension_data", ctypes.c_void_p),
    )


class Lv2Plugin:
    """One instance of a plugin, activated. `plugin["mix"]` is the value of a control port; `inputs` and `outputs` are its audio ports."""

    def __init__(self, bundle: Path, uri: str, *, sample_rate: float) -> None:
        """Raises ValueError where the plugin refuses, and OSError where it cannot be loaded."""
        binary = re.findall(r"lv2:binary <([^>]+)>", (bundle / "manifest.ttl").read_text())[0]
        library = ctypes.CDLL(str(bundle / binary))
        library.lv2_descriptor.restype = ctypes.POINTER(_Descriptor)
        descriptors = [library.lv2_descriptor(index).contents for index in range(2)]
        self._descriptor = next(d for d in descriptors if d.uri == uri.encode())
        no_features = (ctypes.c_void_p * 1)()
        self._handle = self._descriptor.instantiate(ctypes.addressof(self._descriptor), sample_rate, str(bundle).encode(), no_features)
        if not self._handle:
            raise ValueError("it cannot be instantiated")
        about = next(part for part in (bundle / "declipper.ttl").read_text().split("\n\n") if part.startswith(f"<{uri}>"))
        self._controls: dict[str, ctypes.c_float] = {}
        self._words: dict[str, dict[float, str]] = {}
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        for direction, kind, index, symbol, rest in re.findall(
            r"a lv2:(\w+)Port, lv2:(\w+)Port ;\s+lv2:index (\d+) ;\s+lv2:symbol \"(\w+)\"(.*?)\n    \]", about, re.DOTALL
        ):
            if kind == "Audio":
                (self.inputs if direction == "Input" else self.outputs).append(int(index))
                continue
            default = re.search(r"lv2:default (\S+)", rest)
            self._controls[symbol] = ctypes.c_float(float(default[1]) if default else 0)
            named = re.findall(r"lv2:scalePoint \[ rdfs:label \"([^\"]+)\" ; rdf:value (\S+) \]", rest)
            self._words[symbol] = {float(value): word for word, value in named}
            self._descriptor.connect_port(self._handle, int(index), ctypes.addressof(self._controls[symbol]))
        self.activate()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._descriptor.cleanup(self._handle)

    @property
    def channels(self) -> int:
        """How many audio inputs it has, and as many outputs."""
        return len(self.inputs)

    @property
    def latency(self) -> int:
        """Frames by which the output lags the input, as the plugin reports in a control port when it runs."""
        self.process(np.zeros((0, self.channels), np.float32))
        return int(self["latency"])

    def __getitem__(self, symbol: str) -> float:
        return self._controls[symbol].value

    def __setitem__(self, symbol: str, value: float) -> None:
        self._controls[symbol].value = value

    def words(self, symbol: str) -> str | None:
        """What the value of a control port is called, None where it has no name."""
        return self._words[symbol].get(self[symbol])

    def activate(self) -> None:
        """Make it ready for a new signal; its settings stay."""
        self._descriptor.activate(self._handle)

    def connect(self, port: int, samples: Array | None) -> None:
        """Where a port reads or writes from now on: one channel, float32, which the caller keeps alive, or None for nowhere."""
        self._descriptor.connect_port(self._handle, port, None if samples is None else samples.ctypes.data)

    def run(self, frames: int) -> None:
        """Work on so many frames of what is connected."""
        self._descriptor.run(self._handle, frames)

    def process(self, audio: Array) -> Array:
        """What it makes of (frames, channels) float32, in a single run."""
        channels = np.ascontiguousarray(audio.T, np.float32).copy()
        for ports in (self.inputs, self.outputs):
            for port, samples in zip(ports, channels, strict=True):
                self.connect(port, samples)
        self.run(channels.shape[1])
        return channels.T
