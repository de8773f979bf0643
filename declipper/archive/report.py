"""What a manifest says: totals, the recordings that are clipped most, those that failed, and all of it as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One recording. audio_seconds: its length; seconds: of work. What is not known is None, what is not there is ''."""

    input: str
    result: str
    output: str
    clipped_percent: float | None
    overload_db: float | None
    audio_seconds: float | None
    seconds: float | None
    error: str

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Row:
        """The row for a line of a manifest."""
        rate = line.get("sample_rate")
        return cls(
            line["input"],
            line["result"],
            line["output"] or "",
            line.get("clipped_percent"),
            line.get("overload_db"),
            line["frames"] / rate if rate else None,
            line.get("seconds"),
            line.get("error", ""),
        )


def rows(lines: Iterable[Mapping[str, Any]]) -> list[Row]:
    """A row for each recording, from the last line on it, in the order of their names."""
    return [row for _, row in sorted({line["input"]: Row.of(line) for line in lines}.items())]


def table(found: Iterable[Row]) -> Iterator[tuple[object, ...]]:
    """The names of the columns, and a tuple for each row."""
    yield tuple(field.name for field in fields(Row))
    yield from (astuple(row) for row in found)


def most_clipped(found: Iterable[Row]) -> list[Row]:
    """The rows in which something is clipped, most first."""
    return sorted((row for row in found if row.clipped_percent), key=lambda row: (-(row.clipped_percent or 0.0), row.input))


def text(found: list[Row], *, worst: int) -> str:
    """Totals, the `worst` recordings, and every one that failed, in lines."""
    count = Counter(row.result for row in found)
    audio = sum(row.audio_seconds or 0.0 for row in found)
    work = sum(row.seconds or 0.0 for row in found)
    lines = [
        f"{len(found)} recordings: {count['restored']} restored, {count['unclipped']} not clipped, "
        f"{count['failed'] + count['deferred']} failed, {count['begun']} begun and not done",
        f"{audio / 3600:.2f} hours of audio, {work / 3600:.2f} hours of work",
    ]
    clipped = most_clipped(found)[:worst]
    if clipped:
        lines.append("clipped most:")
        lines += [f"  {row.clipped_percent:.3g} %, about {row.overload_db:.1f} dB over: {row.input}" for row in clipped]
    failed = [row for row in found if row.error]
    if failed:
        lines.append("failed:")
        lines += [f"  {row.error}" if row.input in row.error else f"  {row.input}: {row.error}" for row in failed]
    return "\n".join(lines)
