"""Soft clipping (tape, tubes): `python -m declipper.training.studies.soft CORPUS` writes soft.md.

The excerpts of the evaluation through tanh, ever louder, then through `declipper.declip` as any recording. There is no plateau and no
threshold in such a signal; a strong saturation has tops flat enough to be taken for a blurred plateau.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from declipper import Session, declip, find_levels
from declipper.clipping.arrays import Array
from declipper.engine.session import shipped_model
from declipper.training.data.degrade import sdr
from declipper.training.judging.evaluate import excerpts

RESULTS = Path(__file__).parent / "results"
DRIVES_DB = (-10, -4, 2, 8)
"""Level of the signal (RMS) against the tanh's ceiling."""


def at_best_gain(truth: Array, estimate: Array) -> float:
    """SDR in dB at the gain of `estimate` that is best for it: saturation turns down what it does not cut off."""
    return sdr(truth, float(truth @ estimate / (estimate @ estimate)) * estimate)


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option("--quality", type=click.Choice(["fast", "best"]), default="fast", show_default=True)
def main(corpus: Path, quality: str) -> None:
    """Measure on the excerpts in CORPUS, as fetched by declipper.training.data.corpus."""
    session = Session(shipped_model(quality), "cpu")
    found = excerpts(corpus)
    text = f"# Soft clipping\n\nMade by `python -m declipper.training.studies.soft`: model `{quality}`, the {len(found)} excerpts of the "
    text += "evaluation through tanh. Drive is the signal's RMS level against the ceiling. SDR is at the best gain, a mean over the "
    text += "excerpts in which a level was found; where none is found, nothing is changed.\n\n"
    text += "| drive | level found in | SDR before, dB | after | worst change |\n|---|---|---|---|---|\n"
    for drive in DRIVES_DB:
        rows = []
        for x, rate in ((e.audio, e.sample_rate) for e in found):
            y = np.tanh(10 ** (drive / 20) * x / np.sqrt(np.mean(x**2)))
            levels = find_levels(y)
            if levels.any:
                rows.append((at_best_gain(x, y), at_best_gain(x, declip(y, rate, levels=levels, session=session))))
        cells = ["-", "-", "-"]
        if rows:
            before, after = np.mean(rows, axis=0)
            cells = [f"{before:.2f}", f"{after:.2f}", f"{min(b - a for a, b in rows):+.2f}"]
        text += f"| {drive:+d} dB | {len(rows)} of {len(found)} | " + " | ".join(cells) + " |\n"
    (RESULTS / "soft.md").write_text(text)
    click.echo(text)


if __name__ == "__main__":
    main()
