"""Figure 7 of the paper: signals of a random k-dimensional subspace of R^100, a share q of the entries clipped.

`python -m declipper.training.studies.synthetic.subspaces` writes subspaces.md and subspaces.png.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import torch
from scipy.linalg import null_space
from scipy.optimize import nnls
from torch import Tensor, nn

from declipper.clipping.arrays import Array
from declipper.training.data.batches import Levels
from declipper.training.learning.losses import Estimator, clipped_in, consistent, h
from declipper.training.studies.objectives import SELF_SUPERVISED, SUPERVISED, Teaching, Terms, schedule, taught
from declipper.training.studies.synthetic.signals import LEVELS, LONGEST, sdr_db

HERE = Path(__file__).parent
SIZE = 100
"""Entries of a signal; it and the shape of the networks are the paper's."""
WIDTH = 100
"""Of the hidden layers."""
DEPTH = 5
"""Layers."""
DIMENSIONS = (1, 3, 10, 20, 40)
"""k of the diagram; it and the next two are what ten minutes of one core allow."""
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""q of the diagram."""
STEPS = 5000
"""Of training, for each network."""
BATCH = 32
"""Signals of a step; chosen by hand, as RATE is."""
RATE = 1e-3
"""Highest learning rate."""
SOFTEST = 0.1
"""Least amplitude of what is learned from, against that of what is tested: the signal set has to hold softer signals as well as loud ones.
Chosen by hand."""
TESTED = 200
"""Signals of each point."""
RECOVERED = 20.0
"""SDR in dB from which a signal counts as recovered: the error is a tenth of its size."""
EXACT = 80.0
"""SDR in dB that only rounding keeps from being infinite."""
WAYS = ("linear", "supervised", "self_supervised")
"""Of recovering signals, as `Cell` names them."""


def basis(dimension: int, *, seed: int) -> Tensor:
    """(SIZE, dimension), orthonormal, of a random subspace."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.linalg.qr(rng.standard_normal((SIZE, dimension)))[0]).float()


def drawn(count: int, rng: np.random.Generator, *, span: Tensor, share: float, softest: float = 1.0) -> Tensor:
    """`count` signals of the subspace, (count, SIZE): `share` of their entries exceeds 1, or less, down to an amplitude of `softest`."""
    x = torch.from_numpy(rng.standard_normal((count, span.shape[1]), np.float32)) @ span.T
    clipped = round(share * SIZE)
    heights = x.abs().sort(dim=1, descending=True).values
    loudest = x / (heights[:, clipped - 1] * heights[:, clipped]).sqrt()[:, None]
    return loudest * torch.from_numpy(rng.uniform(softest, 1, (count, 1)).astype(np.float32))


def network() -> nn.Sequential:
    """A multilayer perceptron without biases."""
    widths = [2 * SIZE, *[WIDTH] * (DEPTH - 1), SIZE]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after, bias=False), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def estimator(net: nn.Module) -> Estimator:
    """f: the network sees reliable and clipped entries apart."""

    def f(y: Tensor, levels: Levels) -> Tensor:
        clipped = clipped_in(y, levels)
        result: Tensor = net(torch.cat([y * ~clipped, y * clipped], dim=1))
        return result

    return f


def least_squares(y: Array, span: Array) -> Array:
    """The signal of the known subspace that agrees with y (SIZE,): equal where reliable, at or beyond 1 where clipped.

    Of several, the least one, found by non-negative least squares (Lawson and Hanson, Solving least squares problems, 1974, chapter 23).
    """
    clipped = np.abs(y) >= 1
    known, outside = span[~clipped], span[clipped] * y[clipped, None]
    start = np.linalg.lstsq(known, y[~clipped], rcond=None)[0] if len(known) else np.zeros(span.shape[1])
    free = null_space(known) if len(known) else np.eye(span.shape[1])
    if free.shape[1] == 0:
        return np.asarray(span @ start)
    lack = 1 - outside @ start
    matrix = np.vstack([(outside @ free).T, lack])
    target = np.append(np.zeros(free.shape[1]), 1.0)
    residual = matrix @ nnls(matrix, target)[0] - target
    return np.asarray(span @ (start - free @ residual[:-1] / residual[-1]))


@dataclass(frozen=True)
class Cell:
    """One point of the diagram: mean SDR in dB of each way."""

    dimension: int
    share: float
    clipped: float
    linear: float
    supervised: float
    self_supervised: float


def learned_sdr(terms: Terms, draw: Callable[[np.random.Generator], Tensor], *, test: Tensor, steps: int) -> float:
    """What a network reaches that learned by these losses from signals that `draw` gives."""
    torch.manual_seed(0)

    def seen(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        x = draw(rng)
        return x, h(x, LEVELS)

    teaching = Teaching(terms, seen, estimator, LEVELS, schedule=schedule(RATE, steps, longest=LONGEST), seed=0)
    f = estimator(taught(network(), teaching, steps=steps))
    with torch.no_grad():
        y = h(test, LEVELS)
        return float(sdr_db(test, consistent(f(y, LEVELS), y, levels=LEVELS)).mean())


def cell(dimension: int, share: float, *, steps: int = STEPS, tested: int = TESTED) -> Cell:
    """Measure one point of the diagram."""
    span = basis(dimension, seed=dimension)
    draw = partial(drawn, BATCH, span=span, share=share, softest=SOFTEST)
    test = drawn(tested, np.random.default_rng(1), span=span, share=share)
    y = h(test, LEVELS)
    linear = torch.from_numpy(np.stack([least_squares(row, span.double().numpy()) for row in y.double().numpy()])).float()
    return Cell(
        dimension,
        share,
        clipped=float(sdr_db(test, y).mean()),
        linear=float(sdr_db(test, linear).mean()),
        supervised=learned_sdr(SUPERVISED, draw, test=test, steps=steps),
        self_supervised=learned_sdr(SELF_SUPERVISED, draw, test=test, steps=steps),
    )


def table(cells: list[Cell], *, steps: int, minutes: float) -> str:
    """subspaces.md."""
    behind = [c.supervised - c.self_supervised for c in cells]
    linear, supervised, own = (sum(getattr(c, way) >= RECOVERED for c in cells) for way in WAYS)
    apart = [c for c in cells if c.share <= 1 - 2 * c.dimension / SIZE]
    return f"""# Figure 7: how many dimensions can be learned when how much is clipped

Made by `python -m declipper.training.studies.synthetic.subspaces` in {minutes:.0f} minutes of CPU time. Signals of a random subspace of
R^{SIZE}, each scaled so that a share q of its entries is clipped at 1, to learn from also up to {1 / SOFTEST:g} times softer; perceptrons
of width {WIDTH} and depth {DEPTH} without biases, {steps} steps of {BATCH} signals, one seed; mean SDR in dB over {TESTED} new signals. The
linear answer knows the subspace: it is the least signal of it that agrees with all that was measured, as equalities and inequalities. It is
exact where at least k entries are not clipped, q <= 1 - k/{SIZE}; two signals of an unknown subspace of that dimension are told apart in
general from 2k such entries, q <= 1 - 2k/{SIZE}. The constants of theorem 1 are not used here. [Diagram](subspaces.png).

| k | q | clipped | linear, subspace known | supervised | self-supervised |
|---|---|---|---|---|---|
{"".join(_row(c) for c in cells)}
Self-supervised learning is {np.median(behind):.1f} dB behind supervised learning in the median of the {len(cells)} cells,
{max(behind):.1f} dB at most. Recovered ({RECOVERED:g} dB and more): {linear} cells by the linear answer, {supervised} supervised,
{own} self-supervised, the latter {sum(c.self_supervised >= RECOVERED for c in apart)} of the {len(apart)} in which 2k entries are left.
"""


def _row(c: Cell) -> str:
    linear = "exact" if c.linear > EXACT else f"{c.linear:.1f}"
    return f"| {c.dimension} | {c.share:g} | {c.clipped:.1f} | {linear} | {c.supervised:.1f} | {c.self_supervised:.1f} |\n"


def picture(cells: list[Cell], path: Path) -> None:
    """The phase diagrams side by side, with both bounds."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    dimensions, shares = sorted({c.dimension for c in cells}), sorted({c.share for c in cells})
    fine = np.linspace(shares[0], shares[-1], 200)
    figure, axes = pyplot.subplots(1, 3, figsize=(10, 3.4), sharey=True, layout="constrained")
    for axis, way in zip(axes, WAYS, strict=True):
        found = {(c.dimension, c.share): getattr(c, way) for c in cells}
        grid = np.array([[found[k, q] for q in shares] for k in dimensions])
        image = axis.imshow(grid, origin="lower", vmin=0, vmax=40, cmap="cividis", aspect="auto")
        for entries, style in ((1, "-"), (2, "--")):
            columns = np.interp(fine, shares, range(len(shares)))
            rows = np.interp(SIZE * (1 - fine) / entries, dimensions, range(len(dimensions)), right=np.nan)
            axis.plot(columns, rows, style, color="w", label=f"{entries}k entries left" if entries > 1 else "k entries left")
        axis.set_xticks(range(len(shares)), [f"{q:g}" for q in shares])
        axis.set_yticks(range(len(dimensions)), [str(k) for k in dimensions])
        axis.set_xlabel("share clipped, q")
        axis.set_title(way.replace("_", "-"))
    axes[0].set_ylabel("dimensions, k")
    axes[0].legend(loc="upper right", fontsize=7, facecolor="0.3", labelcolor="w")
    figure.colorbar(image, ax=axes, label="mean SDR, dB (40 and above alike)")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


@click.command()
@click.option("--steps", default=STEPS, show_default=True, help="Of training, for each network.")
def main(steps: int) -> None:
    """Measure every point of the diagram."""
    cells = []
    for dimension in DIMENSIONS:
        for share in SHARES:
            cells.append(cell(dimension, share, steps=steps))
            click.echo(cells[-1], err=True)
    (HERE / "subspaces.md").write_text(table(cells, steps=steps, minutes=time.process_time() / 60))
    picture(cells, HERE / "subspaces.png")


if __name__ == "__main__":
    main()
