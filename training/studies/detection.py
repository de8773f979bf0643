"""Measures `declipper.find_levels`: what it finds of clipping whose truth is known, and what it takes for clipping where there is none.

python -m declipper.training.studies.detection CORPUS_FOLDER [--list FILE] [--speech FOLDER] [--clipped FILE] [--tracks N]
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import soundfile
import soxr

from declipper.clipping.arrays import Array
from declipper.clipping.levels import mask_of
from declipper.detection.detector import LevelDetector, find_levels
from declipper.training.studies.cases import CASES, Clipped, degrade, quantise

SDRS = (10.0, 20.0, 30.0)
NEAR = 0.97
"""A reliable sample at or above this share of the level counts as a near miss."""
SEED = 0
SUFFIXES = {".flac", ".mp3", ".ogg", ".opus", ".wav"}


def measure(clipped: Clipped) -> dict[str, float]:
    """Detected or not, and if so recall, precision without and with near misses counted as wrong, and the error of the level in dB."""
    levels = find_levels(clipped.audio)
    if not levels.any:
        return {"detected": 0.0}
    mask = mask_of(clipped.audio, levels)
    hits = (mask & clipped.truth).sum()
    count = clipped.audio.shape[1]
    u = clipped.original
    near = (u >= NEAR * clipped.level[:, :count]) | (-u >= NEAR * clipped.level[:, count:])
    wrong = (mask & ~clipped.truth & ~near).sum()
    found = np.concatenate(np.broadcast_arrays(*levels.between(0, len(u))), axis=1) * np.repeat([1.0, -1.0], count)
    found, true = np.broadcast_arrays(found, clipped.level)
    both = np.isfinite(found) & np.isfinite(true)
    errors = 20 * np.log10(found[both] / true[both])
    return {
        "detected": 1.0,
        "recall": hits / max(1, clipped.truth.sum()),
        "precision": hits / max(1, hits + wrong),
        "strict": hits / max(1, mask.sum()),
        "error": float(np.median(errors)) if both.any() else np.nan,
    }


def excerpts(paths: list[Path], seconds: float, most: int) -> Iterator[tuple[str, Array, int]]:
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
            for place in (0.2, 0.45, 0.7):
                file.seek(int(place * (file.frames - frames)))
                tried.append(file.read(frames, dtype="float32", always_2d=True)[:, 0])
            loudest = max(tried, key=lambda v: float(np.square(v).sum()))
            if np.abs(loudest).max() > 0.03:
                given += 1
                yield path.name, loudest, file.samplerate


def speech(folder: Path, seconds: float, most: int) -> Iterator[tuple[str, Array, int]]:
    """Short recordings of speech joined to excerpts."""
    paths = sorted(p for p in folder.rglob("*.wav"))
    held: list[Array] = []
    given = 0
    for path in paths:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
        held.append(audio[:, 0])
        if sum(map(len, held)) >= seconds * rate:
            yield path.name, np.concatenate(held)[: int(seconds * rate)], rate
            held, given = [], given + 1
        if given == most:
            return


def synthetic() -> Iterator[tuple[str, Array]]:
    """Signals (frames, channels) that are not clipped and could be taken to be."""
    rng = np.random.default_rng(SEED)
    rate = 44100
    t = np.arange(8 * rate) / rate
    for hertz in (5, 50, 440, 1000, 5512.5, 11025):
        for gain in (1.0, 0.1):
            yield f"sine, {hertz} Hz, {gain}", gain * np.sin(2 * np.pi * hertz * t)[:, None]
            yield f"sine, {hertz} Hz, {gain}, 16 bit", quantise(0.9999 * gain * np.sin(2 * np.pi * hertz * t)[:, None], 16)
    square = np.sign(np.sin(2 * np.pi * 100.3 * t))[:, None]
    yield "square wave", 0.8 * square
    yield "square wave, full scale, 16 bit", quantise(square, 16)
    yield "square wave, low-passed", soxr.resample(0.5 * square, 44100, 22050)
    yield "triangle wave", (2 / np.pi * np.arcsin(np.sin(2 * np.pi * 100.3 * t)))[:, None]
    yield "silence", np.zeros((rate, 2))
    yield "constant", np.full((rate, 1), 0.3)
    yield "white noise", rng.normal(0, 0.2, (8 * rate, 1))
    yield "white noise, 16 bit, uniform", quantise(rng.uniform(-0.5, 0.5, (8 * rate, 1)), 16)
    fading = rng.normal(0, 1, 8 * rate)
    fading = np.convolve(fading, np.hanning(64), mode="same") / 10 * 10 ** (-(30 + 60 * t / 8) / 20)
    yield "quiet fade-out, 16 bit", quantise(fading[:, None], 16)
    yield "quiet fade-out to 8 bit steps", quantise(16 * fading[:, None], 8)


def _row(name: str, sdr: str, results: list[dict[str, float]]) -> str:
    found = [r for r in results if r["detected"]]
    head = f"| {name} | {sdr} | {len(found)}/{len(results)} "
    if not found:
        return head + "| - | - | - | - | - | - |"
    values = {key: np.array([r[key] for r in found]) for key in ("recall", "precision", "strict", "error")}
    errors = values["error"][np.isfinite(values["error"])]
    error = f"{errors[np.argmax(np.abs(errors))]:+.3f}" if len(errors) else "-"
    middle = f"{np.median(errors):+.3f}" if len(errors) else "-"
    r, p, s = values["recall"], values["precision"], values["strict"]
    return f"{head}| {r.mean():.3f} | {r.min():.3f} | {p.mean():.3f} | {p.min():.3f} | {s.mean():.3f} | {middle} ({error}) |"


def clipping_table(music: list[tuple[str, Array, int]], spoken: list[tuple[str, Array, int]]) -> Iterator[str]:
    """Rows of the first table."""
    yield "| case | input SDR, dB | found | recall | worst | precision | worst | strict precision | level error, dB (largest) |"
    yield "|---|---|---|---|---|---|---|---|---|"
    sets = [(case, music, case.name) for case in CASES]
    sets += [(CASES[i], spoken, f"speech at 16 kHz: {CASES[i].name}") for i in (0, 8, 14) if spoken]
    for case, material, name in sets:
        for sdr in SDRS:
            rng = np.random.default_rng(SEED)
            yield _row(name, f"{sdr:.0f}", [measure(degrade(case, x, rate, sdr, rng)) for _, x, rate in material])


def recording(path: Path, seconds: float | None) -> tuple[bool, float, str]:
    """Whether anything is found in a recording (or its first `seconds`), the share of samples masked, and what was found."""
    with soundfile.SoundFile(path) as file:
        detector = LevelDetector(file.channels)
        most = file.frames if seconds is None else int(seconds * file.samplerate)
        heard = []
        for block in file.blocks(1 << 16, dtype="float32", always_2d=True):
            detector.push(block)
            heard.append(block)
            if len(heard) << 16 >= most:
                break
        levels, found = detector.finish()
    if not levels.any:
        return False, 0.0, ""
    masked = float(mask_of(np.concatenate(heard), levels).mean())
    what = " ".join(f"{f.blur}@{f.level:.3f}({f.confidence:.2f})" if f.blur else "-" for pair in found for f in pair)
    return True, masked, what


def recordings_rows(name: str, paths: list[Path], seconds: float | None) -> str:
    """One row of the second table."""
    results = []
    for path in paths:
        if not path.exists():
            click.echo(f"  {name}: no {path}", err=True)
            continue
        result = recording(path, seconds)
        results.append(result)
        if result[0]:
            click.echo(f"  {name}: {path.name}: {100 * result[1]:.4f} % {result[2]}", err=True)
    found = [r for r in results if r[0]]
    share = np.mean([r[1] for r in found]) if found else 0.0
    return f"| {name} | {len(found)}/{len(results)} | {100 * share:.4f} % |"


def loud_masters(material: list[tuple[str, Array, int]]) -> Iterator[tuple[str, Array]]:
    """Excerpts brought to a loud level by a limiter that does not clip, and floats whose peaks exceed full scale."""
    for name, x, rate in material:
        v = x / np.abs(x).max()
        hold = int(0.005 * rate)
        peaks = np.abs(v) * 4
        # the gain a look-ahead limiter holds: the largest peak within 5 ms each way, then smoothed over as long
        padded = np.pad(peaks, hold)
        blocks = np.lib.stride_tricks.sliding_window_view(padded, 2 * hold + 1)
        highest = np.concatenate([blocks[i : i + 4096].max(axis=1) for i in range(0, len(blocks), 4096)])
        gain = 1 / np.maximum(highest, 1.0)
        window = np.hanning(hold + 2)[1:-1]
        gain = np.convolve(np.pad(gain, hold, mode="edge"), window / window.sum(), mode="same")[hold:-hold]
        yield f"limited: {name}", (4 * v * gain)[:, None]
        yield f"over full scale: {name}", (1.8 * v)[:, None]


@click.command()
@click.argument("corpus", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--list", "listed", type=click.Path(exists=True, path_type=Path), help="File naming unclipped recordings, relative to CORPUS."
)
@click.option("--clipped", type=click.Path(exists=True, path_type=Path), help="File naming clipped recordings, relative to CORPUS.")
@click.option("--speech", "spoken", type=click.Path(exists=True, path_type=Path), help="Folder of speech recordings of one rate.")
@click.option("--tracks", default=16, show_default=True, help="Excerpts to clip.")
@click.option("--alarms", default=120, show_default=True, help="Unclipped recordings to look for false alarms in.")
@click.option("--seconds", default=20.0, show_default=True, help="Length of an excerpt.")
@click.option("--output", default=Path(__file__).with_suffix(".md"), type=click.Path(path_type=Path), help="Where the tables go.")
def main(
    corpus: Path, listed: Path | None, clipped: Path | None, spoken: Path | None, tracks: int, alarms: int, seconds: float, output: Path
) -> None:
    """Write the tables on level detection."""
    if listed:
        clean = [corpus / line for line in listed.read_text().splitlines() if line]
    else:
        every = sorted(p for p in corpus.rglob("*") if p.suffix in SUFFIXES)
        clean = [p for p in every if not recording(p, 60.0)[0]]
    spread = [clean[i] for i in np.random.default_rng(SEED).permutation(len(clean))]
    music = list(excerpts(spread, seconds, tracks))
    talk = list(speech(spoken, seconds, min(tracks, 8))) if spoken else []
    lines = ["# Finding clip levels", "", INTRODUCTION.format(tracks=len(music), seconds=seconds), ""]
    for line in clipping_table(music, talk):
        click.echo(line)
        lines.append(line)
    lines += ["", ALARMS, "", "| recordings | found | samples masked where found |", "|---|---|---|"]
    lines.append(recordings_rows("unclipped recordings", spread[:alarms], None))
    for name, signals in (("synthetic signals", synthetic()), ("limited or above full scale, unclipped", loud_masters(music))):
        wrong = [(label, levels) for label, x in signals if (levels := find_levels(np.asarray(x, np.float32))).any]
        for label, levels in wrong:
            click.echo(f"  {name}: {label}: {levels.positive[0]} {levels.negative[0]}", err=True)
        total = {"synthetic signals": sum(1 for _ in synthetic())}.get(name, 2 * len(music))
        lines.append(f"| {name} | {len(wrong)}/{total} | |")
    if clipped:
        lines.append(recordings_rows("clipped recordings", [corpus / line for line in clipped.read_text().splitlines() if line], None))
    click.echo("\n".join(lines[-4:]))
    output.write_text("\n".join(lines) + "\n")


INTRODUCTION = """Written by `python -m declipper.training.studies.detection`. {tracks} excerpts of {seconds:.0f} s are clipped at the level
that gives the input SDR and then degraded. A sample is truly clipped where the original exceeds the level. Recall: the share of
those that the mask takes in. Precision: the share of the mask that is truly clipped, leaving out near misses, samples whose
original is within 3 % below the level; the strict precision counts near misses as wrong. Recall and precision are means and the
worst excerpt's, over the excerpts in which something was found. Level error: median and, in brackets, the largest, of the
threshold against the plateau."""
ALARMS = """Recordings without clipping, in which nothing should be found, and real recordings that were clipped before they were
published, mostly in a lossy format."""

if __name__ == "__main__":
    main()
