"""A host for Windows: `python windows_host.py BUNDLE RATE CHANNELS < IN > OUT`, interleaved floats, through LV2 or pedalboard's VST3."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

bundle, rate, channels = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
audio = np.frombuffer(sys.stdin.buffer.read(), np.float32).reshape(-1, channels)
if bundle.suffix == ".lv2":
    from declipper.plugins.lv2 import Lv2Plugin

    plugin = Lv2Plugin(bundle, f"urn:declipper:{'mono' if channels == 1 else 'stereo'}", sample_rate=rate)
    out = plugin.process(np.concatenate([audio, np.zeros((plugin.latency, channels), np.float32)]))[plugin.latency :]
else:
    import pedalboard

    out = pedalboard.load_plugin(str(bundle / "Contents/x86_64-win" / bundle.name))(audio.T, rate).T
sys.stdout.buffer.write(np.ascontiguousarray(out).tobytes())
