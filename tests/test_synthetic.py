"""The studies on known signal sets, at their smallest size."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from declipper.training.data.batches import Share
from declipper.training.learning.losses import h
from declipper.training.model.planar import PlanarUNet
from declipper.training.studies.objectives import CONSISTENT, SELF_SUPERVISED, SUPERVISED, Teaching, Terms, schedule, taught
from declipper.training.studies.synthetic import directions, offsets, subspaces
from declipper.training.studies.synthetic.signals import LEVELS, sdr_db


def test_network_for_images_is_homogeneous() -> None:
    torch.manual_seed(0)
    net = PlanarUNet((4, 8), inputs=2, outputs=3)
    y = torch.randn(2, 2, 8, 12)
    assert net(y).shape == (2, 3, 8, 12)
    assert torch.allclose(net(0.01 * y), 0.01 * net(y), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_signals_lie_in_their_subspace_with_the_share_asked_for_clipped(share: float) -> None:
    span = subspaces.basis(7, seed=0)
    x = subspaces.drawn(5, np.random.default_rng(0), span=span, share=share)
    assert torch.allclose(x @ span @ span.T, x, atol=1e-4)
    assert ((x.abs() > 1).sum(1) == round(share * subspaces.SIZE)).all()


@pytest.mark.parametrize(("dimension", "share"), [(20, 0.5), (60, 0.7), (100, 0.4)])
def test_linear_answer_agrees_with_all_that_was_measured(dimension: int, share: float) -> None:
    span = subspaces.basis(dimension, seed=1)
    x = subspaces.drawn(3, np.random.default_rng(0), span=span, share=share)
    for truth, y in zip(x.double().numpy(), h(x, LEVELS).double().numpy(), strict=True):
        found = subspaces.least_squares(y, span.double().numpy())
        reliable = np.abs(y) < 1
        assert np.allclose(found[reliable], y[reliable], atol=1e-4)
        assert (found[~reliable] * y[~reliable] >= 1 - 1e-4).all()
        assert np.linalg.norm(found) <= np.linalg.norm(truth) * (1 + 1e-4)
        if dimension <= reliable.sum():
            assert np.allclose(found, truth, atol=1e-3)


@pytest.mark.parametrize("terms", [SUPERVISED, SELF_SUPERVISED, CONSISTENT, replace(SELF_SUPERVISED, offset=0.5)])
def test_losses_fall_in_a_subspace(terms: Terms) -> None:
    torch.manual_seed(0)
    span = subspaces.basis(3, seed=0)

    def draw(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        x = subspaces.drawn(32, rng, span=span, share=0.3)
        return x, h(x, LEVELS)

    teaching = Teaching(terms, draw, subspaces.estimator, LEVELS, schedule=schedule(1e-3, 80), seed=0)
    before = subspaces.network()
    after = taught(copy.deepcopy(before), teaching, steps=80)
    batch = next(teaching.batches(1000, Share()))
    first, last = (terms.of(subspaces.estimator(net), batch, LEVELS).item() for net in (before, after))
    assert 0 < last < 0.9 * first


def test_only_the_reference_looks_at_the_truth_and_batches_are_those_of_their_step() -> None:
    span = subspaces.basis(3, seed=0)
    f = subspaces.estimator(subspaces.network())

    def draw(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        x = subspaces.drawn(4, rng, span=span, share=0.3)
        return x, h(x, LEVELS)

    teaching = Teaching(replace(SELF_SUPERVISED, offset=0.5), draw, subspaces.estimator, LEVELS, schedule=schedule(1e-3, 2), seed=0)
    whole = next(itertools.islice(teaching.batches(0, Share()), 3, None))
    second = next(teaching.batches(3, Share(1, 2)))
    assert torch.equal(whole.y[1::2], second.y)
    assert torch.equal(whole.gains[1::2], second.gains)
    assert whole.offsets.abs().max() <= 0.5
    hidden = replace(whole, x=torch.full_like(whole.x, torch.nan))
    for terms in (SELF_SUPERVISED, CONSISTENT):
        assert torch.equal(terms.of(f, whole, LEVELS), terms.of(f, hidden, LEVELS))
    assert SUPERVISED.of(f, hidden, LEVELS).isnan()


def test_subspaces_study_writes_its_table_and_picture(tmp_path: Path) -> None:
    cells = [subspaces.cell(k, q, steps=2, tested=3) for k in (2, 50) for q in (0.2, 0.6)]
    assert [cell.linear > 60 for cell in cells] == [True, True, True, False]
    assert "| 50 | 0.6 |" in subspaces.table(cells, steps=2, minutes=0.0)
    subspaces.picture(cells, tmp_path / "subspaces.png")
    assert (tmp_path / "subspaces.png").stat().st_size > 1000


def test_rotation_is_orthogonal_and_the_image_of_unit_norm() -> None:
    turn = directions.rotation()
    assert torch.allclose(turn @ turn.T, torch.eye(len(turn)), atol=1e-5)
    assert float(directions.digit().norm()) == pytest.approx(1)


def test_directions_study_runs_and_draws(tmp_path: Path) -> None:
    results = [directions.result(setting, steps=2) for setting in directions.SETTINGS[:1]]
    assert len(results[0].sdr) == len(directions.NORMS)
    assert "L_MC alone" in directions.table(results, steps=2, minutes=0.0)
    directions.picture(results, tmp_path / "directions.png")
    assert (tmp_path / "directions.png").stat().st_size > 1000


def test_offsets_study_moves_signals_and_writes_its_table() -> None:
    span = subspaces.basis(3, seed=0)
    x = offsets.moved(20, np.random.default_rng(0), span=span, share=0.3)
    away = x - x @ span @ span.T
    ones = torch.ones(subspaces.SIZE) - torch.ones(subspaces.SIZE) @ span @ span.T
    added = away @ ones / ones.square().sum()
    assert torch.allclose(away, added[:, None] * ones, atol=1e-4)
    assert added.abs().max() <= offsets.OFFSET + 1e-4
    row = offsets.row(3, 0.3, steps=2, tested=4)
    assert list(row.found) == list(offsets.WAYS)
    assert "| 3 | 0.3 |" in offsets.table([row], steps=2, minutes=0.0)


def test_sdr_is_that_of_the_definition() -> None:
    assert sdr_db(torch.ones(2, 4), torch.full((2, 4), 0.9)).tolist() == pytest.approx([20, 20], abs=1e-4)
