"""Does learning from clipped recordings help on them?

`python -m declipper.training.studies.finetune CORPUS` writes finetune.md and finetune.png.

All recordings of one package of the test split are clipped at levels the model is not told. `declipper.training.learning.command.train`
learns from most of them. The others, which it never sees, are restored with the shipped and with the new model and compared with the truth.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import numpy as np
import soundfile

from declipper import Session, declip
from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.engine.session import shipped_model
from declipper.training.data.corpus import AUDIO
from declipper.training.data.degrade import sdr, threshold_for_sdr
from declipper.training.learning.command import Archive, Settings, Start, train
from declipper.training.learning.loop import Budget
from declipper.training.studies.bars import bars

RESULTS = Path(__file__).parent / "results"
PEAK = 0.6
"""Level that recordings are clipped at, relative to full scale: below it, so that it has to be found."""


def middle(path: Path, seconds: float) -> tuple[Array, int]:
    """The first channel of the middle of a recording."""
    info = soundfile.info(path)
    frames = min(info.frames, int(seconds * info.samplerate))
    audio, rate = soundfile.read(path, frames, (info.frames - frames) // 2, always_2d=True)
    return audio[:, 0], rate


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option("--package", default="wesnoth-1.16-music", show_default=True)
@click.option("--input-sdr", default=9.0, show_default=True)
@click.option("--minutes", default=10.0, show_default=True)
@click.option("--rate", default=1e-4, show_default=True)
@click.option("--held", default=6, show_default=True, help="Recordings that training never sees.")
def main(corpus: Path, package: str, input_sdr: float, minutes: float, rate: float, held: int) -> None:
    """Measure fine-tuning on one PACKAGE of the corpora."""
    files = sorted(p for p in (corpus / package).rglob("*") if p.suffix.lower() in AUDIO and soundfile.info(p).duration > 20)
    said: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        archive, model = Path(folder) / "archive", Path(folder) / "new.onnx"
        archive.mkdir()
        clipped: dict[str, tuple[Array, Array, int]] = {}
        for index, path in enumerate(files):
            x, sample_rate = middle(path, 60)
            x = x * (PEAK / threshold_for_sdr(x, input_sdr))
            y = np.rint(clip(x, PEAK, -PEAK) * 32768) / 32768
            if index % max(2, len(files) // held) == 0:
                clipped[path.name] = x[: 10 * sample_rate], y[: 10 * sample_rate], sample_rate
            else:
                soundfile.write(archive / f"{index}.wav", y, sample_rate, subtype="PCM_16")

        def tell(line: str) -> None:
            said.append(line)
            click.echo(line)

        better = train(Archive((archive,)), model, start=Start(), budget=Budget(minutes=minutes), settings=Settings(rate=rate), tell=tell)
        rows = []
        for name, (x, y, sample_rate) in clipped.items():
            gains = [
                sdr(x, declip(y, sample_rate, session=Session(m, "cpu"), jobs=2)) - sdr(x, y)
                for m in (shipped_model("fast"), model)
                if m.exists()
            ]
            rows.append((name, gains[0], gains[-1]))
    text = "# Fine-tuning on clipped recordings alone\n\nMade by `python -m declipper.training.studies.finetune`: "
    text += f"{package}, {len(files)} recordings clipped at {input_sdr:g} dB input SDR, {len(rows)} of them held back; "
    text += f"{minutes:g} minutes of training on the others.\n\n"
    text += "| held-back recording | shipped model, dSDR in dB | after fine-tuning |\n|---|---|---|\n"
    text += "".join(f"| {name} | {a:.2f} | {b:.2f} |\n" for name, a, b in rows)
    means = np.mean([row[1:] for row in rows], axis=0)
    text += f"| mean | {means[0]:.2f} | {means[1]:.2f} |\n\nThe new model was {'written' if better else 'refused'}. "
    text += "What training said:\n\n"
    text += "".join(f"    {line}\n" for line in said if "left out" not in line)
    (RESULTS / "finetune.md").write_text(text)
    bars(
        [(name, after - before) for name, before, after in rows], "gain of fine-tuning in dSDR, dB", path=RESULTS / "finetune.png", mark=0.0
    )
    click.echo(text)


if __name__ == "__main__":
    main()
