"""What can be learned from clipped signals alone (Sechaud et al., propositions 1 and 2, remark 1), checked with numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from declipper.training.data.batches import Levels
from declipper.training.learning.losses import amplitude_equivariance, h, measurement_consistency


def at(up: float, down: float) -> Levels:
    return Levels(torch.tensor(up), torch.tensor(down))


LEVELS = at(1.0, -1.0)


def images(count: int = 16, seed: int = 0) -> Tensor:
    return 1.5 * torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def nothing_done(y: Tensor, levels: Levels) -> Tensor:
    """The estimator that leaves what it is given as it is: consistent, and useless."""
    return y


@pytest.mark.parametrize(
    "moved",
    [lambda x: x.roll(3, -1), lambda x: x.roll(2, -2), lambda x: x.rot90(1, (-2, -1)), lambda x: x.flip(-1), lambda x: -x],
    ids=["shift", "shift down", "quarter turn", "mirror", "sign"],
)
def test_transforms_that_commute_with_clipping_teach_nothing(moved: object) -> None:
    x = images()
    y = h(x, LEVELS)
    assert torch.equal(h(moved(x), LEVELS), moved(y))  # type: ignore[operator]
    estimate = nothing_done(y, LEVELS)
    assert measurement_consistency(estimate, y, levels=LEVELS) == 0
    turned = moved(estimate)  # type: ignore[operator]
    assert (turned - nothing_done(h(turned, LEVELS), LEVELS)).square().mean() == 0


def test_a_gain_does_not_commute_and_tells_that_estimator_from_the_truth() -> None:
    x = images()
    y = h(x, LEVELS)
    gains = torch.full((len(x),), 1.5)
    assert measurement_consistency(y, y, levels=LEVELS) == 0
    assert amplitude_equivariance(nothing_done, y, gains=gains, levels=LEVELS) > 0.01


def test_a_general_rotation_does_not_commute_either() -> None:
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(64, 64, generator=generator)).Q
    x = images().flatten(1)
    assert (h(x @ turn, LEVELS) - h(x, LEVELS) @ turn).abs().max() > 0.1


def measurements(direction: list[float], levels: Levels) -> Tensor:
    """h of the cone of one direction, on a fine grid of amplitudes."""
    return h(torch.linspace(0, 20, 1001)[:, None] * torch.tensor(direction), levels)


def farthest(a: Tensor, b: Tensor) -> float:
    """The largest distance of a point of one set from the other set."""
    apart = torch.cdist(a, b)
    return float(torch.maximum(apart.amin(0).max(), apart.amin(1).max()))


def test_different_cones_have_different_measurements_where_both_levels_leave_room_around_zero() -> None:
    directions = [[1.0, 0.5], [1.0, 0.6], [1.0, -0.5], [-1.0, -0.5], [0.0, 1.0]]
    for levels in (LEVELS, at(1.0, -0.3), at(0.2, -2.0)):
        for i, one in enumerate(directions):
            for other in directions[:i]:
                assert farthest(measurements(one, levels), measurements(other, levels)) > 0.01


def test_with_a_level_at_zero_different_cones_can_look_the_same() -> None:
    half_wave = at(1.0, 0.0)
    assert farthest(measurements([1.0, -0.5], half_wave), measurements([1.0, -3.0], half_wave)) == 0


def test_signals_that_are_clipped_whole_cannot_be_told_apart() -> None:
    loud = torch.tensor([[3.0, -2.0], [9.0, -2.5]])
    first, second = h(loud, LEVELS)
    assert torch.equal(first, second)
