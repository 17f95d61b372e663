from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from backtests.prices.findings import Finding
from backtests.prices.history import LISTED_SESSIONS, compare
from tests.backtests.prices.test_quality import make_rows
from tests.builders import DAY_S, MONDAY_S, price_columns

HOUR_S = 3600


def compared(columns: dict[str, list[Any]], *, market: str = "stocks", interval: str = "1d") -> list[Finding]:
    rows = make_rows(columns)
    interval_s = {"1d": DAY_S, "1h": HOUR_S}[interval]
    return compare(rows=rows, kept=rows, market=market, interval=interval, interval_s=interval_s)


def without(columns: dict[str, list[Any]], *rows: int) -> dict[str, list[Any]]:
    return {name: [value for row, value in enumerate(column) if row not in rows] for name, column in columns.items()}


def of_kind(findings: list[Finding], kind: str) -> list[tuple[str, int | None]]:
    return [(finding.symbol, finding.time) for finding in findings if finding.kind == kind]


def test_regular_histories_have_nothing_to_tell() -> None:
    assert compared(price_columns(["AAA", "BBB", "CCC"], 40)) == []


def test_a_session_that_most_symbols_have_is_missing() -> None:
    findings = compared(without(price_columns(["AAA", "BBB", "CCC"]), 2))
    assert of_kind(findings, "session-missing") == [("AAA", MONDAY_S + 2 * DAY_S)]


def test_a_day_on_which_few_symbols_trade_is_no_session() -> None:
    findings = compared(without(price_columns(["AAA", "BBB", "CCC"]), 2, 8))
    assert of_kind(findings, "session-missing") == []


def test_days_before_the_first_and_after_the_last_bar_are_not_missing_but_make_a_short_history() -> None:
    findings = compared(without(price_columns(["AAA", "BBB", "CCC"]), 0, 1, 5))
    assert [(finding.kind, finding.symbol) for finding in findings] == [("history-short", "AAA")]
    assert findings[0].detail == "3 bars instead of 6, 2024-01-03 to 2024-01-05"


def test_very_many_missing_sessions_are_one_finding() -> None:
    columns = price_columns(["AAA", "BBB", "CCC"], LISTED_SESSIONS + 3)
    findings = compared(without(columns, *range(1, LISTED_SESSIONS + 2)))
    missing = [finding for finding in findings if finding.kind == "session-missing"]
    assert [finding.n_rows for finding in missing] == [LISTED_SESSIONS + 1]


def test_an_hour_that_no_coin_has_is_a_gap_of_the_file() -> None:
    columns = without(price_columns(["AAA", "BBB"], step_s=HOUR_S), 2, 3, 8, 9)
    findings = compared(columns, market="crypto", interval="1h")
    gaps = [finding for finding in findings if finding.kind == "interval-gap"]
    assert [(gap.symbol, gap.time, gap.n_rows) for gap in gaps] == [("", MONDAY_S + 2 * HOUR_S, 2)]
    assert gaps[0].detail == "no symbol has a bar to 2024-01-01 03:00 (2 bars)"
    assert of_kind(findings, "session-missing") == []


def test_an_hour_that_one_of_two_coins_lacks_is_missing() -> None:
    findings = compared(without(price_columns(["AAA", "BBB"], step_s=HOUR_S), 2), market="crypto", interval="1h")
    assert of_kind(findings, "session-missing") == [("AAA", MONDAY_S + 2 * HOUR_S)]


def test_stocks_may_rest_over_the_weekend() -> None:
    assert of_kind(compared(without(price_columns(n_bars=14), 5, 6, 12)), "interval-gap") == []


def scaled_from(row: int, factor: float, until: int | None = None) -> dict[str, list[Any]]:
    columns = price_columns(n_bars=12)
    for name in ("open", "high", "low", "close"):
        columns[name][row:until] = [value * factor for value in columns[name][row:until]]
    return columns


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_price_that_halves_or_doubles_overnight_and_stays_may_be_a_split(factor: float) -> None:
    findings = compared(scaled_from(6, factor))
    assert of_kind(findings, "price-jump") == [("AAA", MONDAY_S + 6 * DAY_S)]
    assert of_kind(findings, "price-spike") == []


def test_a_price_that_returns_within_days_may_be_a_bad_tick() -> None:
    findings = compared(scaled_from(6, 0.5, until=7))
    assert of_kind(findings, "price-spike") == [("AAA", MONDAY_S + 6 * DAY_S)]
    assert of_kind(findings, "price-jump") == []


def test_a_fall_of_a_fifth_is_no_split() -> None:
    assert compared(scaled_from(6, 0.8)) == []


def test_two_symbols_of_different_price_are_no_jump() -> None:
    columns = price_columns(["AAA", "BBB"])
    for name in ("open", "high", "low", "close"):
        columns[name][6:] = [value * 10 for value in columns[name][6:]]
    assert compared(columns) == []


def test_last_bars_with_little_volume_may_be_unfinished() -> None:
    columns = price_columns(["AAA", "BBB"], 30)
    columns["volume"][29] = columns["volume"][59] = 100.0
    findings = compared(columns)
    last = MONDAY_S + 29 * DAY_S
    assert of_kind(findings, "bar-unfinished") == [("AAA", last), ("BBB", last)]
    assert findings[0].detail == "volume is 10% of the median of the 24 bars before"


def test_one_quiet_symbol_of_three_is_not_unfinished() -> None:
    columns = price_columns(["AAA", "BBB", "CCC"], 30)
    columns["volume"][29] = 100.0
    assert compared(columns) == []


def test_a_bar_that_ends_in_the_future_is_unfinished() -> None:
    today = int(np.datetime64(datetime.now(UTC).date()).astype("datetime64[s]").astype(np.int64))
    columns = price_columns(start_s=today - 5 * DAY_S)
    assert of_kind(compared(columns), "bar-unfinished") == [("AAA", today)]


def test_stock_bars_that_begin_at_half_past_are_noted_once() -> None:
    columns = price_columns(n_bars=4, start_s=MONDAY_S + 1800, step_s=HOUR_S)
    findings = compared(columns, interval="1h")
    assert [(finding.kind, finding.detail) for finding in findings] == [
        ("off-interval", "4 bars begin between multiples of 1h")
    ]
