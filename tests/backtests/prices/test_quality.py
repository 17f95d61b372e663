from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.prices.findings import KIND_OF
from backtests.prices.quality import VALUES, Rows, Verdict, judge, series_of
from tests.builders import DAY_S, MONDAY_S, price_columns

MISSING = math.nan


def make_rows(columns: dict[str, list[Any]], late: tuple[int, ...] = ()) -> Rows:
    tickers = tuple(sorted(set(columns["symbol"])))
    is_late = np.zeros(len(columns["time"]), bool)
    is_late[list(late)] = True
    return Rows(
        tickers,
        np.array([tickers.index(symbol) for symbol in columns["symbol"]], np.int64),
        np.array(columns["time"], np.int64),
        {name: np.array(columns[name], np.float64) for name in VALUES},
        is_late,
    )


def kinds(verdict: Verdict) -> list[str]:
    return [finding.kind for finding in verdict.findings]


def test_a_faultless_file_is_kept_whole() -> None:
    verdict = judge(make_rows(price_columns(["AAA", "BBB"])))
    assert verdict.is_kept.all()
    assert verdict.findings == ()
    assert (verdict.n_dropped, verdict.n_merged, verdict.n_sorted) == (0, 0, 0)


@pytest.mark.parametrize(
    ("name", "value", "kind", "detail"),
    [
        ("open", MISSING, "value-missing", "no open"),
        ("volume", MISSING, "value-missing", "no volume"),
        ("close", math.inf, "value-missing", "no close"),
        ("low", 0.0, "price-not-positive", "low 0"),
        ("volume", -1.0, "volume-negative", "volume -1"),
        ("volume", 1e31, "value-absurd", "volume 1e+31"),
        ("high", 1e31, "value-absurd", "high 1e+31"),
        ("low", 1e-31, "value-absurd", "low 1e-31"),
        ("open", 98.0, "open-outside", "open 98 outside 101 to 104"),
        ("close", 104.5, "close-outside", "close 104.5 outside 101 to 104"),
        ("close", 50.5, "close-outside", "close 50.5 outside 101 to 104: 50% below the low, a bad tick"),
        ("close", 208.0, "close-outside", "close 208 outside 101 to 104: 100% above the high, a bad tick"),
    ],
)
def test_a_row_that_no_bar_can_have_is_dropped_and_named(name: str, value: float, kind: str, detail: str) -> None:
    columns = price_columns()
    columns[name][2] = value
    verdict = judge(make_rows(columns))
    assert verdict.is_kept.tolist() == [True, True, False, True, True, True]
    assert verdict.n_dropped == 1
    finding = next(finding for finding in verdict.findings if finding.kind == kind)
    assert (finding.symbol, finding.time, finding.action) == ("AAA", MONDAY_S + 2 * DAY_S, "dropped")
    assert finding.detail == detail


def test_a_high_below_the_low_is_dropped_once_though_it_breaks_several_rules() -> None:
    columns = price_columns()
    columns["high"][2] = 100.0
    verdict = judge(make_rows(columns))
    assert set(kinds(verdict)) == {"high-below-low", "open-outside", "close-outside"}
    assert verdict.n_dropped == 1


def test_a_missing_price_is_not_also_outside_of_anything() -> None:
    columns = price_columns()
    columns["high"][2] = columns["low"][2] = MISSING
    assert kinds(judge(make_rows(columns))) == ["value-missing"]


def test_zero_volume_is_kept_and_noted() -> None:
    columns = price_columns()
    columns["volume"][3] = 0.0
    verdict = judge(make_rows(columns))
    assert verdict.is_kept.all()
    assert [(finding.kind, finding.action, finding.time) for finding in verdict.findings] == [
        ("volume-zero", "noted", MONDAY_S + 3 * DAY_S)
    ]


def test_zero_volume_in_a_dropped_row_says_that_it_was_dropped() -> None:
    columns = price_columns()
    columns["volume"][3], columns["open"][3] = 0.0, MISSING
    findings = {finding.kind: finding.action for finding in judge(make_rows(columns)).findings}
    assert findings == {"value-missing": "dropped", "volume-zero": "dropped"}


def repeat(columns: dict[str, list[Any]], row: int, **changes: float) -> dict[str, list[Any]]:
    """Insert a copy of a row behind it, with some values changed."""
    for name, column in columns.items():
        column.insert(row + 1, changes.get(name, column[row]))
    return columns


def test_exact_copies_become_one_row() -> None:
    verdict = judge(make_rows(repeat(repeat(price_columns(), 2), 2)))
    assert verdict.is_kept.tolist() == [True, True, True, False, False, True, True, True]
    assert kinds(verdict) == ["duplicate-exact", "duplicate-exact"]
    assert (verdict.n_dropped, verdict.n_merged) == (0, 2)


def test_copies_of_an_unusable_row_are_dropped_and_not_repaired() -> None:
    columns = price_columns()
    columns["open"][2] = MISSING
    verdict = judge(make_rows(repeat(columns, 2)))
    assert kinds(verdict) == ["value-missing", "value-missing"]
    assert (verdict.n_dropped, verdict.n_merged) == (2, 0)


def test_conflicting_duplicates_are_all_dropped_with_their_values() -> None:
    columns = repeat(repeat(price_columns(), 2), 3, close=101.5)
    verdict = judge(make_rows(columns))
    assert verdict.is_kept.tolist() == [True, True, False, False, False, True, True, True]
    assert kinds(verdict) == ["duplicate-conflict"] * 3
    assert verdict.findings[-1].detail == "open 102, high 104, low 101, close 101.5, volume 1000"


def test_the_same_time_of_two_symbols_is_no_duplicate() -> None:
    assert judge(make_rows(price_columns(["AAA", "BBB"], 1))).is_kept.all()


def test_rows_out_of_order_are_counted_for_each_symbol() -> None:
    verdict = judge(make_rows(price_columns(["AAA", "BBB"], 3), late=(0, 1, 4)))
    assert [(finding.symbol, finding.n_rows) for finding in verdict.findings] == [("AAA", 2), ("BBB", 1)]
    assert {finding.action for finding in verdict.findings} == {"repaired"}
    assert verdict.n_sorted == 3


def test_a_row_out_of_order_that_is_dropped_is_not_also_repaired() -> None:
    columns = price_columns()
    columns["open"][1] = MISSING
    verdict = judge(make_rows(columns, late=(1, 2)))
    assert (verdict.n_dropped, verdict.n_sorted) == (1, 1)


def test_a_symbol_without_a_usable_row_is_named() -> None:
    columns = price_columns(["AAA", "BBB"], 2)
    columns["open"][0] = columns["open"][1] = MISSING
    rows = make_rows(columns)
    verdict = judge(rows)
    assert [finding.symbol for finding in verdict.findings if finding.kind == "symbol-empty"] == ["AAA"]
    assert [ticker for ticker, _ in series_of(rows.where(verdict.is_kept))] == ["BBB"]


VALUE = st.sampled_from([0.0, -1.0, 1.0, 2.0, 3.0, MISSING, math.inf])
ROW = st.tuples(st.sampled_from("AB"), st.integers(1, 4), VALUE, VALUE, VALUE, VALUE, VALUE)


@given(st.lists(ROW, max_size=12))
def test_what_is_kept_agrees_with_a_slow_reference_and_makes_bars(messy: list[tuple[Any, ...]]) -> None:
    ordered = sorted(messy, key=lambda row: (row[0], row[1]))
    names = ("symbol", "time", "open", "high", "low", "close", "volume")
    rows = make_rows({name: [row[place] for row in ordered] for place, name in enumerate(names)})
    verdict = judge(rows)
    kept = {ticker: list(bars.time) for ticker, bars in series_of(rows.where(verdict.is_kept))}
    assert kept == usable_times(ordered)
    assert len(ordered) == verdict.is_kept.sum() + verdict.n_dropped + verdict.n_merged
    assert {finding.kind for finding in verdict.findings} <= set(KIND_OF)


def usable_times(ordered: list[tuple[Any, ...]]) -> dict[str, list[int]]:
    seen: defaultdict[tuple[str, int], set[tuple[Any, ...]]] = defaultdict(set)
    for symbol, time, *values in ordered:
        seen[symbol, time].add(tuple("missing" if math.isnan(value) else value for value in values))
    usable: defaultdict[str, list[int]] = defaultdict(list)
    for (symbol, time), variants in seen.items():
        only = next(iter(variants))
        if len(variants) > 1 or "missing" in only or math.inf in only:
            continue
        open_, high, low, close, volume = only
        if min(open_, high, low, close) > 0 and volume >= 0 and low <= min(open_, close) <= max(open_, close) <= high:
            usable[symbol].append(time)
    return dict(usable)
