"""What is packed, installed and told about the package holds together."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

import declipper
from declipper.commands.main import cli

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PLACES = {"declipper": "declipper", "declipper.models": "models", "declipper.training": "training"}
"""Where the packages with such names begin; see package-dir."""


def test_the_version_is_told_in_one_place() -> None:
    assert "version" in PROJECT["project"]["dynamic"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "declipper.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", declipper.__version__)
    assert f"## {declipper.__version__} " in (ROOT / "CHANGELOG.md").read_text()


def test_every_package_is_packed() -> None:
    packed = set(PROJECT["tool"]["setuptools"]["packages"])
    found = set()
    for name, folder in PLACES.items():
        for file in (ROOT / folder).rglob("__init__.py"):
            below = file.parent.relative_to(ROOT / folder).parts
            found.add(".".join((name, *below)))
    assert packed == found


def test_every_command_has_a_man_page_with_all_its_options() -> None:
    """`python packaging/share.py` makes them anew."""
    pages = {page.stem: page.read_text() for page in (ROOT / "packaging" / "share" / "man" / "man1").iterdir()}
    commands = dict(_commands(click.Context(cli, info_name="declipper")))
    assert set(pages) == set(commands)
    for name, command in commands.items():
        options = [max(option.opts, key=len) for option in command.params if isinstance(option, click.Option) and not option.hidden]
        assert [option for option in options if option.replace("-", "\\-") not in pages[name]] == [], name
    for place, patterns in PROJECT["tool"]["setuptools"]["data-files"].items():
        assert place.startswith("share/")
        assert all(list(ROOT.glob(pattern)) for pattern in patterns)


def _commands(context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """A command and those below it, by the name of its page."""
    yield context.command_path.replace(" ", "-"), context.command
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            _, command, _ = context.command.resolve_command(context, [name])
            assert command is not None
            yield from _commands(click.Context(command, info_name=name, parent=context))


def test_extras_that_extras_name_are_there() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    for needed in extras.values():
        for group in re.findall(r"declipper\[([\w,]+)\]", " ".join(needed)):
            assert set(group.split(",")) <= set(extras)


def test_every_promise_has_a_test_that_exists() -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text().split("## What is promised")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    named = [re.findall(r"`(test_\w+\.py)::(test_\w+)`", row) for row in rows]
    assert len(rows) > 15
    assert all(named)
    for file, test in (pair for row in named for pair in row):
        tree = ast.parse((ROOT / "tests" / file).read_text())
        assert test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, f"{file}::{test}"


def test_the_citation_and_the_forms_can_be_read() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"title", "message", "authors"} <= set(citation)
    assert all({"type", "title", "authors"} <= set(reference) for reference in citation["references"])
    forms = [yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
    for form in forms:
        assert {"name", "description", "body"} <= set(form)
        assert any("inspect --json" in str(part.get("attributes")) for part in form["body"])
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        jobs = yaml.safe_load(workflow.read_text())["jobs"]
        assert all({"runs-on", "steps"} <= set(job) for job in jobs.values())
        used = re.findall(r"uses: (.*)", workflow.read_text())
        assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) for action in used), used
