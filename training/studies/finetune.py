"""What does learning from clipped recordings gain on recordings of the same kind, and does the score tell?

`python -m declipper.training.studies.finetune FOLDER --name "one voice"` clips the recordings of a folder at one level, which the model is
not told, holds some of them back and lets `declipper.training.learning.command.train` learn from the others. Those held back, which it
never saw, are restored with the model before and after, and compared with their truth. With --clean the others are given unclipped as
well: that is the upper bound. Each run is a line of results/finetune.jsonl, from which results/finetune.md and finetune.png are made.

In the table, the voice is the recordings of Debian's festvox-ru, the telephone voice those of its asterisk-core-sounds-en-wav, and the
music those of widelands-data. Clarinet, chips and reader are made by `declipper.training.studies.sounds`.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import soundfile
from torch import nn

from declipper import Session, declip
from declipper.clipping.arrays import Array
from declipper.clipping.levels import clip
from declipper.commands.options import model_option
from declipper.engine.session import shipped_model
from declipper.training.data.batches import Examples
from declipper.training.data.corpus import AUDIO
from declipper.training.data.degrade import Example, sdr, threshold_for_sdr
from declipper.training.data.prepare import estimates_of
from declipper.training.learning.command import Archive, Reports, Settings, Start, train
from declipper.training.learning.loop import Budget
from declipper.training.learning.pretrain import collate, gain_db

RESULTS = Path(__file__).parent / "results"
PEAK = 0.6
"""Level that recordings are clipped at, relative to full scale: below it, so that it has to be found."""
LONGEST = 20.0
"""Seconds of a recording that are used."""
STEP = 2048
"""Frames that what is compared on the way is cut to multiples of, which every network takes."""


@dataclass(frozen=True)
class Point:
    """What a network scored while it learned, and its true gain on recordings that training never saw, in dB."""

    minutes: float
    score: float
    truth: float


@dataclass(frozen=True)
class Outcome:
    """One run.

    before, after: the mean dSDR of the recordings that training never saw, with the model that training began with and with the one to use
    after it. minutes: of CPU time on one core, without what is measured on the way. course: the scores. said: what training said.
    """

    name: str
    base: str
    clean: bool
    input_sdr: float
    recordings: int
    held: int
    minutes: float
    before: float
    after: float
    course: list[Point]
    said: list[str]


@dataclass(frozen=True)
class Pair:
    """A recording and the same clipped at PEAK."""

    x: Array
    y: Array
    sample_rate: int

    @classmethod
    def of(cls, path: Path, input_sdr: float) -> Pair:
        """The first channel of the first LONGEST seconds of a recording."""
        audio, rate = soundfile.read(path, int(LONGEST * soundfile.info(path).samplerate), always_2d=True)
        x = audio[:, 0] * (PEAK / threshold_for_sdr(audio[:, 0], input_sdr))
        return cls(x, np.rint(clip(x, PEAK, -PEAK) * 32768) / 32768, rate)

    def example(self, experts: str) -> Examples:
        """As a network sees it."""
        frames = len(self.x) // STEP * STEP
        level = float(np.float32(np.rint(PEAK * 32768) / 32768 / PEAK - 1e-6))
        x, y = ((v[:frames] / PEAK).astype(np.float32) for v in (self.x, self.y))
        return collate([Example(x, y, level, -level, estimates_of(experts, y, (level, -level), self.sample_rate))])

    def gain(self, session: Session) -> float:
        """DSDR in dB of what the program makes of it."""
        return sdr(self.x, declip(self.y, self.sample_rate, session=session)) - sdr(self.x, self.y)


def mean_gain(pairs: Sequence[Pair], model: Path) -> float:
    """Of a model on recordings, in dB."""
    session = Session(model, "cpu")
    return float(np.mean([pair.gain(session) for pair in pairs]))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--name", required=True, help="What the recordings are, for the table.")
@model_option("the fast one, to start from")
@click.option("--recordings", default=134, show_default=True, help="Most recordings to use.")
@click.option("--held", default=14, show_default=True, help="Recordings that training never sees.")
@click.option("--input-sdr", default=8.0, show_default=True)
@click.option("--minutes", default=25.0, show_default=True, help="Of CPU time, so that a busy machine makes no difference.")
@click.option("--rate", default=Settings.rate, show_default=True)
@click.option("--clean", is_flag=True, help="Give the recordings unclipped as well: the upper bound.")
@click.option("--from-scratch", is_flag=True, help="Start from random weights.")
def main(
    folder: Path,
    name: str,
    model: Path | None,
    recordings: int,
    held: int,
    input_sdr: float,
    minutes: float,
    rate: float,
    clean: bool,
    from_scratch: bool,
) -> None:
    """Measure fine-tuning on the recordings of FOLDER."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO and soundfile.info(p).duration > 3)
    files = files[:: max(1, len(files) // recordings)][:recordings]
    base = model or shipped_model("fast")
    every = max(2, len(files) // held)
    pairs = [Pair.of(path, input_sdr) for path in files[::every][:held]]
    experts = Session(base, "cpu").info.experts.name
    truths = [pair.example(experts) for pair in pairs]
    said: list[str] = []
    course: list[Point] = []
    measuring = 0.0

    def clock() -> float:
        return time.process_time() - measuring

    def watch(net: nn.Module, score: float) -> None:
        nonlocal measuring
        began = time.process_time()
        truth = float(np.mean([gain_db(net, known) for known in truths]))
        course.append(Point(round((clock() - begun) / 60, 2), round(score, 3), round(truth, 3)))
        click.echo(f"{course[-1]}", err=True)
        measuring += time.process_time() - began

    def tell(line: str) -> None:
        said.append(line)
        click.echo(line, err=True)

    with tempfile.TemporaryDirectory() as place:
        new = Path(place) / "new.onnx"
        folders = [Path(place) / "clipped", *([Path(place) / "clean"] if clean else [])]
        for made in folders:
            made.mkdir()
        for index, path in enumerate(f for f in files if f not in files[::every][:held]):
            pair = Pair.of(path, input_sdr)
            soundfile.write(folders[0] / f"{index}.wav", pair.y, pair.sample_rate, subtype="PCM_16")
            if clean:
                soundfile.write(folders[1] / f"{index}.wav", pair.x, pair.sample_rate, subtype="FLOAT")
        archive = Archive((folders[0],), tuple(folders[1:]))
        begun = clock()
        budget, settings = Budget(minutes=minutes, clock=clock), Settings(rate=rate, jobs=1)
        train(archive, new, start=Start(base, from_scratch), budget=budget, settings=settings, reports=Reports(tell), watch=watch)
        taken = (clock() - begun) / 60
        gains = [mean_gain(pairs, path if path.exists() else base) for path in (base, new)]
    said = [line.replace(f"{place}/", "") for line in said if "left out" not in line and "step " not in line]
    shown = [round(gain, 2) for gain in gains]
    began_as = f"random weights, not {base.stem}" if from_scratch else base.stem
    counts = len(files) - len(pairs), len(pairs)
    outcome = Outcome(name, began_as, clean, input_sdr, *counts, round(taken, 1), *shown, course, said)
    with (RESULTS / "finetune.jsonl").open("a") as file:
        file.write(json.dumps(asdict(outcome)) + "\n")
    report()


def report() -> None:
    """Write the table and the picture from all runs so far."""
    rows = [json.loads(line) for line in (RESULTS / "finetune.jsonl").read_text().splitlines()]
    outcomes = [Outcome(**row | {"course": [Point(**point) for point in row["course"]]}) for row in rows]
    text = "# Fine-tuning on one's own recordings\n\nMade by `python -m declipper.training.studies.finetune`. dSDR in dB: the mean of "
    text += "recordings that training never saw. The score is what training judged by: the re-clip score on held-back recordings of the "
    text += "archive, or with clean ones the dSDR on some of those, held back and clipped.\n\n"
    text += "| recordings | learned from | CPU minutes | before | after | score before | after |\n"
    text += "|---|---|---|---|---|---|---|\n"
    for o in outcomes:
        kind = f"{o.name}, {o.recordings} at {o.input_sdr:g} dB, {o.held} others held back"
        source, best = "clean ones too" if o.clean else "clipped ones alone", max(point.score for point in o.course)
        text += f"| {kind} | {source}, from {o.base} | {o.minutes:g} | {o.before:.2f} | {o.after:.2f} "
        text += f"| {o.course[0].score:.2f} | {best:.2f} |\n"
    text += "\nHow well the score tells the truth: the correlation of score and true gain over the networks judged in a run.\n\n"
    text += "| run | networks | correlation | true dB for one dB of score |\n|---|---|---|---|\n"
    for o in outcomes:
        score, truth = np.array(sorted({(point.score, point.truth) for point in o.course})).T
        if len(score) > 2:
            slope, correlation = float(np.polyfit(score, truth, 1)[0]), float(np.corrcoef(score, truth)[0, 1])
            text += f"| {o.name}, {'clean' if o.clean else 'clipped'} | {len(score)} | {correlation:.2f} | {slope:.2f} |\n"
    rises = [(p.score - o.course[0].score, p.truth - o.course[0].truth) for o in outcomes for p in o.course[1:]]
    over_all = float(np.corrcoef(np.array(rises).T)[0, 1])
    text += (
        f"\nOf all {len(rises)} networks of {len(outcomes)} runs, the rise of the score over that of the first network and the true rise "
    )
    text += f"have a correlation of {over_all:.2f}.\n\nWhat training said:\n\n"
    text += "\n".join(f"    {o.name}: {line}" for o in outcomes for line in o.said) + "\n"
    (RESULTS / "finetune.md").write_text(text)
    plot(outcomes)


def plot(outcomes: list[Outcome]) -> None:
    """The score and the truth of each run against time."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for index, o in enumerate(outcomes):
        minutes = [point.minutes for point in o.course]
        label = f"{o.name}, {'clean ones too' if o.clean else 'clipped alone'}"
        axes.plot(minutes, [point.truth for point in o.course], color=f"C{index}", label=f"{label}: truth")
        axes.plot(minutes, [point.score for point in o.course], color=f"C{index}", linestyle=":", label=f"{label}: score")
    axes.set(xlabel="minutes of one core", ylabel="dSDR, dB")
    axes.legend(fontsize=7)
    figure.savefig(RESULTS / "finetune.png", dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
