"""The work on one recording of an archive, in whichever process: it is fetched, restored or inspected, and its result put in place."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from declipper import pipeline
from declipper.archive.folders import Folder, LocalFolder, Stamp
from declipper.archive.manifest import Result
from declipper.archive.memory import release
from declipper.archive.tree import Item, Task, restored_name
from declipper.clipping.levels import Threshold
from declipper.engine.session import Session
from declipper.errors import DeclipperError, InputError, ModelError, NoRoom
from declipper.files.delivery import Delivery, Headroom
from declipper.files.recording import Recording, Truncated
from declipper.measure.report import ClipReport
from declipper.media.formats import Sound, delivery_for
from declipper.media.recording import recording_at
from declipper.workers import IN_PROCESS, Workers

Unclipped = Literal["copy", "link", "skip"]
"""What goes into the results for a recording in which nothing is clipped: a copy of it, a symbolic link to it, or nothing."""
UNCLIPPED: tuple[Unclipped, ...] = get_args(Unclipped)


@dataclass(frozen=True)
class Settings:
    """How recordings are restored; the fields are the options of `declipper fix`. May be sent to other processes.

    model: a model file, or the name of a shipped model. suffix: of the format, without the dot, None for the usual one. sound: of what goes
    into a container such as .mp4.
    """

    model: str | Path
    device: str = "auto"
    threshold: Threshold | None = None
    truncated: Truncated = "refuse"
    suffix: str | None = None
    subtype: str | None = None
    headroom: Headroom | None = None
    match_loudness: bool = False
    unwrap: bool = False
    stream: int | None = None
    sound: Sound = field(default_factory=Sound)

    def session(self) -> Session:
        """The model, which each process loads once. Raises ModelError."""
        return _session(self.model, self.device)

    def opened(self, path: Path, name: str) -> Recording:
        """The recording at a path. Raises InputError."""
        return recording_at(path, name, keep_truncated=self.truncated == "keep", stream=self.stream)

    def delivery(self, recording: Recording, target: Path, *, overwrite: bool, only_clipped: bool = False) -> Delivery:
        """The order for the result. Raises OutputError for one that cannot be written, see `Delivery.planned`."""
        order = delivery_for(
            recording,
            target,
            self.sound,
            subtype=self.subtype,
            headroom=self.headroom,
            match_loudness=self.match_loudness,
            overwrite=overwrite,
        )
        return replace(order, only_clipped=only_clipped)

    def digest(self, checksum: str, unclipped: Unclipped) -> str:
        """SHA-256 of all that a result depends on besides its recording: these settings, the model's checksum, and what is not clipped."""
        told = asdict(replace(self, model=checksum, device="")) | {"unclipped": unclipped}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@lru_cache(1)
def _session(model: str | Path, device: str) -> Session:
    return Session(model, device)


@dataclass(frozen=True)
class Outcome:
    """What became of one recording.

    result: as in the manifest; seconds: of work. output: where the result is, relative to its folder, None where there is none; written:
    its stamp. fixed, report: what `pipeline.fix` and `pipeline.inspect` found. error: one line. stop: whether all others would fail too.
    """

    result: Result
    seconds: float
    output: str | None = None
    written: Stamp | None = None
    fixed: pipeline.Fixed | None = None
    report: ClipReport | None = None
    notes: tuple[str, ...] = ()
    error: str = ""
    stop: bool = False

    def figures(self) -> dict[str, Any]:
        """What was found and done, as plain values for JSON."""
        found = self.fixed.report if self.fixed else self.report
        told = found.as_dict() if found else {}
        if self.fixed:
            told |= {"gain_db": self.fixed.gain_db, "unwrapped_runs": self.fixed.unwrapped_runs}
            told |= {"before": vars(self.fixed.before), "after": vars(self.fixed.after)}
        lists = {"notes": list(self.notes), "warnings": list(self.fixed.warnings) if self.fixed else []}
        return told | {name: said for name, said in lists.items() if said} | ({"error": self.error} if self.error else {})


@dataclass(frozen=True)
class Restoring:
    """Restores recordings into `out`. checksum: of the model, which has to be the same wherever the work is done."""

    settings: Settings
    checksum: str
    out: Folder
    unclipped: Unclipped

    def __call__(self, task: Task, workers: Workers = IN_PROCESS) -> Outcome:
        """The work on one recording, which `workers` share."""
        return _guarded(task.item, lambda: self._restored(task.item, task.replaced, workers))

    def _restored(self, item: Item, replaced: frozenset[str], workers: Workers) -> Outcome:
        session = self.settings.session()
        if session.info.checksum != self.checksum:
            raise ModelError(f"{self.settings.model}: is another model here than where declipper was called; copy the file to all machines")
        started = time.monotonic()
        output: str | None = restored_name(item.relative, self.settings.suffix)
        assert output is not None
        with item.folder.reading(item.relative) as source:
            recording = self.settings.opened(source, item.name)
            with self.out.writing(output, replace=output in replaced) as target:
                delivery = self.settings.delivery(recording, target, overwrite=output in replaced, only_clipped=True)
                fixed = pipeline.fix(
                    recording,
                    delivery,
                    session=session,
                    threshold=self.settings.threshold,
                    unwrap=self.settings.unwrap,
                    workers=workers,
                )
            if not fixed.written:
                output = self._unclipped(item, source, replaced)
        result: Result = "restored" if fixed.written else "unclipped"
        written = self.out.stamp(output) if output else None
        return Outcome(result, time.monotonic() - started, output, written, fixed, notes=tuple(recording.notes))

    def _unclipped(self, item: Item, source: Path, replaced: frozenset[str]) -> str | None:
        """Put what is asked for in place of a restoration. Returns where it is, None for nowhere."""
        output = item.relative
        if self.unclipped == "skip":
            return None
        if self.unclipped == "link" and isinstance(self.out, LocalFolder):
            self.out.link(source, output, replace=output in replaced)
        else:
            self.out.copy(source, output, replace=output in replaced)
        return output


@dataclass(frozen=True)
class Inspecting:
    """Reports on the clipping of recordings."""

    settings: Settings

    def __call__(self, task: Task, workers: Workers = IN_PROCESS) -> Outcome:
        """The work on one recording, which `workers` share."""
        return _guarded(task.item, lambda: self._inspected(task.item, workers))

    def _inspected(self, item: Item, workers: Workers) -> Outcome:
        started = time.monotonic()
        with item.folder.reading(item.relative) as source:
            recording = self.settings.opened(source, item.name)
            report = pipeline.inspect(recording, self.settings.threshold, workers=workers)
        result: Result = "restored" if report.clipped_samples else "unclipped"
        return Outcome(result, time.monotonic() - started, report=report, notes=tuple(recording.notes))


Work = Callable[[Task], Outcome]
"""`Restoring` or `Inspecting`, or what stands in for them."""


def _guarded(item: Item, work: Callable[[], Outcome]) -> Outcome:
    """An outcome in any case: errors of many types do not all survive the way to another process."""
    started = time.monotonic()
    try:
        return work()
    except DeclipperError as error:
        result: Result = "failed" if isinstance(error, InputError) else "deferred"
        return Outcome(result, time.monotonic() - started, error=str(error), stop=isinstance(error, NoRoom | ModelError))
    except OSError as error:
        line = f"{item.name}: {error}; check names and permissions"
        return Outcome("deferred", time.monotonic() - started, error=line)
    except Exception as error:  # the rest must still be done
        line = f"{item.name}: failed unexpectedly ({type(error).__name__}: {error}); please report this"
        return Outcome("failed", time.monotonic() - started, error=line)
    finally:
        release()
