from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from typing import Any

import pytest

from backtests.engine import preset_rules
from backtests.models import Run
from backtests.runs.statistics import read_rows
from backtests.streams.events import complete_event, result_data
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe

pytestmark = pytest.mark.django_db

COMPLETE = {
    "type", "summary", "total_stocks", "successful", "failed", "total_pnl", "total_time", "elapsed_time",
    "stock_results", "macro_statistics",
}  # fmt: skip
SUMMARY = {"total", "successful", "failed", "avg_return", "positive", "best", "worst"}
RESULT = {
    "symbol", "ticker", "total_return", "return_pct", "pnl", "total_trades", "win_rate", "max_drawdown", "sharpe",
    "buy_hold_return", "cached", "elapsed_ms",
}  # fmt: skip


def event_of(run: Run) -> dict[str, Any]:
    """Return the event as a program reads it: without NaN or infinity, which JSON does not have."""
    event: dict[str, Any] = json.loads(json.dumps(complete_event(run, read_rows(run.pk)), allow_nan=False))
    return event


def finished(**fields: Any) -> Run:
    symbols = {**make_market(n_symbols=4, n_bars=200, shape="waves"), "TOOSHORT": make_bars([1.0, 2.0])}
    return execute_run(make_run(store_universe("Test", symbols, is_synthetic=True), **fields))


def test_the_event_has_everything_that_programs_rely_on() -> None:
    event = event_of(finished())
    assert set(event) >= COMPLETE
    assert set(event["summary"]) >= SUMMARY
    assert event["type"] == "complete"
    good = [row for row in event["stock_results"] if "error" not in row]
    assert len(good) == 4
    for row in good:
        assert set(row) >= RESULT


def test_the_summary_counts_what_the_rows_hold() -> None:
    event = event_of(finished())
    rows = event["stock_results"]
    returns = {row["symbol"]: row["total_return"] for row in rows if "error" not in row}
    best, worst = max(returns, key=returns.__getitem__), min(returns, key=returns.__getitem__)
    summary = event["summary"]
    assert (summary["total"], summary["successful"], summary["failed"]) == (5, 4, 1)
    assert (event["total_stocks"], event["successful"], event["failed"]) == (5, 4, 1)
    assert summary["avg_return"] == pytest.approx(sum(returns.values()) / 4)
    assert summary["positive"] == sum(value > 0 for value in returns.values())
    assert summary["best"] == {"symbol": best, "return_pct": returns[best]}
    assert summary["worst"] == {"symbol": worst, "return_pct": returns[worst]}
    assert event["total_pnl"] == pytest.approx(sum(row.get("pnl", 0.0) for row in rows))
    assert event["macro_statistics"]["tested"] == 4
    assert event["total_time"] == event["elapsed_time"] >= 0


def test_rows_are_those_of_the_database_in_their_order() -> None:
    run = finished()
    rows = event_of(run)["stock_results"]
    stored = run.results.order_by("sequence").values_list("symbol__ticker", "return_pct", "trades", "net_profit")
    assert [(row["ticker"], row.get("return_pct"), row.get("total_trades"), row.get("pnl")) for row in rows] == [
        *stored
    ]
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5]


def test_a_failed_row_carries_its_error_and_no_figures() -> None:
    row = next(row for row in event_of(finished())["stock_results"] if row["ticker"] == "TOOSHORT")
    assert row["error"] == "too short: 2 bars, and this strategy needs 17 before it can trade"
    assert not {"total_return", "pnl", "sharpe"} & set(row)


def test_what_has_no_value_is_null() -> None:
    run = execute_run(make_run(store_universe("Flat", {"AAA": make_bars([1.0] * 60)})))
    (row,) = event_of(run)["stock_results"]
    assert (row["total_return"], row["total_trades"], row["sharpe"], row["win_rate"]) == (0.0, 0, None, None)


def test_a_run_in_which_every_symbol_failed_has_no_average() -> None:
    event = event_of(execute_run(make_run(store_universe("Bare", {"AAA": make_bars([]), "BBB": make_bars([])}))))
    summary = event["summary"]
    assert (summary["avg_return"], summary["best"], summary["worst"]) == (None, None, None)
    assert (event["successful"], event["failed"], event["total_pnl"]) == (0, 2, 0.0)


def test_the_event_names_everything_that_the_run_assumes() -> None:
    dates = {"start_date": date(2024, 1, 2), "end_date": date(2024, 6, 1)}
    run = finished(parameters={"period": 5}, preset="vectorbt", rules={"cash": 500.0}, **dates)
    event = event_of(run)
    assert event["job_id"] == run.pk
    assert event["run"] == {
        "strategy": "rsi",
        "parameters": {"period": 5, "low": 30.0, "high": 70.0},
        "universe": "test",
        "is_synthetic": True,
        "interval": "1d",
        "start_date": "2024-01-02",
        "end_date": "2024-06-01",
        "preset": "vectorbt",
        "rules": asdict(preset_rules("vectorbt", {"cash": 500.0})),
        "engine_version": run.engine_version,
    }


def test_a_row_tells_its_name_and_how_long_it_took() -> None:
    run = finished()
    row = read_rows(run.pk)[0]
    told = result_data(row)
    assert (told["symbol"], told["ticker"], told["name"]) == ("S0", "S0", "S0 Incorporated")
    assert told["elapsed_ms"] == row.elapsed_us / 1000
