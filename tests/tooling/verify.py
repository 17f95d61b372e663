"""Everything that must hold before a change is done; ``make test`` runs it and so does CI.

1. A browser and curl are there, or are installed (tests.tooling.chromium, tests.tooling.curl).
2. Which services answer (tests.tooling.services).
3. The steps below, in order; the first that fails ends the run.
4. The tests on SQLite, those in a browser, and those marked ``database`` on PostgreSQL, wherever a server answers.

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

from tests.tooling import chromium, curl, services

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
PYTHON = sys.executable
# A file at a time, as its tests may share what is dear to make, in any order: those with few tests are not the quick
# ones. A test process that dies ends the run: replaced by another one, it can leave all of them waiting for each other.
BY_FILE = ("--dist", "loadfile", "--no-loadscope-reorder", "--max-worker-restart", "0")
PYTEST = (PYTHON, "-m", "pytest", *BY_FILE, "--durations", "10", "-n")
# One more than there are processors: many tests wait for servers that they have started. Browsers want one each.
MANY, EACH = str(1 + (os.cpu_count() or 1)), "logical"
# Three times what the longest step takes on two processors.
LONGEST_STEP_S = 1800


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


def test_steps(*, postgresql_url: str | None, redis_url: str | None, has_programs: bool) -> tuple[Step, ...]:
    is_there = {"redis": redis_url, "cluster": has_programs}
    unmarked = "".join(f" and not {marker}" for marker, found in is_there.items() if not found)
    steps = [
        Step("prepare from nothing", (PYTHON, "manage.py", "prepare")),
        Step("tests on SQLite", (*PYTEST, MANY, "-m", f"not browser{unmarked}")),
        Step("tests in a browser", (*PYTEST, EACH, "-m", f"browser{unmarked}")),
    ]
    if postgresql_url:
        marked = f"database and not browser{unmarked}"
        # Threads of one test hold transactions at the same moment, which those of a server do not wait for.
        own = (f"DATABASE_URL={postgresql_url}", "TRAWL_CONNECTIONS=20")
        command = ("env", *own, *PYTEST, MANY, "-m", marked)
        steps.append(Step("database tests on PostgreSQL", command))
    return tuple(steps)


def run(steps: tuple[Step, ...], *, environment: dict[str, str]) -> None:
    """Run the steps in order, each under a heading; raise SystemExit at the first that fails."""
    for step in steps:
        print(f"\n--- {step.label}", flush=True)
        started = time.perf_counter()
        try:
            status = subprocess.run(
                step.command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                check=False,
                timeout=LONGEST_STEP_S,
            ).returncode
        except subprocess.TimeoutExpired:
            raise SystemExit(f"--- {step.label} did not end within {LONGEST_STEP_S} s") from None
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
        curl.main()
        postgresql_url = services.postgresql()
        redis_url = services.redis_server()
        has_programs = services.postgresql_programs() is not None
        steps = test_steps(postgresql_url=postgresql_url, redis_url=redis_url, has_programs=has_programs)
        run(lint_steps(), environment=environment)
        run(steps, environment=environment)


if __name__ == "__main__":
    main()
