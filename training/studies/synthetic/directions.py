"""Figures 5 and 6 of the paper: one image at every amplitude, seen through a random rotation and clipping.

x = s d, where d is an image of unit norm and s exponential; y = h(Q x) with an orthogonal Q. Without the rotation the bright pixels of d
are clipped first; with it every entry of Q d is as likely to be.

`python -m declipper.training.studies.synthetic.directions` writes directions.md and directions.png.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
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
from declipper.training.studies.objectives import CONSISTENT, SELF_SUPERVISED, SUPERVISED, Teaching, Terms, schedule, taught
from declipper.training.studies.synthetic.signals import LEVELS, LONGEST, sdr_db

HERE = Path(__file__).parent
SIDE = 28
"""Of the images, in pixels: the paper's."""
CHANNELS = (8, 16, 32)
"""Of the network: as small as suffices here."""
STEPS = 2000
"""Of training, for each network."""
BATCH = 32
"""Signals of a step; chosen by hand, as RATE is."""
RATE = 1e-3
"""Highest learning rate."""
WEIGHT = 0.1
"""Of L_EI beside L_MC. Images that are turned up are the loudest of a batch, and of absolute errors theirs are the largest: with a weight
of 1 they ruled the gradient, and soft ones came out worse than by L_MC alone. Chosen among 1 and 0.1, on images of 14 x 14."""
MEAN_NORM = float(SIDE)
"""Mean of s. Entries of Q x then have a standard deviation of 1, the level, and a third of them is clipped."""
RECOVERED = 10.0
"""SDR in dB from which an image counts as recovered: the error has a tenth of its power."""
EXACT = 80.0
"""SDR in dB that only rounding keeps from being infinite."""
NORMS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""At which the networks are tested, in units of MEAN_NORM."""


@dataclass(frozen=True)
class Setting:
    """One row of the figure."""

    name: str
    rotated: bool
    terms: Terms


WEIGHED = replace(SELF_SUPERVISED, equivariance=WEIGHT)
SETTINGS = (
    Setting("L_MC alone", rotated=True, terms=CONSISTENT),
    Setting("L_MC + L_EI", rotated=True, terms=WEIGHED),
    Setting("supervised", rotated=True, terms=SUPERVISED),
    Setting("L_MC + L_EI, no rotation", rotated=False, terms=WEIGHED),
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


def drawn(direction: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Signals s Q d, (BATCH, pixels), and the same clipped."""
    x = torch.from_numpy(rng.exponential(MEAN_NORM, (BATCH, 1)).astype(np.float32)) * direction
    return x, h(x, LEVELS)


def estimator(net: nn.Module, *, turn: Tensor) -> Estimator:
    """f: y (batch, pixels) is turned back to an image, which the network sees, and what it says is turned again."""

    def f(y: Tensor, levels: Levels) -> Tensor:
        image = (y @ turn).reshape(-1, 1, SIDE, SIDE).to(memory_format=torch.channels_last)
        result: Tensor = net(image)
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
    net = PlanarUNet(CHANNELS, inputs=1, outputs=1).to(memory_format=torch.channels_last)
    seen = partial(estimator, turn=turn)
    plan = schedule(RATE, steps, longest=LONGEST)
    teaching = Teaching(setting.terms, partial(drawn, turn @ digit()), seen, LEVELS, schedule=plan, seed=0, half=True)
    f = seen(taught(net, teaching, steps=steps))
    x = torch.tensor(NORMS)[:, None] * MEAN_NORM * (turn @ digit())
    with torch.no_grad():
        found = f(h(x, LEVELS), LEVELS)
    return Result(setting, sdr_db(x, found).tolist(), (found @ turn).reshape(-1, SIDE, SIDE))


def table(results: list[Result], *, steps: int, minutes: float) -> str:
    """directions.md."""
    heights = (rotation() @ digit()).abs()
    x = torch.tensor(NORMS)[:, None] * MEAN_NORM * (rotation() @ digit())
    sdr = {"clipped, rotated": sdr_db(x, h(x, LEVELS)).tolist(), **{r.setting.name: r.sdr for r in results}}
    shares = {"entries clipped, rotated, %": heights, "pixels clipped, not rotated, %": digit()}
    rows = [[name, *(f"{100 * float((norm * MEAN_NORM * v >= 1).float().mean()):.0f}" for norm in NORMS)] for name, v in shares.items()]
    rows += [[name, *("exact" if value > EXACT else f"{value:.1f}" for value in values)] for name, values in sdr.items()]
    low, high = WEIGHED.gains
    loud, louder = NORMS[-3:-1]
    return f"""# Figures 5 and 6: one direction, a random rotation

Made by `python -m declipper.training.studies.synthetic.directions` in {minutes:.0f} minutes of CPU time. A digit of {SIDE} x {SIDE} pixels,
times an exponential amplitude of mean {MEAN_NORM:g}, through a random rotation and clipping at 1; a bias-free 2-D U-Net, {steps} steps of
{BATCH} images, L_EI with gains from {low:g} to {high:g} and the weight {WEIGHT:g}, one seed. SDR in dB of what the network says, by the
norm of the image. [Pictures](directions.png), each as bright as its own brightest pixel.

| norm | {" | ".join(f"{norm * MEAN_NORM:g}" for norm in NORMS)} |
|---|{"---|" * len(NORMS)}
{"".join(f"| {' | '.join(row)} |{chr(10)}" for row in rows)}
Recovered ({RECOVERED:g} dB and more) up to a norm of: {"; ".join(f"{name}, {_farthest(v)}" for name, v in sdr.items())}.

Of what is drawn to learn from, {100 * np.exp(-loud):.1f} % exceeds a norm of {loud * MEAN_NORM:g}, and {100 * np.exp(-louder):.2f} %
one of {louder * MEAN_NORM:g}. No entry of the rotated image is left unclipped from a norm of {1 / float(heights.min()):.3g} on, one half
of them up to {1 / float(heights.median()):.3g}: amplitudes beyond the former cannot be told apart by any method. The constants of theorem 1
are not used here.
"""


def _farthest(values: list[float]) -> str:
    """The norm up to which all values count as recovered."""
    lost = next((i for i, value in enumerate(values) if value < RECOVERED), len(values))
    return f"{MEAN_NORM * NORMS[lost - 1]:g}" if lost else "none"


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
    (HERE / "directions.md").write_text(table(results, steps=steps, minutes=time.process_time() / 60))
    picture(results, HERE / "directions.png")


if __name__ == "__main__":
    main()
