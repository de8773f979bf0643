"""What the command line shows: lines, tables, JSON, and sole use of standard output and error.

`declipper --help` loads this file too, so whatever is slow to load is loaded where it is used.
"""

from __future__ import annotations

import math
import os
import sys
import traceback
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from declipper.errors import OutputError

if TYPE_CHECKING:
    from declipper.archive.job import Outcome
    from declipper.measure.report import ClipReport, PolarityReport

SOME_FAILED, USAGE = 1, 2
"""Exit codes: something could not be done; the call was wrong."""
ONE_LEVEL_DB = 0.2
"""Levels of one polarity that differ by less are told as one."""
DEBUG = "DECLIPPER_DEBUG"
"""The environment variable that, set to 1, has the traceback of an unexpected error shown."""


def complain(problem: object) -> None:
    """One line on standard error."""
    click.echo("declipper: " + printable(" ".join(str(problem).encode("utf-8", "replace").decode().split())), err=True)


def printable(name: str) -> str:
    """A name as it is shown in a line: what would split the line or steer the terminal is written as in Python, for example \\n."""
    return "".join(repr(c)[1:-1] if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in name)


def complain_of_bug(error: Exception, name: str = "") -> None:
    """One line on an error that nobody foresaw, while working on `name`; its traceback comes before it where DEBUG is set to 1."""
    shown = os.environ.get(DEBUG) == "1"
    if shown:
        traceback.print_exception(error)
    line = f"failed unexpectedly ({type(error).__name__}: {error}); please report this"
    complain((f"{name}: " if name else "") + line + ("" if shown else f", with the traceback that {DEBUG}=1 shows"))


@contextmanager
def stdout() -> Iterator[None]:
    """Raises OutputError where standard output cannot be written; what is left goes nowhere, or Python would try again as it ends."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None:  # of another file, not of standard output
            raise
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise OutputError(f"<stdout>: cannot be written ({error.strerror}); send it elsewhere") from error


def print_json(values: dict[str, Any]) -> None:
    """One JSON object on standard output; what is not finite becomes null."""
    from declipper.archive.manifest import as_json

    with stdout():
        click.echo(as_json(values))


def outcome(made: Outcome, *, verbose: bool) -> str:
    """What `fix` did, in a line, or several when `verbose`, and a line for each note on the recording and for each warning."""
    done = made.fixed
    assert done is not None
    before, after = done.before, done.after
    speed = done.report.frames / done.report.sample_rate / max(made.seconds, 1e-6)
    line = f"{summary(done.report)}, peak {_db(before.peak)} -> {_db(after.peak)} dBFS"
    if done.unwrapped_runs:
        line += f", {done.unwrapped_runs} runs unwrapped"
    if done.gain_db:
        line += f", turned by {done.gain_db:+.2f} dB"
    line += f" ({speed:.0f}x real time)"
    if verbose:
        line += f"\n  loudness {before.lufs:.1f} -> {after.lufs:.1f} LUFS"
        line += f", true peak {before.true_peak_dbtp:+.1f} -> {after.true_peak_dbtp:+.1f} dBTP\n{table(done.report)}"
    line += "".join(f"\n  note: {note}" for note in made.notes)
    return line + "".join(f"\n  warning: {printable(warning)}" for warning in done.warnings)


def _db(level: float) -> str:
    return f"{20 * math.log10(level):+.2f}" if level > 0 else "-inf"


def story(report: ClipReport) -> str:
    """What a recording has been through, as far as it is sure, a line for each thing and each line with its break before it."""
    from declipper.detection.interpretation import in_words

    lines = []
    if report.overflow_runs:
        lines.append(f"overflow, not clipping: {report.overflow_runs} runs wrapped around; declipper fix --unwrap puts them back")
    words = in_words(report.history) if report.history else ""
    if words:
        lines.append(f"likely history: {words}")
    return "".join(f"\n  {line}" for line in lines)


def summary(report: ClipReport) -> str:
    """A report in a line."""
    if not report.clipped_samples:
        return "nothing clipped"
    share = f"{report.clipped_percent:.3g}" if report.clipped_percent < 10 else f"{report.clipped_percent:.0f}"
    return f"{share} % clipped in {report.runs} runs, longest {report.longest_run} samples, about {report.overload_db:.1f} dB over"


def numbered(sounds: Sequence[object], lines: Iterable[str]) -> list[str]:
    """A line for each stream of sound, with its number where there are several."""
    return [f"stream {getattr(one, 'stream', 1)}: {line}" if len(sounds) > 1 else line for one, line in zip(sounds, lines, strict=True)]


def by_stream(sounds: Sequence[object], values: list[dict[str, Any]]) -> dict[str, Any]:
    """For JSON: what there is of the first stream of sound, and of each one in a list where there are several."""
    several = [{"stream": getattr(one, "stream", 1)} | own for one, own in zip(sounds, values, strict=True)]
    return values[0] | ({"streams": several} if len(sounds) > 1 else {})


def table(report: ClipReport) -> str:
    """A report with a line for each polarity of each channel."""
    rows = []
    for number, pair in enumerate(report.channels, 1):
        for sign, p in zip("+-", pair, strict=True):
            if p.level_dbfs is None:
                rows.append(f"  channel {number} {sign}  not clipped")
                continue
            rows.append(
                f"  channel {number} {sign}  {_level(p)} ({p.kind}, {100 * p.confidence:.0f} % sure), "
                f"{p.clipped_samples} samples in {p.runs} runs, longest {p.longest_run}"
            )
    return "\n".join(rows)


def _level(polarity: PolarityReport) -> str:
    """The level of a clipped polarity, or the range of its levels."""
    low, high = polarity.lowest_dbfs, polarity.highest_dbfs
    if low is None or high is None or high - low < ONE_LEVEL_DB:
        return f"level {polarity.level_dbfs:.2f} dBFS"
    return f"levels {low:.1f} to {high:.1f} dBFS"


@contextmanager
def sole_use_of_stderr() -> Iterator[None]:
    """Keeps libraries from writing to standard error beside this program, as the MP3 decoder does on broken files."""
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    ours = sys.stderr
    with (
        os.fdopen(kept, "w", encoding=ours.encoding, errors="backslashreplace", buffering=1) as copy,
        Path(os.devnull).open("w") as nowhere,
    ):
        if ours.fileno() == 2:
            sys.stderr = copy
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr = ours
            os.dup2(kept, 2)
