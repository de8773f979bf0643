"""The diffusion model of solo piano, at its smallest size."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from declipper.clipping.arrays import Array
from declipper.training.data.batches import Share
from declipper.training.learning.losses import h, measurement_consistency
from declipper.training.model.network import Shape
from declipper.training.studies.diffusion import denoiser, posterior, table3
from declipper.training.studies.diffusion.denoiser import FRAMES
from declipper.training.studies.objectives import SUPERVISED, Teaching, schedule, taught


def tones(count: int = 4) -> Array:
    """(count, FRAMES), of a root mean square of 1."""
    rng, t = np.random.default_rng(0), np.arange(FRAMES) / 22050
    signals = [np.sin(2 * np.pi * (pitch * t + rng.random())) for pitch in rng.uniform(200, 900, count)]
    return (np.sqrt(2) * np.stack(signals)).astype(np.float32)


def test_denoiser_takes_and_gives_signals() -> None:
    torch.manual_seed(0)
    f = denoiser.estimator(denoiser.network())
    assert f(torch.randn(2, FRAMES)).shape == (2, FRAMES)


def test_denoiser_learns_to_remove_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table3, "BATCH", 3)
    torch.manual_seed(0)
    teaching = Teaching(SUPERVISED, partial(table3.noisy, tones()), denoiser.estimator, table3.LEVELS, schedule=schedule(1e-2, 25), seed=0)
    f = denoiser.estimator(taught(denoiser.network((4, 8)), teaching, steps=25))
    batch = next(teaching.batches(1000, Share()))
    with torch.no_grad():
        left = (f(batch.y) - batch.x).square().mean()
    assert (batch.y - batch.x).square().mean() == pytest.approx(1, abs=0.1)
    assert left < 0.97


def test_noise_falls_to_nothing_by_equal_factors() -> None:
    steps = posterior.noises(8.0, 0.125, 4)
    assert steps == pytest.approx([8, 2, 0.5, 0.125, 0], rel=1e-5)


def test_what_is_drawn_is_consistent_and_where_one_signal_alone_is_possible_it_is_that_signal() -> None:
    x = torch.from_numpy(tones(1))
    y = h(x, table3.LEVELS)
    now = iter(posterior.noises(*table3.NOISES))

    def knows(noisy: torch.Tensor) -> torch.Tensor:
        return 0 * noisy + x / next(now)

    found = posterior.drawn(
        knows, y, levels=table3.LEVELS, steps=posterior.noises(*table3.NOISES), guidance=0.0, generator=torch.Generator().manual_seed(0)
    )
    assert torch.allclose(found, x, atol=1e-3)
    assert measurement_consistency(found, y, levels=table3.LEVELS) == 0


def test_guidance_draws_towards_the_recording() -> None:
    """A model that sees no noise anywhere leaves every signal as it is; what comes nearer to the recording, guidance brings there."""
    y = h(torch.from_numpy(tones(1)), table3.LEVELS)
    steps = posterior.noises(1.0, 0.1, 20)
    lacking = []
    for guidance in (0.0, 0.5):
        seen = []
        posterior.drawn(
            lambda noisy, seen=seen: seen.append(noisy.detach()) or noisy,
            y,
            levels=table3.LEVELS,
            steps=steps,
            guidance=guidance,
            generator=torch.Generator().manual_seed(0),
        )
        lacking.append(measurement_consistency(seen[-1] * steps[-2], y, levels=table3.LEVELS))
    assert lacking[1] < 0.5 * lacking[0]


def test_study_trains_measures_and_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table3, "SHAPE", Shape((8, 12), (4, 4), (1, 1)))
    monkeypatch.setattr(table3, "NOISES", (10.0, 0.01, 4))
    found = table3.ways(tones(), steps=1)
    rows = table3.measured({name: way for name, way in found.items() if name != "shipped, fast"}, tones(2))
    assert [row.name for row in rows][:2] == ["identity", "diffusion"]
    assert all(np.isfinite(row.sdr) for row in rows)
    assert "| diffusion |" in table3.table(rows, steps=1)


def test_a_missing_sound_font_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError("fluidsynth")

    monkeypatch.setattr(table3, "render", missing)
    result = CliRunner().invoke(table3.main, [])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "apt-get install fluidsynth" in result.stderr
