"""What a model may ask for as further inputs: sets of experts, the estimates of exact methods of signal processing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass

import numpy as np

from declipper.clipping.arrays import Array, Mask
from declipper.clipping.signal import ClippedSignal
from declipper.engine import cross_channel
from declipper.engine.recipes import BEST_RECIPE, FAST_RECIPE, LIVE_RECIPE, QUICK_RECIPE, NoRecipe, Recipe
from declipper.methods import autoregressive, model_averaging, newest_sparsity, social_sparsity, spade
from declipper.methods.blas import one_blas_thread

DEVIATION = "deviation"
"""The output that is no estimate of the signal but the standard deviation of the first one; the last of its set."""


@dataclass(frozen=True)
class Windows:
    """The windows in which a model restores a recording, in frames at 44.1 kHz.

    window: what the network sees at once; context: frames at either end of it that only inform; fade: frames by which the rest of
    neighbouring windows overlaps.
    """

    window: int
    context: int
    fade: int


@dataclass(frozen=True)
class ExpertSet:
    """Several experts that run together, and what has to be known of them.

    name: also that of the shipped model that sees them. outputs: what the experts give, in the order of a network's inputs. cost: CPU
    seconds for a second of mono audio at 10 dB input SDR, with the network (training/results/evaluation.md). serves_live: whether they are
    done within the blocks of a listener. windows: those of a new model that sees them. recipe: how the estimates are made. versions:
    those of the methods that it is made with. hears_other_channels: whether what a channel has in common with another one is taken out
    beforehand.
    """

    name: str
    outputs: tuple[str, ...]
    cost: float
    serves_live: bool
    windows: Windows
    recipe: Recipe
    versions: tuple[int, ...]
    hears_other_channels: bool = False

    @property
    def signals(self) -> Mask:
        """Which outputs are signals: they shift and flip with the recording, a deviation does not."""
        return np.array([output != DEVIATION for output in self.outputs], dtype=bool)

    @property
    def has_deviation(self) -> bool:
        """Whether the last output is the deviation of the first."""
        return DEVIATION in self.outputs

    @property
    def fingerprint(self) -> str:
        """Tells sets apart that compute different things: a hash of the outputs, of the recipe and of each method's version.

        What is heard of other channels is no part of it: models are trained on single channels.
        """
        definition = [self.outputs, astuple(self.recipe), list(self.versions)]
        return hashlib.sha256(json.dumps(definition).encode()).hexdigest()[:16]

    def run(self, signal: ClippedSignal, channel: int = 0, *, scale: float = 1.0) -> dict[str, Array]:
        """What each expert makes of one channel, divided by `scale`: (frames,) float32 by the names of the outputs, in their order."""
        if not self.outputs:
            return {}
        with one_blas_thread():
            common = cross_channel.common_part(signal, channel) if self.hears_other_channels else None
            alone = signal.channels[channel]
            found = self.recipe(alone if common is None else alone.minus(common[:, None]))
        scaled = {name: (found[name][:, 0] / scale).astype(np.float32) for name in self.outputs}
        if common is not None:
            for name in set(self.outputs) - {DEVIATION}:
                scaled[name] += (common / scale).astype(np.float32)
        return scaled

    def rows(self, signal: ClippedSignal, channel: int = 0, *, scale: float = 1.0) -> Array:
        """What `run` gives as the network sees it: (outputs, frames) float32."""
        found = self.run(signal, channel, scale=scale)
        return np.array([*found.values()], np.float32).reshape(len(found), len(signal.samples))


LONG = Windows(131072, 4096, 2048)
"""Three seconds: spectra see far, and what is seen twice is paid twice."""

NONE = ExpertSet(
    name="none",
    outputs=(),
    cost=0.061,
    serves_live=True,
    windows=Windows(16384, 0, 2048),
    recipe=NoRecipe(),
    versions=(),
)
"""No experts: the network sees the recording alone."""

PLUGIN = ExpertSet(
    name="plugin",
    outputs=("rough", "fine"),
    cost=0.135,
    serves_live=True,
    windows=Windows(16384, 1024, 1024),
    recipe=QUICK_RECIPE,
    versions=(autoregressive.VERSION,),
)
"""What there is time for below 80 ms of latency. It bears the name of the plugin, which had it first, since model files do."""

LIVE = ExpertSet(
    name="live",
    outputs=("social", "autoregressive"),
    cost=0.266,
    serves_live=True,
    windows=Windows(16384, 1024, 1024),
    recipe=LIVE_RECIPE,
    versions=(autoregressive.VERSION, newest_sparsity.VERSION),
)
"""What a listener can wait for, in Python and in the plugin."""

FAST = ExpertSet(
    name="fast",
    outputs=("averaged", "refined", "social", DEVIATION),
    cost=0.086,
    serves_live=False,
    windows=LONG,
    recipe=FAST_RECIPE,
    versions=(autoregressive.VERSION, model_averaging.VERSION, social_sparsity.VERSION),
)
"""A twelfth of the work of BEST."""

BEST = ExpertSet(
    name="best",
    outputs=("averaged", "social", "smoothed", "refined", "spade", DEVIATION),
    cost=1.045,
    serves_live=False,
    windows=LONG,
    recipe=BEST_RECIPE,
    versions=(autoregressive.VERSION, model_averaging.VERSION, social_sparsity.VERSION, spade.VERSION),
    hears_other_channels=True,
)
"""The best there is, whatever it costs."""

SETS = {experts.name: experts for experts in (NONE, PLUGIN, LIVE, FAST, BEST)}
"""The sets of experts that a model may ask for, by name."""
