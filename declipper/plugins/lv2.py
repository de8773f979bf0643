"""The least of an LV2 host: enough to run our own plugin, whose description is read without a Turtle parser."""

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
    """One instance of a plugin, activated."""

    def __init__(self, bundle: Path, uri: str, sample_rate: float) -> None:
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
        self._audio: dict[str, list[int]] = {"Input": [], "Output": []}
        for direction, kind, index, symbol, rest in re.findall(
            r"a lv2:(\w+)Port, lv2:(\w+)Port ;\s+lv2:index (\d+) ;\s+lv2:symbol \"(\w+)\"([^\]]*)", about
        ):
            if kind == "Audio":
                self._audio[direction].append(int(index))
                continue
            default = re.search(r"lv2:default (\S+)", rest)
            self._controls[symbol] = ctypes.c_float(float(default[1]) if default else 0)
            self._descriptor.connect_port(self._handle, int(index), ctypes.addressof(self._controls[symbol]))
        self._descriptor.activate(self._handle)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._descriptor.cleanup(self._handle)

    @property
    def channels(self) -> int:
        """Audio inputs, and as many outputs."""
        return len(self._audio["Input"])

    @property
    def latency(self) -> int:
        """Frames, as the plugin's port says."""
        self.process(np.zeros((0, self.channels), np.float32))
        return int(self["latency"])

    def __getitem__(self, symbol: str) -> float:
        return self._controls[symbol].value

    def __setitem__(self, symbol: str, value: float) -> None:
        self._controls[symbol].value = value

    def process(self, audio: Array) -> Array:
        """Run once over (frames, channels) float32, in place on a copy."""
        planes = np.ascontiguousarray(audio.T, np.float32).copy()
        for direction in self._audio.values():
            for plane, index in zip(planes, direction, strict=True):
                self._descriptor.connect_port(self._handle, index, plane.ctypes.data)
        self._descriptor.run(self._handle, planes.shape[1])
        return planes.T
