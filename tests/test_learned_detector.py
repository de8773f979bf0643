"""The learned detector: free of scale, the same in any blocks; simulated histories that know what was cut off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from declipper.clipping.arrays import Array
from declipper.detection import network
from declipper.errors import ModelError
from declipper.training.detection.export import export
from declipper.training.detection.network import SHAPE, Detector
from declipper.training.histories.recording import Recording


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> network.ClippingNetwork:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("detector")
    net = Detector(**SHAPE)
    torch.save({"average": net.state_dict(), "shape": net.shape, "step": 0, "seconds": 0.0}, folder / "checkpoint.pt")
    target: Path = folder / "detector.onnx"
    export(folder / "checkpoint.pt", target)
    return network.ClippingNetwork(target)


def noise(frames: int) -> Array:
    return np.random.default_rng(0).normal(0, 0.2, (frames, 1)).clip(-0.4, 0.4).astype(np.float32)


def judged(y: Array, net: network.ClippingNetwork, block: int) -> Array:
    stream = network.JudgedStream(y.shape[1], net)
    parts = [part for start in range(0, len(y), block) for part in stream.push(y[start : start + block])]
    return np.concatenate([part.likelihood for part in [*parts, *stream.flush()]])


def test_scale_does_not_matter(untrained: network.ClippingNetwork) -> None:
    y = noise(8000)
    np.testing.assert_array_equal(judged(y, untrained, 8000), judged(y * np.float32(2.0**-60), untrained, 8000))


@pytest.mark.parametrize("block", [997, 30000])
def test_blocks_do_not_matter(untrained: network.ClippingNetwork, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(network, "HOP", 16384)
    monkeypatch.setattr(network, "CONTEXT", 2048)
    y = noise(70001)
    whole = judged(y, untrained, len(y))
    assert whole.shape == y.shape
    np.testing.assert_array_equal(judged(y, untrained, block), whole)


def test_a_file_that_is_no_detector_is_refused(tiny_model: Path) -> None:
    with pytest.raises(ModelError, match="wanted a detector of contract 1"):
        network.ClippingNetwork(tiny_model)


def test_a_history_keeps_the_truth_through_rates() -> None:
    t = np.arange(8820) / 44100
    one = Recording.of(np.sin(2 * np.pi * 200 * t), 44100)
    one.clip(0.8, -0.8)
    share = one.truth.mean()
    one.resample(16000)
    assert abs(one.truth.mean() - share) < 0.03  # a period has 80 samples at the new rate
    assert len(one.truth) == len(one.y) == len(one.original)
    assert np.abs(one.original[one.truth]).min() > 0.79
