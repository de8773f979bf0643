"""What the documents say holds: the README's Python example runs as printed, and every file that they name is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import clipped, write_audio

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/*.md", "models/*.md", "tests/data/*.md", "packaging/*.md", "packaging/plugin/README.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\(([^)#]*)(#[^)]*)?\)")
NAMED = re.compile(r"`((?:declipper|training|models|tests|packaging|docs)/[\w./-]*)`")
"""A path from the top of the repository, in backticks."""


def test_the_example_runs_and_a_stream_gives_what_the_whole_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert example is not None
    monkeypatch.chdir(tmp_path)
    song = write_audio(tmp_path / "song.wav", clipped(frames=11025))
    names: dict[str, Any] = {}
    exec(compile(example[1], "README.md", "exec"), names)
    assert np.array_equal(np.concatenate(names["parts"]), names["restored"])
    assert np.abs(names["restored"]).max() > np.abs(names["audio"]).max()
    assert (tmp_path / "song.restored.wav").stat().st_size > 0
    assert song.exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_file_that_a_document_names_is_there(document: Path) -> None:
    text = (ROOT / document).read_text()
    links = [link for link, _ in LINK.findall(text) if link and "://" not in link]
    missing = [link for link in links if not (ROOT / document.parent / link).exists()]
    missing += [name for name in NAMED.findall(text) if not (ROOT / name).exists()]
    assert not missing
