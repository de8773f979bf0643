"""The C++ prototype of social sparsity gives what Python gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from declipper.clipping.levels import clip
from declipper.clipping.signal import ClippedSignal
from declipper.engine.recipes import LIVE_RECIPE
from declipper.methods.social_sparsity import social_sparsity
from declipper.training.data.made import plucked_strings
from declipper.training.studies.live.native import compiled, restored

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("build"))


@pytest.mark.parametrize("window", [1024, 4096, 8192])
@pytest.mark.parametrize(("new", "beyond", "up", "down"), [(2304, 1024, 0.5, 0.4), (700, 0, 0.3, 0.9), (40, 300, 0.5, 0.5)])
def test_it_restores_as_python_does(program: Path, window: int, new: int, beyond: int, up: float, down: float) -> None:
    """up, down: the levels, relative to the peak of what is new."""
    x = plucked_strings(44100, 0.6)[:, None]
    up, down = (float(np.float32(share * np.abs(x[-new:]).max())) for share in (up, down))
    y = ClippedSignal(clip(x[-new:], up, -down), np.array(up), np.array(-down), 44100).after(x[:-new])
    wanted = social_sparsity(y, LIVE_RECIPE.threshold, window=window, beyond=beyond)
    found, _ = restored(program, y, window=window, beyond=beyond)
    assert np.array_equal(found[~y.mask], y.samples[~y.mask].astype(np.float32))
    moved = np.abs(wanted - y.samples)[y.mask]
    assert moved.max() > 0.1 * max(up, down)
    assert np.abs(found - wanted).max() < 5e-3 * max(up, down)
