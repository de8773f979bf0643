"""What each lever brings to live restoring, and costs: `python -m declipper.training.studies.live.levers SHELF...` writes levers.{md,png}.

Pieces of the validation split, and of speech from the train split, since the validation split has none, are clipped at a known level and
restored by `DeclipStream` in the windows of the live monitor. The network is left out: what comes out is the mean of the estimates. Each
row changes one value of the recipe that `live` has. CPU time is told relative to that of the quick estimates, with which `plugin.onnx`
works below 80 ms, in the same run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click
import matplotlib as mpl
import numpy as np

from declipper import ClipLevels, DeclipStream, Session
from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.clipping.signal import ClippedSignal
from declipper.engine.experts import LIVE, PLUGIN, ExpertSet
from declipper.engine.framing import USUAL_DELAY, Framing
from declipper.engine.recipes import LIVE_RECIPE, LiveRecipe
from declipper.engine.session import ModelInfo
from declipper.methods.autoregressive import ARModel, predicted
from declipper.methods.model_averaging import combined
from declipper.methods.social_sparsity import FallingThreshold, social_sparsity
from declipper.training.data.degrade import sdr, threshold_for_sdr
from declipper.training.data.shelf import Shelf

RESULTS = Path(__file__).parents[1] / "results"
INPUT_SDRS = (1, 5, 10, 20, 40)
"""In dB."""
SECONDS = 2.0
"""Of each piece: the study is to take minutes."""
PIECES = {"music": 4, "speech": 2}
"""How many pieces of each kind."""
SEED = 3
"""Of the draw of pieces."""
LOWEST_RATE = 16000
"""Of a piece, in Hz."""


SHORTER = ARModel(2048, (64, 128, 256, 256), work=2.4e7)
"""A model of a shorter window."""


@dataclass(frozen=True)
class Several(LiveRecipe):
    """With a model of a shorter window beside the long one, averaged by how sure each is."""

    shorter: ARModel = SHORTER

    def _newest(self, signal: ClippedSignal, frames: int) -> tuple[Array, Array]:
        if np.count_nonzero(signal.mask) < self.spared * frames:
            interpolated = self._both(signal, self.alone, frames)
            return interpolated, interpolated
        social = social_sparsity(signal, self.threshold, window=self.window, beyond=self.beyond)
        return social, self._both(signal, self.after, frames, start=social)

    def _both(self, signal: ClippedSignal, longer: ARModel, frames: int, *, start: Array | None = None) -> Array:
        return combined(signal, [predicted(signal, model, start=start, newest=frames) for model in (longer, self.shorter)]).mean


def half_ahead(info: ModelInfo, sample_rate: float, delay: int) -> Framing:
    """As much look-ahead as hop, at the same delay."""
    usual = Framing.live(info, sample_rate, delay)
    ahead = delay // 2
    return Framing(usual.context, delay - ahead, ahead, ahead // 4, usual.past)


@dataclass(frozen=True)
class Variant:
    """A way to restore: the experts, the framing, and the delay in seconds."""

    experts: ExpertSet
    framing: Callable[[ModelInfo, float, int], Framing] = Framing.live
    delay: float = USUAL_DELAY


def _live(**values: object) -> Variant:
    return Variant(replace(LIVE, recipe=replace(LIVE_RECIPE, **values)))  # type: ignore[arg-type]


THRESHOLD = LIVE_RECIPE.threshold
VARIANTS = {
    "the quick estimates": Variant(PLUGIN),
    "`live` as it is": Variant(LIVE),
    "social sparsity everywhere": _live(spared=0.0),
    "social sparsity from 15 % on": _live(spared=0.15),
    "social sparsity from 35 % on": _live(spared=0.35),
    "24 iterations": _live(threshold=replace(THRESHOLD, iterations=24)),
    "32 iterations": _live(threshold=replace(THRESHOLD, iterations=32)),
    "80 iterations": _live(threshold=FallingThreshold(80, 0.15, 0.0004, 0.89, 1.45)),
    "spectral windows of 2048": _live(window=2048),
    "spectral windows of 4096": _live(window=4096),
    "silence after the end": _live(beyond=0),
    "one round": _live(alone=ARModel(4096, (512,), work=1.2e7), after=ARModel(8192, (512,), work=6e6)),
    "two rounds": _live(alone=ARModel(4096, (512, 512), work=1.2e7), after=ARModel(8192, (512, 512), work=6e6)),
    "order 128": _live(alone=ARModel(4096, (64, 128, 128, 128, 128), work=1.2e7), after=ARModel(8192, (128, 128, 128), work=6e6)),
    "models of 2048 frames": _live(
        alone=ARModel(2048, (64, 128, 256, 512, 512), work=2.4e7),
        after=ARModel(2048, (256, 512, 512), work=2.4e7),
    ),
    "models of 16384 frames": _live(
        reach=16384,
        alone=ARModel(16384, (64, 128, 256, 512, 512), work=3e6),
        after=ARModel(16384, (256, 512, 512), work=3e6),
    ),
    "two lengths averaged": Variant(replace(LIVE, recipe=Several(**vars(LIVE_RECIPE)))),
    "half of the delay is look-ahead": Variant(LIVE, half_ahead),
    "at 40 ms of latency": Variant(LIVE, delay=USUAL_DELAY / 2),
}


@dataclass(frozen=True)
class _Mean:
    """In place of a model: the mean of the estimates."""

    info: ModelInfo
    inputs: int = 4
    on_cpu: bool = True

    def estimate(self, window: Array) -> Array:
        """Of the network's inputs (inputs, frames), (frames,)."""
        mean: Array = window[2:].mean(axis=0)
        return mean


def pieces(shelves: list[Shelf]) -> list[tuple[Array, int]]:
    """(frames,) and sample rate of each piece, from as many packages as there are."""
    rng, found = np.random.default_rng(SEED), []
    for kind, count in PIECES.items():
        packages: dict[str, list[tuple[Shelf, int]]] = {}
        for shelf in shelves:
            for index, t in enumerate(shelf.tracks):
                if t.kind == kind and t.sample_rate >= LOWEST_RATE and t.frames > SECONDS * t.sample_rate:
                    packages.setdefault("/".join(Path(t.name).parts[:5]), []).append((shelf, index))
        names = sorted(packages)
        for number in range(count):
            shelf, index = packages[names[number % len(names)]][int(rng.integers(len(packages[names[number % len(names)]])))]
            track = shelf.tracks[index]
            frames = int(SECONDS * track.sample_rate)
            found.append((shelf.read(track, int(rng.integers(track.frames - frames)), frames).astype(np.float64), track.sample_rate))
    return found


def gain(x: Array, sample_rate: int, *, input_sdr: float, variant: Variant, info: ModelInfo) -> tuple[float, float]:
    """dSDR in dB, and CPU seconds per second."""
    mu = threshold_for_sdr(x, input_sdr)
    y = clip(x, mu, -mu)[:, None]
    info = replace(info, experts=variant.experts)
    framing = variant.framing(info, sample_rate, int(variant.delay * sample_rate))
    stream = DeclipStream(sample_rate, 1, ClipLevels.constant(mu, -mu), _Mean(info), framing=framing)  # type: ignore[arg-type]
    started = time.process_time()
    restored = np.concatenate([stream.push(y), stream.flush()])
    return sdr(x, restored[:, 0]) - sdr(x, y[:, 0]), (time.process_time() - started) / (len(x) / sample_rate)


@click.command()
@click.argument("shelves", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Where levers.md and levers.png go.")
def main(shelves: tuple[Path, ...], results: Path) -> None:
    """Measure on pieces from SHELVES, as written by declipper.training.data.shelf."""
    chosen, info = pieces([Shelf(path) for path in shelves]), Session("live", "cpu").info
    rows: dict[str, list[tuple[float, float]]] = {}
    for name, variant in VARIANTS.items():
        rows[name] = []
        for level in INPUT_SDRS:
            each = [gain(x, rate, input_sdr=level, variant=variant, info=info) for x, rate in chosen]
            rows[name].append((float(np.mean([dsdr for dsdr, _ in each])), float(np.mean([cpu for _, cpu in each]))))
        click.echo(f"{name}: {rows[name]}")
    text = "# What each lever brings to live restoring\n\nMade by `python -m declipper.training.studies.live.levers`: "
    text += f"{len(chosen)} pieces of {SECONDS:g} s, mono, level known, without a network; a latency of 80 ms where nothing else is said. "
    text += "CPU is relative to that of the quick estimates, with which `plugin.onnx` works below 80 ms, at the same input SDR.\n\n| | "
    text += " | ".join(f"dSDR at {level} dB" for level in INPUT_SDRS) + " | " + " | ".join(f"CPU at {level} dB" for level in INPUT_SDRS)
    text += " |\n|---" + "|---" * 2 * len(INPUT_SDRS) + "|\n"
    first = next(iter(rows.values()))
    for name, row in rows.items():
        shares = [f"{cpu / base:.1f}x" for (_, cpu), (_, base) in zip(row, first, strict=True)]
        text += f"| {name} | " + " | ".join([f"{dsdr:.2f}" for dsdr, _ in row] + shares) + " |\n"
    (results / "levers.md").write_text(text)
    draw(rows, path=results / "levers.png")
    click.echo(text)


def draw(rows: dict[str, list[tuple[float, float]]], *, path: Path) -> None:
    """Mean dSDR over all input SDRs against CPU seconds per second, a point for each row."""
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for index, (name, row) in enumerate(rows.items()):
        dsdr, cpu = np.mean(row, axis=0)
        axes.plot(cpu, dsdr, "o", color="#cc3311" if index == 1 else "#4477aa")
        axes.annotate(name, (cpu, dsdr), textcoords="offset points", xytext=(4, 3), fontsize=7)
    axes.set(xlabel="CPU seconds per second, mono", ylabel="mean dSDR, dB")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
