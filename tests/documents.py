"""The code in the documents: what each block is, and the commands in those of the shell."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACES = ("*.md", "docs/**/*.md", "models/*.md", "tests/data/*.md", "packaging/*.md", "packaging/plugin/README.md", "training/studies/*.md")
DOCUMENTS = sorted(path.relative_to(ROOT) for pattern in PLACES for path in ROOT.glob(pattern))
BLOCK = re.compile(r"^(?:( *)<!-- not run: ([^\n]+) -->\n)?( *)```([^\n]*)\n(.*?)^\3```$", re.DOTALL | re.MULTILINE)
OUTPUT = ("text", "math")
"""Blocks that show something and are not to be run."""
OTHERS = ("apt", "arecord", "build/", "cmake", "curl", "packaging/", "pip", "pipx", "python", "python3", ".venv/", "uv", "uvx", "torchrun")
"""What commands other than `declipper` begin with. They are read, and not run."""


@dataclass(frozen=True)
class Block:
    """A block of code. language: what stands behind its fence. reason: why it is not run, empty where it is."""

    document: Path
    language: str
    code: str
    reason: str

    @property
    def commands(self) -> list[str]:
        """Its lines, without comments; a line that ends in a backslash goes on in the next."""
        lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in self.code.replace("\\\n", " ").splitlines()]
        return [line for line in lines if line]


def blocks(document: Path) -> list[Block]:
    """The blocks of code of a document, in their order."""
    found = []
    for _, reason, indent, language, code in BLOCK.findall((ROOT / document).read_text()):
        dedented = "".join(line.removeprefix(indent) for line in code.splitlines(keepends=True))
        found.append(Block(document, language, dedented, reason))
    return found


def calls_of_declipper(command: str) -> list[list[str]]:
    """The arguments of each call of `declipper` in a line of the shell; of other programs there is nothing to tell.

    Raises ValueError for a program that no document should need.
    """
    calls = []
    for part in re.split(r"&&|\|", command):
        words = shlex.split(re.sub(r"\d?[<>]\s*\S+", "", part))
        while words and words[0] in ("uvx", "pipx", "run", "python3", "-m", "torchrun", "--nproc-per-node", "4"):
            words = words[1:]
        if words and words[0] in ("declipper", ".venv/bin/declipper"):
            calls.append(words[1:])
        elif words and not part.split()[0].startswith(OTHERS):
            raise ValueError(f"{part.strip()}: is no program of {', '.join(OTHERS)}")
    return calls


def extras_of(command: str) -> set[str]:
    """The extras that a line installs."""
    return {extra for group in re.findall(r"(?:declipper|\.)\[([\w,]+)\]", command) for extra in group.split(",")}
