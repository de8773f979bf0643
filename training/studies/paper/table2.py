"""Table 2 of the paper: learning where no clean data is.

`python -m declipper.training.studies.paper.table2 TRAIN_SHELF TEST_SHELF` writes table2.md and table2.png.

A supervised network knows the kind of sound that clean references exist for, here music. A self-supervised one learns from the clipped
recordings themselves, here music and speech.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from declipper.clipping.levels import clip
from declipper.training.data.shelf import Shelf
from declipper.training.studies.bars import bars
from declipper.training.studies.paper.setting import (
    BATCH,
    METHODS,
    MU,
    SEGMENTS,
    arguments,
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
SUPERVISED, SELF_SUPERVISED = METHODS[0], METHODS[3]


@click.command()
@arguments
def main(train: Path, test: Path, work: Path, steps: int) -> None:
    """Train on the TRAIN shelf, measure on music and speech of the TEST shelf."""
    shelf = Shelf(train)
    music = segments(shelf, "music", count=SEGMENTS, seed=0)
    both = np.random.default_rng(0).permutation(
        np.concatenate([music[: SEGMENTS // 2], segments(shelf, "speech", count=SEGMENTS // 2, seed=0)])
    )
    x = {kind: segments(Shelf(test), kind, count=TESTED, seed=1) for kind in ("music", "speech")}
    rows = [("identity", {kind: clip(v, MU, -MU) for kind, v in x.items()})]
    for method, trained_on, data in (
        (SUPERVISED, "music", music),
        (SELF_SUPERVISED, "music", music),
        (SELF_SUPERVISED, "music and speech", both),
    ):
        net = learned(method, data, seed=0, steps=steps, work=work, trained_on=trained_on).last
        rows.append((f"{method.name}, trained on {trained_on}", {kind: restored(net, v) for kind, v in x.items()}))
    text = "# Table 2: learning where no clean data is\n\nMade by `python -m declipper.training.studies.paper.table2`, in the setting of "
    text += f"[table 1](table1.md): {SEGMENTS} training segments, {steps} steps of {BATCH}, one seed, {TESTED} test segments of "
    text += "each kind.\n\n"
    text += "| method | music, SDR in dB | speech, SDR in dB | both | speech, PESQ |\n|---|---|---|---|---|\n"
    on_speech = []
    for name, result in rows:
        figures = [mean_sdr(x[kind], result[kind]) for kind in x]
        on_speech.append(figures[1])
        pesq = mean_pesq(x["speech"], result["speech"])
        text += f"| {name} | {figures[0]:.2f} | {figures[1]:.2f} | {np.mean(figures):.2f} | {pesq:.2f} |\n"
    text += "\nThe paper finds that self-supervised learning on all kinds of sound is ahead of supervised learning on the kind that clean "
    text += f"references exist for. On speech that was {verdict(on_speech[3] > on_speech[1])}: {on_speech[3]:.2f} against "
    text += f"{on_speech[1]:.2f} dB.\n"
    (HERE / "table2.md").write_text(text)
    named = [(row[0], value) for row, value in zip(rows, on_speech, strict=True)]
    bars(named, "mean SDR on speech, dB", path=HERE / "table2.png", mark=on_speech[0])
    click.echo(text)


if __name__ == "__main__":
    main()
