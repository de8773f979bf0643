"""What a recording's clipping looks like in numbers: per channel and polarity, gathered block by block."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Array, Mask
from declipper.clipping.levels import ClipLevels
from declipper.detection.detector import FoundLevel, FoundLevels
from declipper.detection.interpretation import History, Interpretation, in_words

LONGEST_HELD = 1 << 16
"""Frames of a run that are held back until its end is known, 1.5 s at 44.1 kHz; a longer one, as no music has it, counts as several."""

MOST = 0.05, 0.5, 0.95
"""Quantiles of the levels that a report names."""
GIVEN = FoundLevel("given", 1.0)


@dataclass(frozen=True)
class PolarityReport:
    """One polarity of one channel.

    level_dbfs: the level, None where nothing is clipped; where it is not the same everywhere, its middle. lowest_dbfs, highest_dbfs:
    between these lie nine tenths of the levels. kind: "exact" for a plateau to the bit, "blurred" where something came after the clipping,
    "given" for levels by hand, "" for none. confidence: 0 to 1, how likely this polarity was clipped. longest_run: in samples.
    overload_db: how far the highest peak rose over the level that it was cut off at, judged by the slopes at the runs.
    """

    level_dbfs: float | None
    lowest_dbfs: float | None
    highest_dbfs: float | None
    kind: str
    confidence: float
    clipped_samples: int
    runs: int
    longest_run: int
    overload_db: float


@dataclass(frozen=True)
class ClipReport:
    """The clipping of a recording, and its overflow.

    channels: one entry per channel, its positive and its negative polarity. confidence: 0 to 1, how likely it was clipped at all. history:
    what it has likely been through since; None where nothing is clipped, or the levels are given by hand. overflow_runs: how many runs of
    samples wrapped around full scale; where there are any, the rest of the report is on the unwrapped signal. levels: over time, as used.
    """

    sample_rate: int
    frames: int
    channels: tuple[tuple[PolarityReport, PolarityReport], ...]
    confidence: float
    history: History | None
    overflow_runs: int
    levels: ClipLevels = field(compare=False, repr=False)

    @property
    def clipped_samples(self) -> int:
        """Clipped samples over all channels."""
        return sum(p.clipped_samples for pair in self.channels for p in pair)

    @property
    def clipped_percent(self) -> float:
        """Share of clipped samples among all samples of all channels."""
        return 100 * self.clipped_samples / max(1, self.frames * len(self.channels))

    @property
    def runs(self) -> int:
        """Unbroken stretches of clipped samples, over all channels."""
        return sum(p.runs for pair in self.channels for p in pair)

    @property
    def longest_run(self) -> int:
        """Frames of the longest unbroken stretch."""
        return max((p.longest_run for pair in self.channels for p in pair), default=0)

    @property
    def overload_db(self) -> float:
        """The largest estimated overload."""
        return max((p.overload_db for pair in self.channels for p in pair), default=0.0)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        totals = {
            "clipped_samples": self.clipped_samples,
            "clipped_percent": self.clipped_percent,
            "runs": self.runs,
            "longest_run": self.longest_run,
            "overload_db": self.overload_db,
            "overflow_runs": self.overflow_runs,
            "confidence": self.confidence,
            "history": self.history and {"likely": in_words(self.history) or None, "probabilities": self.history.probabilities},
        }
        channels = [{"positive": asdict(up), "negative": asdict(down)} for up, down in self.channels]
        return {"sample_rate": self.sample_rate, "frames": self.frames, **totals, "channels": channels}


def _polarities(found: FoundLevels | None) -> tuple[FoundLevel, FoundLevel]:
    """What was found in the two polarities of a channel, or that the levels were given."""
    return (found.positive, found.negative) if found else (GIVEN, GIVEN)


class _Runs:
    """Counts the runs of one polarity of one channel across blocks."""

    def __init__(self) -> None:
        self.samples = self.runs = self.longest = 0
        self.overload, self._highest = 1.0, 0.0
        self._held = np.zeros(2)
        self._held_level = np.full(2, np.inf)

    def add(self, v: npt.NDArray[np.float64], level: npt.NDArray[np.float64], *, last: bool = False) -> None:
        """Take up a block of one channel, turned so that this polarity points up. A run that is not over yet is held back."""
        v, level = np.concatenate([self._held, v]), np.concatenate([self._held_level, level])
        clipped: Mask = v >= level
        clipped[:2] = False
        edges = np.flatnonzero(np.diff(clipped, prepend=False, append=False))
        begins, ends = edges[::2], edges[1::2]
        keep = len(v) - 2
        # the fall after a run takes two samples
        if len(ends) and not last and ends[-1] >= len(v) - 1 and ends[-1] - begins[-1] < LONGEST_HELD:
            keep = begins[-1] - 2
            begins, ends = begins[:-1], ends[:-1]
        if len(begins):
            lengths = ends - begins
            self.samples += int(lengths.sum())
            self.runs += len(lengths)
            self.longest = max(self.longest, int(lengths.max()))
            # a parabola that rises with slope s through the level and is above it for n frames peaks s n / 4 higher
            rise = np.maximum(v[begins - 1] - v[begins - 2], 0)
            fall = np.maximum(v[np.minimum(ends, len(v) - 1)] - v[np.minimum(ends + 1, len(v) - 1)], 0)
            over = 0.5 * (rise + fall) * lengths / 4 / level[begins]
            peaks = level[begins] * (1 + over)
            highest = int(np.argmax(peaks))
            if peaks[highest] > self._highest:
                self.overload, self._highest = 1 + float(over[highest]), float(peaks[highest])
        self._held, self._held_level = v[keep:].copy(), level[keep:].copy()


class ReportBuilder:
    """Gathers a `ClipReport` from a signal that comes block by block; any division into blocks gives the same report."""

    def __init__(
        self, sample_rate: int, levels: ClipLevels, *, interpretation: Interpretation | None = None, overflow_runs: int = 0
    ) -> None:
        """`interpretation` None means that the levels were given by hand."""
        self._sample_rate = sample_rate
        self._levels = levels
        self._interpretation = interpretation
        self._overflow_runs = overflow_runs
        self._frames = 0
        self._runs = [(_Runs(), _Runs()) for _ in range(levels.channels)]

    def push(self, block: Array, last: bool = False) -> None:
        """Take up a block (frames, channels)."""
        positive, negative = self._levels.between(self._frames, self._frames + max(1, len(block)))
        for channel, (up, down) in enumerate(self._runs):
            v = np.asarray(block[:, channel], np.float64)
            for runs, turned, level in ((up, v, positive), (down, -v, -negative)):
                runs.add(turned, np.array(np.broadcast_to(level[:, channel], v.shape)), last=last)
        self._frames += len(block)

    def finish(self) -> ClipReport:
        """The report on everything pushed."""
        self.push(np.zeros((0, self._levels.channels)), last=True)
        channels = []
        for channel, (up, down) in enumerate(self._runs):
            pair = []
            found = self._interpretation.found[channel] if self._interpretation else None
            for heights, runs, known in zip(self._levels.heights(channel), (up, down), _polarities(found), strict=True):
                low, middle, high = (20 * np.log10(np.quantile(heights, MOST))).tolist() if len(heights) else (None, None, None)
                pair.append(
                    PolarityReport(
                        level_dbfs=middle,
                        lowest_dbfs=low,
                        highest_dbfs=high,
                        kind=known.kind,
                        confidence=known.confidence,
                        clipped_samples=runs.samples,
                        runs=runs.runs,
                        longest_run=runs.longest,
                        overload_db=20 * float(np.log10(runs.overload)),
                    )
                )
            channels.append((pair[0], pair[1]))
        confidence, history = (self._interpretation.confidence, self._interpretation.history) if self._interpretation else (1.0, None)
        return ClipReport(self._sample_rate, self._frames, tuple(channels), confidence, history, self._overflow_runs, self._levels)
