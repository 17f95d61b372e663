"""docs/api.md: its examples are run as they stand there, and its tables hold what the API has."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest
from django.contrib.auth.models import User

from backtests.accounts.tokens import create_token
from backtests.api.api import api
from backtests.api.bodies import ScanBody
from backtests.api.tables import METRIC_KEYS
from backtests.models import Run
from tests.backtests.api.asking import events
from tests.backtests.api.examples import DOCS, N_COINS, N_STOCKS, examples
from tests.backtests.processes import Server
from tests.waiting import DEADLINE_S

SERVER = "http://127.0.0.1:8000"


def cells(heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading."""
    section = DOCS.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line[:3] == "| `"
    ]


def said(command: list[str], folder: Path, **environment: str) -> str:
    """Run a program in a folder of its own; it must end well, and what it has printed is returned."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=2 * DEADLINE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.django_db(transaction=True)
def test_the_examples_of_curl_run(server: Server, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    assert curl, "the examples need curl: install it"
    marked = [f"{example}\necho; echo '--- next'\n" for example in examples("sh")]
    # A refusal ends the script; progress meters would only be in the way.
    script = f'set -eu\ncurl() {{ {curl} --silent --show-error --fail "$@"; }}\n' + "".join(marked)
    text = create_token(owner=User.objects.create(username="alice"), name="docs")[1]
    script = script.replace(SERVER, server.url)
    scan, stream, start, looks, token, formula, end = said(
        ["bash", "-c", script], tmp_path, PATH="/usr/bin:/bin", TRAWL_TOKEN=text
    ).split("\n--- next\n")
    assert (start, end) == ("", "")
    assert json.loads(scan)["successful"] == N_STOCKS
    assert json.loads(scan)["run"]["parameters"]["period"] == 10
    types = [event["type"] for _, event in events(stream.encode().rstrip(b"\n") + b"\n\n")]
    assert (types[0], types[-1], types.count("result")) == ("start", "complete", N_STOCKS)
    run = Run.objects.get(strategy__key="bollinger")
    status, rest = looks.split("id: ", 1)
    assert json.loads(status)["job_id"] == run.pk
    assert '"type": "complete"' in rest
    assert len(list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))) == N_COINS
    assert [listed["strategy"] for listed in json.loads(token)["runs"]] == ["rsi"]
    types = [event["type"] for _, event in events(formula.encode().rstrip(b"\n") + b"\n\n")]
    assert types == ["formula-results", "chart-batch", "complete"]
    stopped = Run.objects.get(strategy__key="sma-cross")
    assert (stopped.rules["fee_pct"], stopped.rules["stop_loss_pct"]) == (0.05, 8)


@pytest.mark.django_db(transaction=True)
def test_the_examples_of_python_run(server: Server, tmp_path: Path) -> None:
    follow, look, refused, formula = [
        said([sys.executable, "-W", "error", "-c", example.replace(SERVER, server.url)], tmp_path)
        for example in examples("python")
    ]
    *coins, last = follow.splitlines()
    assert len(coins) == N_COINS
    assert "(100 % done)" in coins[-1]
    assert last.startswith(f"{N_COINS} coins, average ")
    assert re.fullmatch(rf"{N_STOCKS} results in \d\.\d\d\d s\n", look)
    table = pyarrow.parquet.read_table(tmp_path / "results.parquet")
    assert table.num_rows == N_STOCKS
    assert set(METRIC_KEYS) <= set(table.column_names)
    assert re.fullmatch(
        rf"(\d+) of {N_STOCKS} match, \d+ charts follow\n100 %: (\d+) charts\n\2 charts, 0 failures\n", formula
    )
    assert refused == "422 [{'field': 'parameters.period', 'problem': 'must be from 2 to 200; it is 1'}]\n"


def test_every_route_is_in_the_docs() -> None:
    paths = api.get_openapi_schema(path_prefix="/api/")["paths"]
    there = {f"`{method.upper()} {path}`" for path, methods in paths.items() for method in methods}
    assert {row[0] for row in cells("Routes")} == there


def test_every_field_of_a_body_is_in_the_docs_with_its_default() -> None:
    rows = cells("The body of a scan")
    assert [row[0].strip("`") for row in rows] == list(ScanBody.model_fields)
    shown = {row[0].strip("`"): row[1].strip("`") for row in rows}
    assert shown["interval"] == ScanBody.model_fields["interval"].default
    assert shown["use_cache"] == json.dumps(ScanBody.model_fields["use_cache"].default)


def test_every_status_that_a_route_may_answer_with_is_in_the_docs() -> None:
    section = DOCS.split("## Refusals\n")[1]
    told = {int(status) for status in re.findall(r"^\| (\d{3}) \|", section, re.MULTILINE)}
    routes = api.get_openapi_schema(path_prefix="/api/")["paths"].values()
    promised = {status for methods in routes for method in methods.values() for status in method["responses"]}
    assert told - {405} == promised - {200, 201, 204}


def test_what_the_docs_sort_by_is_there() -> None:
    assert set(re.findall(r"sort=-?(\w+)", DOCS)) <= set(METRIC_KEYS)
