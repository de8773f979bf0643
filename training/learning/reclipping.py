"""How pairs are made, segments of an archive as they are and clipped further, and how networks are scored on them.

A segment y, clipped at its levels, is turned up by a gain g and clipped there again. Whatever its lost peaks x were, the result is known:
h(g x) = h(g y). So the estimates for it hold for good, however the restoration of y changes that a network learns from.

Of a pair's truth g x there is known what lies below g times the level; what lies above is only known to do so. The lower peaks must not
teach that peaks are low. So samples count by how high the peaks were to be *expected*, not by how high they were: a run counts where the
first model, which training begins with, expects it below g times the level. Each overload then weighs by its share in what was lost.
Of a clean recording all is known, and every sample counts alike.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
import scipy.stats
import torch
from torch import Tensor, nn

from declipper.clipping.arrays import Array, Mask
from declipper.clipping.levels import clip
from declipper.engine.experts import ExpertSet
from declipper.training.data.archive import Item
from declipper.training.data.degrade import Example, sdr
from declipper.training.data.prepare import estimates_of
from declipper.training.learning.losses import beyond, weighted_db
from declipper.training.learning.pairs import Pair, PairBatch, batch_of
from declipper.training.learning.pretrain import collate, restored

GAINS = (1.2, 4.0)
"""Least and greatest gain: with less, hardly a peak between the two levels is known; 12 dB clip nearly anything, and noise is no speech."""
OVERLOADS_DB = np.append(np.arange(0.0, 16.0, 1.5), np.inf)
"""Edges of the bins that overloads are counted in. Chosen by hand: each holds samples enough in some dozens of segments."""
MOST_WEIGHT = 4.0
"""Of a sample, so that no rare one rules. Chosen by hand."""
KNOWN = 0.3
"""Share of loss and score that is of samples whose truth is known, each by its weight; the rest is of all, by guesses. Of 0, 0.3, 0.6 and
1, this gained most on a telephone voice."""
HALVINGS = 16
"""In the search for a gain: to a hundred-thousandth of the range."""
CONFIDENCE = 0.95
"""Of a gain, that it is one: the usual level of one-sided tests."""
FEWEST = 4
"""Recordings of which it is judged whether they agree: of two, Student's bound lies six standard errors below, which refuses anything."""
AT_ONCE = 8
"""Segments that are restored at once."""


@dataclass(frozen=True)
class Seen:
    """A segment with its estimates, and what the model that training begins with makes of it."""

    item: Item
    estimates: Array
    restored: Array

    @property
    def y(self) -> Array:
        """The segment without its margin."""
        return self.item.y[self.item.inner]

    @property
    def clipped(self) -> Mask:
        """Which of its samples are clipped."""
        return self.item.reached & (not self.item.whole)


@dataclass(frozen=True)
class Damage:
    """How a segment or a recording is clipped: its input SDR in dB, as estimated, and its levels."""

    input_sdr: float
    levels: tuple[float, float]

    @classmethod
    def of(cls, segments: list[Seen]) -> Damage:
        """Of segments of one recording, of which some are clipped."""
        truth, y = (np.concatenate([getattr(s, name) for s in segments]) for name in ("restored", "y"))
        first = next(s.item for s in segments if s.clipped.any())
        return cls(sdr(truth, y), (first.positive, first.negative))


@dataclass(frozen=True)
class Overload:
    """How an archive is clipped, which pairs are to be like.

    damages: of segments of it. recordings: of whole recordings. shares: of its lost samples, by OVERLOADS_DB.
    """

    damages: tuple[Damage, ...]
    recordings: tuple[Damage, ...]
    shares: Array

    @classmethod
    def of(cls, segments: list[Seen]) -> Overload:
        """As the model that training begins with estimates it. Without damages where nothing is clipped."""
        clipped = [s for s in segments if s.clipped.any()]
        paths = sorted({s.item.source.path for s in clipped})
        recordings = [Damage.of([s for s in segments if s.item.source.path == path]) for path in paths]
        overloads = [overloads_db(s.restored, s.y, s.clipped)[s.clipped] for s in clipped]
        return cls(tuple(Damage.of([s]) for s in clipped), tuple(recordings), _shares(np.concatenate([*overloads, np.zeros(0)])))

    def drawn(self, below: float, rng: np.random.Generator) -> Damage:
        """A damage from the archive, of those heavier than `below` dB where there are any."""
        heavier = [d for d in self.damages if d.input_sdr < below] or list(self.damages)
        return heavier[int(rng.integers(len(heavier)))]


@dataclass(frozen=True)
class PairMaker:
    """Makes pairs for a model. base: the network with the weights that training begins with. workers: who works out estimates."""

    experts: ExpertSet
    base: nn.Module
    workers: Executor

    def seen(self, items: list[Item]) -> list[Seen]:
        """Segments with their estimates."""
        found = self._estimates(items, [(item.y, item.own_levels) for item in items])
        examples = []
        for item, estimates in zip(items, found, strict=True):
            y = item.y[item.inner]
            examples.append(Example(y, y, *item.own_levels, estimates))
        made = zip(items, found, _restored(self.base, examples), strict=True)
        return [Seen(item, estimates, whole) for item, estimates, whole in made]

    def pairs(self, segments: list[Seen], like: Overload, rng: np.random.Generator) -> list[Pair]:
        """One of each segment that can be clipped further, damaged like the archive. There may be none whose truth is known."""
        plans = [_planned(segment, like, rng) for segment in segments]
        signals = [(clip(s.item.y * np.float32(gain), *levels), levels) for s, (gain, levels) in zip(segments, plans, strict=True)]
        further = self._estimates([s.item for s in segments], signals)
        drafts = []
        for segment, (gain, levels), estimates in zip(segments, plans, further, strict=True):
            own = (np.inf, -np.inf) if segment.item.whole else (segment.item.positive, segment.item.negative)
            path, ones, seen = segment.item.source.path, np.ones_like(segment.y), segment.estimates
            drafts.append(Pair(path, segment.y, own, gain, levels, weights=ones, first=segment.restored, own=seen, further=estimates))
        return _weighed(drafts, self.base, like)

    def _estimates(self, items: list[Item], signals: list[tuple[Array, tuple[float, float]]]) -> list[Array]:
        """What the experts make of signals as long as the items with their margins, for the items themselves."""
        rates = [item.source.sample_rate for item in items]
        futures = [
            self.workers.submit(estimates_of, self.experts.name, y, levels, rate) for (y, levels), rate in zip(signals, rates, strict=True)
        ]
        return [future.result()[:, item.inner] for future, item in zip(futures, items, strict=True)]


@torch.no_grad()
def gains_db(net: nn.Module, held: list[Pair]) -> Array:
    """The gain in dB on pairs that were held back, with the weights of the loss: (recordings,), each the mean of a recording's pairs.

    Of clean recordings it is the dSDR, the truth. Of clipped ones, where their truth is not known, what the network makes of the recording
    itself stands for it. By known samples alone a network is the better the lower its peaks are; by guesses alone, the better the more it
    exaggerates.
    """
    device, found = next(net.parameters()).device, []
    for first in range(0, len(held), AT_ONCE):
        batch = batch_of(held[first : first + AT_ONCE]).to(device)
        again = batch.again
        estimate, guess = beyond(restored(net, again), again.y, again.clipped), guessed(net, batch)
        known, every = (weighted_db(estimate, guess, y=again.y, weights=w) for w in (batch.weights, again.clipped.float()))
        found.append(-KNOWN * known - (1 - KNOWN) * every)
    gains = torch.cat(found).cpu().numpy()
    recordings = np.array([str(pair.recording) for pair in held])
    return np.array([gains[recordings == recording].mean() for recording in sorted(set(recordings))])


def score(net: nn.Module, held: list[Pair]) -> float:
    """The mean gain in dB over the recordings that were held back."""
    return float(gains_db(net, held).mean())


def sure_gain(before: Array, after: Array) -> float:
    """The least that one network gains over another, both from `gains_db`: the lower bound of Student's confidence interval.

    Recordings of an archive differ, and some of them gain where others lose. Of fewer than FEWEST that cannot be seen, and all of their
    gain counts.
    """
    rises = after - before
    if len(rises) < FEWEST:
        return float(rises.mean())
    return float(rises.mean() - scipy.stats.t.ppf(CONFIDENCE, len(rises) - 1) * rises.std(ddof=1) / np.sqrt(len(rises)))


def guessed(net: nn.Module, batch: PairBatch) -> Tensor:
    """The truth of pairs that are clipped further: as it is known, and where it is not, as a network restores the recording itself."""
    own = batch.own
    return batch.gains * beyond(restored(net, own), own.y, own.clipped)


def overloads_db(estimate: Array, y: Array, clipped: Mask) -> Array:
    """How far the peak of each run of clipped samples rises above its level, in dB, at all samples of the run; 0 elsewhere."""
    heights = np.where(clipped, np.abs(estimate) / np.maximum(np.abs(y), 1e-9), 0.0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], clipped, [False]]).astype(np.int8)))
    found = np.zeros(len(y))
    if len(edges):
        found[clipped] = np.repeat(np.maximum.reduceat(heights, edges[::2]), np.diff(edges)[::2])
    return 20 * np.log10(np.maximum(found, 1.0))


def _shares(overloads: Array) -> Array:
    counts = np.histogram(overloads, OVERLOADS_DB)[0]
    return np.asarray(counts / max(1, counts.sum()))


def _planned(segment: Seen, like: Overload, rng: np.random.Generator) -> tuple[float, tuple[float, float]]:
    """The gain of a pair and the levels that it is clipped at.

    A clean segment is clipped at the levels of its recording, as it is. Another one is turned up until it is damaged about as much as a
    segment of the archive is.
    """
    if segment.item.source.clean:
        return 1.0, (segment.item.positive, segment.item.negative)
    own = sdr(segment.restored, segment.y) if segment.clipped.any() else np.inf
    damage = like.drawn(own, rng)
    levels = damage.levels if segment.item.whole else (segment.item.positive, segment.item.negative)
    low, high = np.log(GAINS)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        up = segment.restored * np.float32(np.exp(middle))
        low, high = (middle, high) if sdr(up, clip(up, *levels)) > damage.input_sdr else (low, middle)
    return float(np.exp(low)), levels


def _weighed(pairs: list[Pair], base: nn.Module, like: Overload) -> list[Pair]:
    """Pairs with the weights of their samples; those in which nothing is clipped further are left out."""
    agains = [pair.examples()[1] for pair in pairs]
    found = []
    for pair, again, estimate in zip(pairs, agains, _restored(base, agains), strict=True):
        clipped = np.asarray((again.y >= again.positive) | (again.y <= again.negative))
        overloads = overloads_db(estimate, again.y, clipped)
        known = clipped & (overloads < (np.inf if pair.whole else 20 * np.log10(pair.gain)))
        found.append((overloads, known))
    partly = [overloads[known] for pair, (overloads, known) in zip(pairs, found, strict=True) if not pair.whole]
    shares = _shares(np.concatenate([*partly, np.zeros(0)]))
    table = np.minimum(like.shares / np.maximum(shares, 1e-6), MOST_WEIGHT)
    made = []
    for pair, (overloads, known) in zip(pairs, found, strict=True):
        weights = known * (1.0 if pair.whole else table[np.digitize(overloads, OVERLOADS_DB[1:-1])])
        if pair.clips:
            made.append(replace(pair, weights=weights.astype(np.float32)))
    return made


@torch.no_grad()
def _restored(net: nn.Module, examples: list[Example]) -> list[Array]:
    device = next(net.parameters()).device
    found: list[Array] = []
    for first in range(0, len(examples), AT_ONCE):
        batch = collate(examples[first : first + AT_ONCE]).to(device)
        found.extend(beyond(restored(net, batch), batch.y, batch.clipped)[:, 0].cpu().numpy())
    return found
