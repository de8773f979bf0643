"""Room for restored peaks: a signal is measured on its way, kept until its gain is known, and fitted under full scale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import FileIO

import numpy as np

from declipper.clipping.arrays import Array
from declipper.files.delivery import Delivery
from declipper.files.recording import Recording
from declipper.files.writer import PartFile
from declipper.measure.loudness import LoudnessMeter, limit, limiter_reach

FINEST_BITS = 24
"""What is turned down to full scale ends one step under it, the highest that integers hold; float files count as having so many bits,
the most that audio is delivered in, so that they can be turned into integers later without clipping."""


@dataclass(frozen=True)
class Measured:
    """Sample peak (linear), integrated loudness (LUFS) and true peak (dBTP) of a signal."""

    peak: float
    lufs: float
    true_peak_dbtp: float


class Meter:
    """Loudness, true peak and highest and lowest sample of a signal passing by."""

    def __init__(self, recording: Recording) -> None:
        self._loudness = LoudnessMeter(recording.sample_rate, recording.channels)
        self.highest = self.lowest = 0.0

    def push(self, block: Array) -> None:
        """Take up a block (frames, channels)."""
        self._loudness.push(block)
        self.highest = max(self.highest, float(block.max(initial=0.0)))
        self.lowest = min(self.lowest, float(block.min(initial=0.0)))

    @property
    def lufs(self) -> float:
        """Integrated loudness so far."""
        return self._loudness.integrated()

    def measured(self) -> Measured:
        """Everything about the signal, which must have passed in full."""
        peak = max(self.highest, -self.lowest)
        true_peak = self._loudness.true_peak()
        return Measured(peak, self.lufs, 20 * float(np.log10(true_peak)) if true_peak else float("-inf"))


def gain_for(before: Meter, restored: Meter, delivery: Delivery) -> float:
    """One gain for the whole file: to the loudness of the input if asked for, and down as far as the format needs under `attenuate`."""
    gain = 1.0
    if delivery.match_loudness and np.isfinite(before.lufs) and np.isfinite(restored.lufs):
        gain = 10 ** ((before.lufs - restored.lufs) / 20)
    if delivery.headroom == "attenuate":
        step = 2.0 ** (1 - (delivery.format.bits or FINEST_BITS))
        gain = min(gain, (1 - step) / max(restored.highest, 1e-9), 1 / max(-restored.lowest, 1e-9))
        if delivery.format.margin_db:
            gain = min(gain, 10 ** (-(delivery.format.margin_db + restored.measured().true_peak_dbtp) / 20))
    return gain


def keep(restored: Iterable[Array], spool: FileIO, writer: PartFile) -> None:
    """Hold the restored signal in a temporary file until the gain is known."""
    for block in restored:
        rest = memoryview(block.tobytes())
        try:
            while rest:
                rest = rest[spool.write(rest) :]
        except OSError as error:
            raise writer.failed() from error


def with_room(recording: Recording, spool: FileIO, *, gain: float, delivery: Delivery) -> Iterator[Array]:
    """The signal kept in `spool`, turned by `gain` and fitted under full scale, block by block."""
    margin = limiter_reach(recording.sample_rate) if delivery.headroom == "limit" else 0
    frame_bytes = np.dtype(recording.dtype).itemsize * recording.channels
    for start in range(0, recording.frames, recording.block):
        stop = min(start + recording.block, recording.frames)
        first, last = max(0, start - margin), min(stop + margin, recording.frames)
        spool.seek(first * frame_bytes)
        kept: Array = np.frombuffer(spool.read((last - first) * frame_bytes), recording.dtype).reshape(-1, recording.channels)
        block = kept if gain == 1.0 else kept * recording.dtype(gain)
        if delivery.headroom == "limit":
            block = limit(block, recording.sample_rate)
        elif delivery.headroom == "clip":
            block = np.clip(block, -1.0, 1.0)
        yield block[start - first :][: stop - start]
