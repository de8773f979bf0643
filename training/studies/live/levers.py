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
from declipper.engine.recipes import LIVE_RECIPE, LiveRecipe, drawn_together
from declipper.engine.session import ModelInfo
from declipper.methods.autoregressive import ARModel, autoregressive, predicted
from declipper.methods.model_averaging import combined
from declipper.methods.newest_sparsity import newest_sparsity
from declipper.methods.social_sparsity import FROM_ESTIMATE_FAST, FallingThreshold, social_sparsity
from declipper.methods.truncated_normal import Estimate
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
            interpolated = self._both(signal, self.alone, frames).mean
            return interpolated, interpolated
        social = newest_sparsity(signal, self.threshold, window=self.window, beyond=self.beyond)
        return drawn_together(social, self._both(signal, self.after, frames, start=social), signal.mask)

    def _both(self, signal: ClippedSignal, longer: ARModel, frames: int, *, start: Array | None = None) -> Estimate:
        return combined(signal, [predicted(signal, model, start=start, newest=frames) for model in (longer, self.shorter)])


@dataclass(frozen=True)
class Afterwards(LiveRecipe):
    """With other estimates where much is clipped.

    again: for social sparsity once more, begun at interpolation, whose result then takes its place. alike: whether the estimates are left
    as they are. wide: whether social sparsity takes the windows of recordings, to which what comes after the end is silence.
    """

    again: FallingThreshold | None = None
    alike: bool = False
    wide: bool = False

    def _newest(self, signal: ClippedSignal, frames: int) -> tuple[Array, Array]:
        if np.count_nonzero(signal.mask) < self.spared * frames:
            return super()._newest(signal, frames)
        if self.wide:
            social = social_sparsity(signal, self.threshold)
        else:
            social = newest_sparsity(signal, self.threshold, window=self.window, beyond=self.beyond)
        interpolated = autoregressive(signal, self.after, start=social, newest=frames)
        if self.again is not None:
            return social_sparsity(signal, self.again, start=interpolated.mean), interpolated.mean
        return (social, interpolated.mean) if self.alike else drawn_together(social, interpolated, signal.mask)


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


def _afterwards(**values: object) -> Variant:
    return Variant(replace(LIVE, recipe=Afterwards(**vars(LIVE_RECIPE), **values)))  # type: ignore[arg-type]


THRESHOLD, ALONE, AFTER = LIVE_RECIPE.threshold, LIVE_RECIPE.alone, LIVE_RECIPE.after
VARIANTS = {
    "the quick estimates": Variant(PLUGIN),
    "`live` as it is": Variant(LIVE),
    "social sparsity everywhere": _live(spared=0.0),
    "social sparsity from 15 % on": _live(spared=0.15),
    "social sparsity from 35 % on": _live(spared=0.35),
    "24 iterations": _live(threshold=replace(THRESHOLD, iterations=24)),
    "32 iterations": _live(threshold=replace(THRESHOLD, iterations=32)),
    "80 iterations": _live(threshold=replace(THRESHOLD, iterations=80)),
    "thresholds lower by 3 dB": _live(threshold=replace(THRESHOLD, first=0.7 * THRESHOLD.first, last=0.7 * THRESHOLD.last)),
    "spectral windows of recordings": _afterwards(wide=True),
    "the plain mean of both": _afterwards(alike=True),
    "social sparsity again in place of the first": _afterwards(again=FROM_ESTIMATE_FAST),
    "spectral windows of 2048": _live(window=2048),
    "spectral windows of 4096": _live(window=4096),
    "windows fall before the end": _live(beyond=0),
    "one round": _live(alone=replace(ALONE, orders=(512,)), after=replace(AFTER, orders=(512,))),
    "two rounds": _live(alone=replace(ALONE, orders=(512, 512)), after=replace(AFTER, orders=(512, 512))),
    "order 128": _live(alone=replace(ALONE, orders=(64, 128, 128, 128, 128)), after=replace(AFTER, orders=(128, 128, 128))),
    "a round of order 128 before": _live(after=replace(AFTER, orders=(128, 256, 512, 512))),
    "half of the work": _live(after=replace(AFTER, work=AFTER.work / 2)),
    "models of 2048 frames": _live(
        alone=ARModel(2048, ALONE.orders, work=2 * ALONE.work),
        after=ARModel(2048, AFTER.orders, work=2 * AFTER.work),
    ),
    "models of 8192 frames": _live(
        alone=ARModel(8192, ALONE.orders, work=ALONE.work / 2),
        after=ARModel(8192, AFTER.orders, work=AFTER.work / 2),
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
