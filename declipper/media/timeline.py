"""When each sample of a stream is heard: its clock as the container tells it, and the gaps in it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

GAP_S = 0.1
"""Time in s by which sound must come late for that to be a gap and not an uneven clock: `min_hard_comp` of FFmpeg's aresample."""
LATEST_S = 1e8
"""Times in s that no recording reaches, three years: a damaged file has them, and they are passed over."""


@dataclass
class Timeline:
    """The times of samples, from the few places where the clock of the container and the count of samples differ.

    sample_rate: Hz. tolerance: s, differences that rounding may make.
    """

    sample_rate: int
    tolerance: float
    _samples: list[int] = field(default_factory=list)
    _times: list[float] = field(default_factory=list)

    def note(self, sample: int, time: float) -> None:
        """Take down that the container has a sample at a time, in s. Samples come in order."""
        if abs(time) < LATEST_S and (not self._samples or abs(time - self.at(sample)) > self.tolerance):
            self._samples.append(sample)
            self._times.append(time)

    def at(self, sample: int) -> float:
        """The time of a sample in s; 0 for the first one where the container has none."""
        if not self._samples:
            return sample / self.sample_rate
        place = max(0, bisect_right(self._samples, sample) - 1)
        return self._times[place] + (sample - self._samples[place]) / self.sample_rate

    def gap_at(self, sample: int) -> int:
        """How many samples of silence the container has right before a sample."""
        place = bisect_right(self._samples, sample) - 1
        if place < 1 or self._samples[place] != sample:
            return 0
        late = self._times[place] - self._times[place - 1] - (sample - self._samples[place - 1]) / self.sample_rate
        return round(late * self.sample_rate) if late > GAP_S else 0

    @property
    def gaps(self) -> list[int]:
        """The samples before which there is a gap."""
        return [sample for sample in self._samples[1:] if self.gap_at(sample)]
