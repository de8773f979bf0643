"""What the detector says of the examples in a pool, beside what is true of them: what `interpret` is fitted to and judged by.

It is kept in the pool, under a name that tells the detector, so that another detector has its own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from declipper.clipping.arrays import Array
from declipper.clipping.levels import ClipLevels
from declipper.detection.detector import Detection, FoundLevel, FoundLevels, LevelDetector
from declipper.detection.interpretation import EVENTS

FAINT = 1e-4
"""Share of the samples that were cut off below which an example, or a polarity, counts neither as clipped nor as unclipped."""
STAGES = {
    "levelled": {"ride", "agc", "compressor", "limiter"},
    "high-passed": {"high-pass"},
    "filtered": {"low-pass", "equaliser", "all-pass"},
    "resampled": {"resample"},
    "coded": {"mp3", "vorbis", "opus", "aac", "ima", "ms", "gsm", "mulaw", "alaw"},
}
"""The stages of `declipper.training.histories.stages` that each of EVENTS stands for; noise, dither and an offset are not told."""
TOLD = set().union(*STAGES.values())


@dataclass(frozen=True, eq=False)
class Observation:
    """One example. clipped, sides: whether it was, and whether its positive and its negative polarity were; None: too little to count.

    events: what happened to it since, of `EVENTS`. intact: whether nothing happened since it was last clipped.
    """

    detection: Detection
    clipped: bool | None
    sides: tuple[bool | None, bool | None]
    events: frozenset[str]
    intact: bool

    @property
    def levels(self) -> list[tuple[FoundLevel, bool | None]]:
        """What was found in its polarities, and whether they were clipped."""
        pair = self.detection.found[0]
        return list(zip((pair.positive, pair.negative), self.sides, strict=True))

    @property
    def kinds(self) -> set[str]:
        """The kinds of plateau that were found."""
        return {level.kind for level, _ in self.levels} - {""}


def observed(pool: Path) -> list[Observation]:
    """Everything in a pool; what the detector says of it is worked out where it is not kept yet."""
    parts = b"".join((files("declipper.models") / name).read_bytes() for name in ("detector.onnx", "gate.json", "plateaus.json"))
    detector = hashlib.sha256(parts).hexdigest()[:12]
    rows: list[Observation] = []
    for told in sorted(p for p in pool.glob("*.json") if "." not in p.stem):
        kept = told.with_suffix(f".{detector}.json")
        if not kept.exists():
            heard, cut = (np.load(told.with_suffix(ending), mmap_mode="r") for ending in (".y.npy", ".cut.npy"))
            kept.write_text(json.dumps([_observe(y, np.unpackbits(c)) for y, c in zip(heard, cut, strict=True)]))
        rows += [_observation(*pair) for pair in zip(json.loads(told.read_text()), json.loads(kept.read_text()), strict=True)]
    return rows


def _observe(y: Array, cut: Array) -> dict[str, Any]:
    detector = LevelDetector(1)
    detector.push(y[:, None])
    detection = detector.finish()
    return {
        "belief": detection.belief,
        "found": [[level.kind, level.confidence] for level in (detection.found[0].positive, detection.found[0].negative)],
        "features": detection.features.tolist(),
        "cut": [int(cut[y > 0].sum()), int(cut[y < 0].sum())],
        "frames": len(y),
    }


def _observation(told: dict[str, Any], kept: dict[str, Any]) -> Observation:
    found = FoundLevels(*(FoundLevel(*level) for level in kept["found"]))
    detection = Detection(ClipLevels.constant(np.inf, -np.inf), (found,), kept["belief"], np.array(kept["features"]))
    up, down = (_clipped(count / kept["frames"]) for count in kept["cut"])
    return Observation(detection, _clipped(sum(kept["cut"]) / kept["frames"]), (up, down), events_of(told), _intact(told))


def _clipped(share: float) -> bool | None:
    return True if share >= FAINT else None if share else False


def _intact(told: dict[str, Any]) -> bool:
    cuts = [cut for cut in told["cuts"] if cut["share"] >= FAINT]
    return bool(cuts) and not set(cuts[-1]["since"]) & set(TOLD)


def events_of(told: dict[str, Any]) -> frozenset[str]:
    """What happened to an example since it was first clipped, of `EVENTS`, by what its pool tells."""
    cuts = [cut for cut in told["cuts"] if cut["share"] >= FAINT]
    if not cuts:
        return frozenset()
    since = set(cuts[0]["since"])
    events = {name for name, stages in STAGES.items() if stages & since}
    if f"{told['rate']} Hz" not in told["story"] and "resample" not in told["story"]:
        events.add("resampled")  # by a codec that does not take every rate
    if len(cuts) > 1:
        events.add("cut again")
    return frozenset(events & EVENTS.keys())
