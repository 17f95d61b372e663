"""Rows of before come through every migration that changes what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from backtests.models import Run, RunChunk, Symbol
from backtests.runs.chunks import claim
from backtests.runs.execute import failed
from backtests.runs.save import save

pytestmark = pytest.mark.django_db(transaction=True)

COLUMNS = ("backtests", "0002_metrics")
RULES = ("backtests", "0003_rules")
MONEY = {"cash": 500.0, "fee_pct": 0.25, "slippage_pct": 0.0}


def migrated(target: tuple[str, str]) -> Any:
    """Migrate one app to this state and return the models of then; the other apps are at their latest."""
    executor = MigrationExecutor(connection)
    executor.migrate([target])
    loader = MigrationExecutor(connection).loader
    others = [node for node in loader.graph.leaf_nodes() if node[0] != target[0]]
    return loader.project_state([target, *others]).apps


def latest() -> str:
    """The name of the app's last migration."""
    ((_, name),) = MigrationExecutor(connection).loader.graph.leaf_nodes("backtests")
    return str(name)


@pytest.fixture(autouse=True)
def _latest() -> Iterator[None]:
    yield
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def save_run(apps: Any, pk: str, **fields: Any) -> None:
    universe, _ = apps.get_model("backtests", "Universe").objects.get_or_create(
        slug="test", defaults={"name": "Test", "market": "stocks", "as_of": datetime(2024, 1, 1, tzinfo=UTC)}
    )
    strategy, _ = apps.get_model("strategies", "Strategy").objects.get_or_create(key="old", defaults={"label": "Old"})
    apps.get_model("backtests", "Run").objects.create(
        pk=pk, universe_id=universe.pk, strategy_id=strategy.pk, engine_version="1", **fields
    )


def test_a_run_keeps_its_money_and_is_under_the_rules_of_then() -> None:
    save_run(migrated(COLUMNS), "before", **MONEY)
    run = migrated(RULES).get_model("backtests", "Run").objects.get(pk="before")
    assert run.preset == ""
    assert {key: run.rules[key] for key in MONEY} == MONEY
    others = {key: value for key, value in run.rules.items() if key not in MONEY}
    assert (others["fill"], others["direction"], others["sizing"], others["at_end"]) == (
        "next_open", "long", "equity", "mark",
    )  # fmt: skip
    assert (others["size_pct"], others["stop_loss_pct"], others["stop_slippage"]) == (100.0, None, True)
    assert len(others) == 36


def test_the_way_back_keeps_cash_and_costs() -> None:
    save_run(migrated(RULES), "after", preset="vectorbt", rules={**MONEY, "fill": "same_close"})
    run = migrated(COLUMNS).get_model("backtests", "Run").objects.get(pk="after")
    assert {key: getattr(run, key) for key in MONEY} == MONEY


def test_a_run_of_before_keeps_its_state_and_goes_on() -> None:
    before = migrated(RULES)
    save_run(before, "running", state="running", n_symbols=1, started_at=datetime(2024, 1, 1, tzinfo=UTC))
    symbol = before.get_model("backtests", "Symbol").objects.create(ticker="AAA", market="stocks")
    before.get_model("backtests", "RunChunk").objects.create(
        run_id="running", index=0, symbol_ids=[symbol.pk], n_symbols=1
    )
    migrated(("backtests", latest()))
    run = Run.objects.get(pk="running")
    assert (run.state, run.owner, run.tickers, run.priority, run.max_workers) == ("running", None, [], [], None)
    assert (run.use_cache, run.notify_email, run.notify_url, run.paused_s, run.n_cached) == (True, "", "", 0.0, 0)
    assert Symbol.objects.get().turnover is None
    chunk = claim("running")
    assert isinstance(chunk, RunChunk)
    assert save(chunk, failed(chunk.symbol_ids, "no 1d prices are stored"))
    assert Run.objects.get(pk="running").state == "complete"
