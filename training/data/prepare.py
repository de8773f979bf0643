"""Examples with the experts' estimates, worked out once: `python -m declipper.training.data.prepare OUT SHELF... --experts best`.

The experts take longer than a training step, so the examples are kept in one flat file, from which training takes random windows.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np

from declipper.clipping.arrays import Array
from declipper.clipping.signal import ClippedSignal
from declipper.engine.experts import BEST, FAST, LIVE, SETS, ExpertSet
from declipper.errors import InputError
from declipper.methods.blas import one_blas_thread
from declipper.training.data.degrade import INPUT_SDRS, Example, after_codec, draw_example, draw_segment
from declipper.training.data.shelf import Shelf, Track


@dataclass(frozen=True)
class Cut:
    """What an example is cut from: frames of the example itself, and the margin of frames on either side that only the experts see."""

    experts: ExpertSet
    frames: int
    margin: int


CUTS = {cut.experts.name: cut for cut in (Cut(LIVE, 12288, 2048), Cut(FAST, 32768, 8192), Cut(BEST, 32768, 8192))}
"""By the name of the experts."""
SPEECH_SHARE = 0.5
"""Share of the examples that are drawn from recordings of speech, the most common use."""
EVERY = 50
"""Examples between two headers: some minutes of work."""


@dataclass(frozen=True)
class Header:
    """What the rows of a prepared file are. levels: (positive, negative, input SDR in dB) of each example of so many frames.

    experts, fingerprint: name and definition of the set whose estimates they hold.
    """

    experts: str
    fingerprint: str
    frames: int
    levels: list[tuple[float, float, float]]


def header_of(path: Path) -> Path:
    """Where the header of a prepared file lies."""
    return path.with_name(f"{path.name}.json")


class Prepared:
    """Read access to a file of prepared examples; nothing is held in memory."""

    def __init__(self, path: Path) -> None:
        """Raises InputError for a file with the estimates of experts that computed something else than this version's."""
        self.header = Header(**json.loads(header_of(path).read_text()))
        self.experts = SETS[self.header.experts]
        if self.header.fingerprint != self.experts.fingerprint:
            raise InputError(f"{path}: was prepared by other {self.experts.name} experts than this version's; prepare it again")
        shape = (len(self.header.levels), 2 + len(self.experts.outputs), self.header.frames)
        self._rows = np.memmap(path, dtype=np.float32, mode="r", shape=shape)

    def example(self, index: int, start: int = 0, frames: int | None = None) -> Example:
        """`frames` frames of an example from `start` on, None for all there are."""
        x, y, *found = np.array(self._rows[index, :, start : None if frames is None else start + frames])
        return Example(x, y, *self.header.levels[index][:2], np.stack(found))


def prepared(
    shelves: list[Shelf], rng: np.random.Generator, *, cut: Cut, input_sdr: tuple[float, float], coded: bool = False
) -> tuple[Example, float]:
    """One random example with the estimates of one of CUTS, and its input SDR in dB, drawn between two values.

    Examples for the live and the fast experts come at random rates in a quarter of the draws; the best ones see each recording at its own.
    coded: after a lossy codec.
    """
    frames = cut.frames + 2 * cut.margin
    if not any(t.frames > frames + 64 for shelf in shelves for t in shelf.tracks):
        raise ValueError(f"no recording has the {frames + 64} frames that an example with the {cut.experts.name} experts needs")
    while True:
        shelf = shelves[rng.integers(len(shelves))]
        kind = "speech" if rng.random() < SPEECH_SHARE else "music"
        tracks = [t for t in shelf.tracks if t.kind == kind and t.frames > frames + 64]
        if not tracks:
            continue
        track: Track = tracks[rng.integers(len(tracks))]
        wanted = float(rng.uniform(*input_sdr))
        vary_rate = cut.experts != BEST and rng.random() < 0.5 and track.frames > 3 * frames
        example = draw_example(draw_segment(shelf, [track], frames=frames, rng=rng, vary_rate=vary_rate), rng, input_sdr=(wanted, wanted))
        rate = 44100 if vary_rate else track.sample_rate
        example = after_codec(example, rate, rng=rng) if coded and example is not None else example
        inner = slice(cut.margin, cut.margin + cut.frames)
        if example is None or not np.any((example.y >= example.positive)[inner] | (example.y <= example.negative)[inner]):
            continue
        found = estimates_of(cut.experts.name, example.y, (example.positive, example.negative), rate)
        return Example(example.x[inner], example.y[inner], example.positive, example.negative, found[:, inner]), wanted


def estimates_of(experts: str, y: Array, levels: tuple[float, float], sample_rate: float) -> Array:
    """What the experts of a set, by its name, make of one channel, (frames,), clipped at a positive and a negative level."""
    return SETS[experts].rows(ClippedSignal(y[:, None], np.array(levels[0]), np.array(levels[1]), sample_rate))


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("shelves", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--examples", default=1500, show_default=True)
@click.option("--experts", type=click.Choice(list(CUTS)), default="best", show_default=True)
@click.option("--input-sdr", nargs=2, default=INPUT_SDRS, show_default=True, help="Lowest and highest input SDR in dB.")
@click.option("--coded", is_flag=True, help="Send the examples through MP3 or Vorbis after the clipping.")
@click.option("--seed", default=0, show_default=True)
@click.option("--append", is_flag=True, help="Add to OUT, from other shelves or with another seed, instead of beginning it anew.")
def main(
    out: Path, shelves: tuple[Path, ...], examples: int, experts: str, input_sdr: tuple[float, float], coded: bool, seed: int, append: bool
) -> None:
    """Write OUT and OUT.json, from all SHELVES alike. Every EVERY examples the header is brought up to date, so a part can be used."""
    opened, cut = [Shelf(path) for path in shelves], CUTS[experts]
    header = Prepared(out).header if append else Header(experts, cut.experts.fingerprint, cut.frames, [])
    if header.experts != experts:
        raise click.UsageError(f"{out} was prepared for {header.experts}, not for {experts}; give another OUT")
    with out.open("r+b" if append else "wb") as file, one_blas_thread():
        # rows that an interrupted run wrote after its last header are written again
        file.seek(len(header.levels) * (2 + len(cut.experts.outputs)) * header.frames * 4)
        file.truncate()
        for index in range(examples):
            example, wanted = prepared(opened, np.random.default_rng([seed, index]), cut=cut, input_sdr=input_sdr, coded=coded)
            rows: Array = np.concatenate([np.stack([example.x, example.y]), example.estimates])
            file.write(rows.astype(np.float32).tobytes())
            header.levels.append((example.positive, example.negative, wanted))
            if index % EVERY == EVERY - 1 or index == examples - 1:
                file.flush()
                header_of(out).write_text(json.dumps(asdict(header)))
                click.echo(f"{index + 1} examples", err=True)


if __name__ == "__main__":
    main()
