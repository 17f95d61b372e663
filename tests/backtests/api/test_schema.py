"""Schemathesis makes up requests from the OpenAPI page and looks for answers that it does not promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from backtests.models import Run, Universe
from tests.backtests.processes import Outside, Server
from tests.backtests.schedules.builders import make_schedule
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe
from tests.waiting import DEADLINE_S

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"

# A run that makes sense as a whole, such as one whose first day comes before its last, is more than a schema can say.
ARGUMENTS = (
    "--no-color", "--max-examples", "10", "--seed", "1", "--generation-deterministic", "--request-timeout", "20",
    "--exclude-checks", "positive_data_acceptance",
)  # fmt: skip
# What is deleted first is not there for the others.
OF_WHAT_THERE_IS = ("--include-path-regex", "_id}", "--exclude-method", "DELETE")

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]


@pytest.fixture
def server(outside: Outside) -> Server:
    store_universe("Test", {**make_market(n_symbols=4, n_bars=60), "ZZZ": make_bars([])})
    store_universe("Coins", make_market(n_symbols=3, n_bars=60), market="crypto")
    # What is made up may well be a run more.
    return outside.serve(TRAWL_WAITING_RUNS="1000")


def examined(server: Server, folder: Path, *options: str, config: str = "") -> str:
    """Return what Schemathesis said of the server's API; it must have found nothing."""
    file = folder / "schemathesis.toml"
    file.write_text(config)
    program = [str(SCHEMATHESIS), "--config-file", str(file), "run", f"{server.url}/api/openapi.json"]
    done = subprocess.run(
        [*program, *ARGUMENTS, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=4 * DEADLINE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Internal Server Error" not in server.output.read_text()
    return done.stdout


def test_no_answer_is_a_fault_or_undocumented(server: Server, tmp_path: Path) -> None:
    said = examined(server, tmp_path)
    assert "22 selected / 22 total" in said
    assert Run.objects.exists()


def test_nor_is_any_about_a_run_that_there_is(server: Server, tmp_path: Path) -> None:
    run = execute_run(make_run(Universe.objects.get(slug="test")))
    schedule = make_schedule(run.universe)
    config = f'parameters = {{ job_id = "{run.pk}", run_id = "{run.pk}", schedule_id = {schedule.pk} }}\n'
    said = examined(server, tmp_path, *OF_WHAT_THERE_IS, config=config)
    assert "10 selected / 22 total" in said
    assert "Missing test data" not in said
