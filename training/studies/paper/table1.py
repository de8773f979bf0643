"""Table 1 of the paper: what each objective reaches.

`python -m declipper.training.studies.paper.table1 TRAIN_SHELF TEST_SHELF` writes table1.md and table1.png.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.training.data.shelf import Shelf
from declipper.training.judging.baselines import ss_pew
from declipper.training.studies.bars import bars
from declipper.training.studies.paper.setting import (
    BATCH,
    METHODS,
    MU,
    SAMPLE_RATE,
    SEGMENTS,
    arguments,
    cache_of,
    learned,
    mean_pesq,
    mean_sdr,
    restored,
    segments,
    verdict,
)

HERE = Path(__file__).parent
TESTED = 100
"""Segments of each kind."""


def social_sparsity(x: Array) -> Array:
    """SS-PEW on clipped segments x (count, frames)."""
    return np.stack([ss_pew(clip(segment, MU, -MU), MU, SAMPLE_RATE) for segment in x])


@click.command()
@arguments
@click.option("--seeds", default=1, show_default=True)
def main(train: Path, test: Path, work: Path, steps: int, seeds: int) -> None:
    """Train each method on music of the TRAIN shelf, measure it on music and speech of the TEST shelf."""
    data = segments(Shelf(train), "music", count=SEGMENTS, seed=0)
    music, speech = (segments(Shelf(test), kind, count=TESTED, seed=1) for kind in ("music", "speech"))
    rows: list[tuple[str, float, float, float, float]] = []
    for name, method in (("identity", lambda x: clip(x, MU, -MU)), ("social sparsity (SS-PEW)", social_sparsity)):
        results = method(music), method(speech)
        rows.append((name, mean_sdr(music, results[0]), mean_sdr(speech, results[1]), mean_pesq(speech, results[1]), 0.0))
        click.echo(rows[-1])
    for kind in METHODS:
        figures = []
        for seed in range(seeds):
            net, minutes = learned(kind, data, seed=seed, steps=steps, cache=cache_of(work, kind, trained_on="music", seed=seed))
            results = restored(net, music), restored(net, speech)
            figures.append((mean_sdr(music, results[0]), mean_sdr(speech, results[1]), mean_pesq(speech, results[1]), minutes))
        rows.append((kind.name, *np.mean(figures, axis=0)))
        click.echo(rows[-1])
    text = "# Table 1: what each objective reaches\n\nMade by `python -m declipper.training.studies.paper.table1`. "
    text += f"Music at 22.05 kHz, one-second segments clipped at {MU:g} of full scale, unclipped segments dropped; "
    text += f"{SEGMENTS} training segments, {steps} steps of {BATCH}, {seeds} seed{'s' * (seeds > 1)}; means over {TESTED} test segments "
    text += "of each kind. All networks have the same shape and see the same batches. Minutes are wall-clock time on two cores that had "
    text += "other work as well.\n\n"
    text += "| method | music, SDR in dB | speech, SDR in dB | speech, PESQ | minutes |\n|---|---|---|---|---|\n"
    text += "".join(f"| {name} | {m:.2f} | {s:.2f} | {q:.2f} | {t:.0f} |\n" for name, m, s, q, t in rows)
    sdr = {row[0]: row[1] for row in rows}
    own, taught, alone = (sdr[METHODS[i].name] for i in (3, 0, 4))
    text += "\nThe paper's claims, on music:\n\n"
    text += "- Self-supervised learning is on a par with supervised learning (within 1 dB): "
    text += f"{verdict(own > taught - 1)}, {own - taught:+.2f} dB.\n"
    text += f"- L_MC alone is no better than its input: {verdict(alone < sdr['identity'] + 0.5)}, {alone - sdr['identity']:+.2f} dB.\n"
    text += f"- L_EI helps supervised learning: {verdict(sdr[METHODS[2].name] > taught)}, {sdr[METHODS[2].name] - taught:+.2f} dB.\n"
    text += (
        f"- A bias is harmful at the level of training: {verdict(sdr[METHODS[5].name] < own - 0.1)}, {sdr[METHODS[5].name] - own:+.2f} dB; "
    )
    text += "at other levels see [what a bias does](bias.md).\n"
    text += f"- Not in the paper: where the gradient of L_EI flows through its target as well, {sdr[METHODS[6].name] - own:+.2f} dB.\n"
    (HERE / "table1.md").write_text(text)
    bars([row[:2] for row in rows], "mean SDR on music, dB", path=HERE / "table1.png", mark=rows[0][1])


if __name__ == "__main__":
    main()
