"""What a limited look-ahead costs: `python -m declipper.training.studies.lookahead CORPUS` writes lookahead.md.

The excerpts of the evaluation, clipped at a known level, restored by the live framing with ever more of the future, and by whole windows.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np

from declipper import ClipLevels, DeclipStream, Session
from declipper.arrays import Array
from declipper.clipping import clip
from declipper.framing import Framing
from declipper.session import shipped_model
from declipper.training.degrade import sdr, threshold_for_sdr
from declipper.training.evaluate import excerpts

HERE = Path(__file__).parent
LOOKAHEADS_MS = (5, 10, 20, 40, 80, 160)
LONGEST_HOP_MS = 40
CONTEXT = 4096
"""Frames of the past at 44.1 kHz, at least."""
INPUT_SDRS = (10, 20)
SECONDS = 2.5


def framing(session: Session, sample_rate: int, lookahead_ms: float) -> Framing:
    """As long a hop as look-ahead, up to LONGEST_HOP_MS."""
    lookahead = int(lookahead_ms / 1000 * sample_rate)
    hop = min(lookahead, int(LONGEST_HOP_MS / 1000 * sample_rate))
    window = -(-(CONTEXT * sample_rate // 44100 + hop + lookahead) // session.info.multiple) * session.info.multiple
    return Framing(window - hop - lookahead, hop, lookahead, hop // 4)


def gain(x: Array, sample_rate: int, input_sdr: float, session: Session, frames: Framing | None) -> tuple[float, float]:
    """dSDR in dB, and CPU seconds per second."""
    mu = threshold_for_sdr(x, input_sdr)
    y = clip(x, mu, -mu)[:, None]
    started = time.process_time()
    with DeclipStream(sample_rate, 1, ClipLevels.constant(mu, -mu), session, framing=frames) as stream:
        restored = np.concatenate([stream.push(y), stream.flush()])
    return sdr(x, restored[:, 0]) - sdr(x, y[:, 0]), (time.process_time() - started) / (len(x) / sample_rate)


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option("--model", type=click.Path(path_type=Path), help="A model file instead of the shipped `fast`.")
def main(corpus: Path, model: Path | None) -> None:
    """Measure on the excerpts in CORPUS, as fetched by declipper.training.corpus."""
    session = Session(model or shipped_model("fast"), "cpu")
    chosen = [(x[: int(SECONDS * rate)], rate) for _, _, x, rate in excerpts(corpus)]
    rows = []
    for lookahead in (*LOOKAHEADS_MS, None):
        figures, costs = [], []
        for input_sdr in INPUT_SDRS:
            results = [gain(x, r, input_sdr, session, framing(session, r, lookahead) if lookahead else None) for x, r in chosen]
            figures.append(float(np.mean([dsdr for dsdr, _ in results])))
            costs.append(float(np.mean([cpu for _, cpu in results])))
        rows.append((f"{lookahead} ms" if lookahead else "whole windows", figures, costs))
        click.echo(rows[-1])
    text = "# What a limited look-ahead costs\n\nMade by `python -m declipper.training.studies.lookahead`: model "
    text += (
        f"`{session.info.name}`, {len(chosen)} excerpts of {SECONDS:g} s of the test split, mono, level known. The hop is as long as the "
    )
    text += f"look-ahead, {LONGEST_HOP_MS} ms at most; at least {1000 * CONTEXT / 44100:.0f} ms of the past are seen. "
    text += "CPU seconds are per second.\n\n"
    titles = [f"{title} at {level} dB" for title in ("dSDR", "share kept", "CPU") for level in INPUT_SDRS]
    text += "| look-ahead | " + " | ".join(titles) + " |\n|---" + "|---" * len(titles) + "|\n"
    whole = rows[-1][1]
    for name, figures, costs in rows:
        cells = [f"{f:.2f}" for f in figures] + [f"{100 * f / w:.0f} %" for f, w in zip(figures, whole, strict=True)]
        text += f"| {name} | " + " | ".join(cells + [f"{c:.3f}" for c in costs]) + " |\n"
    (HERE / "lookahead.md").write_text(text)


if __name__ == "__main__":
    main()
