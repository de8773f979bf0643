"""The affine extension of eq. 11, g x + o, which the paper names and does not try: what are offsets worth beside gains?

Signals of a random subspace, as in `subspaces`, that come with an offset before they are clipped, as after a faulty preamplifier: one side
is clipped more than the other, and a signal stays possible whatever is added to it. (An offset that is added after the clipping moves both
levels with it, and is known from them.)

`python -m declipper.training.studies.synthetic.offsets` writes offsets.md.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from declipper.training.learning.losses import h
from declipper.training.studies.objectives import SELF_SUPERVISED, SUPERVISED
from declipper.training.studies.synthetic.signals import LEVELS, sdr_db
from declipper.training.studies.synthetic.subspaces import (
    BATCH,
    DEPTH,
    SIZE,
    SOFTEST,
    TESTED,
    WIDTH,
    basis,
    drawn,
    learned_sdr,
)

HERE = Path(__file__).parent
OFFSET = 0.5
"""Greatest offset of the signals either way, against a level of 1, and of those that L_EI draws. Chosen by hand."""
STEPS = 1000
"""Of training, for each network: what a minute or two allow."""
CELLS = ((3, 0.3), (3, 0.6), (10, 0.3), (10, 0.6))
"""k, and q as it is without the offset."""
WAYS = {
    "L_EI with gains": SELF_SUPERVISED,
    "L_EI with offsets": replace(SELF_SUPERVISED, gains=(1.0, 1.0), offset=OFFSET),
    "L_EI with both": replace(SELF_SUPERVISED, offset=OFFSET),
    "supervised": SUPERVISED,
}


@dataclass(frozen=True)
class Row:
    """One subspace: mean SDR in dB of the clipped signals, and of each of WAYS."""

    dimension: int
    share: float
    clipped: float
    found: dict[str, float]


def moved(count: int, rng: np.random.Generator, *, span: Tensor, share: float, softest: float = 1.0) -> Tensor:
    """Signals of the subspace with an offset each, (count, SIZE)."""
    x = drawn(count, rng, span=span, share=share, softest=softest)
    return x + torch.from_numpy(rng.uniform(-OFFSET, OFFSET, (count, 1)).astype(np.float32))


def row(dimension: int, share: float, *, steps: int = STEPS, tested: int = TESTED) -> Row:
    """Train and test every way on one subspace."""
    span = basis(dimension, seed=dimension)
    draw = partial(moved, BATCH, span=span, share=share, softest=SOFTEST)
    test = moved(tested, np.random.default_rng(1), span=span, share=share)
    found = {name: learned_sdr(terms, draw, test=test, steps=steps) for name, terms in WAYS.items()}
    return Row(dimension, share, float(sdr_db(test, h(test, LEVELS)).mean()), found)


def table(rows: list[Row], *, steps: int, minutes: float) -> str:
    """offsets.md."""
    gains, offsets, both, taught = (np.mean([r.found[name] for r in rows]) for name in WAYS)
    lines = "".join(
        f"| {r.dimension} | {r.share:g} | {r.clipped:.1f} | {' | '.join(f'{value:.1f}' for value in r.found.values())} |\n" for r in rows
    )
    return f"""# Offsets beside gains: the affine extension of eq. 11

Made by `python -m declipper.training.studies.synthetic.offsets` in {minutes:.0f} minutes of CPU time. Signals of a random subspace of
R^{SIZE}, as in [figure 7](subspaces.md), with an offset of up to {OFFSET:g} either way before they are clipped at 1; perceptrons of width
{WIDTH} and depth {DEPTH} without biases, {steps} steps of {BATCH} signals, one seed; mean SDR in dB over {TESTED} new signals.

| k | q | clipped | {" | ".join(WAYS)} |
|---|---|---|{"---|" * len(WAYS)}
{lines}
In the mean, against gains, offsets beside them bring {both - gains:+.1f} dB and offsets in their place {offsets - gains:+.1f} dB;
supervised learning is {taught - gains:.1f} dB ahead of gains.
"""


@click.command()
@click.option("--steps", default=STEPS, show_default=True, help="Of training, for each network.")
def main(steps: int) -> None:
    """Measure every subspace."""
    rows = []
    for dimension, share in CELLS:
        rows.append(row(dimension, share, steps=steps))
        click.echo(rows[-1], err=True)
    (HERE / "offsets.md").write_text(table(rows, steps=steps, minutes=time.process_time() / 60))


if __name__ == "__main__":
    main()
