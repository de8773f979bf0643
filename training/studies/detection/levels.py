"""Measures what `declipper.find_levels` finds of clipping whose truth is known.

`python -m declipper.training.studies.detection.levels CORPUS` writes detection.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import soundfile

from declipper.clipping.arrays import Array
from declipper.clipping.levels import mask_of
from declipper.detection.detector import find_levels
from declipper.training.data.corpus import HERE
from declipper.training.studies.detection.cases import CASES, Case, Clipped, Excerpt, degrade, recordings_in

SDRS = (10.0, 20.0, 30.0)
"""Input SDRs in dB, from heavy to mild clipping."""
SPOKEN = ("16 bit, full scale", "float, -1 dBFS", "TPDF dither, 16 bit, -0.3 dBFS")
"""Names of the cases that speech goes through as well."""
NEAR = 0.97
"""A reliable sample at or above this share of the level counts as a near miss."""
SEED = 0
PLACES = (0.2, 0.45, 0.7)
"""Where in a recording its excerpt is looked for, as shares of it: away from its quiet beginning and end."""
QUIETEST = 0.03
"""An excerpt whose peak is below this is left out: there is nothing to clip."""
SPEECH_EXCERPTS = 8
"""Excerpts of speech at most."""


@dataclass(frozen=True)
class Score:
    """What was found of a clipped signal. strict: the precision with near misses counted as wrong; error: of the level, median, in dB."""

    recall: float
    precision: float
    strict: float
    error: float


def measure(clipped: Clipped) -> Score | None:
    """How well the clipping was found, None if not at all."""
    levels = find_levels(clipped.audio)
    if not levels.any:
        return None
    mask = mask_of(clipped.audio, levels)
    hits = (mask & clipped.truth).sum()
    count = clipped.audio.shape[1]
    u = clipped.original
    near = (u >= NEAR * clipped.plateaus[:, :count]) | (-u >= NEAR * clipped.plateaus[:, count:])
    wrong = (mask & ~clipped.truth & ~near).sum()
    found = np.concatenate(np.broadcast_arrays(*levels.between(0, len(u))), axis=1) * np.repeat([1.0, -1.0], count)
    found, true = np.broadcast_arrays(found, clipped.plateaus)
    both = np.isfinite(found) & np.isfinite(true)
    return Score(
        recall=hits / max(1, clipped.truth.sum()),
        precision=hits / max(1, hits + wrong),
        strict=hits / max(1, mask.sum()),
        error=float(np.median(20 * np.log10(found[both] / true[both]))) if both.any() else np.nan,
    )


def loudest_excerpts(paths: list[Path], seconds: float, *, most: int) -> Iterator[Excerpt]:
    """The loudest of three stretches of each recording's first channel; recordings that are too short or nearly silent are left out."""
    given = 0
    for path in paths:
        if given == most:
            return
        with soundfile.SoundFile(path) as file:
            frames = int(seconds * file.samplerate)
            if file.frames < frames:
                continue
            tried = []
            for place in PLACES:
                file.seek(int(place * (file.frames - frames)))
                tried.append(file.read(frames, dtype="float32", always_2d=True)[:, 0])
            loudest = max(tried, key=lambda v: float(np.square(v).sum()))
            if np.abs(loudest).max() > QUIETEST:
                given += 1
                yield Excerpt(path.name, loudest, file.samplerate)


def speech(folder: Path, seconds: float, *, most: int) -> Iterator[Excerpt]:
    """Short recordings of speech joined to excerpts."""
    paths = sorted(p for p in folder.rglob("*.wav"))
    held: list[Array] = []
    given = 0
    for path in paths:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
        held.append(audio[:, 0])
        if sum(map(len, held)) >= seconds * rate:
            yield Excerpt(path.name, np.concatenate(held)[: int(seconds * rate)], rate)
            held, given = [], given + 1
        if given == most:
            return


def _row(name: str, sdr: float, scores: list[Score | None]) -> str:
    found = [score for score in scores if score]
    head = f"| {name} | {sdr:.0f} | {len(found)}/{len(scores)} "
    if not found:
        return head + "| - | - | - | - | - | - |"
    recall, precision, strict, error = np.array([(f.recall, f.precision, f.strict, f.error) for f in found]).T
    error = error[np.isfinite(error)]
    largest = f"{error[np.argmax(np.abs(error))]:+.3f}" if len(error) else "-"
    middle = f"{np.median(error):+.3f}" if len(error) else "-"
    shares = f"{recall.mean():.3f} | {recall.min():.3f} | {precision.mean():.3f} | {precision.min():.3f} | {strict.mean():.3f}"
    return f"{head}| {shares} | {middle} ({largest}) |"


def clipping_table(music: list[Excerpt], spoken: list[Excerpt]) -> Iterator[str]:
    """Rows of the first table."""
    yield "| case | input SDR, dB | found | recall | worst | precision | worst | strict precision | level error, dB (largest) |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for case in CASES:
        yield from _case_rows(case, music, case.name)
    for case in CASES:
        if spoken and case.name in SPOKEN:
            yield from _case_rows(case, spoken, f"speech at 16 kHz: {case.name}")


def _case_rows(case: Case, material: list[Excerpt], name: str) -> Iterator[str]:
    for sdr in SDRS:
        rng = np.random.default_rng(SEED)
        yield _row(name, sdr, [measure(degrade(case, e.samples, rate=e.sample_rate, sdr=sdr, rng=rng)) for e in material])


@click.command()
@click.argument("corpus", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--speech", "spoken", type=click.Path(exists=True, path_type=Path), help="Folder of speech recordings of one rate.")
@click.option("--tracks", default=12, show_default=True, help="Excerpts to clip.")
@click.option("--seconds", default=20.0, show_default=True, help="Length of an excerpt.")
@click.option("--output", default=Path(__file__).parents[1] / "results" / "detection.md", type=click.Path(path_type=Path))
def main(corpus: Path, spoken: Path | None, tracks: int, seconds: float, output: Path) -> None:
    """Write the table on level detection."""
    music = list(loudest_excerpts(recordings_in(HERE / "clean_music.txt", corpus), seconds, most=tracks))
    talk = list(speech(spoken, seconds, most=min(tracks, SPEECH_EXCERPTS))) if spoken else []
    lines = ["# Finding clip levels", "", INTRODUCTION.format(tracks=len(music), seconds=seconds), ""]
    for line in clipping_table(music, talk):
        click.echo(line)
        lines.append(line)
    output.write_text("\n".join(lines) + "\n")


INTRODUCTION = """Written by `python -m declipper.training.studies.detection.levels`. {tracks} excerpts of {seconds:.0f} s are clipped at
the level that gives the input SDR and then degraded. A sample is truly clipped where the original exceeds the level. Recall: the share of
those that the mask takes in. Precision: the share of the mask that is truly clipped, leaving out near misses, samples whose
original is within 3 % below the level; the strict precision counts near misses as wrong. Recall and precision are means and the
worst excerpt's, over the excerpts in which something was found. Level error: median and, in brackets, the largest, of the
threshold against the plateau; of runs, of their bounds. What is found where nothing was clipped: [alarms](alarms.md).
Some of the excerpts are of recordings that the detector learned from: [histories](../../detection/histories.md) are of others."""

if __name__ == "__main__":
    main()
