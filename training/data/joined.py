"""Speech joined: `python -m declipper.training.data.joined SHELF OUT` writes FLACs, each of a dozen short recordings of speech.

Words are shorter than an example and the margins around it. Each FLAC also comes at 16 kHz, the usual rate of speech.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import soundfile
import soxr

from declipper.clipping.arrays import Array
from declipper.training.data.shelf import Shelf, Track

DOZEN = 12
"""Recordings that are joined: words of a second or so become longer than any example."""
SPEECH_RATE = 16000
"""In Hz."""
PEAK = 0.9
"""Of what is written, relative to full scale, so that nothing clips."""


def joined(shelf: Shelf) -> Iterator[tuple[str, Array, int]]:
    """(name, audio, sample rate) of all speech on a shelf, each dozen of one rate as it is and, if that rate is higher, at 16 kHz."""
    alike: dict[int, list[Track]] = defaultdict(list)
    for track in sorted((t for t in shelf.tracks if t.kind == "speech"), key=lambda t: t.name):
        alike[track.sample_rate].append(track)
    for rate, tracks in alike.items():
        for first in range(0, len(tracks), DOZEN):
            audio = np.concatenate([shelf.read(t, 0, t.frames) for t in tracks[first : first + DOZEN]])
            yield f"{rate}-{first}", audio, rate
            if rate > SPEECH_RATE:
                yield f"{rate}-{first}-{SPEECH_RATE}", soxr.resample(audio, rate, SPEECH_RATE), SPEECH_RATE


@click.command()
@click.argument("shelf", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(shelf: Path, out: Path) -> None:
    """Write the speech on SHELF to the folder OUT, at a peak of 0.9."""
    out.mkdir(parents=True, exist_ok=True)
    for name, audio, rate in joined(Shelf(shelf)):
        soundfile.write(out / f"{name}.flac", audio * (PEAK / np.abs(audio).max()), rate)


if __name__ == "__main__":
    main()
