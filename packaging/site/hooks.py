"""How the repository becomes a site: the documents beside the code are pages too, links lead to them, and equations need no script.

Called by mkdocs, see `mkdocs.yml`. A document keeps its place: `training/results/live.md` becomes the page of that name, and what lies in
`docs` stands at the top.
"""

from __future__ import annotations

import html
import posixpath
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("*.md", "models/*.md", "packaging/**/*.md", "tests/data/*.md", "training/**/*.md")
"""The documents that are not in `docs`."""
LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)]*)?\))")
"""A link to a file: its beginning, the file, and its end with what is after a #."""
EQUATION = re.compile(r"^```math\n(.*?)^```", re.DOTALL | re.MULTILINE)
FENCE = re.compile(r"^```sh \w+$", re.MULTILINE)
"""The beginning of a block that has a name."""
TEX = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The documents beside the code, and every file that a document links to."""
    documents = {path for pattern in DOCUMENTS for path in ROOT.glob(pattern) if "build" not in path.parts}
    linked = set()
    for document in documents | set((ROOT / "docs").rglob("*.md")):
        for _, name, _ in LINK.findall(document.read_text()):
            path = Path(posixpath.normpath(document.parent / name))
            if path.is_file() and (ROOT / "docs") not in path.parents:
                linked.add(path)
    for path in sorted(documents | linked):
        place = _place(path.relative_to(ROOT).as_posix())
        if files.get_file_from_path(place) is None:
            shown = InclusionLevel.INCLUDED if place in str(config.nav) else InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, place, abs_src_path=str(path), inclusion=shown))
    return files


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Links from the places in the repository to those in the site; equations as the extension for them expects."""
    here = page.file.src_uri
    source = Path(page.file.abs_src_path).relative_to(ROOT).as_posix()

    def placed(link: re.Match[str]) -> str:
        before, name, after = link.groups()
        place = _place(posixpath.normpath(posixpath.join(posixpath.dirname(source), name)))
        return before + posixpath.relpath(place, posixpath.dirname(here) or ".") + after

    return FENCE.sub("```sh", EQUATION.sub(r"\n$$\n\1$$\n", LINK.sub(placed, markdown)))


def _place(name: str) -> str:
    """Where a file of the repository is in the site; the README is not its first page."""
    return "about.md" if name == "README.md" else name.removeprefix("docs/")


def on_page_content(content: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Equations in MathML, which browsers show by themselves."""
    return TEX.sub(lambda tex: convert(html.unescape(tex[3]), display="inline" if tex[2] == "(" else "block"), content)
