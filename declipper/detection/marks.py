"""From likelihoods to decisions: which samples are restored, and how much of a recording they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from declipper.clipping.arrays import Array, Mask, Positions

MARKED = 0.12
"""Likelihood from which a sample of a clipped recording is taken for cut off: a missed one pins its crest, an extra one costs little. With
the next constant, on the validation split, it restores 0.3 dB better than 0.2 and 0.4 do, in the mean of nine histories
(`declipper.training.detection.doubt`), and never 0.1 dB worse."""
SEED = 0.25
"""Likelihood that one sample of a run must have where the run is as high as what is around it. A lower one must be surer."""
AROUND = 528
"""Frames to either side in which what is around a run is looked for: what the network calls the nearest peak."""
LOWERED = 6.0
"""By how much a gain may have lowered a passage of a recording: a run that lies lower under its channel's highest sample must be surer.
In 270 histories of the train and validation splits, of 649 runs below a sixteenth of that sample of which no sample is likelier than 0.7,
21 were clipped, and of 68 in which one has more than 0.97, 66: a fade is no pause."""
TELLING, TELLING_SEED = 0.2, 0.4
"""The same two likelihoods for samples that tell something of the recording: there, an extra one costs as much as a missed one."""
SAME_CREST, LONGEST_GAP = 0.9, 2
"""What lies between two marked samples of one crest, no lower than this share of the lower one and no longer, is marked too."""
RUNGS = 0.3, 0.7, 0.9, 0.97
"""Likelihoods at which `Evidence` counts."""
LEAST_SHARE = 1e-5
"""Share of all heights that counts as none."""
LEAST_CRESTS = 1e-2
"""Likewise of all crests."""


def marked(samples: Array, likelihood: Array, *, threshold: float = MARKED, seed: float = SEED) -> Mask:
    """The samples of one channel, (frames,), that are taken for cut off if the recording was clipped.

    Of each run, what lies within AROUND says whether it is `worthwhile`.
    """
    if not len(samples):
        return np.zeros(0, bool)
    filled = _crests(samples, likelihood > threshold)
    starts = _pieces(samples, filled)
    surest, lowest = np.maximum.reduceat(likelihood, starts), np.minimum.reduceat(np.abs(samples), starts)
    useful = worthwhile(surest, lowest, _highest_around(np.abs(samples))[starts], seed=seed)
    kept: Mask = filled & np.repeat(useful, np.diff(np.append(starts, len(samples))))
    return kept


def telling(samples: Array, likelihood: Array) -> Mask:
    """The samples of one channel, (frames,), that tell whether it was clipped at all, and what came after: surer ones, at any height."""
    if not len(samples):
        return np.zeros(0, bool)
    filled = _crests(samples, likelihood > TELLING)
    starts = _pieces(samples, filled)
    has_seed = np.maximum.reduceat(likelihood, starts) >= TELLING_SEED
    kept: Mask = filled & np.repeat(has_seed, np.diff(np.append(starts, len(samples))))
    return kept


def _crests(samples: Array, mask: Mask) -> Mask:
    """A mask (frames,) with the gaps between two marks of one crest filled, and without zeros."""
    starts = _pieces(samples, mask)
    least = np.minimum.reduceat(np.abs(samples), starts)
    on, up = mask[starts], samples[starts] >= 0
    gap = np.zeros(len(starts), bool)
    if len(starts) > 2:
        one_crest = (up[:-2] == up[1:-1]) & (up[2:] == up[1:-1]) & on[:-2] & on[2:] & ~on[1:-1]
        gap[1:-1] = one_crest & (least[1:-1] >= SAME_CREST * np.minimum(least[:-2], least[2:]))
    lengths = np.diff(np.append(starts, len(samples)))
    gap &= lengths <= LONGEST_GAP
    filled: Mask = (mask | np.repeat(gap, lengths)) & (samples != 0)
    return filled


def worthwhile(surest: Array, lowest: Array, around: Array, *, seed: float = SEED) -> Mask:
    """Whether restoring runs is likely of more use than harm.

    What was cut off of a run is in proportion to its own height, `lowest`, that of its sample nearest to zero; if it was clipped, the
    energy of that is won. What restoring does to a run that was not clipped is in proportion to the highest sample `around` it, since it
    is worked out from that. So the odds that it was clipped, by its surest sample, must exceed those of `seed` by the square of the
    latter over the former. All are (runs,). The network cannot tell: it was taught by a loss to which quiet samples mean little.
    """
    height = np.minimum(lowest / np.maximum(around, np.finfo(np.float32).tiny), 1.0)
    wanted: Mask = surest * (1 - seed) * np.square(height) >= (1 - surest) * seed
    return wanted


def _highest_around(heights: Array) -> Array:
    """The highest of the samples (frames,) that lie within AROUND of each."""
    highest: Array = maximum_filter1d(heights, 2 * AROUND + 1, mode="nearest")
    return highest


def _pieces(samples: Array, mask: Mask) -> Positions:
    """Where the pieces of a channel begin, at least one, within which neither the sign nor the mark changes."""
    up = samples >= 0
    return np.append(0, np.flatnonzero((up[1:] != up[:-1]) | (mask[1:] != mask[:-1])) + 1)


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
