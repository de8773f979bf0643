"""Figures 5 and 6 of the paper: one image at every amplitude, seen through a random rotation and clipping.

x = s d, where d is an image of unit norm and s exponential; y = h(Q x) with an orthogonal Q. Without the rotation the bright pixels of d
are clipped first; with it every entry of Q d is as likely to be.

`python -m declipper.training.studies.synthetic.directions` writes directions.md and directions.png.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import click
import numpy as np
import torch
from scipy.ndimage import zoom
from scipy.stats import ortho_group
from torch import Tensor, nn

from declipper.training.data.batches import Levels
from declipper.training.learning.losses import Estimator, h
from declipper.training.model.planar import PlanarUNet
from declipper.training.studies.synthetic.objectives import LEVELS, Objective, consistency_alone, sdr_db, self_taught, trained

HERE = Path(__file__).parent
SIDE = 28
"""Of the images, in pixels: the paper's."""
CHANNELS = (8, 16, 32)
"""Of the network: as small as suffices here."""
STEPS = 1500
MEAN_NORM = float(SIDE)
"""Mean of s. Entries of Q x then have a standard deviation of 1, the level, and a third of them is clipped."""
NORMS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""At which the networks are tested, in units of MEAN_NORM."""


@dataclass(frozen=True)
class Setting:
    """One row of the figure."""

    name: str
    rotated: bool
    objective: Objective


SETTINGS = (
    Setting("L_MC alone", rotated=True, objective=consistency_alone),
    Setting("L_MC + L_EI", rotated=True, objective=self_taught),
    Setting("L_MC + L_EI, no rotation", rotated=False, objective=self_taught),
)


@cache
def digit() -> Tensor:
    """d: a handwritten digit of scikit-learn (8 x 8, the test set of UCI's optdigits), made SIDE x SIDE, of unit norm; (pixels,)."""
    from sklearn.datasets import load_digits

    image = np.clip(zoom(load_digits().images[3], SIDE / 8, order=3), 0, None)
    return torch.from_numpy(image / np.linalg.norm(image)).float().flatten()


@cache
def rotation() -> Tensor:
    """Q, (pixels, pixels), uniform over all orthogonal matrices (Haar measure; Mezzadri, Notices of the AMS 54, 2007)."""
    return torch.from_numpy(ortho_group.rvs(SIDE**2, random_state=np.random.default_rng(0))).float()


def drawn(count: int, generator: torch.Generator, *, direction: Tensor) -> Tensor:
    """`count` signals s Q d, (count, pixels)."""
    uniform = torch.rand(count, 1, generator=generator)
    return -MEAN_NORM * torch.log1p(-uniform) * direction


def estimator(net: nn.Module, turn: Tensor) -> Estimator:
    """f: y (batch, pixels) is turned back to an image, which the network sees, and what it says is turned again."""

    def f(y: Tensor, levels: Levels) -> Tensor:
        result: Tensor = net((y @ turn).reshape(-1, 1, SIDE, SIDE))
        return result.flatten(1) @ turn.T

    return f


@dataclass(frozen=True)
class Result:
    """What one setting gives: SDR in dB and image at each of NORMS."""

    setting: Setting
    sdr: list[float]
    images: Tensor


def turn_of(setting: Setting) -> Tensor:
    """Q, or the identity."""
    return rotation() if setting.rotated else torch.eye(SIDE**2)


def result(setting: Setting, steps: int = STEPS) -> Result:
    """Train one network and test it."""
    torch.manual_seed(0)
    turn = turn_of(setting)
    net = PlanarUNet(CHANNELS, inputs=1, outputs=1)
    f = estimator(net, turn)
    trained(net, f, partial(drawn, direction=turn @ digit()), objective=setting.objective, steps=steps, seed=0)
    x = torch.tensor(NORMS)[:, None] * MEAN_NORM * (turn @ digit())
    with torch.no_grad():
        found = f(h(x, LEVELS), LEVELS)
    return Result(setting, sdr_db(x, found).tolist(), (found @ turn).reshape(-1, SIDE, SIDE))


def table(results: list[Result], steps: int) -> str:
    """directions.md."""
    heights = (rotation() @ digit()).abs()
    text = "# Figures 5 and 6: one direction, a random rotation\n\nMade by `python -m declipper.training.studies.synthetic.directions`. "
    text += f"A digit of {SIDE} x {SIDE} pixels, times an exponential amplitude of mean {MEAN_NORM:g}, through a random rotation and "
    text += "clipping at 1; "
    text += f"a bias-free 2-D U-Net, {steps} steps, one seed. SDR in dB of what the network says, by the norm of the image.\n\n"
    text += "| norm |" + "".join(f" {MEAN_NORM * norm:g} |" for norm in NORMS) + "\n|---|" + "---|" * len(NORMS) + "\n"
    for name, direction in (("entries clipped, rotated, %", heights), ("pixels clipped, not rotated, %", digit())):
        shares = [100 * float((MEAN_NORM * norm * direction >= 1).float().mean()) for norm in NORMS]
        text += f"| {name} |" + "".join(f" {share:.0f} |" for share in shares) + "\n"
    for r in results:
        text += f"| {r.setting.name} |" + "".join(f" {value:.1f} |" for value in r.sdr) + "\n"
    text += f"\nNo entry of the rotated image is left unclipped from a norm of {1 / float(heights.min()):.3g} on, one half of them up to "
    text += f"{1 / float(heights.median()):.3g}: amplitudes beyond the former cannot be told apart by any method. "
    return text + "The constants of theorem 1 are not used here.\n"


def picture(results: list[Result], path: Path) -> None:
    """Originals, measurements turned back, and what each network says, by norm."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    rows: list[tuple[str, Tensor]] = [("original", digit().expand(len(NORMS), -1).reshape(-1, SIDE, SIDE))]
    for name, turn in (("clipped, rotated", rotation()), ("clipped, not rotated", torch.eye(SIDE**2))):
        x = torch.tensor(NORMS)[:, None] * MEAN_NORM * (turn @ digit())
        rows.append((name, (h(x, LEVELS) @ turn).reshape(-1, SIDE, SIDE)))
    rows += [(r.setting.name, r.images) for r in results]
    figure, axes = pyplot.subplots(len(rows), len(NORMS), figsize=(1.2 * len(NORMS) + 1.4, 1.2 * len(rows)), layout="constrained")
    for line, (name, images) in zip(axes, rows, strict=True):
        for axis, image in zip(line, images, strict=True):
            axis.imshow(image.numpy(), cmap="gray", vmin=0, vmax=max(float(image.max()), float(digit().max())))
            axis.set_xticks([])
            axis.set_yticks([])
        line[0].set_ylabel(name, fontsize=7)
    for axis, norm in zip(axes[0], NORMS, strict=True):
        axis.set_title(f"norm {MEAN_NORM * norm:g}", fontsize=8)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


@click.command()
@click.option("--steps", default=STEPS, show_default=True, help="Of training, for each network.")
def main(steps: int) -> None:
    """Train and test every setting."""
    results = []
    for setting in SETTINGS:
        results.append(result(setting, steps))
        click.echo(f"{setting.name}: {results[-1].sdr}", err=True)
    (HERE / "directions.md").write_text(table(results, steps))
    picture(results, HERE / "directions.png")


if __name__ == "__main__":
    main()
