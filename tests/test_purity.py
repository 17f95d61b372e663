"""The pure packages know nothing of Django: they import without it in a clean interpreter."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import strategies.conformance
import strategies.formula
import strategies.indicators
import strategies.library
from backtests import engine

ROOT = Path(__file__).parent.parent
NAMES = (
    "bars",
    "params",
    "base",
    "registry",
    "errors",
    "source",
    "files",
    "user_strategies",
    "starter",
    "ready_screens",
)
MODULES = [f"strategies.{name}" for name in NAMES]
PACKAGES = [strategies.conformance, strategies.formula, strategies.indicators, strategies.library, engine]
FORBIDDEN = ("django", "channels", "environ", "psycopg")


def pure_modules() -> list[str]:
    inside = [
        f"{package.__name__}.{module.name}" for package in PACKAGES for module in pkgutil.iter_modules(package.__path__)
    ]
    return [*MODULES, *(package.__name__ for package in PACKAGES), *inside]


def test_the_pure_packages_import_without_django() -> None:
    code = "\n".join(
        [
            "import importlib, sys",
            f"for name in {pure_modules()!r}:",
            "    importlib.import_module(name)",
            f"    found = sorted(set({FORBIDDEN!r}) & set(sys.modules))",
            "    assert not found, f'{name} imports {found}'",
        ]
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("package", ["strategies/formula"])
def test_pure_packages_yet_to_come_are_not_forgotten(package: str) -> None:
    assert not (ROOT / package).exists() or package.replace("/", ".") in pure_modules()
