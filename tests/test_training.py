"""What training draws and measures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.training.data.degrade import draw_example, draw_segment, sdr, threshold_for_sdr
from declipper.training.data.joined import joined
from declipper.training.data.shelf import Shelf, build


def tone(frames: int = 44100, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return (np.sin(2 * np.pi * 440 * np.arange(frames) / 44100) * 0.5 + 0.1 * rng.standard_normal(frames)).astype(np.float32)


def test_sdr_follows_its_definition() -> None:
    x = tone()
    assert sdr(x, 0.9 * x) == pytest.approx(20, abs=1e-3)
    assert sdr(x, x) == float("inf")
    assert np.isnan(sdr(np.zeros(4), np.ones(4)))


@pytest.mark.parametrize("ratio", [1.0, 0.7, 1.4, float("inf")])
@pytest.mark.parametrize("wanted", [1, 5, 10, 20, 40])
def test_threshold_gives_the_input_sdr(wanted: float, ratio: float) -> None:
    x = tone()
    mu = threshold_for_sdr(x, wanted, ratio)
    reached = sdr(x, clip(x, mu, -ratio * mu))
    if np.isinf(ratio) and wanted < 5:
        assert reached >= wanted  # one side alone cannot lose that much
    else:
        assert reached == pytest.approx(wanted, abs=0.05)


def test_examples_are_clipped_where_they_say() -> None:
    rng = np.random.default_rng(3)
    for seed in range(40):
        example = draw_example(tone(8192, seed), rng)
        assert example is not None
        mask = (example.y >= example.positive) | (example.y <= example.negative)
        assert mask.any()
        # away from the noise on the plateau a sample is clipped just where the truth exceeds the level
        if example.positive == 1.0:
            assert np.array_equal(example.y[~mask], example.x[~mask])
            assert np.all(example.x[example.y >= 1.0] >= 1.0)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    files = []
    for index, (rate, channels) in enumerate([(44100, 1), (48000, 2), (16000, 1)]):
        path = tmp_path / f"{index}.wav"
        soundfile.write(path, np.stack([tone(rate, index)] * channels, axis=1), rate, subtype="FLOAT")
        files.append((path, "speech" if rate == 16000 else "music"))
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(44100), 44100)
    text = tmp_path / "text.wav"
    text.write_text("no audio")
    assert build(tmp_path / "shelf.i16", [*files, (silence, "music"), (text, "music")]) == 3
    return Shelf(tmp_path / "shelf.i16")


def test_shelf_gives_back_what_was_put_on_it(shelf: Shelf) -> None:
    for index, track in enumerate(shelf.tracks):
        expected = tone(track.sample_rate, index)
        assert np.allclose(shelf.read(track, 100, 1000), expected[100:1100], atol=2e-5)


def test_joined_speech_holds_every_word_at_its_own_rate_and_at_that_of_speech(tmp_path: Path) -> None:
    words = []
    for index in range(14):
        words.append(tone(32000, index)[: 20000 + 1000 * index])
        soundfile.write(tmp_path / f"{index:02}.wav", words[-1], 32000, subtype="FLOAT")
    soundfile.write(tmp_path / "music.wav", tone(32000, 99), 32000)
    kinds = [(path, "music" if path.stem == "music" else "speech") for path in sorted(tmp_path.glob("*.wav"))]
    build(tmp_path / "words.i16", kinds)
    found = list(joined(Shelf(tmp_path / "words.i16")))
    assert [rate for _, _, rate in found] == [32000, 16000] * 2
    assert np.allclose(np.concatenate([audio for _, audio, rate in found if rate == 32000]), np.concatenate(words), atol=5e-5)
    for (_, whole, _), (_, half, _) in zip(found[::2], found[1::2], strict=True):
        assert len(half) == pytest.approx(len(whole) / 2, abs=1)


def test_segments_have_the_asked_length_and_are_the_same_for_a_seed(shelf: Shelf) -> None:
    draws = [[draw_segment(shelf, shelf.tracks, frames=4096, rng=np.random.default_rng(seed)) for seed in range(10)] for _ in range(2)]
    assert all(len(s) == 4096 for s in draws[0])
    assert all(np.array_equal(a, b) for a, b in zip(*draws, strict=True))


def test_supervised_loss_is_minus_dsdr() -> None:
    import torch

    from declipper.training.learning.losses import supervised_db

    rng = np.random.default_rng(0)
    x = tone(4096)
    y = clip(x, 0.4, -0.4)
    clipped = np.abs(y) >= 0.4
    estimate = np.where(clipped, y + 0.8 * (x - y), rng.standard_normal(4096)).astype(np.float32)
    tensors = [torch.from_numpy(a)[None, None] for a in (estimate, x, y, clipped)]
    expected = sdr(x, np.where(clipped, estimate, y)) - sdr(x, y)
    assert float(supervised_db(tensors[0], tensors[1], y=tensors[2], clipped=tensors[3])) == pytest.approx(-expected, abs=0.02)


def test_importing_the_product_loads_no_torch() -> None:
    code = "import sys, declipper, declipper.commands.main; sys.exit('torch' in sys.modules or 'declipper.training' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
