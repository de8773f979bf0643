"""How far long work is, and how long it will still take: bars where standard error is a terminal, elsewhere a line now and then."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from declipper.terminal.console import complain, printable

SHORT = 3.0
"""Seconds of work before anything is shown: who has waited that long begins to wonder."""
EVERY = 30.0
"""Seconds between two lines where there are no bars: often enough to see that work goes on, seldom enough for a log."""
PASSES = 2
"""How often a recording is gone through: to find what is clipped, and to restore it or report on it. Of several recordings, each pass
counts for as much; which takes longer evens out as recordings are done."""


class _TimeLeft(ProgressColumn):
    """The time that a task will still take, at the end of its bar."""

    def render(self, task: Task) -> Text:
        return Text(time_left(task))


def time_left(task: Task) -> str:
    """The time that a task will still take, in words, by how long it took for what is done; empty where that cannot be told yet."""
    done = task.completed - task.fields["at_first"]
    if task.total is None or done <= 0 or not task.elapsed:
        return ""
    seconds = math.ceil(task.elapsed * max(0.0, task.total - task.completed) / done)
    if seconds < 60:
        return f"{seconds} s left"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min left" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min left"


class Display:
    """What is shown of work on recordings: a bar for the one under way, and one for all where there are several.

    Where standard error is no terminal, a line every EVERY seconds says the same. Nothing is shown before SHORT seconds have passed, and
    nothing goes to standard output.
    """

    def __init__(self, sizes: Sequence[int], *, quiet: bool, clock: Callable[[], float]) -> None:
        """sizes: of the recordings, in bytes: the more of them, the more work."""
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:3.0f} %"), _TimeLeft())
        self._bars = Progress(*columns, console=console, transient=True, redirect_stdout=False, get_time=clock)
        self._all = self._bars.add_task("", total=sum(map(_work, sizes)), visible=len(sizes) > 1, at_first=0)
        self._one = self._bars.add_task("", visible=False, at_first=0)
        self._quiet, self._terminal, self._clock = quiet, console.is_terminal, clock
        self._begun = self._told = clock()
        self._count, self._done, self._worked = len(sizes), 0, 0.0
        self._name, self._size, self._step, self._passes = "", 0, "", 0

    @contextmanager
    def recording(self, name: str, size: int) -> Iterator[None]:
        """While this one is under way; on leaving it counts as done, whether or not that went well."""
        self._name, self._size, self._step, self._passes = name, size, "", 0
        try:
            yield
        finally:
            self._bars.update(self._one, visible=False)
            self.finished(size)

    def update(self, step: str, done: int, total: int) -> None:
        """So much of a step of the recording under way is done: a `pipeline.Progress`."""
        if step != self._step:
            self._passes += self._step != ""
            self._step = step
            described = f"{printable(click.format_filename(self._name, shorten=True))}: {step}"
            self._bars.reset(self._one, total=total, completed=done, visible=True, description=described, at_first=done)
        self._bars.update(self._one, completed=done, total=total)
        share = min(1.0, (self._passes + done / max(1, total)) / PASSES)
        self._show(self._worked + share * _work(self._size))

    def finished(self, size: int) -> None:
        """One more recording is done."""
        self._done, self._worked = self._done + 1, self._worked + _work(size)
        self._show(self._worked)

    def say(self, line: str) -> None:
        """A line on standard error, unless the user wants quiet."""
        if not self._quiet:
            self.hide()
            click.echo(line, err=True)

    def hide(self) -> None:
        """Take the bars away, so that other things can be written; the next time that something is done they come back."""
        self._bars.live.stop()

    def _show(self, worked: float) -> None:
        self._bars.update(self._all, completed=worked, description=f"{self._done} of {self._count} recordings")
        now = self._clock()
        if self._quiet or now - self._begun < SHORT:
            return
        if self._terminal:
            self._bars.live.start(refresh=True)
        elif now - self._told >= EVERY and (told := [_in_words(task) for task in self._bars.tasks if task.visible]):
            self._told = now
            complain("; ".join(told))


def _work(size: int) -> int:
    """Also an empty recording, or one whose size nobody knows, is some work."""
    return max(1, size)


def _in_words(task: Task) -> str:
    return ", ".join(part for part in (f"{task.description} {task.percentage:.0f} %", time_left(task)) if part)


@contextmanager
def showing(sizes: Sequence[int], *, quiet: bool, clock: Callable[[], float] = time.monotonic) -> Iterator[Display]:
    """Shows how far the work on recordings of these sizes is, in bytes, while it lasts; with `quiet`, nothing at all."""
    display = Display(sizes, quiet=quiet, clock=clock)
    try:
        yield display
    finally:
        display.hide()
