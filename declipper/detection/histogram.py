"""A histogram of whole numbers that takes no more memory than what lies between the lowest and the highest of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class Histogram:
    """Counts whole numbers; it holds no more than the stretch between the lowest and the highest of them."""

    def __init__(self) -> None:
        self._first = 0
        self._counts = np.zeros(0, np.int64)

    def add(self, numbers: npt.NDArray[np.int64], counts: npt.NDArray[np.int64] | None = None) -> None:
        """Count each of these numbers once, or so many times."""
        if not len(numbers):
            return
        lowest, highest = int(numbers.min()), int(numbers.max())
        if not len(self._counts):
            self._first = lowest
        before, after = max(0, self._first - lowest), max(0, highest + 1 - self._first - len(self._counts))
        if before or after:
            self._counts = np.pad(self._counts, (before, after))
            self._first -= before
        np.add.at(self._counts, numbers - self._first, 1 if counts is None else counts)

    def joined(self, other: Histogram) -> Histogram:
        """The counts of both."""
        together = Histogram()
        for part in (self, other):
            together.add(part._first + np.arange(len(part._counts)), part._counts)
        return together

    def dense(self, first: int, size: int) -> npt.NDArray[np.int64]:
        """(size,) the counts of the numbers from `first` on; what lies outside counts at the ends."""
        held = np.zeros(size, np.int64)
        np.add.at(held, np.clip(self._first + np.arange(len(self._counts)) - first, 0, size - 1), self._counts)
        return held
