"""The study on images, at its smallest size."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
import torch
from click.testing import CliRunner

from declipper.clipping.arrays import Array
from declipper.training.learning.losses import measurement_consistency
from declipper.training.studies.hdr import camera, table4
from declipper.training.studies.hdr.classical import biharmonic
from declipper.training.studies.hdr.scenes import HELD_BACK, crops, scenes
from declipper.training.studies.hdr.splitting import Splitting, proximal


def glow(side: int = 32) -> Array:
    """(2, 3, side, side): smooth bright spots."""
    y, x = np.mgrid[:side, :side] / side
    spots = [np.exp(-((x - c) ** 2 + (y - 0.5) ** 2) / 0.05) for c in (0.4, 0.5, 0.6)]
    return np.stack([np.stack(spots), np.stack(spots[::-1])]).astype(np.float32)


def test_exposures_saturate_the_share_asked_for() -> None:
    light = camera.exposed(glow(), 0.1)
    assert (light > 1).reshape(2, -1).mean(1) == pytest.approx(0.1, abs=0.01)
    assert camera.exposed(1e6 * glow() ** 20, 0.1).max() == camera.BRIGHTEST


def test_camera_is_linear_again_but_for_saturation_and_rounding() -> None:
    light = torch.linspace(0, 2, 1001)
    assert torch.allclose(camera.linear(camera.curve(light.clamp(max=1))), light.clamp(max=1), atol=1e-5)
    seen = camera.photographed(light)
    assert (seen[light >= 1] == 1).all()
    assert (seen - light.clamp(max=1)).abs().max() < 0.01


def test_proximal_operator_is_the_least_of_what_it_minimises() -> None:
    torch.manual_seed(0)
    z, y = torch.randn(4, 3, 5, 5), torch.randn(4, 3, 5, 5).clamp(max=1)

    def cost(x: torch.Tensor) -> float:
        return float((x - z).square().mean() + 0.7 * measurement_consistency(x, y, levels=camera.LEVELS))

    found = proximal(z, y, weight=0.7, levels=camera.LEVELS)
    for step in (1e-2, -1e-2):
        moved = found + step * torch.randn(found.shape).sign()
        assert cost(found) < cost(moved)


def test_splitting_is_homogeneous_in_light_and_level() -> None:
    torch.manual_seed(0)
    net, y = Splitting(), torch.rand(1, 3, 8, 8)
    half = type(camera.LEVELS)(camera.LEVELS.positive / 2, camera.LEVELS.negative)
    assert torch.allclose(net(y / 2, half), net(y, camera.LEVELS) / 2, atol=1e-6)


def test_biharmonic_inpainting_keeps_what_is_reliable_and_brings_a_smooth_spot_back() -> None:
    light = camera.exposed(glow(), 0.1)
    y = np.minimum(light, 1)
    found = biharmonic(y)
    assert np.array_equal(found[y < 1], y[y < 1])
    assert (found[y >= 1] >= 1).all()
    assert ((found - light) ** 2).sum() < 0.2 * ((y - light) ** 2).sum()


def test_study_trains_and_writes(tmp_path: Path) -> None:
    light = camera.exposed(glow(16), 0.1)
    y = camera.photographed(torch.from_numpy(light))
    results = {name: table4.restored(way, y) for name, way in table4.ways(list(light), steps=2, side=8).items()}
    for found in results.values():
        assert np.array_equal(found[y.numpy() < 1], y.numpy()[y.numpy() < 1])
    rows = [table4.Row(name, table4.psnr(light, found, y.numpy() >= 1), 0.0) for name, found in results.items()]
    assert "| identity |" in table4.table(rows, steps=2, minutes=0.0)
    table4.picture(light, results, tmp_path / "table4.png")
    assert (tmp_path / "table4.png").stat().st_size > 1000


def test_scenes_are_read_from_the_package(tmp_path: Path) -> None:
    folder = tmp_path / "hdri"
    folder.mkdir()
    pixels = np.ascontiguousarray(glow(16)[0].transpose(1, 2, 0) - np.float32(0.1))
    for name in HELD_BACK:
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": pixels}).write(str(tmp_path / "image.exr"))
        coded = base64.b64encode((tmp_path / "image.exr").read_bytes()).decode()
        (folder / f"{name}.exr.js").write_text(f"export default 'data:application/exr;base64,{coded}'")
    found = scenes(tmp_path)
    assert np.array_equal(found["city"], np.maximum(pixels, 0).transpose(2, 0, 1))
    assert crops([found["city"]], 3, side=8, rng=np.random.default_rng(0)).shape == (3, 3, 8, 8)


def test_a_wrong_folder_is_told_in_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(table4.main, [str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "npm pack @pmndrs/assets" in result.stderr
