"""The network that weighs spectra of estimates: its transform, its physics, and its export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from declipper import ClipLevels, DeclipStream, declip
from declipper.engine.experts import FAST, LIVE, Windows
from declipper.engine.session import Session
from declipper.training.learning.pretrain import network
from declipper.training.model.export import export, load
from declipper.training.model.kinds import built
from declipper.training.model.spectral import SIZES, SpectralNet, SpectralShape
from declipper.training.model.spectrum import HOP, WINDOW, ShortTime, power

SMALL = SpectralShape(3, (8, 12), (1, 1), (1, 2), detail=8)
WINDOWS = Windows(16 * HOP, 0, 64)


def clipped_with_estimates(seed: int = 0, *, deviation: float = 0.3, frames: int = 8 * HOP) -> Tensor:
    """What a network sees of two signals clipped at 1, with three estimates, and a deviation of the first: (2, 6, frames)."""
    generator = torch.Generator().manual_seed(seed)
    x = 1.2 * torch.randn(2, 1, frames, generator=generator)
    y = x.clamp(-1, 1)
    clipped = y.abs() == 1
    near = x + 0.3 * torch.randn(2, 3, frames, generator=generator)
    estimates = torch.where(clipped, near.sign() * near.abs().clamp(min=1), y)
    return torch.cat([y * ~clipped, y * clipped, estimates, deviation * clipped], dim=1)


@pytest.fixture
def net() -> SpectralNet:
    """One that gives every bin gains of its own."""
    torch.manual_seed(0)
    net = SpectralNet(SMALL)
    for head in net.heads:
        torch.nn.init.normal_(head.gains.weight, std=0.3)
        torch.nn.init.normal_(head.gains.bias, std=0.3)
    return net.eval()


def test_the_transform_is_orthogonal() -> None:
    """Back from its spectra comes the signal, and neither has more power."""
    transform, x = ShortTime(), torch.randn(2, 3, 8 * HOP, generator=torch.Generator().manual_seed(0))
    spectra = transform(x)
    assert torch.allclose(transform.back(spectra), x, atol=1e-5)
    assert power(spectra).sum().item() == pytest.approx(x.square().sum().item(), rel=1e-5)


def test_the_transform_is_fourier_s_half_a_bin_higher() -> None:
    x = np.random.default_rng(0).standard_normal(4 * HOP).astype(np.float32)
    found = ShortTime()(torch.from_numpy(x)[None, None])[0, 0, :, 2].numpy()
    n = np.arange(WINDOW)
    faded = np.sin(np.pi * (n + 0.5) / WINDOW) * x[HOP : HOP + WINDOW]
    wanted = np.exp(-2j * np.pi * np.outer(np.arange(WINDOW // 2) + 0.5, n) / WINDOW) @ faded * np.sqrt(2 / WINDOW)
    assert np.allclose(found[0] + 1j * found[1], wanted, atol=1e-4)


def test_louder_input_gives_an_equally_louder_output(net: SpectralNet) -> None:
    y = clipped_with_estimates()
    for gain in (1e-3, 7.0):
        assert torch.allclose(net(gain * y), gain * net(y), rtol=1e-3, atol=1e-4 * gain)
    assert not net(torch.zeros(1, 6, 4 * HOP)).any()


def test_a_turned_input_gives_the_turned_output(net: SpectralNet) -> None:
    y = clipped_with_estimates()
    turned = torch.cat([-y[:, :5], y[:, 5:]], dim=1)
    assert torch.allclose(net(turned), -net(y), atol=1e-5)


def test_reliable_samples_stay(net: SpectralNet) -> None:
    y = clipped_with_estimates()
    reliable = y[:, 1:2] == 0
    result = net(y)
    assert torch.equal(result[reliable], y[:, :1][reliable])
    assert (result - y[:, 2:].mean(1, keepdim=True))[~reliable].abs().mean() > 0.01


def test_it_begins_as_a_mean_of_the_estimates() -> None:
    """The plain one where the deviation of the first is large, that first one where it is small."""
    net = SpectralNet(SMALL)
    for deviation, distance in ((100.0, lambda y: y[:, 2:5].mean(1)), (1e-4, lambda y: y[:, 2])):
        y = clipped_with_estimates(deviation=deviation)
        assert torch.allclose(net(y)[:, 0], distance(y), atol=1e-3)
    y = clipped_with_estimates()
    low, high = y[:, 2:5].amin(1), y[:, 2:5].amax(1)
    assert torch.all((net(y)[:, 0] >= low - 1e-5) & (net(y)[:, 0] <= high + 1e-5))


def test_the_start_is_the_same_mean_again(net: SpectralNet) -> None:
    y = clipped_with_estimates()
    begun = SpectralNet(SMALL)(y)
    assert not torch.allclose(net(y), begun, atol=1e-2)
    net.start()
    assert torch.allclose(net(y), begun, atol=1e-6)


def test_gains_that_are_the_same_in_all_bins_are_affine_weights_of_any_sign() -> None:
    """A weight of -1.5 for the second estimate, and what is missing to one for the mean."""
    net = SpectralNet(SpectralShape(3, (8, 12), (1, 1), (1, 2), detail=8, rounds=1))
    y = clipped_with_estimates(deviation=1e4)
    with torch.no_grad():
        net.heads[0].gains.bias[0] = -1.5
    mean, second = y[:, 2:5].mean(1), y[:, 3]
    assert torch.allclose(net(y)[:, 0], mean - 1.5 * (second - mean), atol=1e-3)


def test_it_is_exported_and_read_back(net: SpectralNet, tmp_path: Path) -> None:
    path = tmp_path / "spectral.onnx"
    export(net, path, experts=FAST, windows=WINDOWS, training={"steps": 3})
    session, back = Session(path, "cpu"), load(path)
    assert isinstance(back, SpectralNet)
    assert (back.shape, session.info.multiple) == (SMALL, HOP)
    y = clipped_with_estimates(1)[:1]
    with torch.no_grad():
        expected, original = back(y)[0, 0].numpy(), net(y)[0, 0].numpy()
    assert np.allclose(session.estimate(y[0].numpy()), expected, atol=1e-4)
    assert np.allclose(expected, original, atol=0.02)
    transform = [t for t in onnx.load(path).graph.initializer if "heads" not in t.name and "trunk" not in t.name]
    assert not transform, "the constants of the transform keep their precision"


def test_the_engine_restores_with_it_whatever_the_jobs_and_blocks(net: SpectralNet, tmp_path: Path) -> None:
    path = tmp_path / "spectral.onnx"
    export(net, path, experts=FAST, windows=Windows(16 * HOP, HOP, HOP), training={})
    session, levels = Session(path, "cpu"), ClipLevels.constant(0.5, -0.5, channels=1)
    frames = np.arange(20000)
    x = (0.6 * np.sin(frames / 40) * np.sin(frames / 3000)).astype(np.float32)[:, None]
    y = x.clip(-0.5, 0.5)
    restored = declip(y, 44100, levels=levels, session=session)
    assert np.array_equal(restored, declip(y, 44100, levels=levels, session=session, jobs=3))
    stream = DeclipStream(44100, 1, levels, session)
    parts = [stream.push(y[first : first + 7000]) for first in range(0, len(y), 7000)]
    assert np.array_equal(restored, np.concatenate([*parts, stream.flush()]))
    clipped = np.abs(y) == 0.5
    assert np.array_equal(restored[~clipped], y[~clipped])
    assert np.all(restored[clipped] * y[clipped] >= 0.25)
    assert np.any(restored[clipped] != y[clipped])


@pytest.mark.parametrize("name", list(SIZES))
def test_a_shape_is_read_as_it_is_written(name: str) -> None:
    net = built(SIZES[name].written())
    assert isinstance(net, SpectralNet)
    assert net.shape == SIZES[name]


def test_experts_that_tell_a_deviation_get_it_and_others_a_1_d_network() -> None:
    assert isinstance(network(FAST, start=None, size=None), SpectralNet)
    assert not isinstance(network(LIVE, start=None, size="small"), SpectralNet)
