"""What is found in recordings that were clipped, or only limited, before they were published, and which of the two it was.

`python -m declipper.training.studies.detection.published CORPUS LIST` writes published.md. There is no truth to be had for such recordings.
So their crests are looked at without the detector (`crests`), beside those of simulated masters, of which it is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import soundfile

from declipper.clipping.arrays import Array
from declipper.detection.detector import Detection, LevelDetector
from declipper.training.data.corpus import HERE
from declipper.training.histories.draw import master
from declipper.training.histories.sources import Material
from declipper.training.studies.detection.cases import middle, recordings_in
from declipper.training.studies.detection.crests import flatness

MASTERS, SECONDS, SEED = 180, (20.0, 30.0, 45.0), 611
"""Simulated masters of the train and validation splits, and their lengths in seconds."""
FAINT = 10**-4.5
"""Energy that clipping took, relative to a master's, below which it counts for neither side."""
CLEAN, CLEAN_SECONDS = 150, 60.0
"""Recordings in which no clipping was found, and how much of each is looked at, from its middle."""
RESULTS = Path(__file__).parents[1] / "results"


@dataclass(frozen=True)
class Look:
    """One recording. flatness: of its crests. runs: how many stretches are taken for clipped. told: what is found in each polarity."""

    name: str
    flatness: float
    runs: int
    told: str

    @property
    def found(self) -> bool:
        """Whether anything is."""
        return self.told.strip("-, ") != ""

    @property
    def row(self) -> str:
        """Of a table."""
        return f"| {self.name} | {self.flatness:.2f} | {self.runs} | {self.told} |"


@dataclass(frozen=True)
class Masters:
    """Simulated masters that were never clipped, and others that were."""

    intact: list[Look]
    clipped: list[Look]

    @property
    def limit(self) -> float:
        """The highest flatness of what was never clipped."""
        return max(one.flatness for one in self.intact)


def detected(audio: Array) -> Detection:
    """What is found in a signal (frames, channels)."""
    detector = LevelDetector(audio.shape[1])
    detector.push(audio)
    return detector.finish()


def told(detection: Detection) -> str:
    """What was found in each polarity, in words."""
    polarities = [found for channel in detection.found for found in (channel.positive, channel.negative)]
    return ", ".join(f"{f.kind} {f.confidence:.2f}" if f.kind else "-" for f in polarities)


def look(audio: Array, name: str) -> Look:
    """At the whole of a recording (frames, channels), as the program does."""
    detection = detected(audio)
    return Look(name, flatness(audio), len(detection.levels.runs), told(detection))


def recording(corpus: Path, name: str) -> Look:
    """At one of the corpus."""
    return look(soundfile.read(corpus / name, dtype="float32", always_2d=True)[0], name)


def masters(material: Material, count: int) -> Masters:
    """So many, less those that were hardly clipped or have too few crests."""
    drawn = Masters([], [])
    for index in range(count):
        rng = np.random.default_rng([SEED, index])
        one = master(material, rng, float(rng.choice(SECONDS)))
        seen = look(one.y.astype(np.float32)[:, None], ", ".join(one.story))
        if np.isfinite(seen.flatness) and (one.lost > FAINT or not one.truth.any()):
            (drawn.clipped if one.lost > FAINT else drawn.intact).append(seen)
    return drawn


def clean(corpus: Path) -> list[float]:
    """Flatness of music in which no clipping was found."""
    excerpts = (middle(path, CLEAN_SECONDS) for path in recordings_in(HERE / "clean_music.txt", corpus)[:CLEAN])
    values = (flatness(one.samples) for one in excerpts if one is not None)
    return [value for value in values if np.isfinite(value)]


def report(looks: list[Look], beside: Masters, others: list[float], alarmed: list[Look]) -> str:
    """All of it as Markdown; others: flatness of music in which no clipping was found."""

    def row(name: str, those: list[Look]) -> str:
        flat, others = [one for one in those if one.flatness > beside.limit], [one for one in those if not one.flatness > beside.limit]
        found = (f"{sum(one.found for one in part)} of {len(part)}" for part in (those, flat, others))
        return f"| {name} | {' | '.join(found)} |"

    counts = {"count": len(looks), "limit": beside.limit, "others": len(others), "above": sum(value > beside.limit for value in others)}
    lines = [INTRODUCTION.format(**counts), row("masters that were never clipped", beside.intact)]
    lines += [row("masters that were clipped", beside.clipped), row("the recordings", looks), "", LISTED, "", *HEAD]
    lines += [one.row for one in sorted(looks, key=lambda one: -one.flatness)]
    if alarmed:
        lines += ["", ALARMED, "", *HEAD, *(one.row for one in alarmed)]
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("corpus", type=click.Path(exists=True, path_type=Path))
@click.argument("listed", type=click.Path(exists=True, path_type=Path))
@click.option("--alarm", "alarms", multiple=True, help="A recording in which `alarms` finds clipping, relative to CORPUS.")
def main(corpus: Path, listed: Path, alarms: tuple[str, ...]) -> None:
    """Look at the recordings that the file LISTED names, relative to CORPUS, and write published.md."""
    train, validation = (Material.of(corpus, split) for split in ("train", "validation"))
    beside = masters(Material(train.music + validation.music, [], []), MASTERS)
    looks = [recording(corpus, name) for name in sorted(listed.read_text().splitlines()) if (corpus / name).exists()]
    (RESULTS / "published.md").write_text(report(looks, beside, clean(corpus), [recording(corpus, name) for name in alarms]))


INTRODUCTION = """# Recordings that were clipped, or only limited, before they were published

Written by `python -m declipper.training.studies.detection.published`. In an earlier search by rules these {count} recordings counted as
clipped, from a look at the heights of their samples alone, which a limiter brings about as well. Nearly all are lossy-coded since. The
program is given the whole of each.

Whether they were clipped is not known, but their crests tell something of it. Flatness is how likely a crest among the highest is flatter
than one a little lower: 0.5 where clipping did nothing. The detector has no part in it. Beside the recordings stand simulated masters of
the train and validation splits, which were compressed, limited and lossy-coded at random, and clipped to 20 to 48 dB or not at all. None
that was not is flatter than {limit:.2f}, and of {others} recordings of music in which no clipping was found before {above}. So what is
flatter was clipped, as far as that can tell; of what is not, nothing but the heights of its samples says so. It may have been
clipped so mildly that the codec hid it, so heavily that lower crests are flat as well, or only limited.

| clipping found in | all | those flatter than {limit:.2f} | the others |
|---|---|---|---|"""
LISTED = """## Each recording

The flattest first. "Runs" are the stretches of samples that would be restored, "told" is what is found in each channel's positive and
negative polarity, and how surely."""
HEAD = ["| recording | flatness | runs | told |", "|---|---|---|---|"]
ALARMED = """## Recordings in which an alarm was raised

Those of [alarms](alarms.md), here from beginning to end: no clipping was found in them before, or their peaks stay below full scale."""

if __name__ == "__main__":
    main()
