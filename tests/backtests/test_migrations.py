"""Rows of before come through every migration that changes what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

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
