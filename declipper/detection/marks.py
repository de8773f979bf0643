"""From likelihoods to decisions: which samples are restored, and how much of a recording they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from declipper.clipping.arrays import Array, Mask, Positions
from declipper.clipping.runs import ClippedRuns

MARKED = 0.2
"""Likelihood from which a sample of a clipped recording is taken for cut off: a missed one pins its crest, an extra one costs little. On
seven pieces of the validation split 0.12, with a seed of 0.25, restores as well (10.04 against 9.99 dB over 16 histories), on the four of
`declipper.training.detection.doubt` better, by 0.3 dB; this one changes fewer samples."""
SEED = 0.4
"""Likelihood that one sample of a run must have: a crest of which none is likely cut off is left alone."""
AROUND, FAR_AROUND = 528, 16896
"""Frames to either side in which what is around a run is looked for: what the network calls the nearest and the farthest peak."""
LOWERED = 6.0
"""By how much a gain may have changed from here to the farther: a run that lies lower under the farthest peak must be surer. In 270
histories of the train and validation splits, of 20 runs below a sixteenth of that peak of which no sample is likelier than 0.7, none was
clipped, and of 13 in which one has more than 0.97, 11."""
SAME_CREST, LONGEST_GAP = 0.9, 2
"""What lies between two marked samples of one crest, no lower than this share of the lower one and no longer, is marked too."""
RUNGS = 0.3, 0.7, 0.9, 0.97
"""Likelihoods at which `Evidence` counts."""
LEAST_SHARE = 1e-5
"""Share of all heights that counts as none."""
LEAST_CRESTS = 1e-2
"""Likewise of all crests."""


def marked(samples: Array, likelihood: Array, *, threshold: float = MARKED, seed: float = SEED) -> Mask:
    """The samples of one channel, (frames,), that are taken for cut off if the recording was clipped."""
    if not len(samples):
        return np.zeros(0, bool)
    mask: Mask = likelihood > threshold
    side = np.where(samples >= 0, 1, -1)
    starts = _pieces(side, mask)
    least = np.minimum.reduceat(np.abs(samples), starts)
    on, sign = mask[starts], side[starts]
    gap = np.zeros(len(starts), bool)
    if len(starts) > 2:
        one_crest = (sign[:-2] == sign[1:-1]) & (sign[2:] == sign[1:-1]) & on[:-2] & on[2:] & ~on[1:-1]
        gap[1:-1] = one_crest & (least[1:-1] >= SAME_CREST * np.minimum(least[:-2], least[2:]))
    lengths = np.diff(np.append(starts, len(samples)))
    gap &= lengths <= LONGEST_GAP
    filled: Mask = (mask | np.repeat(gap, lengths)) & (samples != 0)
    starts = _pieces(side, filled)
    has_seed = np.maximum.reduceat(likelihood, starts) >= seed
    kept: Mask = filled & np.repeat(has_seed, np.diff(np.append(starts, len(samples))))
    return kept


def worthwhile(runs: ClippedRuns, samples: Array, likelihood: Array, *, first: int = 0) -> Mask:
    """Which of the runs in a stretch (frames, channels) that begins at frame `first` are restored: where that is of use, not of harm.

    What was cut off of a run is in proportion to its own height, its bound; if it was clipped, the energy of that is won. What restoring
    does to a run that was not clipped is in proportion to the highest sample around it, since it is worked out from that. So the odds that
    it was clipped, by its surest sample, must exceed those of SEED by the square of the latter over the former. The network cannot tell:
    it was taught by a loss to which quiet samples mean little.
    """
    if not len(runs):
        return np.zeros(0, bool)
    frames, channels, _ = runs.samples(first, len(samples))
    surest, heights = np.maximum.reduceat(likelihood[frames, channels], runs.begins), np.abs(samples)
    near, far = (
        maximum_filter1d(heights, 2 * width + 1, axis=0, mode="nearest")[runs.start - first, runs.channel] for width in (AROUND, FAR_AROUND)
    )
    height = np.abs(runs.bound) / np.maximum(near, far / LOWERED)
    wanted: Mask = surest * (1 - SEED) * np.square(height) >= (1 - surest) * SEED
    return wanted


def _pieces(side: npt.NDArray[np.int64], mask: Mask) -> Positions:
    """Where the pieces of a channel begin, at least one, within which neither the sign nor the mark changes."""
    return np.append(0, np.flatnonzero((np.diff(side) != 0) | (mask[1:] != mask[:-1])) + 1)


class Evidence:
    """How much of a signal is marked, by height and by how surely; `declipper.detection.gate` says whether it was clipped at all.

    A network that is asked about every sample says yes to some of any recording, but where nothing was clipped it is hardly ever sure.
    """

    def __init__(self, *parts: Evidence) -> None:
        """`parts`: evidence of signals that are taken together, such as the channels of a recording."""
        self._heights = 0.0
        self._marked = np.zeros(len(RUNGS))
        self._tops = np.zeros(2)
        """Heights of all crests, and of those without a mark of the first rung."""
        for part in parts:
            self._heights += part._heights
            self._marked += part._marked
            self._tops += part._tops

    def add(self, samples: Array, likelihood: Array) -> None:
        """Take up samples (frames,), turned so that this polarity points up, with their likelihoods."""
        heights = np.maximum(samples, 0, dtype=np.float64)
        self._heights += float(heights.sum())
        self._marked += [float(heights[likelihood > rung].sum()) for rung in RUNGS]
        begins = np.flatnonzero(np.diff((heights > 0).astype(np.int8), prepend=0) == 1)
        if len(begins):
            tops = np.maximum.reduceat(heights, begins)
            surest = np.maximum.reduceat(np.where(heights > 0, likelihood, 0), begins)
            self._tops += [float(tops.sum()), float(tops[surest <= RUNGS[0]].sum())]

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """(RUNGS + 1,): log10 of the share of all heights that is marked at least so surely, and of that of the crests without a mark."""
        tiny = np.finfo(np.float64).tiny
        shares = np.log10(self._marked / max(self._heights, tiny) + LEAST_SHARE)
        return np.append(shares, np.log10(self._tops[1] / max(self._tops[0], tiny) + LEAST_CRESTS))
