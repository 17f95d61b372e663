"""Everything that must hold before a change is done; ``make test`` runs it and so does CI.

1. A browser is there, or is installed (tests.tooling.chromium).
2. Which services answer (tests.tooling.services).
3. The steps below, in order; the first that fails ends the run.
4. The tests on SQLite, then those marked ``database`` on PostgreSQL, wherever a server answers.

Every step works in a data folder of its own: nothing here reads or writes a user's prices and runs.
``python -m tests.tooling.verify lint`` stops after step 3's checks of the text.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.tooling import chromium, services

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
PYTHON = sys.executable


@dataclass(frozen=True)
class Step:
    """One command and what it makes sure of."""

    label: str
    command: tuple[str, ...]


def lint_steps() -> tuple[Step, ...]:
    templates = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "templates").rglob("*.html"))
    return (
        Step("lint", (PYTHON, "-m", "ruff", "check", ".")),
        Step("format", (PYTHON, "-m", "ruff", "format", "--check", ".")),
        Step("templates", (f"{BIN}/djade", "--check", *templates)),
        Step("types", (PYTHON, "-m", "mypy")),
        Step("system checks", (PYTHON, "manage.py", "check", "--fail-level", "WARNING")),
        Step("migrations", (PYTHON, "manage.py", "makemigrations", "--check", "--dry-run")),
    )


def test_steps(*, postgresql_url: str | None, redis_url: str | None) -> tuple[Step, ...]:
    unmarked = "" if redis_url else "not redis"
    steps = [
        Step("prepare from nothing", (PYTHON, "manage.py", "prepare")),
        Step("tests on SQLite", (PYTHON, "-m", "pytest", *_selected(unmarked))),
    ]
    if postgresql_url:
        marked = " and ".join(part for part in ("database", unmarked) if part)
        command = ("env", f"DATABASE_URL={postgresql_url}", PYTHON, "-m", "pytest", *_selected(marked))
        steps.append(Step("database tests on PostgreSQL", command))
    return tuple(steps)


def run(steps: tuple[Step, ...], *, environment: dict[str, str]) -> None:
    """Run the steps in order, each under a heading; raise SystemExit at the first that fails."""
    for step in steps:
        print(f"\n--- {step.label}", flush=True)
        started = time.perf_counter()
        status = subprocess.run(
            step.command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False
        ).returncode
        if status:
            raise SystemExit(f"--- {step.label} failed after {time.perf_counter() - started:.1f} s (status {status})")


def clean_environment(data_dir: str) -> dict[str, str]:
    """Return this process's environment without the settings of whoever runs it."""
    own = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
    kept = {name: value for name, value in os.environ.items() if name not in own and not name.startswith("TRAWL_")}
    return {**kept, "TRAWL_DATA_DIR": data_dir}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="trawl-verify-") as data_dir:
        environment = clean_environment(data_dir)
        if sys.argv[1:] == ["lint"]:
            run(lint_steps(), environment=environment)
            return
        chromium.main()
        postgresql_url = services.postgresql()
        redis_url = services.redis_server()
        run(lint_steps(), environment=environment)
        run(test_steps(postgresql_url=postgresql_url, redis_url=redis_url), environment=environment)


def _selected(expression: str) -> tuple[str, ...]:
    return ("-m", expression) if expression else ()


if __name__ == "__main__":
    main()
