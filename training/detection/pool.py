"""Examples on disk: random histories made by processes of their own, read by training while they still grow.

`python -m declipper.training.detection.pool CORPUS OUT --split train --seed 1 --count 8000` makes examples in shards of 32. A shard is a
pair of files: `.y.npy`, (examples, frames) float32, and `.cut.npy`, (examples, frames / 8) uint8, which samples were cut off, packed; and
`.json` tells each example's rate, its story, and of each clipping the share of the samples it cut off and what happened since.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from declipper.clipping.arrays import Array
from declipper.training.histories.draw import FRAMES, MADE, draw, levelled
from declipper.training.histories.recording import Recording
from declipper.training.histories.sources import Material

SHARD = 32
History = Callable[[Material, np.random.Generator, int], Recording]
"""Draws an example of so many frames."""


def make(material: Material, folder: Path, seed: int, count: int, *, frames: int = FRAMES, history: History = draw) -> None:
    """Write shards of random examples of so many frames until there are `count` of this seed; what is there already stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(-(-count // SHARD)):
        name = folder / f"{seed:04}-{number:05}"
        if name.with_suffix(".json").exists():
            continue
        rng = np.random.default_rng([seed, number])
        drawn = [history(material, rng, frames) for _ in range(SHARD)]
        np.save(name.with_suffix(".y.npy"), np.stack([one.y for one in drawn]).astype(np.float32))
        np.save(name.with_suffix(".cut.npy"), np.packbits(np.stack([one.truth for one in drawn]), axis=1))
        name.with_suffix(".json").write_text(json.dumps([_told(one) for one in drawn]))


def _told(one: Recording) -> dict[str, Any]:
    cuts = [{"share": float(cut.truth.mean()), "since": one.story[cut.told :]} for cut in one.cuts]
    return {"rate": one.rate, "cut": float(one.truth.mean()), "story": one.story, "cuts": cuts}


class Pool:
    """Read access to the shards in a folder and below; `refresh` takes up what was written since."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards: dict[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]] = {}
        self.refresh()

    def refresh(self) -> int:
        """Returns the number of examples."""
        for done in sorted(self._folder.rglob("*.json")):
            if done.stem not in self._shards:
                y = np.load(done.with_suffix(".y.npy"), mmap_mode="r")
                self._shards[done.stem] = y, np.load(done.with_suffix(".cut.npy"), mmap_mode="r")
        self._names = list(self._shards)
        return SHARD * len(self._names)

    def crops(self, count: int, frames: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Random crops with random polarity, (count, frames) float32: what is heard, and 1 where it was cut off."""
        y, cut = np.empty((count, frames), np.float32), np.empty((count, frames), np.float32)
        for row in range(count):
            heard, packed = self._shards[self._names[rng.integers(len(self._names))]]
            index, start = int(rng.integers(len(heard))), 8 * int(rng.integers((FRAMES - frames) // 8 + 1))
            y[row] = heard[index, start : start + frames] * (1 if rng.random() < 0.5 else -1)
            cut[row] = np.unpackbits(packed[index, start // 8 : (start + frames) // 8])
        return y, cut


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default="train", show_default=True)
@click.option("--solos", type=click.Path(path_type=Path), help="A folder that declipper.training.data.solo filled.")
@click.option("--seed", default=1, show_default=True)
@click.option("--count", default=8000, show_default=True)
@click.option("--frames", default=FRAMES, show_default=True, help="Of an example, a multiple of 8.")
@click.option("--made", default=MADE, show_default=True, help="Share of the examples that is synthesised.")
@click.option("--levelled", "is_levelled", is_flag=True, help="Only what was clipped mildly and levelled or high-passed since.")
def main(
    corpus: Path, out: Path, split: str, solos: Path | None, seed: int, count: int, frames: int, made: float, is_levelled: bool
) -> None:
    """Make COUNT examples from one split of the CORPUS in the folder OUT."""
    history = levelled if is_levelled else partial(draw, made_share=made)
    make(Material.of(corpus, split, solos), out, seed, count, frames=frames, history=history)


if __name__ == "__main__":
    main()
