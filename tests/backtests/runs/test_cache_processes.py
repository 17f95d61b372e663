"""What is reused across processes: an edited strategy counts as another one from the next start on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backtests.models import Run
from tests.backtests.processes import Outside
from tests.builders import make_market, store_universe
from tests.strategies.own import write_strategy

# What an editor of the strategy changes: nothing about its bars, parameters or label.
BEFORE, AFTER = "entry=crossed_above(bars.close, average)", "entry=crossed_above(bars.open, average)"


@pytest.fixture
def folder(transactional_db: None, tmp_path: Path) -> Path:
    store_universe("Test", make_market(n_symbols=5, n_bars=120, shape="waves"))
    write_strategy(tmp_path, "pull_back")
    return tmp_path


def scanned(outside: Outside, folder: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """Scan in a process of its own; return the run and what it found for each symbol."""
    asked = ["--strategy", "pull-back", "--universe", "test", "--json", *arguments]
    done = outside.run("run_scan", *asked, TRAWL_STRATEGIES_DIR=str(folder))
    assert done.returncode == 0, done.stderr
    event = json.loads(done.stdout)
    return event["job_id"], {
        row["symbol"]: (row["total_return"], row["total_trades"]) for row in event["stock_results"]
    }


def test_a_strategy_of_ones_own_is_computed_again_once_it_is_edited_or_no_cache_is_asked_for(
    outside: Outside, folder: Path
) -> None:
    first, found = scanned(outside, folder)
    path = folder / "pull_back.py"
    original = path.read_text()
    path.write_text(original.replace(BEFORE, AFTER))
    edited, found_then = scanned(outside, folder)
    assert edited != first
    assert Run.objects.get(pk=edited).n_cached == 0
    assert found_then != found

    path.write_text(original)
    assert scanned(outside, folder) == (first, found)
    fresh, found_afresh = scanned(outside, folder, "--no-cache")
    assert fresh != first
    assert found_afresh == found
    assert Run.objects.get(pk=fresh).n_cached == 0
