"""What becomes of a clipped phone memo on its way: `python -m declipper.training.studies.memos CORPUS` writes memos.md; needs ffmpeg.

Speech of the test split is clipped at full scale and coded as AAC, as a phone does. The program restores the memo itself, or what most
people make of it first. The decoder puts some clipped peaks above full scale, and a WAV of 16 bits cuts them off once more.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import click
import numpy as np
import soundfile

from declipper import Session, pipeline
from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.media.formats import Sound, delivery_for
from declipper.media.recording import recording_at
from declipper.soundtrack import fix_soundtrack
from declipper.training.data.degrade import sdr, threshold_for_sdr
from declipper.training.judging.evaluate import excerpts

RESULTS = Path(__file__).parent / "results"
INPUT_SDRS = (5, 10, 15, 20)
"""In dB: where clipping is heard after a codec too."""
BIT_RATE = "64k"
"""Of one channel, as phones record memos."""
WAYS = {"memo.m4a": (), "float.wav": ("-c:a", "pcm_f32le"), "usual.wav": ()}
"""What is restored, and how ffmpeg makes it of the memo."""
COLUMNS = ("input SDR, dB", "the memo itself", "the memo, into an .m4a", "by way of a float WAV", "by way of a 16-bit WAV")


def dsdrs(x: Array, sample_rate: int, *, input_sdr: float, session: Session) -> list[float]:
    """dSDR in dB over the memo as it is decoded, for each column of the table."""
    x = x / threshold_for_sdr(x, input_sdr)
    y = clip(x, 1.0, -1.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        soundfile.write(folder / "clipped.wav", y, sample_rate, subtype="FLOAT")
        _ffmpeg(folder, "clipped.wav", "-c:a", "aac", "-b:a", BIT_RATE, "memo.m4a")
        coded = np.concatenate(list(recording_at(folder / "memo.m4a").blocks()))[:, 0]
        x = x * float(coded @ y / (y @ y))
        gains = []
        for source, how in WAYS.items():
            if source != "memo.m4a":
                _ffmpeg(folder, "memo.m4a", *how, source)
            recording, target = recording_at(folder / source), folder / "restored.wav"
            pipeline.fix(recording, delivery_for(recording, target, Sound(), overwrite=True), session=session)
            gains.append(sdr(x, soundfile.read(target)[0][: len(x)]) - sdr(x, coded))
        recording, target = recording_at(folder / "memo.m4a"), folder / "restored.m4a"
        done = fix_soundtrack([recording], delivery_for(recording, target, Sound()), session=session)[0]
        restored = np.concatenate(list(recording_at(target).blocks()))[:, 0] / 10 ** (done.gain_db / 20)
        return [gains[0], sdr(x, restored) - sdr(x, coded), *gains[1:]]


def _ffmpeg(folder: Path, source: str, *arguments: str) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", source, *arguments], cwd=folder, check=True, stdin=subprocess.DEVNULL)


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option("--seconds", default=4.0, show_default=True, help="Of each excerpt.")
def main(corpus: Path, seconds: float) -> None:
    """Measure on the speech in CORPUS, as fetched by declipper.training.data.corpus."""
    session = Session(device="cpu")
    chosen = [(e.audio[: int(seconds * e.sample_rate)], e.sample_rate) for e in excerpts(corpus) if e.kind == "speech"]
    text = "# What becomes of a clipped phone memo on its way\n\nMade by `python -m declipper.training.studies.memos`: model `best`, "
    text += (
        f"{len(chosen)} excerpts of speech of {seconds:g} s clipped at full scale, then AAC at {BIT_RATE[:-1]} kbit/s in an .m4a "
        "by ffmpeg. dSDR in dB over the memo as it is decoded. The .m4a that is written is ALAC and turned down, which is undone "
        "before the comparison.\n\n"
    )
    text += f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}\n"
    for level in INPUT_SDRS:
        means = np.mean([dsdrs(x, rate, input_sdr=level, session=session) for x, rate in chosen], axis=0)
        row = f"| {level} | {' | '.join(f'{value:.2f}' for value in means)} |"
        click.echo(row)
        text += row + "\n"
    (RESULTS / "memos.md").write_text(text)


if __name__ == "__main__":
    main()
