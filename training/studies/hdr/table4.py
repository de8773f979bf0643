"""Table 4 and figure 8 of the paper: light beyond the saturation of one exposure.

`python -m declipper.training.studies.hdr.table4 PACKAGE` writes table4.md and table4.png; PACKAGE: see `declipper.training.studies.hdr`.
"""

from __future__ import annotations

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
from declipper.training.learning.losses import amplitude_equivariance, consistent, draw_gains, measurement_consistency, supervised
from declipper.training.model.planar import PlanarUNet
from declipper.training.studies.hdr.camera import LEVELS, SATURATED, exposed, photographed
from declipper.training.studies.hdr.classical import biharmonic, plugged_in
from declipper.training.studies.hdr.scenes import HELD_BACK, crops, scenes
from declipper.training.studies.hdr.splitting import CHANNELS, ROUNDS, Splitting

HERE = Path(__file__).parent
SIDE = 64
"""Of the crops that are trained on, in pixels; it and the next two are what two cores can do."""
BATCH = 8
"""Crops of a step."""
STEPS = 3000
"""Of training, for each network."""
RATE = 1e-3
"""Highest learning rate of Adam; it falls along half a cosine. Chosen by hand."""
GAINS = (0.1, 2.0)
"""Least and greatest gain of L_EI, as for audio."""
TESTED, TEST_SIDE = 60, 128
"""Crops to test on, and their side in pixels."""
NOISE = (0.0, 0.5)
"""Standard deviations of the noise that the denoiser is trained on."""

Restore = Callable[[Tensor], Tensor]
"""Saturated images (batch, 3, height, width) to light."""


def loss_of(objective: str, net: nn.Module, light: Tensor, generator: torch.Generator) -> Tensor:
    """Of one batch: "supervised", "L_MC", or "L_MC + L_EI", of which the last two see the photographs alone."""
    y = photographed(light)
    estimate = net(y, LEVELS)
    if objective == "supervised":
        return supervised(estimate, light)
    loss = measurement_consistency(estimate, y, levels=LEVELS)
    if objective == "L_MC + L_EI":
        gains = draw_gains(len(light), GAINS, generator=generator)
        loss = loss + amplitude_equivariance(net, estimate, gains=gains, levels=LEVELS, stop_gradient=True)
    return loss


def denoising(net: nn.Module, light: Tensor, generator: torch.Generator) -> Tensor:
    """The squared error of the noise that is found."""
    low, high = NOISE
    deviation = low + (high - low) * torch.rand(len(light), 1, 1, 1, generator=generator)
    noise = deviation * torch.randn(light.shape, generator=generator)
    return supervised(net(light + noise), -noise)


def trained(
    net: nn.Module, images: list[Array], loss: Callable[[nn.Module, Tensor, torch.Generator], Tensor], *, steps: int, side: int = SIDE
) -> nn.Module:
    """`net` after `steps` steps on crops of the images, each at an exposure of its own."""
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        light = torch.from_numpy(exposed(crops(images, BATCH, side=side, rng=rng), rng.uniform(*SATURATED)))
        value = loss(net, light, generator)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return net.eval()


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
    denoiser = trained(PlanarUNet(CHANNELS, inputs=3, outputs=3), images, denoising, steps=steps, side=side)
    found["plug and play, denoiser trained here"] = partial(plugged_in, denoiser)
    for objective in ("L_MC", "L_MC + L_EI", "supervised"):
        torch.manual_seed(0)
        net = trained(Splitting(), images, partial(loss_of, objective), steps=steps, side=side)
        found[{"L_MC": "L_MC alone", "L_MC + L_EI": "self-supervised (L_MC + L_EI)"}.get(objective, objective)] = partial(
            net, levels=LEVELS
        )
        click.echo(f"{objective}: trained", err=True)
    return found


@torch.no_grad()
def restored(restore: Restore, y: Tensor) -> Array:
    """Each image alone; what is reliable is kept, the rest at or beyond the level."""
    return torch.cat([consistent(restore(image[None]), image[None], levels=LEVELS) for image in y]).numpy()


def table(rows: list[Row], steps: int) -> str:
    """table4.md."""
    best = {row.name: row.saturated for row in rows}
    own, taught = best["self-supervised (L_MC + L_EI)"], best["supervised"]
    lines = "".join(f"| {row.name} | {row.saturated:.2f} | {row.whole:.2f} |\n" for row in rows)
    return f"""# Table 4: high dynamic range from one exposure

Made by `python -m declipper.training.studies.hdr.table4`. Twelve CC0 panoramas to train on, {len(HELD_BACK)} others to test on
({", ".join(HELD_BACK)}); crops exposed so that 5 to 15 % of the values saturate, the camera's curve, eight bits; unfolded half-quadratic
splitting of {ROUNDS} rounds, {steps} steps of {BATCH} crops of {SIDE} x {SIDE} pixels, one seed; {TESTED} test crops of {TEST_SIDE} x
{TEST_SIDE}. PSNR in dB against each crop's brightest light.

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
    text = table(rows, steps)
    (HERE / "table4.md").write_text(text)
    picture(light[:2], {name: result[:2] for name, result in results.items()}, HERE / "table4.png")
    click.echo(text)


if __name__ == "__main__":
    main()
