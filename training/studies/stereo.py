"""What the other channel is worth: `python -m declipper.training.studies.stereo CORPUS` writes stereo.md.

The stereo excerpts of the evaluation, with one channel or both clipped at one level, are restored as they are and each channel by itself.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from declipper import ClipLevels, Session, declip
from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.engine.cross_channel import LEFT
from declipper.training.data.degrade import sdr, threshold_for_sdr
from declipper.training.judging.evaluate import whole_excerpts

RESULTS = Path(__file__).parent / "results"
INPUT_SDRS = (5, 10, 20)
"""In dB, of the first channel."""


def gains(x: Array, sample_rate: int, *, clipped: int, session: Session) -> tuple[float, float]:
    """dSDR in dB of the first channel of x (frames, 2) alone and with the second beside it; the first `clipped` are clipped at 1."""
    levels = np.where(np.arange(2) < clipped, 1.0, np.inf)
    y = clip(x, levels, -levels)
    alone = declip(y[:, 0], sample_rate, levels=ClipLevels.constant(1.0, -1.0), session=session)
    together = declip(y, sample_rate, levels=ClipLevels.constant(levels, -levels, 2), session=session)[:, 0]
    before = sdr(x[:, 0], y[:, 0])
    return sdr(x[:, 0], alone) - before, sdr(x[:, 0], together) - before


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option("--seconds", default=3.0, show_default=True, help="Of each excerpt.")
def main(corpus: Path, seconds: float) -> None:
    """Measure on the excerpts in CORPUS, as fetched by declipper.training.data.corpus."""
    session = Session(device="cpu")
    stereo = [excerpt for excerpt in whole_excerpts(corpus) if excerpt.audio.shape[1] == 2]
    chosen = [(e.file, e.audio[: int(seconds * e.sample_rate)], e.sample_rate) for e in stereo]
    chosen = [(name, x, rate) for name, x, rate in chosen if not np.array_equal(x[:, 0], x[:, 1])]
    text = (
        "# What the other channel is worth\n\nMade by `python -m declipper.training.studies.stereo`: model `best`, dSDR in dB of the first "
    )
    text += (
        f"channel of the {len(chosen)} excerpts of the evaluation that have two, {seconds:g} s each, restored alone and with the second "
    )
    text += "channel beside it. Where both are clipped at the same time, the other one is left out, and where it explains less than "
    text += f"{1 - LEFT:.0%} of the power of the reliable samples of a window. That bound was chosen on these excerpts.\n"
    for clipped, title in ((1, "Only the first channel clipped"), (2, "Both clipped at one level")):
        text += f"\n## {title}\n\n| input SDR, dB | " + " | ".join(f"{level} alone | together" for level in INPUT_SDRS) + " |\n"
        text += "|---" * (1 + 2 * len(INPUT_SDRS)) + "|\n"
        rows = []
        for name, x, rate in chosen:
            rows.append(
                [v for level in INPUT_SDRS for v in gains(x / threshold_for_sdr(x[:, 0], level), rate, clipped=clipped, session=session)]
            )
            text += f"| {name} | " + " | ".join(f"{v:.2f}" for v in rows[-1]) + " |\n"
            click.echo(f"{clipped} {name} {np.round(rows[-1], 2)}")
        text += "| mean | " + " | ".join(f"{v:.2f}" for v in np.mean(rows, axis=0)) + " |\n"
    (RESULTS / "stereo.md").write_text(text)


if __name__ == "__main__":
    main()
