"""A model of the user's own: every format runs it and says so, or says why not and runs the one that is built in."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from material import BUILD, BUNDLE, CLAP, RATE, VST3, by_core, expected, given, learned, piped
from test_output import plugin

from declipper.plugins import own_model
from declipper.plugins.clap import ClapPlugin


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a model that has learned something, in a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return own_model.put(learned(tmp_path / "voice.onnx"))


def sealed(content: bytes) -> bytes:
    """With the checksum that belongs to it."""
    return content[:-4] + zlib.crc32(content[:-4]).to_bytes(4, "little")


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "it is damaged": lambda content: content[:-1000],
    "it is no model for this plugin": lambda _: b"something else",
    "it is of another version": lambda content: sealed(content[:8] + b"\x63" + content[9:]),
    "it was trained for another version": lambda content: sealed(content[:12] + bytes([content[12] ^ 1]) + content[13:]),
    "it is of a shape that does not run here": lambda content: sealed(content[:44] + b"\x09" + content[45:]),
    "it has weights that are no numbers": lambda content: sealed(content[:-5] + b"\x7e" + content[-4:]),
}
"""What becomes of the file, by why it is refused."""


def test_every_format_runs_it_and_says_so(own: Path) -> None:
    import pedalboard

    wanted = by_core(given(), model=own)
    assert np.mean(wanted != expected()) > 0.05
    lv2 = plugin()
    late = np.concatenate([given(), np.zeros((lv2.latency, 2), np.float32)])
    np.testing.assert_array_equal(lv2.process(late)[lv2.latency :], wanted)
    assert lv2.words("model") == "own"
    np.testing.assert_array_equal(piped([str(BUILD / "tests/clap_host"), str(CLAP), str(RATE), "2", "333"], given()), wanted)
    assert ClapPlugin(CLAP, RATE).words("model") == "own"
    vst3 = pedalboard.load_plugin(str(VST3))
    np.testing.assert_array_equal(vst3(given().T, RATE).T, wanted)
    assert vst3.parameters["model"].string_value == "own"


def test_what_an_instance_began_with_it_keeps(own: Path) -> None:
    before, shipped = by_core(given(), model=own), expected()
    clap = ClapPlugin(CLAP, RATE)
    assert own_model.put_away() == own
    np.testing.assert_array_equal(clap.process(given())[clap.latency :], before[: -clap.latency])
    again = ClapPlugin(CLAP, RATE)
    np.testing.assert_array_equal(again.process(given())[again.latency :], shipped[: -again.latency])
    assert (clap.words("model"), again.words("model"), plugin().words("model")) == ("own", "shipped", "shipped")


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_one_is_refused_in_words(own: Path, reason: str) -> None:
    own.write_bytes(BROKEN[reason](own.read_bytes()))
    lv2 = plugin()
    np.testing.assert_array_equal(lv2.process(given())[lv2.latency :], expected()[: -lv2.latency])
    assert lv2.words("model") == ClapPlugin(CLAP, RATE).words("model") == f"shipped, own refused: {reason}"


def test_a_folder_in_its_place(own: Path) -> None:
    own.unlink()
    own.mkdir()
    lv2 = plugin()
    lv2.process(given()[:0])
    assert lv2.words("model") == "shipped, own refused: it cannot be read"


def test_run_neither_allocates_nor_frees(own: Path) -> None:
    done = subprocess.run([BUILD / "tests/realtime", BUNDLE / "declipper.so"], capture_output=True, text=True, check=True)
    calls, misdeeds = map(int, done.stdout.split())
    assert calls > 500
    assert misdeeds == 0
