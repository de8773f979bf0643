"""The one place that loads ONNX Runtime, which runs the networks."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any


def onnxruntime() -> Any:
    """The library, with its telemetry off: it would keep a device id and a database of events in the user's folders.

    It looks at the variable once, as it is loaded, and loading takes a tenth of a second, which only those pay who run a network.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    return import_module("onnxruntime")


def one_thread_session(data: bytes, providers: list[str]) -> Any:
    """A network, loaded from the bytes of an ONNX file, that runs in one thread per call. Raises what ONNX Runtime raises."""
    options = onnxruntime().SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime().InferenceSession(data, options, providers=providers)
