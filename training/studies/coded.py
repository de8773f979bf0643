"""What a lossy codec after the clipping costs: `python -m declipper.training.studies.coded CORPUS` writes coded.md.

The excerpts of the evaluation are clipped at full scale, then coded as MP3 or Vorbis or not, then restored by the program, which finds the
level by itself. The ceiling is the coded signal with the truth at the clipped samples: no declipper can do more, since the others stay as
the codec left them.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from declipper import Session, declip, find_levels
from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.training.data.codec import MP3, VORBIS, Codec, coded
from declipper.training.data.degrade import sdr, threshold_for_sdr
from declipper.training.judging.evaluate import excerpts

RESULTS = Path(__file__).parent / "results"
INPUT_SDRS = (5, 7, 10, 15, 20)
"""In dB: where clipping is heard after a codec too."""
CODECS = {"MP3": MP3, "Vorbis": VORBIS}


def gains(x: Array, sample_rate: int, *, input_sdr: float, session: Session) -> list[float]:
    """dSDR in dB of the uncoded signal; then, for each codec, of the coded one, the ceiling of that, and whether a level was found."""
    x = x / threshold_for_sdr(x, input_sdr)
    y = clip(x, 1.0, -1.0)
    uncoded = sdr(x, declip(y, sample_rate, session=session)) - sdr(x, y)
    return [uncoded, *(value for codec in CODECS.values() for value in _after(codec, x, y, sample_rate, session))]


def _after(codec: Codec, x: Array, y: Array, sample_rate: int, session: Session) -> tuple[float, float, float]:
    after = coded(y[:, None], sample_rate, codec)[:, 0]
    x = x * float(after @ y / (y @ y))  # MP3's encoder turns down
    before = sdr(x, after)
    known = np.where(np.abs(y) >= 1.0, x, after)
    levels = find_levels(after)
    return sdr(x, declip(after, sample_rate, levels=levels, session=session)) - before, sdr(x, known) - before, float(levels.any)


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option("--seconds", default=3.0, show_default=True, help="Of each excerpt.")
def main(corpus: Path, seconds: float) -> None:
    """Measure on the excerpts in CORPUS, as fetched by declipper.training.data.corpus."""
    session = Session(device="cpu")
    chosen = [(e.audio[: int(seconds * e.sample_rate)], e.sample_rate) for e in excerpts(corpus)]
    text = "# What a lossy codec after the clipping costs\n\nMade by `python -m declipper.training.studies.coded`: model `best`, "
    text += (
        f"{len(chosen)} excerpts of {seconds:g} s clipped at full scale, MP3 at 128 kbit/s for one channel and Vorbis at quality 4. "
        "Found: excerpts in which clipping is found. The ceiling has the truth at every clipped sample and the codec's error "
        "everywhere else.\n\n"
    )
    for part in ("", "---"):
        each = [f"{part or f'after {name}'} | {part or 'kept'} | {part or 'ceiling'} | {part or 'found'} |" for name in CODECS]
        text += f"| {part or 'input SDR, dB'} | {part or 'uncoded, dSDR in dB'} | {' '.join(each)}\n"
    for level in INPUT_SDRS:
        each = np.array([gains(x, rate, input_sdr=level, session=session) for x, rate in chosen])
        uncoded, *others = each.mean(axis=0)
        row = f"| {level} | {uncoded:.2f} |"
        for kept, ceiling, found in np.reshape(others, (-1, 3)):
            row += f" {kept:.2f} | {100 * kept / uncoded:.0f} % | {ceiling:.2f} | {found * len(each):.0f} |"
        click.echo(row)
        text += row + "\n"
    (RESULTS / "coded.md").write_text(text)


if __name__ == "__main__":
    main()
