"""The docs say what is there: every table in them that can be checked against the project is."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()


def names(requirements: list[str]) -> list[str]:
    return [re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in requirements]


def declared() -> dict[str, list[str]]:
    """The direct dependencies, by the heading under which docs/dependencies.md must list them."""
    return {
        "Runtime": names(PYPROJECT["project"]["dependencies"]),
        "Tests and tools": names(PYPROJECT["dependency-groups"]["dev"]),
        "Fuzzing": names(PYPROJECT["dependency-groups"]["fuzz"]),
        "Other backtesters": names(PYPROJECT["dependency-groups"]["peers"]),
        "Front end": list(json.loads((ROOT / "package.json").read_text())["dependencies"]),
        "Fetched when needed": [
            name.lower().replace("_", "-") for name in re.findall(r"^([A-Z_]+)_VERSION = ", MAKEFILE, re.MULTILINE)
        ],
    }


def rows(heading: str) -> list[list[str]]:
    section = (ROOT / "docs" / "dependencies.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:3] == "| `"]


@pytest.mark.parametrize("heading", declared())
def test_every_dependency_is_explained_and_nothing_else_is(heading: str) -> None:
    assert [row[0].strip("`") for row in rows(heading)] == declared()[heading]


@pytest.mark.parametrize("heading", declared())
def test_an_explanation_says_what_for_and_why(heading: str) -> None:
    for name, purpose, reason in rows(heading):
        assert purpose.endswith("."), name
        assert reason.endswith("."), name


def test_every_make_target_is_named_in_its_help() -> None:
    targets = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert targets is not None
    shown = re.findall(r"^#   make ([\w-]+) ", MAKEFILE, re.MULTILINE)
    assert shown == [target for target in targets[1].split() if target not in {"help", "again"}]
