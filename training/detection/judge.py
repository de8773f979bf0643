"""What the detector's mask is worth: `python -m declipper.training.detection.judge CORPUS` writes histories.md.

Pieces go through each of `declipper.training.histories.trials` and are restored by the model `fast`, under the mask found and the true one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import soundfile

from declipper.clipping.arrays import Mask
from declipper.clipping.levels import ClipLevels
from declipper.clipping.runs import ClippedRuns
from declipper.detection.detector import LevelDetector
from declipper.detection.network import ClippingNetwork
from declipper.engine.session import Session
from declipper.engine.stream import declip
from declipper.training.data.degrade import sdr
from declipper.training.histories.recording import Recording
from declipper.training.histories.trials import TRIALS, tried
from declipper.training.studies.detection.cases import Excerpt

EXCERPTS = Path(__file__).parents[1] / "judging" / "excerpts.tsv"
SECONDS = 5
INSTRUMENTS = ("violin", "guitar", "piano")
MIXES = (2, 8)
"""Rows of excerpts.tsv."""
VOICES = ("ru_0644", "ru_0265")


def pieces(corpus: Path) -> Iterator[Excerpt]:
    """The clean excerpts, (frames,): three instruments, two mixes, two voices; training heard none of them."""
    from declipper.training.studies.instruments import INSTRUMENTS as PROGRAMS
    from declipper.training.studies.instruments import RATE, played

    for name in INSTRUMENTS:
        yield Excerpt(name, played(PROGRAMS[name])[RATE : RATE * (1 + SECONDS)], RATE)
    rows = [line.split("\t") for line in EXCERPTS.read_text().splitlines()[1:]]
    for index in MIXES:
        path, start, _ = rows[index]
        with soundfile.SoundFile(corpus / path) as file:
            file.seek(int(start) * file.samplerate)
            yield Excerpt(Path(path).stem, file.read(SECONDS * file.samplerate, always_2d=True)[:, 0], file.samplerate)
    for path in (row[0] for row in rows if any(voice in row[0] for voice in VOICES)):
        audio, rate = soundfile.read(corpus / path, always_2d=True)
        yield Excerpt(Path(path).stem, audio[: SECONDS * rate, 0], rate)


def gain(one: Recording, levels: ClipLevels, session: Session) -> float:
    """dSDR in dB of the recording declipped with these levels."""
    result = declip(one.y.astype(np.float32), one.rate, levels=levels, session=session)
    return sdr(one.original, result) - sdr(one.original, one.y)


def with_mask(one: Recording, mask: Mask) -> ClipLevels:
    """The levels that a detector would find that took the samples of the mask (frames,) for clipped."""
    y = one.y.astype(np.float32)[:, None]
    return replace(ClipLevels.constant(np.inf, -np.inf), runs=ClippedRuns.of(y, mask[:, None]))


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option("--detector", "model", type=click.Path(path_type=Path), help="A detector file; usual: the shipped one.")
@click.option("--sdr", "input_sdrs", multiple=True, default=(10.0, 20.0), show_default=True, help="Input SDR in dB.")
@click.option("--only", default="", help="Trials whose names contain this; no file is written then.")
def main(corpus: Path, model: Path | None, input_sdrs: tuple[float, ...], only: str) -> None:
    """Write histories.md: for each trial the mean gain over the pieces with the mask that is found and with the true one."""
    session, network = Session("fast", "cpu"), ClippingNetwork(model)
    them = list(pieces(corpus))
    rows = []
    for trial in (t for t in TRIALS if only in t.name):
        for input_sdr in input_sdrs:
            found, true = np.zeros((2, len(them)))
            for number, piece in enumerate(them):
                one = tried(trial, piece.samples, piece.sample_rate, input_sdr)
                detector = LevelDetector(1, network)
                detector.push(one.y.astype(np.float32)[:, None])
                found[number] = gain(one, detector.finish().levels, session)
                true[number] = gain(one, with_mask(one, one.truth), session)
            share, worst = found / true, int(np.argmin(found / true))
            rows.append(
                f"| {trial.name} | {input_sdr:g} | {found.mean():.1f} | {true.mean():.1f} | {found.mean() / true.mean():.2f} "
                f"| {share[worst]:.2f} ({them[worst].name}) |"
            )
            click.echo(rows[-1])
    if not only:
        (Path(__file__).parent / "histories.md").write_text(INTRODUCTION.format(pieces=len(them), seconds=SECONDS) + "\n".join(rows) + "\n")


INTRODUCTION = """# What recordings have been through since they were clipped

Made by `python -m declipper.training.detection.judge`: {pieces} pieces of {seconds} s that training never saw (three instruments, two
mixes, two voices), clipped at an input SDR of 10 and 20 dB, put through each history, and restored by `fast`. dSDR in dB against what would
have come out of the same history without the clipping: with the mask that the program finds, and with the true one. "Worst" is the piece
with the least share.

| history | input SDR | mask found | true mask | share | worst |
|---|---|---|---|---|---|
"""


if __name__ == "__main__":
    main()
