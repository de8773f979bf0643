"""Examples with the experts' estimates, scores for solo instruments, and the objectives of the studies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from declipper.training.data import prepare
from declipper.training.data.shelf import Shelf, build
from declipper.training.data.solo import INSTRUMENTS, piece
from declipper.training.learning.losses import h, measurement_consistency, supervised
from declipper.training.learning.pretrain import WINDOW, held_examples, window_of
from declipper.training.model.network import Shape, UNet
from declipper.training.studies.objectives import Seen
from declipper.training.studies.paper import setting


@pytest.fixture(scope="module", params=["live", "fast", "best"])
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> prepare.Prepared:
    folder = tmp_path_factory.mktemp("prepared")
    t = np.arange(60000) / 44100
    soundfile.write(folder / "tones.wav", 0.3 * np.sin(2 * np.pi * 330 * t) + 0.2 * np.sin(2 * np.pi * 1250 * t), 44100, subtype="FLOAT")
    build(folder / "shelf.i16", [(folder / "tones.wav", "music")])
    arguments = [str(folder / "out.prep"), str(folder / "shelf.i16"), "--examples", "2", "--experts", request.param]
    arguments += ["--input-sdr", "8", "12"]
    assert CliRunner().invoke(prepare.main, arguments, catch_exceptions=False).exit_code == 0
    assert Shelf(folder / "shelf.i16").tracks  # the header of a prepared file does not overwrite that of a shelf
    return prepare.Prepared(folder / "out.prep")


def test_prepared_examples_hold_what_the_experts_make_of_them(prepared: prepare.Prepared) -> None:
    for index, (positive, negative, input_sdr) in enumerate(prepared.header.levels):
        example = prepared.example(index)
        assert 8 <= input_sdr <= 12
        assert example.estimates.shape == (len(prepared.experts.outputs), prepared.header.frames)
        clipped = (example.y >= positive) | (example.y <= negative)
        assert clipped.any()
        damage = np.sum((example.x - example.y)[clipped] ** 2)
        estimates = example.estimates[prepared.experts.signals]
        for deviation in example.estimates[len(estimates) :]:
            assert not deviation[~clipped].any()
            assert np.all(deviation[clipped] > 0)
        assert np.sum((example.x - estimates.mean(axis=0))[clipped] ** 2) < 0.1 * damage
        for estimate in estimates:
            assert np.sum((example.x - estimate)[clipped] ** 2) < 0.2 * damage
            assert np.array_equal(estimate[~clipped], example.y[~clipped])


def test_more_examples_are_added_to_those_there_are(tmp_path: Path) -> None:
    t = np.arange(40000) / 44100
    soundfile.write(tmp_path / "tone.wav", 0.3 * np.sin(2 * np.pi * 330 * t), 44100, subtype="FLOAT")
    build(tmp_path / "shelf.i16", [(tmp_path / "tone.wav", "music")])
    out = str(tmp_path / "out.prep")
    common = [out, str(tmp_path / "shelf.i16"), "--experts", "live", "--input-sdr", "8", "12", "--examples"]
    for more in (["2"], ["1", "--seed", "1", "--append"]):
        assert CliRunner().invoke(prepare.main, common + more, catch_exceptions=False).exit_code == 0
        with Path(out).open("ab") as file:  # as an interrupted run leaves it: rows that no header knows
            file.write(bytes(30000))
    assert CliRunner().invoke(prepare.main, [str(tmp_path / "once.prep"), *common[1:], "1", "--seed", "1"]).exit_code == 0
    both = prepare.Prepared(tmp_path / "out.prep")
    assert len(both.header.levels) == 3
    once = prepare.Prepared(tmp_path / "once.prep")
    assert np.array_equal(both.example(2).y, once.example(0).y)
    assert both.header.levels[2] == once.header.levels[0]
    refused = CliRunner().invoke(prepare.main, [out, str(tmp_path / "shelf.i16"), "--append", "--experts", "fast"])
    assert refused.exit_code == 2
    assert "was prepared for live, not for fast" in refused.output


def test_examples_after_a_codec_have_levels_below_the_plateau(tmp_path: Path) -> None:
    t = np.arange(60000) / 44100
    soundfile.write(tmp_path / "tones.wav", 0.3 * np.sin(2 * np.pi * 330 * t) + 0.2 * np.sin(2 * np.pi * 1250 * t), 44100, subtype="FLOAT")
    build(tmp_path / "shelf.i16", [(tmp_path / "tones.wav", "music")])
    arguments = [str(tmp_path / "out.prep"), str(tmp_path / "shelf.i16"), "--examples", "3", "--experts", "live", "--coded"]
    assert CliRunner().invoke(prepare.main, arguments, catch_exceptions=False).exit_code == 0
    data = prepare.Prepared(tmp_path / "out.prep")
    for index, (positive, negative, _) in enumerate(data.header.levels):
        example = data.example(index)
        assert 0.5 < min(positive, -negative) < 0.995
        reliable = (example.y < positive) & (example.y > negative)
        assert not np.array_equal(example.y[reliable], example.x[reliable])


class Coin:
    """Draws windows as the generator of a seed does, and always tosses the same side."""

    def __init__(self, seed: int, side: float) -> None:
        self.integers = np.random.default_rng(seed).integers
        self.random = lambda: side


def test_windows_of_prepared_examples_flip_whole(prepared: prepare.Prepared) -> None:
    polarities = set()
    for seed in range(16):
        upright, flipped = (window_of(prepared, rng=Coin(seed, side)) for side in (0.1, 0.9))  # type: ignore[arg-type]
        assert upright is not None
        assert flipped is not None
        assert upright.y.shape == (min(WINDOW, prepared.header.frames),)
        assert np.any((upright.y >= upright.positive) | (upright.y <= upright.negative))
        assert np.array_equal(flipped.x, -upright.x)
        assert np.array_equal(flipped.y, -upright.y)
        assert (flipped.positive, flipped.negative) == (-upright.negative, -upright.positive)
        waves = prepared.experts.signals
        assert np.array_equal(flipped.estimates[waves], -upright.estimates[waves])
        assert np.array_equal(flipped.estimates[~waves], upright.estimates[~waves])
        drawn = window_of(prepared, rng=np.random.default_rng(seed))
        assert drawn is not None
        assert np.array_equal(np.abs(drawn.x), np.abs(upright.x))
        polarities.add(np.array_equal(drawn.x, upright.x))
    assert polarities == {True, False}


def test_prepared_examples_are_held_back_by_their_input_sdr(prepared: prepare.Prepared) -> None:
    held = held_examples(prepared, (3.0, 10.0))
    assert list(held) == [10.0]
    assert held[10.0].estimates.shape == (2, len(prepared.experts.outputs), prepared.header.frames)


def notes(midi: bytes) -> tuple[list[int], list[int]]:
    """The keys that a MIDI track of one instrument strikes and those that it lets go."""
    keys: dict[int, list[int]] = {0x90: [], 0x80: []}
    place = 22
    while True:
        while midi[place] & 0x80:  # the time since the event before
            place += 1
        status = midi[place + 1]
        if status == 0xFF:
            return keys[0x90], keys[0x80]
        keys.get(status, []).append(midi[place + 2])
        place += 3 if status == 0xC0 else 4


@pytest.mark.parametrize("program", [0, 41, 79])
def test_pieces_are_midi_files_within_the_instruments_range(program: int) -> None:
    midi = piece(program, 5.0, rng=np.random.default_rng(1))
    assert midi == piece(program, 5.0, rng=np.random.default_rng(1))
    assert midi[:4] == b"MThd"
    assert midi[14:18] == b"MTrk"
    assert int.from_bytes(midi[18:22], "big") == len(midi) - 22
    low, high = INSTRUMENTS[program]
    struck, released = notes(midi)
    assert len(struck) >= 3
    assert sorted(struck) == sorted(released)
    assert low <= min(struck) <= max(struck) <= high


def test_only_supervised_objectives_look_at_the_truth() -> None:
    x = 2 * torch.randn(2, 1, 64, generator=torch.Generator().manual_seed(0))
    hidden = torch.where(x.abs() > 1, 3 * x, x)  # the same once clipped
    gains, levels = torch.tensor([0.7, 1.4]), setting.levels_at()
    f = lambda y, *_: 1.2 * y  # noqa: E731
    y = h(x, levels)
    for method in setting.METHODS:
        one, other = (method.terms.of(f, Seen(v, y, gains, 0 * gains), levels) for v in (x, hidden))
        assert torch.equal(one, other) == (not method.terms.reference)
    taught, alone = (setting.METHODS[i].terms.of(f, Seen(x, y, gains, 0 * gains), levels) for i in (0, 4))
    assert taught == supervised(f(y), x)
    assert alone == measurement_consistency(f(y), y, levels=levels)


def test_batches_are_segments_in_units_of_the_level() -> None:
    data = np.stack([np.full(64, 0.05, np.float32), np.full(64, 0.3, np.float32)])
    x, y = setting.batch(data, np.random.default_rng(0))
    assert x.shape == (setting.BATCH, 1, 64)
    assert set(x.unique().tolist()) <= {0.5, 3.0}
    assert torch.equal(y, x.clamp(max=1))


def test_restoring_at_another_level_gives_the_signal_at_its_own_scale() -> None:
    torch.manual_seed(0)
    net = UNet(Shape((8, 12), (4, 4), (1, 1)))
    x = (0.4 * np.sin(np.arange(2 * 4096) / 7)).astype(np.float32).reshape(2, 4096)
    one, other = setting.restored(net, x), setting.restored(net, x, gain=0.01)
    assert np.allclose(one, other, atol=1e-5)
    reliable = np.abs(x) < 0.0999
    assert np.allclose(one[reliable], x[reliable], atol=1e-7)
