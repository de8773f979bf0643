"""declipper as a library: what is loaded when, and how a model is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import clipped

from declipper import ClipLevels, ModelError, Session, declip
from declipper.engine.session import shipped_model

RATE = 44100


@pytest.mark.parametrize(
    ("statement", "not_loaded"),
    [
        ("import declipper", {"numpy", "scipy", "onnxruntime", "click"}),
        ("from declipper import declip, find_levels, Session", {"scipy.signal", "onnxruntime", "torch", "matplotlib"}),
    ],
)
def test_what_is_not_needed_is_not_loaded(statement: str, not_loaded: set[str]) -> None:
    code = f"{statement}; import sys; print(sorted({not_loaded!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_is_asked_for_by_its_name_or_its_path(tiny_model: Path) -> None:
    audio, levels = clipped(9000, 1), ClipLevels.constant(0.5, -0.5)
    by_name = declip(audio, RATE, "live", levels=levels)
    assert np.array_equal(by_name, declip(audio, RATE, shipped_model("live"), levels=levels))
    assert np.array_equal(by_name, declip(audio, RATE, levels=levels, session=Session("live")))
    assert not np.array_equal(by_name, declip(audio, RATE, str(tiny_model), levels=levels))


def test_a_quality_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelError, match="superb: neither a model file nor the name of a shipped model"):
        declip(clipped(9000, 1), RATE, "superb", levels=ClipLevels.constant(0.5, -0.5))
