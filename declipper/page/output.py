"""Pages as files: each is whole, or not there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from declipper.archive.report import Row
from declipper.errors import InputError
from declipper.files.hidden import whole
from declipper.files.recording import Recording
from declipper.measure.report import ClipReport
from declipper.page.comparison import compare
from declipper.page.pair import Pair
from declipper.page.render import PageLink, index, page

INDEX = "index.html"
"""The page that leads to all others of an archive."""


def write_page(original: Recording, restored: Recording, report: ClipReport, *, path: Path, overwrite: bool) -> None:
    """Write the page about a recording and its restoration. report: on the recording.

    Raises InputError where one is not the restoration of the other, OutputError where the page cannot be written.
    """
    text = page(compare(Pair(original, restored), report))
    with whole(path, what="the page", overwrite=overwrite) as part:
        part.write_text(text, "utf-8")


def page_of(row: Row) -> PurePosixPath:
    """Where the page about a recording of an archive is, seen from the folder of the pages. Raises InputError for results elsewhere."""
    name = PurePosixPath(row.output)
    if not row.output or name.is_absolute() or ".." in name.parts:
        raise InputError(f"{row.input}: its result {row.output!r} is not in the folder of the manifest; restore it again")
    return name.with_name(f"{name.name}.html")


def write_pages(found: Iterable[Row], folder: Path, *, title: str, make: Callable[[Row, Path], None], overwrite: bool) -> list[str]:
    """Write a page for each recording that was restored, with `make`, and in the end the index. Returns what went wrong, in lines.

    A page that exists is kept, unless it is to be overwritten: the index comes last, so a call that was interrupted goes on where it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    links = list(_links(found, folder, make, overwrite=overwrite))
    with whole(folder / INDEX, what="the index", overwrite=overwrite) as part:
        part.write_text(index(links, title=title), "utf-8")
    return [link.problem for link in links if link.problem]


def _links(found: Iterable[Row], folder: Path, make: Callable[[Row, Path], None], *, overwrite: bool) -> Iterator[PageLink]:
    for row in found:
        address, problem = "", row.error
        if row.result == "restored":
            try:
                name = page_of(row)
                target = folder / name
                if overwrite or not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    make(row, target)
                address = quote(str(name))
            except InputError as error:
                problem = str(error)
        yield PageLink(row.input, address, row.clipped_percent, row.overload_db, row.audio_seconds, problem)
