"""Table 4 and figure 8 of the paper: light beyond the saturation of one exposure.

`python -m declipper.training.studies.hdr.table4 PACKAGE` writes table4.md and table4.png; PACKAGE: see `declipper.training.studies.hdr`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn

from declipper.clipping.arrays import Array
from declipper.errors import InputError
from declipper.training.learning.losses import Estimator, consistent
from declipper.training.model.planar import PlanarUNet
from declipper.training.studies.hdr.camera import LEVELS, SATURATED, exposed, photographed
from declipper.training.studies.hdr.classical import biharmonic, plugged_in
from declipper.training.studies.hdr.scenes import HELD_BACK, crops, scenes
from declipper.training.studies.hdr.splitting import CHANNELS, ROUNDS, Splitting
from declipper.training.studies.objectives import CONSISTENT, SELF_SUPERVISED, SUPERVISED, Teaching, schedule, taught

HERE = Path(__file__).parent
SIDE = 48
"""Of the crops that are trained on, in pixels; it and the next two are what a few minutes allow."""
BATCH = 8
"""Crops of a step."""
STEPS = 1300
"""Of training, for each network."""
RATE = 1e-3
"""Highest learning rate. Chosen by hand, as LONGEST is."""
LONGEST = 1.0
"""Norm that a gradient is cut to."""
TESTED, TEST_SIDE = 30, 128
"""Crops to test on, and their side in pixels."""
NOISE = (0.0, 0.5)
"""Standard deviations of the noise that the denoiser is trained on."""

METHODS = {"L_MC alone": CONSISTENT, "self-supervised (L_MC + L_EI)": SELF_SUPERVISED, "supervised": SUPERVISED}
"""What is minimised, by the name that the table gives it."""
Restore = Callable[[Tensor], Tensor]
"""Saturated images (batch, 3, height, width) to light."""


def drawn(images: list[Array], rng: np.random.Generator, *, side: int) -> Tensor:
    """Crops of the images, (BATCH, 3, side, side), as light, each at an exposure of its own."""
    light = exposed(crops(images, BATCH, side=side, rng=rng), rng.uniform(*SATURATED))
    return torch.from_numpy(light).to(memory_format=torch.channels_last)


def photographs(images: list[Array], rng: np.random.Generator, *, side: int) -> tuple[Tensor, Tensor]:
    """Light and photographs of it."""
    light = drawn(images, rng, side=side)
    return light, photographed(light)


def noisy(images: list[Array], rng: np.random.Generator, *, side: int) -> tuple[Tensor, Tensor]:
    """What removes the noise, and light with as much noise as each crop happens to have."""
    light = drawn(images, rng, side=side)
    noise = torch.from_numpy((rng.uniform(*NOISE, (BATCH, 1, 1, 1)) * rng.standard_normal(light.shape)).astype(np.float32))
    return -noise, light + noise


def unaware(net: nn.Module) -> Estimator:
    """The network by itself, which sees no levels."""
    return lambda y, levels: net(y)


def psnr(light: Array, found: Array, where: Array) -> float:
    """Mean over images of the PSNR in dB over the pixels `where`, against each image's brightest light."""
    values = []
    for truth, estimate, mask in zip(light, found, where, strict=True):
        error = float(((truth - estimate)[mask] ** 2).mean())
        values.append(10 * np.log10(float(truth.max()) ** 2 / max(error, 1e-12)))
    return float(np.mean(values))


@dataclass(frozen=True)
class Row:
    """One way: PSNR in dB over the saturated pixels and over all."""

    name: str
    saturated: float
    whole: float


def ways(images: list[Array], *, steps: int, side: int = SIDE) -> dict[str, Restore]:
    """All ways to restore, the networks trained on `images`."""
    found: dict[str, Restore] = {
        "identity": lambda y: y,
        "biharmonic inpainting": lambda y: torch.from_numpy(biharmonic(y.numpy())),
    }
    torch.manual_seed(0)
    plan = schedule(RATE, steps, longest=LONGEST)
    denoising = Teaching(SUPERVISED, partial(noisy, images, side=side), unaware, LEVELS, schedule=plan, seed=0, half=True)
    denoiser = taught(PlanarUNet(CHANNELS, inputs=3, outputs=3).to(memory_format=torch.channels_last), denoising, steps=steps)
    found["plug and play, denoiser trained here"] = partial(plugged_in, denoiser)
    for name, terms in METHODS.items():
        torch.manual_seed(0)
        net = Splitting().to(memory_format=torch.channels_last)
        teaching = Teaching(terms, partial(photographs, images, side=side), lambda net: net, LEVELS, schedule=plan, seed=0, half=True)
        found[name] = partial(taught(net, teaching, steps=steps), levels=LEVELS)
        click.echo(f"{name}: trained", err=True)
    return found


@torch.no_grad()
def restored(restore: Restore, y: Tensor) -> Array:
    """Each image alone; what is reliable is kept, the rest at or beyond the level."""
    return torch.cat([consistent(restore(image[None]), image[None], levels=LEVELS) for image in y]).numpy()


def table(rows: list[Row], *, steps: int, minutes: float) -> str:
    """table4.md."""
    best = {row.name: row.saturated for row in rows}
    own, taught = best["self-supervised (L_MC + L_EI)"], best["supervised"]
    lines = "".join(f"| {row.name} | {row.saturated:.2f} | {row.whole:.2f} |\n" for row in rows)
    return f"""# Table 4: high dynamic range from one exposure

Made by `python -m declipper.training.studies.hdr.table4` in {minutes:.0f} minutes of CPU time. Twelve CC0 panoramas to train on,
{len(HELD_BACK)} others to test on ({", ".join(HELD_BACK)}); crops exposed so that 5 to 15 % of the values saturate, the camera's curve,
eight bits; unfolded half-quadratic splitting of {ROUNDS} rounds, {steps} steps of {BATCH} crops of {SIDE} x {SIDE} pixels, one seed;
{TESTED} test crops of {TEST_SIDE} x {TEST_SIDE}. PSNR in dB against each crop's brightest light. [Pictures](table4.png).

| method | saturated pixels | all pixels |
|---|---|---|
{lines}
Self-supervised learning is {own - taught:+.2f} dB from supervised learning on the saturated pixels. The paper's DRUNet, a large denoiser
trained on photographs, could not be had: a small one trained on the same twelve images stands in its place, so that row says little of
plug and play as such. NIQE was not measured: what implements it fetches its statistics from a network.
"""


def picture(light: Array, found: dict[str, Array], path: Path) -> None:
    """Two scenes, tone-mapped at an exposure that shows what was saturated."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    columns = {"truth": light, **found}
    figure, axes = pyplot.subplots(
        len(light), len(columns), figsize=(2 * len(columns), 2.2 * len(light)), layout="constrained", squeeze=False
    )
    for line, index in zip(axes, range(len(light)), strict=True):
        for axis, (name, images) in zip(line, columns.items(), strict=True):
            shown = images[index] / light[index].max()
            axis.imshow((np.clip(shown, 0, 1) ** (1 / 2.2)).transpose(1, 2, 0))
            axis.set_axis_off()
            if index == 0:
                axis.set_title(name, fontsize=7)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


@click.command()
@click.argument("package", type=click.Path(path_type=Path))
@click.option("--steps", default=STEPS, show_default=True, help="Of training, for each network.")
def main(package: Path, steps: int) -> None:
    """Train on twelve scenes of PACKAGE, measure on six others."""
    try:
        images = scenes(package)
    except InputError as error:
        raise click.ClickException(str(error)) from error
    rng = np.random.default_rng(1)
    taken = crops([images[name] for name in HELD_BACK], TESTED, side=TEST_SIDE, rng=rng)
    light = np.concatenate([exposed(crop[None], rng.uniform(*SATURATED)) for crop in taken])
    y = photographed(torch.from_numpy(light))
    saturated = (y >= 1).numpy()
    found = ways([image for name, image in images.items() if name not in HELD_BACK], steps=steps)
    results = {name: restored(restore, y) for name, restore in found.items()}
    everything = np.ones_like(saturated)
    rows = [Row(name, psnr(light, result, saturated), psnr(light, result, everything)) for name, result in results.items()]
    text = table(rows, steps=steps, minutes=time.process_time() / 60)
    (HERE / "table4.md").write_text(text)
    picture(light[:2], {name: result[:2] for name, result in results.items()}, HERE / "table4.png")
    click.echo(text)


if __name__ == "__main__":
    main()
