"""Table 1 of the paper: what each objective reaches.

`python -m declipper.training.studies.paper.table1 TRAIN_SHELF TEST_SHELF` writes table1.md and table1.png.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
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
    learned,
    log_of,
    mean_pesq,
    mean_sdr,
    restored,
    segments,
    verdict,
)

HERE = Path(__file__).parent
TESTED = 100
"""Segments of each kind."""
PAR = 0.5
"""Difference in dB below which two methods are on a par here."""


def social_sparsity(x: Array) -> Array:
    """SS-PEW on clipped segments x (count, frames)."""
    return np.stack([ss_pew(clip(segment, MU, -MU), MU, SAMPLE_RATE) for segment in x])


@dataclass(frozen=True)
class Row:
    """One row of the table: mean SDR in dB of both kinds, PESQ of the speech, and what training cost."""

    name: str
    music: float
    speech: float
    pesq: float
    minutes: float = 0.0

    def written(self) -> str:
        """As Markdown."""
        return f"| {self.name} | {self.music:.2f} | {self.speech:.2f} | {self.pesq:.2f} | {self.minutes:.0f} |"


def measured(name: str, restore: Callable[[Array], Array], *, music: Array, speech: Array, minutes: float = 0.0) -> Row:
    """A row, of what restores clean segments after clipping them."""
    heard = restore(speech)
    return Row(name, mean_sdr(music, restore(music)), mean_sdr(speech, heard), mean_pesq(speech, heard), minutes)


def averaged(rows: list[Row]) -> Row:
    """The mean of rows of one method, one for each seed."""
    names = [field.name for field in fields(Row)[1:]]
    return Row(rows[0].name, **{name: float(np.mean([getattr(row, name) for row in rows])) for name in names})


def claims(rows: list[Row]) -> str:
    """What the paper says of these rows, in its sense, and whether it was found so."""
    on_music = {row.name: row.music for row in rows}
    taught, few, helped, own, alone, biased, flowing = (on_music[method.name] for method in METHODS)
    clipped, sparsity = on_music["identity"], on_music["social sparsity (SS-PEW)"]
    return f"""The paper's claims, on music:

- Self-supervised learning is on a par with supervised learning (within {PAR:g} dB): {verdict(own > taught - PAR)}, {own - taught:+.2f} dB.
- L_MC alone is no better than its input: {verdict(alone < clipped + PAR)}, {alone - clipped:+.2f} dB.
- L_EI beside supervised learning brings no significant improvement: {verdict(helped < taught + PAR)}, {helped - taught:+.2f} dB.
- A bias is harmful, already at the level of training: {verdict(biased < own - 0.1)}, {biased - own:+.2f} dB; at other levels see
  [what a bias does](bias.md).

Not in the paper: supervised learning from a twentieth of the data, {few - taught:+.2f} dB; the gradient of L_EI through its target as well,
{flowing - own:+.2f} dB; the best network against social sparsity, {max(taught, helped, own) - sparsity:+.2f} dB.
"""


def curves(work: Path, *, steps: int, seeds: int, path: Path) -> None:
    """Draw the SDR of held-back segments against steps, of every method and seed."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for index, method in enumerate(METHODS):
        for seed in range(seeds):
            log = log_of(work, method, trained_on="music", seed=seed, steps=steps)
            rows = [json.loads(line) for line in log.read_text().splitlines()]
            label = method.name if seed == 0 else None
            axes.plot([row["step"] for row in rows], [row["sdr"] for row in rows], color=f"C{index}", label=label, linewidth=1)
    axes.set_xlabel("steps")
    axes.set_ylabel("mean SDR of held-back segments, dB")
    axes.legend(fontsize=7)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


@click.command()
@arguments
@click.option("--seeds", default=1, show_default=True)
def main(train: Path, test: Path, work: Path, steps: int, seeds: int) -> None:
    """Train each method on music of the TRAIN shelf, measure it on music and speech of the TEST shelf."""
    data = segments(Shelf(train), "music", count=SEGMENTS, seed=0)
    music, speech = (segments(Shelf(test), kind, count=TESTED, seed=1) for kind in ("music", "speech"))
    rows = [measured("identity", lambda x: clip(x, MU, -MU), music=music, speech=speech)]
    rows.append(measured("social sparsity (SS-PEW)", social_sparsity, music=music, speech=speech))
    for method in METHODS:
        found = []
        for seed in range(seeds):
            result = learned(method, data, seed=seed, steps=steps, work=work, trained_on="music")
            row = measured(method.name, partial(restored, result.last), music=music, speech=speech, minutes=result.minutes)
            found.append(row)
        rows.append(averaged(found))
        click.echo(rows[-1].written())
    (HERE / "table1.md").write_text(f"""# Table 1: what each objective reaches

Made by `python -m declipper.training.studies.paper.table1`. Music at 22.05 kHz, one-second segments clipped at {MU:g} of full scale,
unclipped segments dropped; {SEGMENTS} training segments, {steps} steps of {BATCH}, {seeds} seed{"s" * (seeds > 1)}; means over {TESTED}
test segments of each kind. All networks have the same shape and see the same batches. Minutes are wall-clock time on two cores that had
other work as well. [Curves](table1-curves.png).

| method | music, SDR in dB | speech, SDR in dB | speech, PESQ | minutes |
|---|---|---|---|---|
{chr(10).join(row.written() for row in rows)}

{claims(rows)}""")
    bars([(row.name, row.music) for row in rows], "mean SDR on music, dB", path=HERE / "table1.png", mark=rows[0].music)
    curves(work, steps=steps, seeds=seeds, path=HERE / "table1-curves.png")


if __name__ == "__main__":
    main()
