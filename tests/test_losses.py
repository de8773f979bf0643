"""Each loss against its equation, and the claims the paper makes about gradients."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from declipper.clipping.signal import ClippedSignal
from declipper.engine.experts import LIVE, NONE, ExpertSet
from declipper.training.data.batches import Levels
from declipper.training.learning import losses
from declipper.training.model.network import Shape, UNet

SHAPES = [(3, 1, 64), (3, 64), (2, 3, 8, 8)]
CASES = [(0.5, -0.5), (0.4, -0.7), (0.5, float("-inf")), (float("inf"), -0.3)]


def at(up: float, down: float) -> Levels:
    return Levels(torch.tensor(up), torch.tensor(down))


def signal(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("up", "down"), CASES)
def test_consistency_is_zero_just_for_consistent_estimates(shape: tuple[int, ...], up: float, down: float) -> None:
    x = signal(shape)
    levels = at(up, down)
    y = losses.h(x, levels)
    assert losses.measurement_consistency(x, y, levels=levels) == 0
    assert losses.naive_consistency(x, y, levels=levels) == 0
    farther = torch.where(losses.clipped_in(y, levels), 3 * x, x)
    assert losses.measurement_consistency(farther, y, levels=levels) == 0
    assert losses.measurement_consistency(0.9 * x, y, levels=levels) > 0


@pytest.mark.parametrize(("up", "down"), CASES)
def test_consistency_agrees_with_the_equation_sample_by_sample(up: float, down: float) -> None:
    up, down = (float(torch.tensor(value)) for value in (up, down))  # as float32 has them
    y = losses.h(signal((2, 1, 50)), at(up, down))
    estimate = signal((2, 1, 50), seed=1)
    total = 0.0
    for value, f in zip(y.flatten().tolist(), estimate.flatten().tolist(), strict=True):
        if value >= up:
            total += max(up - f, 0.0) ** 2
        elif value <= down:
            total += max(f - down, 0.0) ** 2
        else:
            total += (f - value) ** 2
    assert float(losses.measurement_consistency(estimate, y, levels=at(up, down))) == pytest.approx(total / 100, rel=1e-5)


def gradient(loss: object, estimate: Tensor, y: Tensor) -> Tensor:
    estimate = estimate.clone().requires_grad_()
    loss(estimate, y, levels=at(0.5, -0.5)).backward()  # type: ignore[operator]
    assert estimate.grad is not None
    return estimate.grad


def test_naive_loss_has_no_gradient_where_a_reliable_sample_overshoots() -> None:
    y = torch.tensor([[0.3, -0.2, 0.5]])
    overshooting = torch.tensor([[0.9, -0.8, 0.7]])
    assert torch.equal(gradient(losses.naive_consistency, overshooting, y), torch.zeros(1, 3))


def test_consistency_keeps_that_gradient() -> None:
    y = torch.tensor([[0.3, -0.2, 0.5]])
    overshooting = torch.tensor([[0.9, -0.8, 0.7]])
    found = gradient(losses.measurement_consistency, overshooting, y)
    assert torch.allclose(found, torch.tensor([[2 * 0.6, 2 * -0.6, 0.0]]) / 3)


def plain_equivariance(f: losses.Estimator, estimate: Tensor, gains: Tensor, levels: Levels) -> Tensor:
    """The equation, item by item."""
    total = torch.zeros(())
    for item, gain in zip(estimate, gains, strict=True):
        x = gain * item[None]
        total = total + (x - f(x.clamp(float(levels.negative), float(levels.positive)), levels)).square().mean()
    return total / len(estimate)


@pytest.mark.parametrize(("up", "down"), CASES)
def test_equivariance_agrees_with_the_equation(up: float, down: float) -> None:
    torch.manual_seed(0)
    f = losses.estimator(UNet(Shape((8, 12), (4, 4), (1, 1))))
    y = losses.h(signal((4, 1, 64)), at(up, down))
    gains = losses.draw_uniform(4, (0.1, 2.0), generator=torch.Generator().manual_seed(0))
    estimate = f(y, at(up, down))
    expected = plain_equivariance(f, estimate, gains, at(up, down))
    assert torch.allclose(losses.amplitude_equivariance(f, estimate, gains=gains, levels=at(up, down)), expected, rtol=1e-4)


def test_equivariance_is_zero_for_the_perfect_estimator() -> None:
    x = signal((4, 1, 64))
    gains = torch.tensor([0.3, 0.8, 1.2, 1.9])
    answers = gains.reshape(-1, 1, 1) * x
    assert losses.amplitude_equivariance(lambda *_: answers, x, gains=gains, levels=at(0.5, -0.5)) == 0


def test_stop_gradient_stops_it() -> None:
    estimate = signal((2, 1, 16)).requires_grad_()
    gains = torch.tensor([1.0, 1.5])
    stopped = losses.amplitude_equivariance(lambda y, *_: 0 * y, estimate, gains=gains, levels=at(0.5, -0.5), stop_gradient=True)
    assert not stopped.requires_grad
    flowing = losses.amplitude_equivariance(lambda y, *_: 0 * y, estimate, gains=gains, levels=at(0.5, -0.5))
    flowing.backward()
    assert estimate.grad is not None
    assert estimate.grad.abs().sum() > 0


def test_offsets_are_added_after_the_gains() -> None:
    x = signal((4, 1, 64))
    gains, offsets = torch.tensor([0.3, 0.8, 1.2, 1.9]), torch.tensor([0.4, -0.2, 0.0, -0.6])
    moved = gains.reshape(-1, 1, 1) * x + offsets.reshape(-1, 1, 1)
    seen = []

    def f(y: Tensor, levels: Levels) -> Tensor:
        seen.append(y)
        return moved + 0.1

    loss = losses.amplitude_equivariance(f, x, gains=gains, offsets=offsets, levels=at(0.5, -0.4))
    assert float(loss) == pytest.approx(0.01, rel=1e-4)
    assert torch.equal(seen[0], moved.clamp(-0.4, 0.5))
    none = losses.amplitude_equivariance(lambda y, *_: y, x, gains=gains, levels=at(0.5, -0.4))
    assert none == losses.amplitude_equivariance(lambda y, *_: y, x, gains=gains, offsets=torch.zeros(4), levels=at(0.5, -0.4))


@pytest.mark.parametrize("experts", [NONE, LIVE], ids=["none", "live"])
def test_estimator_is_homogeneous_in_signal_and_level(experts: ExpertSet) -> None:
    torch.manual_seed(0)
    net = UNet(Shape((8, 12), (4, 4), (1, 1), inputs=2 + len(experts.outputs)))
    torch.nn.init.normal_(net.out.weight, std=0.3)
    f = losses.estimator(net, experts)
    y = losses.h(signal((2, 1, 64)), at(0.5, -0.4))
    whole = f(y, at(0.5, -0.4))
    assert torch.allclose(f(0.01 * y, at(0.005, -0.004)), 0.01 * whole, rtol=1e-4, atol=1e-7)
    unclipped = 0.1 * signal((2, 1, 64)).clamp(-1, 1)
    assert torch.allclose(f(0.01 * unclipped, at(0.5, -0.4)), 0.01 * f(unclipped, at(0.5, -0.4)), rtol=1e-3, atol=1e-7)


def test_experts_of_an_estimator_know_the_sample_rate() -> None:
    seen = []
    net = lambda inputs: seen.append(inputs[:, 2:]) or inputs[:, :1]  # noqa: E731
    y = losses.h(signal((2, 1, 6000)), at(0.5, -0.4))
    f = losses.estimator(net, LIVE)
    f(y, at(0.5, -0.4), torch.tensor([44100.0, 11025.0]))
    f(y, at(0.5, -0.4))
    assert torch.equal(seen[0][0], seen[1][0])
    levels = at(0.5, -0.4)
    signal_of_item = ClippedSignal(y[1, 0].numpy()[:, None], levels.positive.numpy(), levels.negative.numpy(), 11025)
    found = LIVE.rows(signal_of_item, scale=0.5)
    assert torch.equal(seen[0][1], torch.from_numpy(found))


def test_gains_are_uniform_on_their_interval() -> None:
    gains = losses.draw_uniform(10000, (0.1, 2.0), generator=torch.Generator().manual_seed(0))
    assert gains.min() >= 0.1
    assert gains.max() <= 2.0
    assert float(gains.mean()) == pytest.approx(1.05, abs=0.02)


def test_supervised_is_the_mean_square() -> None:
    assert losses.supervised(torch.full((2, 3), 3.0), torch.ones(2, 3)) == 4


@pytest.mark.parametrize(("up", "down"), CASES)
def test_consistent_estimates_keep_what_is_reliable_and_reach_the_level(up: float, down: float) -> None:
    y, estimate = losses.h(signal((2, 1, 200)), at(up, down)), signal((2, 1, 200), seed=1)
    x = losses.consistent(estimate, y, levels=at(up, down))
    clipped = losses.clipped_in(y, at(up, down))
    assert torch.equal(x[~clipped], y[~clipped])
    assert losses.measurement_consistency(x, y, levels=at(up, down)) == 0
    beyond = clipped & (estimate * y.sign() > y.abs())
    assert torch.equal(x[beyond], estimate[beyond])


def test_reclip_loss_is_lowest_for_the_truth_and_trusts_the_targets_on_clipped_samples() -> None:
    x = signal((3, 1, 64))
    gains = torch.tensor([1.0, 1.5, 3.0])
    truth = gains.reshape(-1, 1, 1) * x
    assert losses.reclip_db(lambda *_: truth, x, gains=gains, levels=at(0.5, -0.5)) == pytest.approx(-40, abs=0.01)
    assert losses.reclip_db(lambda y, *_: y, x, gains=gains, levels=at(0.5, -0.5)) == pytest.approx(0, abs=0.01)
    assert losses.reclip_db(lambda y, *_: y, x, gains=torch.full((3,), 1.0), levels=at(9.0, -9.0)) == 0  # nothing clips


@pytest.fixture
def deepinv_loss(monkeypatch: pytest.MonkeyPatch) -> type[torch.nn.Module]:
    """EILoss of the public library deepinv. Its packages are entered without their __init__, which needs torchvision with CUDA."""
    found = importlib.util.find_spec("deepinv")
    assert found is not None
    assert found.origin is not None
    for name in ("deepinv", "deepinv.loss", "deepinv.utils"):
        package = ModuleType(name)
        package.__path__ = [str(Path(found.origin).parent.joinpath(*name.split(".")[1:]))]
        monkeypatch.setitem(sys.modules, name, package)
    for name in ("deepinv.loss.loss", "deepinv.loss.ei"):
        monkeypatch.setitem(sys.modules, name, importlib.import_module(name))
    loss: type[torch.nn.Module] = sys.modules["deepinv.loss.ei"].EILoss
    return loss


@pytest.mark.parametrize(("up", "down"), CASES)
@pytest.mark.parametrize("stop_gradient", [False, True])
def test_equivariance_agrees_with_deepinv(deepinv_loss: type[torch.nn.Module], up: float, down: float, stop_gradient: bool) -> None:
    torch.manual_seed(0)
    net = UNet(Shape((8, 12), (4, 4), (1, 1)))
    f = losses.estimator(net)
    y = losses.h(signal((4, 1, 64)), at(up, down))
    gains = losses.draw_uniform(4, (0.1, 2.0), generator=torch.Generator().manual_seed(0))

    def gradients(loss: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(loss, list(net.parameters())))

    ours = losses.amplitude_equivariance(f, f(y, at(up, down)), gains=gains, levels=at(up, down), stop_gradient=stop_gradient)
    theirs = deepinv_loss(transform=lambda x: gains[:, None, None] * x, no_grad=stop_gradient)(
        f(y, at(up, down)),
        physics=lambda x: losses.h(x, at(up, down)),
        model=lambda again, _physics: f(again, at(up, down)),
    )
    assert torch.allclose(ours, theirs, rtol=1e-5)
    for a, b in zip(gradients(ours), gradients(theirs), strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-7)


def test_emphasis_counts_treble_and_leaves_scale_out() -> None:
    """Of two errors of one power, the one of higher frequency costs more; a gain on everything changes nothing."""
    x, t = signal((1, 1, 4096)), torch.arange(4096.0)
    y, clipped = torch.zeros_like(x), torch.ones_like(x, dtype=torch.bool)
    low, high = (losses.emphasised_db(x + 0.1 * torch.sin(2 * torch.pi * f * t), x, y=y, clipped=clipped, floor=1e-9) for f in (0.01, 0.3))
    assert high > low + 20
    plain = [losses.supervised_db(x + 0.1 * torch.sin(2 * torch.pi * f * t), x, y=y, clipped=clipped) for f in (0.01, 0.3)]
    assert torch.allclose(plain[0], plain[1], atol=0.1)
    loud = losses.emphasised_db(7 * (x + 0.1 * torch.sin(2 * torch.pi * 0.3 * t)), 7 * x, y=7 * y, clipped=clipped, floor=1e-9)
    assert torch.allclose(loud, high, atol=1e-3)


@pytest.mark.parametrize(("up", "down"), CASES)
def test_shortfall_is_what_consistency_lacks_at_clipped_samples(up: float, down: float) -> None:
    levels = at(up, down)
    y = losses.h(signal((2, 1, 50)), levels)
    estimate = (0.5 * y).requires_grad_()
    found = losses.shortfall(estimate, y, levels=levels)
    clipped = losses.clipped_in(y, levels)
    expected = torch.stack([((y - 0.5 * y)[i][clipped[i]] ** 2).sum() / clipped[i].sum().clamp(min=1) for i in range(2)]).mean()
    assert torch.isclose(found, expected)
    found.backward()
    assert torch.isfinite(estimate.grad).all()
