"""Examples with the experts' estimates, worked out once: `python -m declipper.training.prepare OUT SHELF... --examples 1500`.

The experts take longer than a training step, so the examples are kept in one flat file, from which training takes random windows.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np

from declipper.arrays import Array
from declipper.experts import EXPERTS, estimates
from declipper.training.degrade import Example, draw_example, draw_segment
from declipper.training.shelf import Shelf, Track

FRAMES = 32768
MARGIN = 8192
"""Frames on either side that only the experts see."""
SPEECH_SHARE = 0.2


@dataclass(frozen=True)
class Header:
    """What the rows of a prepared file are. levels: (positive, negative, input SDR in dB) of each example."""

    experts: list[str]
    levels: list[tuple[float, float, float]]


def header_of(path: Path) -> Path:
    """Where the header of a prepared file lies."""
    return path.with_name(f"{path.name}.json")


class Prepared:
    """Read access to a file of prepared examples; nothing is held in memory."""

    def __init__(self, path: Path) -> None:
        self.header = Header(**json.loads(header_of(path).read_text()))
        shape = (len(self.header.levels), 2 + len(self.header.experts), FRAMES)
        self._rows = np.memmap(path, dtype=np.float32, mode="r", shape=shape)

    def example(self, index: int, start: int = 0, frames: int = FRAMES) -> Example:
        """`frames` frames of an example from `start` on."""
        x, y, *found = np.array(self._rows[index, :, start : start + frames])
        return Example(x, y, *self.header.levels[index][:2], np.stack(found))


def prepared(shelves: list[Shelf], rng: np.random.Generator, input_sdr: tuple[float, float]) -> tuple[Example, float]:
    """One random example of FRAMES frames with its estimates, and its input SDR in dB, drawn between two values."""
    frames = FRAMES + 2 * MARGIN
    while True:
        shelf = shelves[rng.integers(len(shelves))]
        kind = "speech" if rng.random() < SPEECH_SHARE else "music"
        tracks = [t for t in shelf.tracks if t.kind == kind and t.frames > frames + 64]
        if not tracks:
            continue
        track: Track = tracks[rng.integers(len(tracks))]
        wanted = float(rng.uniform(*input_sdr))
        example = draw_example(draw_segment(shelf, [track], frames, rng, vary_rate=False), rng, wanted, wanted)
        inner = slice(MARGIN, MARGIN + FRAMES)
        if example is None or not np.any((example.y >= example.positive)[inner] | (example.y <= example.negative)[inner]):
            continue
        positive, negative = np.array([example.positive]), np.array([example.negative])
        found = estimates(example.y, positive, negative, track.sample_rate, 1.0)
        return Example(example.x[inner], example.y[inner], example.positive, example.negative, found[:, inner]), wanted


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("shelves", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--examples", default=1500, show_default=True)
@click.option("--input-sdr", nargs=2, default=(0.5, 42.0), show_default=True, help="Lowest and highest input SDR in dB.")
@click.option("--seed", default=0, show_default=True)
def main(out: Path, shelves: tuple[Path, ...], examples: int, input_sdr: tuple[float, float], seed: int) -> None:
    """Write OUT and OUT.json. Every so many examples the header is brought up to date, so a part can be used while more come."""
    opened, levels = [Shelf(path) for path in shelves], []
    with out.open("wb") as file:
        for index in range(examples):
            example, wanted = prepared(opened, np.random.default_rng([seed, index]), input_sdr)
            rows: Array = np.concatenate([np.stack([example.x, example.y]), example.estimates])
            file.write(rows.astype(np.float32).tobytes())
            levels.append((example.positive, example.negative, wanted))
            if index % 50 == 49 or index == examples - 1:
                file.flush()
                header_of(out).write_text(json.dumps(asdict(Header(list(EXPERTS), levels))))
                click.echo(f"{index + 1} examples", err=True)


if __name__ == "__main__":
    main()
