"""What a lossy codec after the clipping costs: `python -m declipper.training.studies.coded CORPUS` writes coded.md.

The excerpts of the evaluation are clipped, then coded as MP3 or not, then restored by the program, which finds the level by itself. The
ceiling is the coded signal with the truth at the clipped samples: no declipper can do more, since the others stay as the codec left them.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from declipper import Session, declip
from declipper.arrays import Array
from declipper.clipping import clip
from declipper.training.codec import MP3, coded
from declipper.training.degrade import sdr, threshold_for_sdr
from declipper.training.evaluate import LEVEL, excerpts

HERE = Path(__file__).parent
INPUT_SDRS = (5, 7, 10, 15, 20)


def gains(x: Array, sample_rate: int, input_sdr: float, session: Session) -> tuple[float, float, float]:
    """dSDR in dB of the uncoded, of the coded signal, and the ceiling of the latter."""
    x = x * (LEVEL / threshold_for_sdr(x, input_sdr))
    y = clip(x, LEVEL, -LEVEL)
    after = coded(y[:, None], sample_rate, MP3)[:, 0]
    uncoded = sdr(x, declip(y, sample_rate, session=session)) - sdr(x, y)
    x = x * float(after @ y / (y @ y))  # the encoder turns down
    before = sdr(x, after)
    known = np.where(np.abs(y) >= LEVEL, x, after)
    return uncoded, sdr(x, declip(after, sample_rate, session=session)) - before, sdr(x, known) - before


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option("--seconds", default=3.0, show_default=True, help="Of each excerpt.")
def main(corpus: Path, seconds: float) -> None:
    """Measure on the excerpts in CORPUS, as fetched by declipper.training.corpus."""
    session = Session(device="cpu")
    chosen = [(x[: int(seconds * rate)], rate) for _, _, x, rate in excerpts(corpus)]
    text = "# What a lossy codec after the clipping costs\n\nMade by `python -m declipper.training.studies.coded`: model `best`, "
    text += (
        f"{len(chosen)} excerpts of {seconds:g} s, MP3 at 128 kbit/s for one channel. The ceiling has the truth at every clipped sample "
    )
    text += "and the codec's error everywhere else.\n\n"
    text += "| input SDR, dB | uncoded, dSDR in dB | coded | kept | ceiling |\n|---|---|---|---|---|\n"
    for level in INPUT_SDRS:
        uncoded, kept, ceiling = np.mean([gains(x, rate, level, session) for x, rate in chosen], axis=0)
        row = f"| {level} | {uncoded:.2f} | {kept:.2f} | {100 * kept / uncoded:.0f} % | {ceiling:.2f} |"
        click.echo(row)
        text += row + "\n"
    (HERE / "coded.md").write_text(text)


if __name__ == "__main__":
    main()
