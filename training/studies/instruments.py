"""Solo instruments, the material of the survey's ten excerpts: `python -m declipper.training.studies.instruments` writes instruments.md.

Ten instruments like the survey's play random pieces through a sound font that training never heard, TimGM6mb (`apt-get install fluidsynth
timgm6mb-soundfont`); they are clipped and restored as in `declipper.training.judging.evaluate`.
"""

from __future__ import annotations

import tempfile
from multiprocessing import Pool
from pathlib import Path

import click
import numpy as np
import soundfile

from declipper.clipping.arrays import Array
from declipper.engine.session import shipped_model
from declipper.training.data.solo import render
from declipper.training.judging.evaluate import Excerpt, judged, methods

RESULTS = Path(__file__).parent / "results"
SOUND_FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
"""Where Debian puts it."""
INSTRUMENTS = {
    "violin": 40,
    "clarinet": 71,
    "bassoon": 70,
    "harp": 46,
    "glockenspiel": 9,
    "celesta": 8,
    "accordion": 21,
    "guitar": 24,
    "piano": 0,
    "trumpet": 56,
}
"""General MIDI programs; the survey has winds in place of the trumpet."""
SECONDS = 7
"""Of a piece: as the survey's excerpts."""
RATE = 44100
"""In Hz, likewise."""
INPUT_SDRS = (5, 10, 15, 20, 30)
"""In dB: the survey's, and mild clipping."""
MODELS = ("live", "fast", "best")
"""The shipped ones."""
NAMES = ("cubic", "SS-PEW", "autoregressive", *MODELS)


def played(program: int) -> Array:
    """Seven seconds of one instrument, (frames,)."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "solo.flac"
        render(program, SECONDS + 1, rng=np.random.default_rng([1, program]), target=file, sound_font=SOUND_FONT)
        audio, _ = soundfile.read(file, frames=SECONDS * RATE, always_2d=True)
    return audio[:, 0]


def gain(job: tuple[str, str, Array, int]) -> float:
    """dSDR in dB of one method on one instrument at one input SDR."""
    name, instrument, x, input_sdr = job
    method = methods({name: shipped_model(name)} if name in MODELS else {})[name]
    return judged(name, method, excerpt=Excerpt(instrument, "music", x, RATE), input_sdr=input_sdr).dsdr


@click.command()
@click.option("--jobs", default=2, show_default=True, help="Processes.")
def main(jobs: int) -> None:
    """Measure on ten instruments."""
    pieces = {name: played(program) for name, program in INSTRUMENTS.items()}
    work = [(name, piece, x, level) for name in NAMES for piece, x in pieces.items() for level in INPUT_SDRS]
    with Pool(jobs) as pool:
        gains = np.reshape(list(pool.imap(gain, work)), (len(NAMES), len(pieces), len(INPUT_SDRS)))
    head = "| " + " | ".join(map(str, INPUT_SDRS)) + " |\n" + "|---" * (1 + len(INPUT_SDRS)) + "|\n"
    text = (
        f"# Solo instruments\n\nMade by `python -m declipper.training.studies.instruments`: {len(pieces)} instruments, {SECONDS} s each, "
    )
    text += (
        "random pieces played through the sound font TimGM6mb, which training never heard; all else as in the evaluation. A sound font has "
    )
    text += "no noise and no room, so these figures are higher than those of recordings.\n\n## Mean dSDR in dB\n\n| input SDR, dB " + head
    for name, rows in zip(NAMES, gains, strict=True):
        text += f"| {name} | " + " | ".join(f"{v:.2f}" for v in rows.mean(axis=0)) + " |\n"
    for name, rows in zip(NAMES, gains, strict=True):
        text += f"\n## {name}, dSDR in dB\n\n| input SDR, dB {head}"
        for piece, row in zip(pieces, rows, strict=True):
            text += f"| {piece} | " + " | ".join(f"{v:.2f}" for v in row) + " |\n"
    (RESULTS / "instruments.md").write_text(text)
    click.echo(text)


if __name__ == "__main__":
    main()
