"""Counts false alarms: `python -m declipper.training.studies.detection.alarms CORPUS`.

Unclipped material of many kinds is looked through by the program's detector. Where it finds clipping, the model `fast` restores it, and how
many samples that changed, and by how much, is counted. Writes alarms.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import click
import numpy as np

from declipper.clipping.levels import clip, mask_of
from declipper.engine.session import Session
from declipper.engine.stream import declip
from declipper.training.data.corpus import AUDIO, HERE, packages
from declipper.training.data.degrade import threshold_for_sdr
from declipper.training.histories import levelling
from declipper.training.histories.lossy import lossy
from declipper.training.histories.sources import HIGHEST
from declipper.training.histories.synthetic import KINDS, WAVES, voice
from declipper.training.studies.detection.cases import Excerpt, loud_masters, middle, quantise, recordings_in, synthetic
from declipper.training.studies.detection.published import detected, told

SEED = 9
"""Of all that is drawn; training drew with others."""
CHIPS = 4
"""Pieces of each kind of chip music."""
CHIP_SECONDS, RESTORED_SECONDS = 8, 6
OWN_SDR = 12.0
"""Input SDR in dB of what the program restores before it looks at it again."""


@dataclass(frozen=True)
class Alarm:
    """Clipping found in a signal. marked: share of the samples taken for clipped; largest: by how many dB restoring raised one at most."""

    name: str
    marked: float
    largest: float
    told: str


def alarm_in(excerpt: Excerpt, session: Session) -> Alarm | None:
    """What is found in a signal, None where nothing is."""
    audio = np.asarray(excerpt.samples, np.float32).reshape(len(excerpt.samples), -1)
    detection = detected(audio)
    mask = mask_of(audio, detection.levels)
    if not mask.any():
        return None
    restored = declip(audio, excerpt.sample_rate, levels=detection.levels, session=session)
    rise = 20 * np.log10(np.abs(restored[mask]) / np.maximum(np.abs(audio[mask]), np.finfo(np.float32).tiny))
    return Alarm(excerpt.name, float(mask.mean()), float(rise.max()), told(detection))


def of_kind(corpus: Path, kind: str) -> list[Path]:
    """Recordings of one kind from all packages, mixed."""
    paths = [f for p in packages() if p.kind == kind for f in sorted((corpus / p.package).rglob("*")) if f.suffix.lower() in AUDIO]
    return [paths[i] for i in np.random.default_rng(SEED).permutation(len(paths))]


def left(excerpt: Excerpt) -> Excerpt:
    """Its first channel, (frames,)."""
    return replace(excerpt, samples=excerpt.samples[:, 0])


def limited(excerpt: Excerpt, rng: np.random.Generator, codec: str = "") -> Excerpt:
    """The first channel through a limiter, 1 to 10 dB of it, with a lossy codec after it or not."""
    y = left(excerpt).samples.astype(np.float64)
    y = y / np.abs(y).max()
    ceiling = 10 ** (-rng.uniform(1, 10) / 20)
    y = quantise(y * levelling.limiter(y, excerpt.sample_rate, ceiling, rng) / ceiling * 0.999, 16)
    return Excerpt(excerpt.name, (lossy(y, excerpt.sample_rate, codec, rng) if codec else y)[:, None], excerpt.sample_rate)


def chips() -> Iterator[Excerpt]:
    """Chip music of one voice, of each kind of wave."""
    for kind in WAVES:
        for number in range(CHIPS):
            rng = np.random.default_rng([SEED, number])
            rate = int(rng.choice([22050, 44100, 48000]))
            y = voice(CHIP_SECONDS * rate, rate, rng, kind)
            yield Excerpt(f"{kind}, {number}", quantise(0.999 * y / max(1e-9, np.abs(y).max()), 16)[:, None], rate)


def made(count: int) -> Iterator[Excerpt]:
    """Chips of several voices, beeps, struck notes, squares, silence."""
    for number in range(count):
        rng = np.random.default_rng([SEED, 1, number])
        rate, kind = int(rng.choice([22050, 44100, 48000])), KINDS[number % len(KINDS)]
        y = kind(CHIP_SECONDS * rate, rate, rng)
        yield Excerpt(f"{kind.__name__}, {number}", quantise(y / max(1.001, np.abs(y).max()), 16)[:, None], rate)


def own_output(excerpt: Excerpt, session: Session) -> Excerpt:
    """What the program makes of the excerpt's first channel after it was clipped."""
    x = left(excerpt).samples[: RESTORED_SECONDS * excerpt.sample_rate].astype(np.float64)
    level = threshold_for_sdr(x, OWN_SDR)
    return Excerpt(excerpt.name, declip(clip(x, level, -level), excerpt.sample_rate, session=session)[:, None], excerpt.sample_rate)


def counted(name: str, signals: Iterator[Excerpt | None], session: Session) -> tuple[str, list[Alarm]]:
    """A row of the table, and the alarms it counts."""
    count, alarms = 0, []
    for signal in signals:
        if signal is not None:
            count += 1
            alarm = alarm_in(signal, session)
            if alarm:
                alarms.append(alarm)
                click.echo(f"  {name}: {alarm}", err=True)
    marked, largest = max((a.marked for a in alarms), default=0.0), max((a.largest for a in alarms), default=0.0)
    row = f"| {name} | {len(alarms)} of {count} | {100 * marked:.4f} % | {largest:.1f} dB |"
    click.echo(row)
    return row, alarms


@click.command()
@click.argument("corpus", type=click.Path(exists=True, path_type=Path))
@click.option("--seconds", default=60.0, show_default=True, help="Of each recording, from its middle.")
@click.option("--most", default=10**6, help="Recordings of a kind at most.")
@click.option("--derived", default=40, show_default=True, help="Recordings that are limited, or restored, and looked at then.")
@click.option("--output", default=Path(__file__).parents[1] / "results" / "alarms.md", type=click.Path(path_type=Path))
def main(corpus: Path, seconds: float, most: int, derived: int, output: Path) -> None:
    """Count, and write alarms.md."""
    session = Session("fast", "cpu")
    music = recordings_in(HERE / "clean_music.txt", corpus)

    def some(change: Callable[[Excerpt, np.random.Generator], Excerpt]) -> Iterator[Excerpt]:
        for number, path in enumerate(music[:derived]):
            excerpt = middle(path, min(seconds, 20.0))
            if excerpt is not None:
                yield change(excerpt, np.random.default_rng([SEED, number]))

    def recordings(paths: list[Path]) -> Iterator[Excerpt | None]:
        return (middle(path, seconds) for path in paths[:most])

    speech = (e for e in recordings(of_kind(corpus, "speech")) if e is not None and np.abs(e.samples).max() < HIGHEST)
    effects = (e for e in recordings(of_kind(corpus, "effects")) if e is not None and np.abs(e.samples).max() < HIGHEST)
    tables = [
        counted("music in which no clipping was found before", recordings(music), session),
        counted("speech whose peaks stay below full scale", speech, session),
        counted("effects whose peaks stay below full scale", effects, session),
        counted("music through a limiter", some(limited), session),
        counted("the same with 12 dB of limiting, or above full scale", loud_masters(some(lambda e, _: left(e))), session),
        counted("music through a limiter and Vorbis", some(lambda e, rng: limited(e, rng, "vorbis")), session),
        counted("music that was clipped and restored", some(lambda e, _: own_output(e, session)), session),
        counted("chip music of ten kinds", chips(), session),
        counted("other synthetic sounds", chain(synthetic(), made(derived)), session),
    ]
    lines = [INTRODUCTION.format(seconds=seconds), *(row for row, _ in tables), "", ALARMS, "", "| sound | marked | raised by | told |"]
    lines += ["|---|---|---|---|"]
    lines += [f"| {a.name} | {100 * a.marked:.4f} % | {a.largest:.1f} dB | {a.told} |" for _, alarms in tables for a in alarms]
    output.write_text("\n".join(lines) + "\n")


INTRODUCTION = """# False alarms

Written by `python -m declipper.training.studies.detection.alarms`: {seconds:g} s from the middle of each recording, or all of it where it
is shorter. Nothing in it was clipped, as far as is known. "Marked" is the largest share of a recording's samples that is taken for clipped,
"raised" by how much restoring one of them raised it at most.

| recordings | clipping found in | marked | raised by |
|---|---|---|---|"""
ALARMS = """## Each alarm

In the order of the table, with what is told of each channel's positive and negative polarity, and how surely.
[What their crests tell](published.md#recordings-in-which-an-alarm-was-raised) of whether they were clipped after all."""

if __name__ == "__main__":
    main()
