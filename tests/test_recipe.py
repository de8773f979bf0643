"""The way from the corpora to a model, without going it and in its smallest size."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from declipper.engine.session import Session
from declipper.training.data.corpus import packages
from declipper.training.data.made import drum_loop, plucked_strings, spoken_vowels
from declipper.training.recipe import RECIPES, main, steps


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


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Where the corpora would lie: a piece of music for each split, a voice, a noise. And where the solo instruments would."""
    folder, music = tmp_path / "corpus", Path(importlib.import_module("declipper.training.data").__file__ or "").parent / "clean_music.txt"
    kinds = {p.package: (p.split, p.kind) for p in packages()}
    pieces = {kinds[name.split("/")[0]][0]: name for name in music.read_text().splitlines() if name.split("/")[0] in kinds}
    effects, voice = (next(p.package for p in packages("train") if p.kind == kind) for kind in ("music", "speech"))
    made = {
        pieces["train"]: plucked_strings(44100, 2.5),
        pieces["validation"]: drum_loop(44100, 2.5),
        f"{voice}/a.wav": spoken_vowels(22050, 4),
        f"{effects}/b.wav": drum_loop(22050, 4),
        "../work/solo/c.flac": plucked_strings(44100, 2),
    }
    for name, audio in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        form = {".ogg": "OGG", ".wav": "WAV", ".flac": "FLAC"}[Path(name).suffix]
        soundfile.write(folder / name, 0.8 * np.asarray(audio), 22050 if name.endswith("wav") else 44100, format=form)
    for step in "fetch", "solo":
        (tmp_path / "work" / f"{step}.done").touch()
    return folder


@pytest.mark.slow
def test_in_its_smallest_size_it_goes_all_the_way_and_not_twice(corpus: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    call = [str(corpus), str(work), "--model", "fast", "--share", "0.0001"]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    assert Session(work / "fast.onnx", "cpu").info.experts.name == "fast"
    (work / "fast.onnx").unlink()
    CliRunner().invoke(main, call)
    assert not (work / "fast.onnx").exists()
