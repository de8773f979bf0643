"""The page that sums up the claims of Sechaud et al.: it names every table, every command it names is there, and its figures are theirs."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest
from documents import ROOT

STUDIES = ROOT / "training" / "studies"
PAGE = STUDIES / "README.md"
ROWS = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| the paper says")]
SOURCE = re.compile(r"\[`([\w./]+)`\]\(([^)]+)\)")
FIGURE = re.compile(r"[+-]?\d+\.\d+")


@pytest.mark.parametrize("row", ROWS)
def test_a_claim_has_a_verdict_and_its_figures_are_in_the_table_that_it_links_to(row: str) -> None:
    _, said, verdict, figures, why, source, _ = (cell.strip() for cell in row.split("|"))
    assert said
    assert re.fullmatch(r"\*\*(confirmed|not confirmed|confirmed in part|not tried|not claimed)\*\*", verdict)
    sources = SOURCE.findall(source)
    assert sources
    tables = ""
    for command, table in sources:
        assert (PAGE.parent / table).is_file()
        if table.endswith(".md"):
            assert find_spec(f"declipper.training.studies.{command}") is not None
            tables += (PAGE.parent / table).read_text()
            assert f"declipper.training.studies.{command}`" in tables
    assert set(FIGURE.findall(figures + why)) <= set(FIGURE.findall(tables))


def test_every_table_of_the_paper_s_experiments_is_on_the_page() -> None:
    linked = {(PAGE.parent / table).resolve() for row in ROWS for _, table in SOURCE.findall(row)}
    tables = {table.resolve() for name in ("paper", "synthetic", "hdr", "diffusion") for table in (STUDIES / name).glob("*.md")}
    assert tables <= linked


@pytest.mark.parametrize("page", ["README.md", "docs/figures.md", "docs/algorithm.md", "CONTRIBUTING.md"])
def test_the_documents_lead_to_the_page(page: str) -> None:
    link = "../training/studies/README.md" if page.startswith("docs/") else "training/studies/README.md"
    assert f"]({link})" in (ROOT / page).read_text()
