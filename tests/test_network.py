"""The network's physics, its export, and the reader's refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from declipper.engine.experts import FAST, NONE, Windows
from declipper.engine.session import Session, providers_for, shipped_model
from declipper.errors import ModelError
from declipper.training.model.export import export, load
from declipper.training.model.network import EstimateMixer, Shape, UNet, with_estimates, without_blocks

SMALL = Shape((8, 12), (4, 4), (1, 1))
WINDOWS = Windows(512, 0, 64)
ALLOWED = {"Conv", "ConvTranspose", "LeakyRelu", "Add", "Concat", "Slice", "Constant", "Cast"}


@pytest.fixture
def net() -> UNet:
    torch.manual_seed(0)
    net = UNet(SMALL)
    torch.nn.init.normal_(net.out.weight, std=0.3)
    return net


@pytest.fixture
def model(net: UNet, tmp_path: Path) -> Path:
    path = tmp_path / "small.onnx"
    export(net, path, experts=NONE, windows=WINDOWS, training={"steps": 3})
    return path


def test_bias_free_network_is_homogeneous(net: UNet) -> None:
    y = torch.randn(2, 2, 256)
    for gain in (1e-3, 0.5, 7.0):
        assert torch.allclose(net(gain * y), gain * net(y), rtol=1e-4, atol=1e-5 * gain)
    assert torch.equal(net(torch.zeros(1, 2, 64)), torch.zeros(1, 1, 64))


def test_network_with_bias_is_not_homogeneous() -> None:
    torch.manual_seed(0)
    net = UNet(replace(SMALL, bias=True))
    y = torch.randn(2, 2, 256)
    assert not torch.allclose(net(0.01 * y), 0.01 * net(y), rtol=0.1)
    assert net(torch.zeros(1, 2, 64)).abs().max() > 1e-3


@pytest.mark.parametrize("frames", [512, 16384, 5120])
def test_default_network_keeps_the_length(frames: int) -> None:
    assert UNet()(torch.zeros(1, 2, frames)).shape == (1, 1, frames)


def test_receptive_field_is_thousands_of_samples() -> None:
    torch.manual_seed(0)
    net = UNet()
    y = torch.randn(1, 2, 32768, requires_grad=True)
    net(y)[0, 0, 16384].backward()
    assert y.grad is not None
    reached = torch.nonzero(y.grad[0].abs().sum(0)).flatten()
    assert reached.max() - reached.min() > 8000


def test_export_round_trip(net: UNet, model: Path) -> None:
    session = Session(model, "cpu")
    assert (session.info.name, session.info.windows, session.info.multiple) == ("small", WINDOWS, 16)
    assert session.info.training == {"steps": 3}
    y = np.random.default_rng(1).standard_normal((2, 512)).astype(np.float32)
    back = load(model)
    with torch.no_grad():
        expected = back(torch.from_numpy(y)[None])[0, 0].numpy()
        original = net(torch.from_numpy(y)[None])[0, 0].numpy()
    assert np.allclose(session.estimate(y), expected, atol=1e-5)
    assert np.allclose(expected, original, rtol=0.02, atol=0.02)


def test_exported_operators_are_those_a_small_core_can_run(model: Path) -> None:
    assert {node.op_type for node in onnx.load(model).graph.node} <= ALLOWED


def test_export_writes_nothing_on_disagreement(net: UNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Session.estimate
    monkeypatch.setattr(Session, "estimate", lambda self, window: 1.01 * honest(self, window))
    with pytest.raises(ModelError, match="differs from torch"):
        export(net, tmp_path / "bad.onnx", experts=NONE, windows=WINDOWS, training={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["fast", "live", "best"])
def test_shipped_models_agree_with_their_golden_pairs(name: str) -> None:
    golden = np.load(shipped_model(name).with_suffix(".golden.npz"))
    assert np.allclose(Session(shipped_model(name), "cpu").estimate(golden["y"]), golden["estimate"], atol=2e-4)


@pytest.mark.parametrize("name", ["fast", "live", "best"])
def test_shipped_models_are_homogeneous(name: str) -> None:
    session = Session(shipped_model(name), "cpu")
    y = np.random.default_rng(2).standard_normal((session.inputs, 4096)).astype(np.float32)
    deviations = ~session.info.experts.signals
    y[2:][deviations] = np.abs(y[2:][deviations])
    assert np.allclose(session.estimate(0.1 * y), 0.1 * session.estimate(y), rtol=1e-3, atol=1e-4)


def change(path: Path, key: str, value: str | None) -> None:
    model = onnx.load(path)
    kept = {e.key: e.value for e in model.metadata_props if e.key != key}
    onnx.helper.set_model_props(model, kept | ({key: value} if value is not None else {}))
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("declipper.contract", "2", "model contract 2, .* train the model again"),
        ("declipper.fingerprint", None, "metadata is broken"),
        ("declipper.contract", "99", "model contract 99, this version of declipper reads 3"),
        ("declipper.contract", None, "not a declipper model"),
        ("declipper.window", None, "metadata is broken"),
        ("declipper.window", "wide", "metadata is broken"),
        ("declipper.training", "{", "metadata is broken"),
    ],
)
def test_reader_refuses_what_it_cannot_run(model: Path, key: str, value: str | None, message: str) -> None:
    change(model, key, value)
    with pytest.raises(ModelError, match=message) as caught:
        Session(model, "cpu")
    assert str(model) in str(caught.value)


def test_reader_refuses_broken_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read the model"):
        Session(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="neither a model file nor the name of a shipped model; give best, fast, live or a path"):
        Session("fastest")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(ModelError, match="not a model that declipper exported"):
        Session(broken)


def test_devices() -> None:
    assert providers_for("cpu") == ["CPUExecutionProvider"]
    assert providers_for("auto")[-1] == "CPUExecutionProvider"
    with pytest.raises(ModelError, match="unknown device"):
        providers_for("toaster")
    with pytest.raises(ModelError, match="not available in this onnxruntime, which has cpu"):
        providers_for("dml")


def test_reader_refuses_a_model_of_another_shape(net: UNet, tmp_path: Path, model: Path) -> None:
    wrong = onnx.load(model)
    wrong.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(wrong, tmp_path / "wrong.onnx")
    with pytest.raises(ModelError, match=r"model takes and gives .*not \[1, 2, frames\]"):
        Session(tmp_path / "wrong.onnx", "cpu")


def mixing(count: int = 3, doubt: float = 0.1, sharpness: int = 1, deviation: bool = False) -> tuple[UNet, torch.Tensor]:
    """A network that weighs estimates, and a clipped signal with so many of them, and their deviation."""
    torch.manual_seed(0)
    x = 2 * torch.randn(2, 1, 512)
    y = x.clamp(-1, 1)
    clipped = y.abs() == 1
    estimates = torch.where(clipped, x + 0.3 * torch.randn(2, count, 512), y)
    inputs = [y * ~clipped, y * clipped, estimates, *([0.3 * clipped] if deviation else [])]
    net = with_estimates(UNet(SMALL), count, doubt=doubt, sharpness=sharpness, deviation=deviation)
    torch.nn.init.normal_(net.out.weight, std=0.02)
    return net, torch.cat(inputs, dim=1)


def test_a_network_begins_as_the_mean_of_estimates_that_it_did_not_know() -> None:
    _, y = mixing()
    net = with_estimates(UNet(SMALL), 3, doubt=0.1, sharpness=1)
    assert torch.allclose(net(y), y[:, 2:].mean(1, keepdim=True), atol=1e-5)


@pytest.mark.parametrize(("sharpness", "deviation"), [(1, False), (2, False), (2, True)])
def test_estimates_are_weighed_homogeneously(sharpness: int, deviation: bool) -> None:
    net, y = mixing(sharpness=sharpness, deviation=deviation)
    for gain in (1e-3, 7.0):
        assert torch.allclose(net(gain * y), gain * net(y), rtol=1e-3, atol=1e-5 * gain)
    assert torch.equal(net(torch.zeros(1, y.shape[1], 64)), torch.zeros(1, 1, 64))


def test_a_network_that_knew_some_estimates_keeps_what_it_knew_of_them() -> None:
    net, _ = mixing(3)
    grown = with_estimates(net, 4, doubt=0.1, sharpness=1)
    assert torch.equal(grown.out.weight[:, :4], net.out.weight)
    assert grown.out.weight[:, 4].abs().max() > 0
    first = grown.downs[0].weight
    assert torch.equal(first[:, :5], net.downs[0].weight)
    assert not first[:, 5].any()
    _, y = mixing(4)
    assert torch.allclose(grown(7.0 * y), 7.0 * grown(y), rtol=1e-3, atol=1e-4)


def test_without_a_correction_the_result_lies_among_the_estimates() -> None:
    net, y = mixing()
    with torch.no_grad():
        net.out.weight[:, 0] = 0
    result, found, clipped = net(y), y[:, 2:], y[:, 1:2] != 0
    low, high = found.amin(1, keepdim=True), found.amax(1, keepdim=True)
    assert torch.all(((result >= low - 1e-5) & (result <= high + 1e-5))[clipped])
    assert result.sub(low)[clipped].abs().max() > 0.01


def test_estimates_that_agree_leave_little_to_correct() -> None:
    net, y = mixing()
    near = torch.cat([y[:, :2], y[:, 2:3] + 1e-4 * (y[:, 2:] - y[:, 2:3])], dim=1)
    moved = [(net(v) - v[:, 2:3])[v[:, 1:2] != 0].abs().mean() for v in (y, near)]
    assert moved[1] < 0.5 * moved[0]


def test_the_unit_is_the_doubt_where_few_samples_are_clipped_and_all_estimates_agree() -> None:
    y = torch.zeros(1, 4, 4096)
    y[:, 0], y[:, 0, 2000], y[:, 1, 2000], y[:, 2:], y[:, 2:, 2000] = 0.5, 0.0, 1.0, 0.5, 1.25
    for doubt in (0.1, 0.02):
        mixer = EstimateMixer(y, 8, doubt=doubt, sharpness=1, deviation=False)
        assert mixer.unit[0, 0, 2000].item() == pytest.approx(doubt * 0.25, abs=1e-4)


def test_a_sharp_mixture_comes_nearer_to_one_estimate() -> None:
    apart = []
    for sharpness in (1, 2):
        net, y = mixing(2, sharpness=sharpness)
        with torch.no_grad():
            net.out.weight[:, 0] = 0
        nearest = (net(y) - y[:, 2:]).abs().amin(1, keepdim=True)
        apart.append(nearest[y[:, 1:2] != 0].mean())
    assert apart[1] < apart[0]


def test_a_first_estimate_of_small_deviation_is_taken_nearly_as_it_is() -> None:
    """The smaller, the nearer: by weight and by correction."""
    net, y = mixing(sharpness=2, deviation=True)
    apart = []
    for deviation in (0.3, 0.03, 0.003):
        y[:, -1:] = deviation * y[:, 1:2].abs()
        apart.append((net(y) - y[:, 2:3])[y[:, 1:2] != 0].abs().mean().item())
    assert apart[1] < 0.5 * apart[0]
    assert apart[2] < 0.2 * apart[1]


def test_a_network_takes_a_deviation_on_without_looking_at_it_yet() -> None:
    net, y = mixing(2)
    grown = with_estimates(net, 3, doubt=0.1, sharpness=1, deviation=True)
    assert torch.equal(grown.downs[0].weight[:, :4], net.downs[0].weight)
    assert not grown.downs[0].weight[:, 4:].any()
    assert torch.equal(grown.out.weight[:, :3], net.out.weight)
    assert grown(torch.cat([y, y[:, 2:3], y[:, 1:2].abs()], dim=1)).shape == y[:, :1].shape


def test_a_deviation_stays_the_last_input_when_estimates_are_added() -> None:
    net, _ = mixing(2, deviation=True)
    grown = with_estimates(net, 4, doubt=0.1, sharpness=1, deviation=True)
    assert torch.equal(grown.downs[0].weight[:, [0, 1, 2, 3, 6]], net.downs[0].weight)
    assert not grown.downs[0].weight[:, 4:6].any()


def test_a_network_may_lose_residual_blocks() -> None:
    """Those that add nothing are not missed."""
    net = UNet(replace(SMALL, blocks=(2, 2)))
    for stage in (net.encoders[0], net.encoders[1], net.decoders[0]):
        torch.nn.init.zeros_(stage[1].second.weight)
    fewer = without_blocks(net, (1, 1))
    y = torch.randn(1, 2, 256, generator=torch.Generator().manual_seed(0))
    assert torch.equal(fewer(y), net(y))
    assert sum(p.numel() for p in fewer.parameters()) < sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(
    "change",
    [
        {"channels": [8, 100000]},
        {"channels": [8, 12, 16]},
        {"channels": 8},
        {"strides": [0, 4]},
        {"blocks": [1, True]},
        {"kernel": 4},
        {"inputs": 5},
        {"doubt": "much"},
        {"doubt": float("nan")},
        {"more": 1},
    ],
)
def test_the_shape_in_a_model_file_is_not_believed(tmp_path: Path, change: dict[str, Any]) -> None:
    export(UNet(SMALL), tmp_path / "small.onnx", experts=NONE, windows=WINDOWS, training={})
    model = onnx.load(tmp_path / "small.onnx")
    for entry in model.metadata_props:
        if entry.key == "declipper.shape":
            entry.value = json.dumps(json.loads(entry.value) | change)
    onnx.save(model, tmp_path / "changed.onnx")
    with pytest.raises(ModelError, match="metadata is broken"):
        load(tmp_path / "changed.onnx")


def test_a_network_that_sees_a_deviation_is_exported_and_read_back(tmp_path: Path) -> None:
    net, _ = mixing(3, 0.02, 2, deviation=True)
    export(net, tmp_path / "sure.onnx", experts=FAST, windows=WINDOWS, training={})
    assert load(tmp_path / "sure.onnx").shape == net.shape
