"""Holds the product to its promises on every file of the test split, through files and the pipeline, and writes promises.md.

`python -m declipper.training.studies.promises CORPUS`: from the middle of each recording a stretch is clipped to 16 bits below full scale
(so that the level has to be found) and restored by `declipper.pipeline.fix`. Checked: reliable samples
are those of the file, no clipped sample is below its level. Reported: where the result is farther from the truth than the input.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import numpy as np
import soundfile

from declipper.clipping.levels import clip, mask_of
from declipper.engine.session import Session
from declipper.files.delivery import Delivery
from declipper.files.recording import Recording
from declipper.pipeline import fix, levels_of
from declipper.training.data.corpus import AUDIO, packages
from declipper.training.data.degrade import sdr, threshold_for_sdr

RESULTS = Path(__file__).parent / "results"
PEAK = 0.7
"""Level of the clipping, relative to full scale: below it, so that it has to be found."""


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option("--seconds", default=6.0)
@click.option("--most", default=40, help="Files per package at most.")
@click.option("--input-sdr", default=10.0)
def main(corpus: Path, seconds: float, most: int, input_sdr: float) -> None:
    """Check every file of the test split in CORPUS."""
    session = Session(device="cpu")
    checked = broken = untouched = 0
    gains = []
    worse = []
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.wav", Path(folder) / "target.wav"
        for package in packages("test"):
            files = sorted(p for p in (corpus / package.package).rglob("*") if p.suffix.lower() in AUDIO)
            for path in files[:: max(1, len(files) // most)]:
                try:
                    info = soundfile.info(path)
                except soundfile.LibsndfileError:  # a film, say
                    continue
                frames = min(info.frames, int(seconds * info.samplerate))
                x, rate = soundfile.read(path, frames, (info.frames - frames) // 2, always_2d=True)
                if np.abs(x).max(initial=0) < 0.01:
                    continue
                mu = threshold_for_sdr(x, input_sdr)
                x = x * (PEAK / mu)
                y = np.rint(clip(x, PEAK, -PEAK) * 32768) / 32768
                soundfile.write(source, np.int16(y * 32768), rate, subtype="PCM_16")
                recording = Recording(source)
                levels = levels_of(recording).levels
                fix(recording, Delivery.planned(recording, target, overwrite=True), session=session)
                restored, _ = soundfile.read(target, always_2d=True)
                mask = mask_of(y, levels)
                positive, negative = levels.between(0, len(y))
                kept = np.array_equal(restored[~mask], y[~mask])
                consistent = np.all((restored >= positive)[y >= positive]) and np.all((restored <= negative)[y <= negative])
                gain = sdr(x, restored) - sdr(x, y)
                checked += 1
                broken += not (kept and consistent)
                worse += [f"{path.name} ({gain:.2f} dB)"] if gain < 0 else []
                untouched += not mask.any()
                gains.append(gain)
                click.echo(f"{'ok' if kept and consistent else 'BROKEN'} {gain:7.2f} dB  {path.name}")
    text = "# Promises on the test split\n\nMade by `python -m declipper.training.studies.promises`: "
    text += f"{checked} stretches of {seconds:g} s, clipped at {input_sdr:g} dB input SDR, 16 bit, level found by the program.\n\n"
    text += f"- reliable samples changed, or clipped samples below their level: {broken} files\n"
    text += f"- clipping not found: {untouched} files\n- farther from the truth than the input: {len(worse)} files: {', '.join(worse)}\n"
    text += f"- dSDR: mean {np.mean(gains):.2f} dB, lowest {np.min(gains):.2f} dB\n"
    (RESULTS / "promises.md").write_text(text)
    click.echo(text)


if __name__ == "__main__":
    main()
