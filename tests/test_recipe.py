"""The way from the corpora to a model, without going it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from declipper.training.recipe import RECIPES, steps


@pytest.mark.parametrize("model", list(RECIPES))
def test_every_step_takes_its_options_and_finds_what_earlier_ones_made(tmp_path: Path, model: str) -> None:
    corpus, work = tmp_path / "corpus", tmp_path / "work"
    work.mkdir()
    found = steps(corpus, work, model=model)
    assert len({step.name for step in found}) == len(found)
    for step in found:
        command = importlib.import_module(step.module).main
        command.make_context(step.module, list(step.arguments))  # click refuses a path that has to exist and does not
        assert str(step.makes) in step.arguments
        step.makes.touch()
    assert (work / f"{model}.onnx").exists()
