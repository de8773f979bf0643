"""The studies on known signal sets, at their smallest size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from declipper.training.learning.losses import h
from declipper.training.model.planar import PlanarUNet
from declipper.training.studies.synthetic import directions, subspaces
from declipper.training.studies.synthetic.objectives import LEVELS, Objective, consistency_alone, self_taught, taught, trained


def test_network_for_images_is_homogeneous() -> None:
    torch.manual_seed(0)
    net = PlanarUNet((4, 8), inputs=2, outputs=3)
    y = torch.randn(2, 2, 8, 12)
    assert net(y).shape == (2, 3, 8, 12)
    assert torch.allclose(net(0.01 * y), 0.01 * net(y), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_signals_lie_in_their_subspace_with_the_share_asked_for_clipped(share: float) -> None:
    span = subspaces.basis(7, seed=0)
    x = subspaces.drawn(5, torch.Generator().manual_seed(0), span=span, share=share)
    assert torch.allclose(x @ span @ span.T, x, atol=1e-4)
    assert ((x.abs() > 1).sum(1) == round(share * subspaces.SIZE)).all()


@pytest.mark.parametrize(("dimension", "share"), [(20, 0.5), (60, 0.7), (100, 0.4)])
def test_linear_answer_agrees_with_all_that_was_measured(dimension: int, share: float) -> None:
    span = subspaces.basis(dimension, seed=1)
    x = subspaces.drawn(3, torch.Generator().manual_seed(0), span=span, share=share)
    for truth, y in zip(x.double().numpy(), h(x, LEVELS).double().numpy(), strict=True):
        found = subspaces.least_squares(y, span.double().numpy())
        reliable = np.abs(y) < 1
        assert np.allclose(found[reliable], y[reliable], atol=1e-4)
        assert (found[~reliable] * y[~reliable] >= 1 - 1e-4).all()
        assert np.linalg.norm(found) <= np.linalg.norm(truth) * (1 + 1e-4)
        if dimension <= reliable.sum():
            assert np.allclose(found, truth, atol=1e-3)


@pytest.mark.parametrize("objective", [taught, self_taught, consistency_alone])
def test_losses_fall_in_a_subspace(objective: Objective) -> None:
    torch.manual_seed(0)
    net = subspaces.network()
    span = subspaces.basis(3, seed=0)
    losses = trained(
        net,
        subspaces.estimator(net),
        lambda count, generator: subspaces.drawn(count, generator, span=span, share=0.3),
        objective=objective,
        steps=60,
        seed=0,
    )
    assert np.isfinite(losses).all()
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


def test_subspaces_study_writes_its_table_and_picture(tmp_path: Path) -> None:
    cells = [subspaces.cell(k, q, steps=2, tested=3) for k in (2, 50) for q in (0.2, 0.6)]
    assert [cell.linear > 60 for cell in cells] == [True, True, True, False]
    assert "| 50 | 0.6 |" in subspaces.table(cells, 2)
    subspaces.picture(cells, tmp_path / "subspaces.png")
    assert (tmp_path / "subspaces.png").stat().st_size > 1000


def test_rotation_is_orthogonal_and_the_image_of_unit_norm() -> None:
    turn = directions.rotation()
    assert torch.allclose(turn @ turn.T, torch.eye(len(turn)), atol=1e-5)
    assert float(directions.digit().norm()) == pytest.approx(1)


def test_directions_study_runs_and_draws(tmp_path: Path) -> None:
    results = [directions.result(setting, steps=2) for setting in directions.SETTINGS[:1]]
    assert len(results[0].sdr) == len(directions.NORMS)
    assert "L_MC alone" in directions.table(results, 2)
    directions.picture(results, tmp_path / "directions.png")
    assert (tmp_path / "directions.png").stat().st_size > 1000
