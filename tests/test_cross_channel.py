"""One channel restored with the help of another: what they have in common is found, and nothing is made up where they have nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import CONTRACT, music, write_model
from scipy.signal import lfilter

from declipper import ClipLevels, Session, declip
from declipper.clipping.signal import ClippedSignal
from declipper.engine.cross_channel import common_part
from declipper.engine.experts import BEST
from declipper.training.data.degrade import sdr

RATE = 44100


def noise(seed: int, frames: int = 40000) -> np.ndarray:
    """White, so that no sample tells anything about its neighbours."""
    return np.random.default_rng(seed).normal(0, 0.2, frames)


def at(y: np.ndarray, *levels: float) -> ClippedSignal:
    """Channels that were clipped at a level each, up and down."""
    return ClippedSignal(y, np.array(levels), -np.array(levels), RATE)


def test_a_filtered_copy_beside_tells_what_was_clipped() -> None:
    source = noise(0)
    x = lfilter([0.7, -0.3, 0.1], [1.0], source)
    y = np.stack([np.clip(x, -0.2, 0.2), source], axis=1)
    common = common_part(at(y, 0.2, np.inf), 0)
    assert common is not None
    assert sdr(x, common) > 40


def test_the_most_similar_channel_is_taken_and_its_own_clipping_restored() -> None:
    x = music(40000, 1)[:, 0]
    other = np.clip(x, -0.9, 0.9)
    y = np.stack([noise(1), np.clip(x, -0.6, 0.6) * (np.abs(x) < 0.9), other], axis=1)  # not clipped where the other is
    common = common_part(at(y, np.inf, 0.6, 0.9), 1)
    assert common is not None
    inside = (np.abs(x) > 0.6) & (np.abs(x) < 0.9)
    assert sdr(x[inside], common[inside]) > 15


@pytest.mark.parametrize(
    "other",
    [np.zeros(40000), noise(5), noise(0) + noise(5), np.clip(noise(0), -0.2, 0.2)],
    ids=["silence", "another sound", "as much of another sound", "clipped likewise"],
)
def test_a_channel_that_tells_nothing_is_left_out(other: np.ndarray) -> None:
    y = np.stack([np.clip(noise(0), -0.2, 0.2), other], axis=1)
    assert common_part(at(y, 0.2, 0.2 if other.max() <= 0.2 else np.inf), 0) is None


def test_one_channel_alone_has_nothing_beside_it() -> None:
    y = np.clip(noise(0), -0.2, 0.2)[:, None]
    assert common_part(at(y, 0.2), 0) is None


def test_pauses_and_broken_samples_do_no_harm() -> None:
    source = noise(0)
    source[10000:30000] = 0
    y = np.stack([np.clip(0.8 * source, -0.2, 0.2), source], axis=1)
    y[35000] = np.nan
    common = common_part(at(y, 0.2, np.inf), 0)
    assert common is not None
    assert np.all(np.isfinite(common))
    assert np.all(common[10100:29900] == 0)


def test_the_engine_restores_noise_from_the_other_channel(tmp_path: Path) -> None:
    """No method restores white noise from its neighbours; with an intact copy beside it, all comes back, and reliable samples stay."""
    contract = {"window": "32768", "context": "8192", "fade": "1024", "experts": "best", "fingerprint": BEST.fingerprint}
    weights = (0.0, 0.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.0)
    session = Session(write_model(tmp_path / "mean.onnx", weights, CONTRACT | {f"declipper.{k}": v for k, v in contract.items()}), "cpu")
    x = np.stack([noise(0), 0.5 * noise(0)], axis=1)
    y = np.stack([np.clip(x[:, 0], -0.2, 0.2), x[:, 1]], axis=1)
    restored = declip(y, RATE, levels=ClipLevels.constant(np.array([0.2, np.inf]), np.array([-0.2, -np.inf]), 2), session=session)
    alone = declip(y[:, :1], RATE, levels=ClipLevels.constant(0.2, -0.2, 1), session=session)
    assert sdr(x[:, 0], alone[:, 0]) < 15
    assert sdr(x[:, 0], restored[:, 0]) > 40
    reliable = np.abs(y[:, 0]) < 0.2
    assert np.array_equal(restored[reliable], y[reliable])
