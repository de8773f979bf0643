"""Table 3 of the paper: clipped solo piano, restored by a diffusion model of clean piano and by networks that were trained to declip.

`python -m declipper.training.studies.diffusion.table3` writes table3.md. The piano plays random pieces through a sound font that the
shipped models did not hear, TimGM6mb (`apt-get install fluidsynth timgm6mb-soundfont`).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from declipper import ClipLevels, Session, declip
from declipper.clipping.arrays import Array
from declipper.engine.session import shipped_model
from declipper.training.data.batches import Levels
from declipper.training.data.solo import render
from declipper.training.learning.losses import consistent, h
from declipper.training.model.network import UNet
from declipper.training.studies.diffusion import denoiser, posterior
from declipper.training.studies.diffusion.denoiser import FRAMES
from declipper.training.studies.instruments import INSTRUMENTS, SOUND_FONT
from declipper.training.studies.objectives import SELF_SUPERVISED, SUPERVISED, Teaching, schedule, taught
from declipper.training.studies.paper.setting import RATE, SAMPLE_RATE, SHAPE, mean_sdr, network_estimator

HERE = Path(__file__).parent
LEVEL = 0.8
"""Of the clipping, against the root mean square of all the piano."""
LEVELS = Levels(torch.tensor(LEVEL), torch.tensor(-LEVEL))
SECONDS, PIECES = 60.0, 20
"""Of each piece, and how many to learn from; it and the next three are what an hour on two cores allows."""
STEPS = 5000
"""Of training, for each network."""
BATCH = 8
"""Signals of a step."""
TESTED = 20
"""Signals of pieces that are not learned from."""
NOISES = (10.0, 0.005, 50)
"""Deviations of the noise, against the signal's: the loudest, the least, and how many; Moliner et al. take 35 steps."""
GUIDANCE = 0.3
"""How strongly a signal is pulled towards the recording. Chosen by hand, as they do."""

Restore = Callable[[Tensor], Tensor]
"""Clipped signals (batch, FRAMES) to restored ones."""


def piano(pieces: int, seconds: float, *, seed: int) -> Array:
    """Signals (count, FRAMES) at 22.05 kHz, of a root mean square of 1 together. Raises ClickException without fluidsynth or sound font."""
    missing = "no piano: `apt-get install fluidsynth timgm6mb-soundfont` brings it"
    if not SOUND_FONT.exists():
        raise click.ClickException(missing)
    found: list[Array] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(pieces):
            file = Path(folder) / f"{number}.flac"
            try:
                render(INSTRUMENTS["piano"], seconds, rng=np.random.default_rng([seed, number]), target=file, sound_font=SOUND_FONT)
                audio, rate = soundfile.read(file, dtype="float32", always_2d=True)
            except OSError as error:
                raise click.ClickException(missing) from error
            mono = soxr.resample(audio[:, 0], rate, SAMPLE_RATE)
            found.append(mono[: len(mono) // FRAMES * FRAMES].reshape(-1, FRAMES))
    signals = np.concatenate(found)
    heard = signals[np.abs(signals).max(axis=1) > 0.1 * np.abs(signals).max()]  # not the silence at the end
    return heard / np.sqrt(np.mean(heard**2))


def noisy(signals: Array, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Signals at many scales, (BATCH, FRAMES), and the same with noise of deviation 1."""
    loudest, least, _ = NOISES
    scales = np.exp(rng.uniform(np.log(1 / loudest), np.log(1 / least), (BATCH, 1)))
    x = (signals[rng.integers(len(signals), size=BATCH)] * scales).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy(x + rng.standard_normal(x.shape, np.float32))


def clipped(signals: Array, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Signals, (BATCH, 1, FRAMES), and the same clipped."""
    x = torch.from_numpy(signals[rng.integers(len(signals), size=BATCH)])[:, None]
    return x, h(x, LEVELS)


def ways(signals: Array, *, steps: int) -> dict[str, Restore]:
    """All ways to restore, the networks trained on `signals`."""
    plan = schedule(RATE, steps)
    torch.manual_seed(0)
    teaching = Teaching(SUPERVISED, partial(noisy, signals), denoiser.estimator, LEVELS, schedule=plan, seed=0)
    denoise = denoiser.estimator(taught(denoiser.network(), teaching, steps=steps))
    found: dict[str, Restore] = {"identity": lambda y: y, "shipped, fast": shipped, "diffusion": partial(diffused, denoise)}
    for name, terms in (("self-supervised on clipped piano", SELF_SUPERVISED), ("supervised", SUPERVISED)):
        torch.manual_seed(0)
        teaching = Teaching(terms, partial(clipped, signals), network_estimator, LEVELS, schedule=plan, seed=0)
        found[name] = partial(declipped, taught(UNet(SHAPE), teaching, steps=steps))
    return found


def shipped(y: Tensor) -> Tensor:
    """What the shipped model makes of it, told the level."""
    session = Session(shipped_model("fast"), "cpu")
    levels = ClipLevels.constant(LEVEL, -LEVEL)
    return torch.from_numpy(np.stack([declip(signal, SAMPLE_RATE, levels=levels, session=session) for signal in y.numpy()]))


def diffused(denoise: posterior.Denoiser, y: Tensor) -> Tensor:
    """One signal that the diffusion model believes in for each clipped one."""
    generator, steps = torch.Generator().manual_seed(0), posterior.noises(*NOISES)
    drawn = partial(posterior.drawn, denoise, levels=LEVELS, steps=steps, guidance=GUIDANCE, generator=generator)
    return torch.cat([drawn(signal[None]) for signal in y])


@torch.no_grad()
def declipped(net: torch.nn.Module, y: Tensor) -> Tensor:
    """What a network says, made consistent."""
    return consistent(network_estimator(net)(y[:, None], LEVELS)[:, 0], y, levels=LEVELS)


@dataclass(frozen=True)
class Row:
    """One way: mean SDR in dB, and CPU seconds for a second of audio."""

    name: str
    sdr: float
    seconds: float


def measured(found: dict[str, Restore], x: Array) -> list[Row]:
    """Clip signals x (count, FRAMES) and restore them in every way."""
    rows = []
    y = h(torch.from_numpy(x), LEVELS)
    for name, restore in found.items():
        begun = time.process_time()
        estimate = restore(y).numpy()
        rows.append(Row(name, mean_sdr(x, estimate), (time.process_time() - begun) / (x.size / SAMPLE_RATE)))
    return rows


def table(rows: list[Row], *, steps: int) -> str:
    """table3.md."""
    return f"""# Table 3: solo piano, and a diffusion model

Made by `python -m declipper.training.studies.diffusion.table3`. Random pieces for piano through the sound font TimGM6mb, at 22.05 kHz,
clipped at {LEVEL:g} of their root mean square; {PIECES} pieces to learn from, {TESTED} stretches of {FRAMES / SAMPLE_RATE:.2f} s of
others to test on; {steps} steps of {BATCH} for each network, one seed. The diffusion model is a small one on a small set, and draws one
signal for each recording in {NOISES[-1]} steps.

| method | SDR, dB | CPU seconds per second |
|---|---|---|
{"".join(f"| {row.name} | {row.sdr:.2f} | {row.seconds:.2f} |{chr(10)}" for row in rows)}"""


@click.command()
@click.option("--steps", default=STEPS, show_default=True, help="Of training, for each network.")
def main(steps: int) -> None:
    """Render the piano, train, measure."""
    found = ways(piano(PIECES, SECONDS, seed=0), steps=steps)
    text = table(measured(found, piano(3, SECONDS, seed=1)[:TESTED]), steps=steps)
    (HERE / "table3.md").write_text(text)
    click.echo(text)


if __name__ == "__main__":
    main()
