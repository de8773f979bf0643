"""Python restores a live signal where the plugin's core cannot. What the core makes of it: packaging/plugin/tests/test_live_core.py."""

from __future__ import annotations

import _ctypes
import shutil
from pathlib import Path

import pytest
from conftest import Run, clipped, write_audio

from declipper.engine.session import Session
from declipper.engine.stream import DeclipStream
from declipper.live.chain import Chain
from declipper.live.core import LIBRARY
from declipper.plugins import install

RATE = 44100


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package of the plugin that holds nothing yet."""
    folder = tmp_path / "site" / "declipper_plugin"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    return folder


@pytest.fixture(scope="module")
def live() -> Session:
    return Session("live", "cpu")


def test_where_the_plugin_is_not_installed(live: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install.importlib.util, "find_spec", lambda _: None)
    with Chain(RATE, 2, session=live, latency=0.08) as chain:
        assert isinstance(chain.engine.stream, DeclipStream)
        assert chain.reading().runs_in == "Python (declipper-plugin is not installed)"


@pytest.mark.parametrize("content", [None, b"no library"])
def test_where_its_package_has_no_library_that_can_be_loaded(live: Session, package: Path, content: bytes | None) -> None:
    if content is not None:
        (package / LIBRARY).write_bytes(content)
    with Chain(RATE, 2, session=live, latency=0.08) as chain:
        assert isinstance(chain.engine.stream, DeclipStream)
        assert chain.reading().runs_in.startswith(f"Python ({package / LIBRARY}: cannot be loaded (")
        assert "\n" not in chain.reading().runs_in


@pytest.mark.skipif(not hasattr(_ctypes, "__file__"), reason="this Python has no library beside it")
def test_a_library_of_others_is_refused(live: Session, package: Path) -> None:
    shutil.copy(_ctypes.__file__, package / LIBRARY)
    with Chain(RATE, 2, session=live, latency=0.08) as chain:
        assert isinstance(chain.engine.stream, DeclipStream)
        assert "cannot be loaded" in chain.reading().runs_in


def test_other_models_run_in_python_without_a_word(tiny_session: Session, package: Path) -> None:
    (package / LIBRARY).write_bytes(b"no library")
    with Chain(RATE, 2, session=tiny_session) as chain:
        assert chain.reading().runs_in == "Python"


def test_the_account_says_what_restored(run: Run, package: Path, tmp_path: Path) -> None:
    source = write_audio(tmp_path / "in.wav", clipped(RATE // 4), subtype="PCM_16")
    done = run("live", "--input", source, "--output", "none", "--record", tmp_path / "take.wav")
    assert done.code == 0, done.err
    assert f"restored in Python ({package / LIBRARY}: cannot be loaded (" in done.err
    assert len(done.err.splitlines()) == 1
    assert (tmp_path / "take.wav").stat().st_size > RATE
