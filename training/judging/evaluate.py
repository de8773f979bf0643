"""The survey's protocol on the test split: dSDR per file and input SDR for the shipped model and for what people use today.

`python -m declipper.training.judging.evaluate CORPUS` clips each excerpt of `excerpts.tsv` at the level that gives each input SDR, restores
it through `declipper.declip`, which finds the level by itself, and writes results/evaluation.{json,md,png}. Published baselines and single
experts are told the level. With --method only the methods named are run, and the results of the others are kept. Needs ffmpeg for its
adeclip.

Protocol: Zaviska, Rajmic, Ozerov, Rencker, "A Survey and an Extensive Evaluation of Popular Audio Declipping Methods", IEEE JSTSP 2021.
"""

from __future__ import annotations

import csv
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import click
import matplotlib as mpl
import numpy as np
import pesq
import soundfile
import soxr
import zimtohrli

from declipper import DeclipStream, Session, declip, find_levels
from declipper.clipping import levels as clipping
from declipper.clipping.arrays import Array
from declipper.clipping.signal import ClippedSignal
from declipper.engine.experts import BEST
from declipper.engine.framing import Framing
from declipper.engine.session import shipped_model
from declipper.live.chain import SHARE
from declipper.methods.autoregressive import autoregressive
from declipper.methods.social_sparsity import social_sparsity
from declipper.methods.spade import spade
from declipper.training.data.degrade import sdr, threshold_for_sdr
from declipper.training.judging.baselines import a_spade, cubic, ss_pew

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"
LEVEL = 0.5
"""That excerpts are clipped at: half scale, which leaves room for what is restored in any format."""
COST_AT = 10
"""Input SDR in dB at which quality is drawn against cost."""
INPUT_SDRS = (1, 3, 5, 7, 10, 15, 20, 30, 40)
"""In dB: the survey's, and mild clipping."""
SECONDS = 5
"""Of an excerpt at most."""
ADECLIP = "adeclip=m=s:w=100:a=25"
"""ffmpeg's filter with the best settings known for harmonic material."""
LATENCY = 0.08
"""Seconds, of `live`: what `declipper live` usually has."""
ADECLIP_FROM = 3
"""adeclip is not run below this input SDR: it takes minutes of CPU per second of audio there."""
Method = Callable[[Array, int], Array]


@dataclass(frozen=True)
class Excerpt:
    """A few seconds of one recording of the test split.

    audio: (frames,) or (frames, channels), float64. kind: music, speech or effects.
    """

    file: str
    kind: str
    audio: Array
    sample_rate: int


@dataclass(frozen=True)
class Result:
    """One method on one excerpt at one input SDR.

    dsdr: dB; cpu: CPU seconds per second of audio; pesq: wide-band MOS, speech only; mos: Zimtohrli's estimate, None in results older
    than that.
    """

    method: str
    file: str
    kind: str
    input_sdr: int
    dsdr: float
    cpu: float
    pesq: float | None
    mos: float | None = None


def excerpts(corpus: Path) -> list[Excerpt]:
    """The first channel of each excerpt of the test split."""
    return [replace(excerpt, audio=excerpt.audio[:, 0]) for excerpt in whole_excerpts(corpus)]


def whole_excerpts(corpus: Path) -> list[Excerpt]:
    """The same with all channels."""
    found = []
    with (HERE / "excerpts.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            path = corpus / row["file"]
            rate = soundfile.info(path).samplerate
            audio, _ = soundfile.read(path, start=int(row["start_s"]) * rate, frames=SECONDS * rate, always_2d=True)
            found.append(Excerpt(f"{row['file'].split('/')[0]}/{path.name}", row["kind"], audio, rate))
    return found


def adeclip(y: Array, sample_rate: int) -> Array:
    """ffmpeg's adeclip with the best settings known for harmonic material, through float WAV files at half scale (it misreads peaks)."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.wav", Path(folder) / "after.wav"
        soundfile.write(before, y, sample_rate, subtype="FLOAT")
        command = ["ffmpeg", "-y", "-loglevel", "error", "-i", before, "-af", ADECLIP, "-c:a", "pcm_f32le", after]
        subprocess.run(command, check=True)
        restored, _ = soundfile.read(after)
    return np.pad(restored, (0, max(0, len(y) - len(restored))))[: len(y)]


def as_live(y: Array, sample_rate: int, *, session: Session) -> Array:
    """With the windows of `declipper live` at its usual latency, but levels found beforehand."""
    levels = find_levels(y[:, None])
    stream = DeclipStream(
        sample_rate, 1, levels, session, framing=Framing.live(session.info, sample_rate, int(SHARE * LATENCY * sample_rate))
    )
    return np.concatenate([stream.push(y[:, None]), stream.flush()])[:, 0]


def methods(models: dict[str, Path]) -> dict[str, Method]:
    """Every method by its name in the table, the models last. Each gets mono float64 samples and a sample rate."""

    def signal(y: Array, rate: int) -> ClippedSignal:
        return ClippedSignal(y[:, None], np.array(LEVEL), np.array(-LEVEL), rate)

    found: dict[str, Method] = {
        "clipped": lambda y, _: y,
        "cubic": lambda y, _: cubic(y, LEVEL),
        "adeclip": adeclip,
        "A-SPADE": lambda y, rate: a_spade(y, LEVEL, rate, sparsity_step=4),
        "SS-PEW": lambda y, rate: ss_pew(y, LEVEL, rate),
        "autoregressive": lambda y, rate: autoregressive(signal(y, rate), draws=0).mean[:, 0],
        "spectral": lambda y, rate: social_sparsity(signal(y, rate))[:, 0],
        "sparse": lambda y, rate: spade(signal(y, rate))[:, 0],
        "averaged": lambda y, rate: BEST.run(signal(y, rate))["averaged"].astype(float),
        "mean of experts": lambda y, rate: np.mean(BEST.rows(signal(y, rate))[BEST.signals], axis=0, dtype=float),
    }
    for name, path in models.items():
        session = Session(path, "cpu")
        found[name] = partial(as_live if name == "live" else declip, session=session)
    return found


def judged(name: str, method: Method, *, excerpt: Excerpt, input_sdr: int) -> Result:
    """Clip one channel at `input_sdr` dB to a peak of LEVEL, restore, compare."""
    sample_rate, kind = excerpt.sample_rate, excerpt.kind
    x = excerpt.audio * (LEVEL / threshold_for_sdr(excerpt.audio, input_sdr))
    y = clipping.clip(x, LEVEL, -LEVEL).astype(np.float32).astype(np.float64)
    before = time.process_time() + _children()
    restored = method(y, sample_rate)
    cpu = (time.process_time() + _children() - before) / (len(y) / sample_rate)
    quality = round(pesq.pesq(16000, *(_at(16000, v, sample_rate) for v in (x, restored)), "wb"), 3) if kind == "speech" else None
    peak = np.abs(x).max()
    mos = float(zimtohrli.mos_from_signals(*(_at(48000, v / peak, sample_rate).astype(np.float32) for v in (x, restored))))
    return Result(name, excerpt.file, kind, input_sdr, round(sdr(x, restored) - sdr(x, y), 3), round(cpu, 4), quality, round(mos, 3))


def _children() -> float:
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _at(wanted: int, audio: Array, sample_rate: int) -> Array:
    return soxr.resample(audio, sample_rate, wanted) if sample_rate != wanted else audio


def table(results: list[Result]) -> str:
    """The Markdown tables: means over the excerpts, cost, speech quality, and every file."""
    names = list(dict.fromkeys(s.method for s in results))
    files = list(dict.fromkeys(s.file for s in results))
    head = "| input SDR, dB | " + " | ".join(map(str, INPUT_SDRS)) + " |\n|---" + "|---" * len(INPUT_SDRS) + "|\n"

    def row(title: str, chosen: Callable[[Result, int], bool], value: Callable[[Result], float | None], form: str) -> str:
        cells = []
        for level in INPUT_SDRS:
            values = [v for s in results if chosen(s, level) and (v := value(s)) is not None]
            cells.append(format(float(np.mean(values)), form) if values else "-")
        return f"| {title} | " + " | ".join(cells) + " |\n"

    def section(title: str, value: Callable[[Result], float | None], form: str, kinds: tuple[str, ...]) -> str:
        rows = [row(n, lambda s, x, n=n: s.method == n and s.input_sdr == x and s.kind in kinds, value, form) for n in names]  # type: ignore[misc]
        return f"## {title}\n\n{head}{''.join(rows)}\n"

    text = (
        f"# Evaluation on the test split\n\n{len(files)} excerpts of {SECONDS} s at most; "
        "made by `python -m declipper.training.judging.evaluate`. "
    )
    text += (
        f"`adeclip` is ffmpeg's `{ADECLIP}`; it, `live` (in the windows of the monitor at its usual latency), `fast` and `best` find the "
    )
    text += "clip level by themselves, the others are told. `SS-PEW` runs "
    text += (
        "400 iterations, fewer than its authors do, `A-SPADE` steps of 4. The cost of `averaged`, an expert that begins at two others, is "
    )
    text += "that of all experts together.\n\n"
    text += section("Mean dSDR in dB, all excerpts", lambda s: s.dsdr, ".2f", ("music", "speech", "effects"))
    text += section("Mean dSDR in dB, music", lambda s: s.dsdr, ".2f", ("music",))
    text += section("Mean dSDR in dB, speech", lambda s: s.dsdr, ".2f", ("speech",))
    text += section("CPU seconds per second of mono audio", lambda s: s.cpu, ".3f", ("music", "speech", "effects"))
    text += section("PESQ (wide band), speech", lambda s: s.pesq, ".2f", ("speech",))
    text += section("Zimtohrli (estimated mean opinion score)", lambda s: s.mos, ".2f", ("music", "speech", "effects"))
    text += f"## Worst excerpt: lowest dSDR in dB\n\n{head}"
    for n in names:
        lowest = [min((s.dsdr for s in results if s.method == n and s.input_sdr == level), default=float("nan")) for level in INPUT_SDRS]
        text += f"| {n} | " + " | ".join(f"{v:.2f}" for v in lowest) + " |\n"
    for n in (n for n in names if n != "clipped"):
        text += f"\n## dSDR in dB per excerpt: {n}\n\n{head}"
        for f in files:
            text += row(f, lambda s, x, n=n, f=f: s.method == n and s.input_sdr == x and s.file == f, lambda s: s.dsdr, ".2f")  # type: ignore[misc]
    return text


def plot(results: list[Result], path: Path) -> None:
    """Mean dSDR against input SDR, one line per method, and against cost at 10 dB input SDR."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), width_ratios=(3, 2), constrained_layout=True)
    for index, name in enumerate(n for n in dict.fromkeys(s.method for s in results) if n != "clipped"):
        points = {level: [s for s in results if s.method == name and s.input_sdr == level] for level in INPUT_SDRS}
        means = {level: np.mean([s.dsdr for s in chosen]) for level, chosen in points.items() if chosen}
        left.plot(list(means), list(means.values()), "o-", color=f"C{index}", label=name)
        if points[COST_AT]:
            right.plot(np.mean([s.cpu for s in points[COST_AT]]), means[COST_AT], "o", color=f"C{index}", label=name)
    left.axhline(0, color="grey", linewidth=0.8)
    left.set(xlabel="input SDR, dB (left: heavily clipped)", ylabel="mean dSDR, dB", title="Improvement over the clipped input, test split")
    right.set(xlabel="CPU seconds per second of audio", xscale="log", title=f"Quality against cost at {COST_AT} dB")
    left.legend(fontsize="small")
    figure.savefig(path, dpi=110)
    plt.close(figure)


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--model", "files", multiple=True, metavar="NAME=FILE", help="A model file to be judged as well, or in place of a shipped one."
)
@click.option("--method", "named", multiple=True, help="Run only this method, and keep the stored results of the others.")
@click.option("--resume", is_flag=True, help="Keep all stored results and run what is missing.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Folder for evaluation.json, .md and .png.")
def main(corpus: Path, files: tuple[str, ...], named: tuple[str, ...], resume: bool, results: Path) -> None:
    """Evaluate on the test split in CORPUS, as fetched by declipper.training.data.corpus."""
    results.mkdir(exist_ok=True)
    stored = results / "evaluation.json"
    kept = [Result(**row) for row in json.loads(stored.read_text())] if stored.exists() else []
    given = {name: Path(path) for name, _, path in (file.partition("=") for file in files)}
    available = methods(given | {name: shipped_model(name) for name in ("live", "fast", "best") if name not in given})
    running = {name: method for name, method in available.items() if not named or name in named}
    kept = [s for s in kept if resume or s.method not in running]
    done = {(s.method, s.file, s.input_sdr) for s in kept}
    chosen = excerpts(corpus)
    for level in reversed(INPUT_SDRS):
        for excerpt in chosen:
            for name, method in running.items():
                if (name, excerpt.file, level) in done or (name == "adeclip" and level < ADECLIP_FROM):
                    continue
                kept.append(judged(name, method, excerpt=excerpt, input_sdr=level))
                click.echo(f"{name:10} {level:3} dB  {kept[-1].dsdr:7.2f} dB  {excerpt.file}")
                stored.write_text("[\n" + ",\n".join(json.dumps(asdict(s)) for s in kept) + "\n]\n")
    names, recordings = [*dict.fromkeys([*available, *(s.method for s in kept)])], [excerpt.file for excerpt in chosen]
    kept.sort(key=lambda s: (names.index(s.method), recordings.index(s.file), s.input_sdr))
    stored.write_text("[\n" + ",\n".join(json.dumps(asdict(s)) for s in kept) + "\n]\n")
    (results / "evaluation.md").write_text(table(kept))
    plot(kept, results / "evaluation.png")


if __name__ == "__main__":
    main()
