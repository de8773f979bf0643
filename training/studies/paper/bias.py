"""Figure 3 of the paper: what a bias does.

`python -m declipper.training.studies.paper.bias TRAIN_SHELF TEST_SHELF` writes bias.md and bias.png.

Without biases f(a y) = a f(y): a network trained at one level works at any other. The network with biases is the same otherwise.
"""

from __future__ import annotations

from pathlib import Path

import click
import matplotlib as mpl
import numpy as np
import torch

from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.training.data.degrade import sdr
from declipper.training.data.shelf import Shelf
from declipper.training.model.kinds import Network
from declipper.training.studies.paper.setting import (
    METHODS,
    MU,
    SEGMENTS,
    arguments,
    learned,
    levels_at,
    mean_sdr,
    network_estimator,
    restored,
    segments,
)

HERE = Path(__file__).parent
TESTED = 50
"""Segments: as many as give the mean to a tenth of a dB or so."""
LEVELS_DB = (-40, -30, -20, -10, 0, 10, 20)
"""Of the test against the training, on either side of it as in the paper's figure."""
NETWORKS = METHODS[3], METHODS[5]
"""Self-supervised without and with bias."""


@torch.no_grad()
def untouched(net: Network, x: Array, *, gain: float) -> Array:
    """f itself, without the blend, on unsaturated segments x (count, frames) times `gain`; at the scale of x again."""
    y = torch.from_numpy(x / np.float32(MU))[:, None] * gain
    out: Array = network_estimator(net)(y, levels_at(float("inf")))[:, 0].numpy() * np.float32(MU / gain)
    return out


@click.command()
@arguments
def main(train: Path, test: Path, work: Path, steps: int) -> None:
    """Train both networks on music of the TRAIN shelf where that is not done, and change the level of music of the TEST shelf."""
    data = segments(Shelf(train), "music", count=SEGMENTS, seed=0)
    x = segments(Shelf(test), "music", count=TESTED, seed=1)
    quiet = x / np.abs(x).max(axis=1, keepdims=True) * np.float32(MU)
    nets = [learned(method, data, seed=0, steps=steps, work=work, trained_on="music").last for method in NETWORKS]
    gains = [10 ** (level / 20) for level in LEVELS_DB]
    clipped = [[mean_sdr(x, restored(net, x, gain)) for gain in gains] for net in nets]
    unsaturated = [[mean_sdr(quiet, untouched(net, quiet, gain=gain)) for gain in gains if gain <= 1] for net in nets]
    text = "# Figure 3: what a bias does\n\nMade by `python -m declipper.training.studies.paper.bias`, with two networks of "
    text += "[table 1](table1.md) "
    text += f"that learned at a level of {MU:g} of full scale. Mean over {TESTED} music segments.\n\n"
    text += "## Clipped music, signal and level turned up or down alike: SDR in dB\n\n| level against training, dB | "
    text += " | ".join(map(str, LEVELS_DB)) + " |\n|---" + "|---" * len(LEVELS_DB) + "|\n"
    text += f"| clipped input |{f' {mean_sdr(x, clip(x, MU, -MU)):.2f} |' * len(LEVELS_DB)}\n"
    text += "".join(f"| {m.name} | " + " | ".join(f"{v:.2f}" for v in row) + " |\n" for m, row in zip(NETWORKS, clipped, strict=True))
    low = [level for level in LEVELS_DB if level <= 0]
    text += "\n## Music that is not saturated, through the network alone: SDR in dB\n\n| peak against the level, dB | "
    text += " | ".join(map(str, low)) + " |\n|---" + "|---" * len(low) + "|\n"
    text += "".join(f"| {m.name} | " + " | ".join(f"{v:.2f}" for v in row) + " |\n" for m, row in zip(NETWORKS, unsaturated, strict=True))
    (HERE / "bias.md").write_text(text)
    click.echo(text)
    plot(quiet, nets, path=HERE / "bias.png")


def plot(quiet: Array, nets: list[Network], *, path: Path, gain: float = 0.01) -> None:
    """An unsaturated signal 40 dB below the level, and what each network makes of it."""
    mpl.use("Agg")
    from matplotlib import pyplot

    index = int(np.argmax([sdr(a, b) for a, b in zip(quiet, untouched(nets[0], quiet, gain=gain), strict=True)]))
    peak = int(np.abs(quiet[index]).argmax())
    shown = slice(max(0, peak - 200), peak + 200)
    figure, axes = pyplot.subplots(figsize=(7, 3.2), layout="constrained")
    axes.plot(quiet[index, shown] * gain, color="0.2", linewidth=2.5, label="signal")
    for method, net, colour in zip(NETWORKS, nets, ("#4477aa", "#cc6677"), strict=True):
        axes.plot(untouched(net, quiet[index : index + 1], gain=gain)[0, shown] * gain, color=colour, linewidth=1, label=method.name)
    axes.set_xlabel("samples")
    axes.legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
