"""Archives that nobody recorded, to measure fine-tuning on: `python -m declipper.training.studies.sounds chips OUT` writes files into OUT.

Needs fluidsynth, with the sound font TimGM6mb of Debian's timgm6mb-soundfont, for the clarinet, and espeak-ng for the reader.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import scipy.signal
import soundfile

from declipper.training.data.solo import render
from declipper.training.histories.synthetic import VOLUMES, voice

RECORDINGS = 60
"""Of an archive."""
CLARINET = 71
"""Program of General MIDI."""
SOUND_FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
"""One that no model learned from."""
RATE = 22050
"""Sample rate of the chips in Hz, as the 8-bit sound cards had it."""
VOICES = ("pulse, 25 %", "pulse, 50 %", "triangle of 4 bit")
"""What a console of 1983 plays at once, beside noise."""


def clarinet(out: Path, index: int) -> None:
    """A piece of 15 s."""
    render(CLARINET, 15.0, rng=np.random.default_rng([3, index]), target=out / f"{index:02}.flac", sound_font=SOUND_FONT)


def chips(out: Path, index: int) -> None:
    """A tune of 10 s from a console, through a low-pass, in 8 bits."""
    rng, frames = np.random.default_rng([4, index]), 10 * RATE
    audio = np.sum([voice(frames, RATE, rng, kind) for kind in VOICES], axis=0)
    hits = np.repeat(rng.integers(0, VOLUMES + 1, frames // 2048 + 1) / VOLUMES, 2048)[:frames] * (np.arange(frames) // 2048 % 4 == 2)
    audio = audio + np.repeat(rng.choice([-0.5, 0.5], frames // 4 + 1), 4)[:frames] * hits
    audio = scipy.signal.lfilter(*scipy.signal.butter(1, 6000, fs=RATE), audio)
    soundfile.write(out / f"{index:02}.wav", 0.9 * audio / np.abs(audio).max(), RATE, subtype="PCM_U8")


def reader(out: Path, index: int) -> None:
    """A machine that reads ten numbers in Finnish."""
    numbers = ", ".join(map(str, np.random.default_rng([5, index]).integers(10, 10000, 10)))
    subprocess.run(["espeak-ng", "-v", "fi", "-w", out / f"{index:02}.wav", numbers], check=True)


KINDS: dict[str, Callable[[Path, int], None]] = {"clarinet": clarinet, "chips": chips, "reader": reader}


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("out", type=click.Path(path_type=Path))
def main(kind: str, out: Path) -> None:
    """Write RECORDINGS of a KIND into the folder OUT."""
    out.mkdir(parents=True, exist_ok=True)
    for index in range(RECORDINGS):
        KINDS[kind](out, index)


if __name__ == "__main__":
    main()
