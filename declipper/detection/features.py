"""What tells the history of a clipped recording: features of its clipped runs and of its spectrum, none of which depends on its loudness.

Clipping leaves flat tops at one height. A gain that changes moves the heights of neighbours apart, or of what is far apart; a high-pass
tilts the tops; a resampler or codec ripples them, and leaves an edge or holes in the spectrum. All features are shares or logarithms, of
counts that grow with the signal, so that memory is bounded.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.fft

from declipper.clipping.arrays import Array
from declipper.clipping.runs import ClippedRuns

Features = npt.NDArray[np.float64]

TILE = 16384
"""Frames over which the heights of runs are compared with their middle: 0.4 s at 44.1 kHz."""
LEAST_RUNS = 3
"""Runs of a tile, at least, for its middle to count."""
FINE = (1e-4, 1e-3, 1e-2, 3e-2, 1e-1)
"""Relative differences above which is counted."""
SIGNED = (-1e-1, -1e-2, -1e-3, 1e-3, 1e-2, 1e-1)
LENGTHS = (1, 2, 4, 8, 16)
WINDOW, BANDS = 4096, 64
"""Frames of one spectrum, and bands of equal width up to half the sample rate whose powers are compared."""
STEEP = (0.7, 1.0, 1.5, 2.0, 3.0)
"""Powers of ten between neighbouring bands, or times, above which is counted."""
FLOOR = 1e-12
"""Share of the power that counts as none."""


FARTHEST = 3.0
"""Spreads that a standardised feature may lie from the middle."""


def standardised(features: Features, middle: Features, spread: Features) -> Features:
    """Features less their middle, in units of their spread. What lies farther out than any of training is drawn in."""
    return np.clip((features - middle) / spread, -FARTHEST, FARTHEST)


def logistic(odds: npt.ArrayLike) -> Features:
    """Probabilities of log-odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -50, 50))))


def log_odds(probability: float) -> float:
    """Logarithm of the odds of a probability, which is taken for no nearer to 0 or 1 than a thousandth."""
    near = float(np.clip(probability, 1e-3, 1 - 1e-3))
    return float(np.log(near / (1 - near)))


class Shares:
    """Shares of the values that lie above each of several limits."""

    def __init__(self, limits: tuple[float, ...]) -> None:
        self._limits = np.array(limits)
        self._above = np.zeros(len(limits))
        self._count = 0

    def add(self, values: Array) -> None:
        """Take up values (values,)."""
        self._above += (values[:, None] > self._limits).sum(axis=0)
        self._count += len(values)

    @property
    def shares(self) -> Features:
        """(limits,), between 0 and 1."""
        return self._above / max(1, self._count)


class RunFeatures:
    """Of the clipped runs of all channels and polarities: their heights beside each other and over time, and the shapes of their tops."""

    def __init__(self) -> None:
        self._neighbours, self._drift, self._depth, self._bend = (Shares(FINE) for _ in range(4))
        self._deviation, self._tilt = Shares(SIGNED), Shares(SIGNED)
        self._length = Shares(tuple(map(float, LENGTHS)))
        self._middles: dict[int, float] = {}
        """Of the last tile of each channel and polarity."""

    def add(self, samples: Array, runs: ClippedRuns, *, first: int) -> None:
        """Take up a stretch of samples (frames, channels) that begins at frame `first`, with the runs in it."""
        if not len(runs):
            return
        runs = runs[np.lexsort((runs.start, runs.bound < 0, runs.channel))]
        frames, channels, run = runs.samples(first, len(samples))
        heights = np.abs(samples[frames, channels], dtype=np.float64)
        begins = runs.begins
        tops = np.maximum.reduceat(heights, begins)
        logs = np.log(tops)
        lane = 2 * runs.channel + (runs.bound < 0)
        self._neighbours.add(np.abs(np.diff(logs))[np.diff(lane) == 0])
        self._depth.add((1 - np.abs(runs.bound) / tops)[runs.length >= 3])
        self._length.add(runs.length.astype(np.float64))
        inside = run[2:] == run[:-2]
        self._bend.add((np.abs(np.diff(heights, 2)) / tops[run[1:-1]])[inside])
        wide = runs.length >= 4
        # the outermost samples are on their way up or down
        self._tilt.add((heights[(begins + runs.length - 2)[wide]] - heights[(begins + 1)[wide]]) / tops[wide])
        self._take_tiles(logs, lane, (runs.start - first) // TILE)

    def _take_tiles(self, logs: Features, lane: npt.NDArray[np.int32], tile: npt.NDArray[np.int64]) -> None:
        edges = np.flatnonzero((np.diff(lane) != 0) | (np.diff(tile) != 0)) + 1
        for begin, end in zip([0, *edges.tolist()], [*edges.tolist(), len(logs)], strict=True):
            if end - begin < LEAST_RUNS:
                continue
            middle, here = float(np.median(logs[begin:end])), int(lane[begin])
            self._deviation.add(logs[begin:end] - middle)
            if here in self._middles:
                self._drift.add(np.abs(np.array([middle - self._middles[here]])))
            self._middles[here] = middle

    @property
    def values(self) -> Features:
        """All of them in a row."""
        kinds = (self._neighbours, self._drift, self._depth, self._bend, self._deviation, self._tilt, self._length)
        return np.concatenate([kind.shares for kind in kinds])


class SpectrumFeatures:
    """Of the spectra of all channels: how the power falls toward half the sample rate, edges and holes, and what is left of the lows."""

    def __init__(self) -> None:
        self._window = np.hanning(WINDOW + 1)[:-1, None]
        self._power = np.zeros(WINDOW // 2 + 1)
        self._unit = 0.0
        self._across, self._along = Shares(STEEP), Shares(STEEP)
        self._samples = 0
        self._on_grid = np.zeros(2)

    def add(self, samples: Array) -> None:
        """Take up a stretch of samples (frames, channels)."""
        self._samples += samples.size
        self._unit = self._unit or float(np.abs(samples).max(initial=0.0))  # any height will do, so that no power is beyond float64
        self._on_grid += [np.count_nonzero(np.rint(v) == v) for v in (samples * 128, samples * 32768)]
        for begin in range(0, len(samples) - WINDOW + 1, WINDOW * 16):
            windows = samples[begin : begin + WINDOW * 16]
            windows = windows[: len(windows) // WINDOW * WINDOW].reshape(-1, WINDOW, samples.shape[1])
            spectra = np.square(np.abs(scipy.fft.rfft(windows * self._window / (self._unit or 1.0), axis=1)))
            self._power += spectra.sum(axis=(0, 2))
            bands = spectra[:, 1:].reshape(len(spectra), BANDS, -1, samples.shape[1]).sum(axis=2)
            total = bands.sum(axis=1, keepdims=True)
            logs = np.log10(bands[:, BANDS // 2 :] / np.maximum(total, np.finfo(np.float32).tiny) + FLOOR)
            self._across.add(np.abs(np.diff(logs, axis=1)).ravel())
            self._along.add(np.abs(np.diff(logs, axis=0)).ravel())

    @property
    def values(self) -> Features:
        """All of them in a row."""
        power = self._power / max(float(self._power.sum()), np.finfo(np.float64).tiny) + FLOOR
        bands = np.log10(power[1:].reshape(BANDS, -1).sum(axis=1))
        falls = bands[:-1] - bands[1:]
        lows = np.log10(power[[0, 1, 2, 4]]) - np.log10(power[4:12].mean())
        coarse = bands.reshape(BANDS // 4, -1).mean(axis=1)
        steepest = np.array([falls.max(), float(np.argmax(falls)) / BANDS])
        grid = (self._on_grid >= self._samples).astype(np.float64)
        return np.concatenate([coarse, lows, steepest, self._across.shares, self._along.shares, grid])
