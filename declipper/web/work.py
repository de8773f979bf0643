"""What is done with an uploaded recording, in a worker process: it is inspected, and restored."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from declipper import pipeline
from declipper.archive.job import Settings
from declipper.clipping.levels import Threshold
from declipper.measure.plot import AMPLITUDES, envelope_of
from declipper.page.output import write_page
from declipper.terminal.console import story, summary, table

RECORDING, RESTORED, PAGE, PROGRESS = "recording", "restored.wav", "page.html", "progress"
"""What the folder of a job holds: what was uploaded, its restoration, the page about both, and how far the work is."""


@dataclass(frozen=True)
class Inspection:
    """What was found in a recording.

    told: in a line; details: in more of them. levels: in dBFS, of each polarity of each channel that is clipped. histogram: how many
    samples are so far from zero, in steps of `step` from 0 on.
    """

    told: str
    details: str
    levels: list[float]
    histogram: list[int]
    step: float


@dataclass(frozen=True)
class Told:
    """Writes down how far the work is; called as a `Progress`."""

    folder: Path

    def __call__(self, step: str, done: int, total: int) -> None:
        """The file always holds one whole message. On Windows it cannot be replaced while it is read: then the next one will be."""
        part = self.folder / f"{PROGRESS}.part"
        part.write_text(json.dumps({"step": step, "share": done / max(1, total)}))
        with suppress(PermissionError):
            part.replace(self.folder / PROGRESS)


def inspect(folder: Path, name: str) -> Inspection:
    """Inspect the recording in a folder, which the user calls `name`. Raises InputError for what is none."""
    recording = Settings("best").opened(folder / RECORDING, name)
    report = pipeline.inspect(recording, progress=Told(folder))
    counts = envelope_of(recording, report.levels).histogram.sum(axis=1)
    middle = len(counts) // 2
    levels = [p.level_dbfs for pair in report.channels for p in pair if p.level_dbfs is not None]
    folded = (counts[middle:] + counts[:middle][::-1]).astype(int)
    return Inspection(summary(report), story(report).strip() + table(report), levels, folded.tolist(), float(AMPLITUDES[1] - AMPLITUDES[0]))


def restore(folder: Path, name: str, restored_name: str, quality: str, threshold: Threshold | None) -> str:
    """Restore the recording in a folder, and write the page about it. Returns what was found, in a line. Raises DeclipperError."""
    settings = Settings(quality, threshold=threshold)
    recording = settings.opened(folder / RECORDING, name)
    target = folder / RESTORED
    delivery = settings.delivery(recording, target, overwrite=True)
    done = pipeline.fix(recording, delivery, session=settings.session(), threshold=threshold, progress=Told(folder))
    write_page(recording, settings.opened(target, restored_name), done.report, path=folder / PAGE, overwrite=True)
    return summary(done.report)
