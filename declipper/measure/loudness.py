"""Loudness, true peak and the ways to make room for restored peaks. Everything works block by block."""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt
import pyloudnorm
import soxr
from scipy.ndimage import minimum_filter1d
from scipy.signal import lfilter

from declipper.clipping.arrays import Array

LIMITER_LOOKAHEAD_MS = 5.0
"""How long before a peak the limiter begins to turn down, and how long after it that ends: long enough that low tones are not distorted,
too short to be heard as a dip in level."""
SURROUND_WEIGHTS = {5: [1.0, 1.0, 1.0, 1.41, 1.41], 6: [1.0, 1.0, 1.0, 0.0, 1.41, 1.41]}
"""Weights of the channels of 5.0 and 5.1 (BS.1770-4, table 3: surround channels 1.41, and the LFE is left out); elsewhere all weigh 1."""
PIECE = 1 << 16
"""Samples measured at once, over all channels: half a megabyte in double precision, two where the true peak is sought."""

SHELF_HZ, HIGH_PASS_HZ = 1500.0, 38.0
"""Corner frequencies of K-weighting (BS.1770-4, annex 1, in the form that pyloudnorm gives it)."""


def _k_weighting(sample_rate: int) -> list[pyloudnorm.IIRfilter]:
    """The two filters of K-weighting, as pyloudnorm designs them: the shelf of the head, and a high pass.

    One whose corner a signal of this sample rate does not reach is left out: it could not be designed, and would not be stable.
    """
    designs = [(4.0, 1 / np.sqrt(2), SHELF_HZ, "high_shelf"), (0.0, 0.5, HIGH_PASS_HZ, "high_pass")]
    return [pyloudnorm.IIRfilter(gain, q, corner, sample_rate, kind) for gain, q, corner, kind in designs if corner < sample_rate / 2]


class LoudnessMeter:
    """Integrated loudness and true peak (ITU-R BS.1770-4) of a signal that comes block by block."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._step = max(1, round(0.1 * sample_rate))
        self._filters = [(f.b, f.a, np.zeros((max(len(f.a), len(f.b)) - 1, channels))) for f in _k_weighting(sample_rate)]
        self._weights = np.array(SURROUND_WEIGHTS.get(channels, [1.0] * channels))
        self._pending = np.zeros((0, channels))
        # one array that grows: many small ones, in between large ones that come and go, would leave holes in the memory
        self._energies = array("d")
        """Of each step of 0.1 s, weighted and summed over the channels."""
        self._upsampler = soxr.ResampleStream(1, 4, channels, dtype="float64")
        self._highest = 0.0

    def push(self, block: Array) -> None:
        """Take up a block (frames, channels)."""
        frames = max(1, PIECE // len(self._weights))
        for begin in range(0, len(block), frames):
            self._take(np.ascontiguousarray(block[begin : begin + frames], np.float64))

    def _take(self, weighted: npt.NDArray[np.float64]) -> None:
        """Take up a few frames, at least one: of none, `lfilter` would lose its state."""
        self._raise_peak(weighted)
        self._raise_peak(self._upsampler.resample_chunk(weighted))
        for index, (b, a, state) in enumerate(self._filters):
            weighted, state = lfilter(b, a, weighted, axis=0, zi=state)
            self._filters[index] = (b, a, state)
        pending = np.concatenate([self._pending, weighted])
        steps = len(pending) // self._step
        whole = pending[: steps * self._step].reshape(steps, self._step, len(self._weights))
        self._energies.frombytes((np.square(whole).sum(axis=1) @ self._weights).tobytes())
        self._pending = pending[steps * self._step :].copy()

    def _raise_peak(self, audio: Array) -> None:
        self._highest = max(self._highest, float(np.abs(audio).max(initial=0.0)))

    def true_peak(self) -> float:
        """The highest size of any sample at four times the sample rate, linear; never below the sample peak. Ends the measurement."""
        if self._upsampler is not None:
            self._raise_peak(self._upsampler.resample_chunk(np.zeros((0, len(self._weights))), last=True))
            self._upsampler = None
        return self._highest

    def integrated(self) -> float:
        """LUFS of everything pushed, -inf for silence and for less than 0.4 s (BS.1770-4, eq. 3 to 7)."""
        if len(self._energies) < 4:
            return float("-inf")
        steps = np.array(self._energies)
        power = (steps[:-3] + steps[1:-2] + steps[2:-1] + steps[3:]) / (4 * self._step)
        gated = power[_lufs(power) >= -70.0]
        if not len(gated):
            return float("-inf")
        gated = gated[_lufs(gated) > _lufs(gated.mean()) - 10.0]
        return float(_lufs(gated.mean()))


def _lufs(power: npt.NDArray[np.float64] | np.float64) -> npt.NDArray[np.float64]:
    return np.asarray(-0.691 + 10 * np.log10(np.maximum(power, 1e-30)))


def limiter_reach(sample_rate: int) -> int:
    """Frames on either side that `limit` looks at."""
    return 2 * round(LIMITER_LOOKAHEAD_MS * 1e-3 * sample_rate)


def limit(audio: Array, sample_rate: int, *, ceiling: float = 1.0) -> Array:
    """A look-ahead peak limiter, one gain for all channels: no sample of (frames, channels) exceeds `ceiling`, quiet parts keep unity gain.

    The gain is the least that is needed within 5 ms, averaged over 5 ms. The result at a frame depends on `limiter_reach` frames around it.
    Before the first frame and after the last one the gain stays as it is there: with unity gain in their place, a signal that begins loud
    would be turned down too little, and cut off at the ceiling.
    """
    reach = limiter_reach(sample_rate) // 2
    needed = ceiling / np.maximum(np.abs(audio).max(axis=1, initial=0.0), ceiling)
    lowest = minimum_filter1d(needed, 2 * reach + 1, mode="nearest")
    padded = np.pad(lowest, reach, mode="edge")
    kernel = np.hanning(2 * reach + 3)[1:-1]
    gain = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    gain = np.where(gain > 1 - 1e-12, 1.0, gain)
    limited: Array = np.clip(audio * gain[:, None], -ceiling, ceiling).astype(audio.dtype)
    return limited
