"""The market-wide figures of a run, by hand; the p-value against exact fractions."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from backtests.models import Result
from backtests.runs.statistics import (
    COLUMNS,
    FIGURE_KEYS,
    LATEST,
    LEADERS,
    SLOWEST,
    ResultRow,
    RunStatistics,
    binomial_p_value,
    sorted_rows,
)


def make_row(
    ticker: str = "AAA", return_pct: float | None = 0.0, hold_pct: float | None = 0.0, **given: Any
) -> ResultRow:
    """A result with this return, or a failed one without."""
    is_failed = return_pct is None
    values: dict[str, Any] = {
        "sequence": 1,
        "ticker": ticker,
        "name": ticker.title(),
        "sector": "",
        "reason": "too short" if is_failed else "",
        "elapsed_us": 100,
        "return_pct": return_pct,
        "buy_hold_return_pct": None if is_failed else hold_pct,
        "trades": None if is_failed else 0,
        "win_rate_pct": None,
        "max_drawdown_pct": None if is_failed else -1.0,
        "sharpe": None,
        "net_profit": None if return_pct is None else 100.0 * return_pct,
        "curve": b"",
    }
    return ResultRow(**(values | given))


ROWS = [
    make_row("AAA", 10.0, 5.0, trades=4, sector="Energy"),
    make_row("BBB", -5.0, -10.0, trades=2, sector="Energy"),
    make_row("CCC", None),
    make_row("DDD", 0.0, 20.0, trades=0, sector="Health"),
    make_row("EEE", 30.0, 40.0, trades=6),
]


def tickers(rows: list[ResultRow]) -> str:
    return " ".join(row.ticker for row in rows)


def test_nothing_yet_has_no_figures() -> None:
    figures = RunStatistics()
    assert (figures.n_done, figures.n_failed, figures.n_successful, figures.n_trades) == (0, 0, 0, 0)
    assert figures.average_return_pct is None
    assert figures.median_return_pct is None
    assert figures.positive_pct is None
    assert figures.beats_hold_pct is None
    assert figures.best is None
    assert figures.worst is None


def test_figures_of_a_few_results_by_hand() -> None:
    figures = RunStatistics().add(ROWS)
    assert (figures.n_done, figures.n_failed, figures.n_successful) == (5, 1, 4)
    assert figures.average_return_pct == 8.75  # (10 - 5 + 0 + 30) / 4
    assert figures.median_return_pct == 5.0  # between 0 and 10
    assert figures.positive_pct == 50.0
    assert figures.beats_hold_pct == 50.0  # 10 > 5 and -5 > -10
    assert figures.n_trades == 12
    assert figures.total_pnl == 3500.0
    assert figures.best is ROWS[4]
    assert figures.worst is ROWS[1]


def test_market_wide_figures_by_hand() -> None:
    assert RunStatistics().add(ROWS).market_wide() == {
        "tested": 4,
        "failed": 1,
        "mean_return_pct": 8.75,
        "median_return_pct": 5.0,
        # Of -5, 0, 10, 30: p5 is 0.15 of the way from -5 to 0, p25 0.75 of it, p75 0.25 of the way from 10 to 30.
        "return_percentiles": pytest.approx({"p5": -4.25, "p25": -1.25, "p50": 5.0, "p75": 15.0, "p95": 27.0}),
        "positive_pct": 50.0,
        "beats_buy_hold": 2,
        "beats_buy_hold_pct": 50.0,
        "beats_buy_hold_p_value": pytest.approx(11 / 16),  # two heads or more of four
        "total_pnl": 3500.0,
        "average_pnl": 875.0,
        "trades": 12,
        "winners": 2,
        "losers": 1,
        "trials": 5,
        "sectors": [
            {"sector": "(no sector)", "symbols": 1, "mean_return_pct": 30.0},
            {"sector": "Energy", "symbols": 2, "mean_return_pct": 2.5},
            {"sector": "Health", "symbols": 1, "mean_return_pct": 0.0},
        ],
    }


def test_when_everything_failed_there_is_nothing_to_average() -> None:
    figures = RunStatistics().add([make_row("AAA", None), make_row("BBB", None)])
    assert (figures.n_done, figures.n_failed, figures.n_successful) == (2, 2, 0)
    assert figures.best is None
    wide = figures.market_wide()
    assert (wide["tested"], wide["failed"], wide["trials"], wide["winners"], wide["losers"]) == (0, 2, 2, 0, 0)
    assert wide["return_percentiles"] == {"p5": None, "p25": None, "p50": None, "p75": None, "p95": None}
    undefined = ("mean_return_pct", "median_return_pct", "positive_pct", "beats_buy_hold_pct", "average_pnl")
    assert [wide[key] for key in (*undefined, "beats_buy_hold_p_value")] == [None] * 6
    assert wide["sectors"] == []


def test_when_everything_lost_the_best_is_the_smallest_loss() -> None:
    rows = [make_row("AAA", -5.0), make_row("BBB", -1.0), make_row("CCC", -9.0)]
    figures = RunStatistics().add(rows)
    assert figures.best is rows[1]
    assert figures.worst is rows[2]
    assert figures.positive_pct == 0.0
    assert figures.market_wide()["losers"] == 3


def test_a_failure_is_neither_best_nor_worst() -> None:
    rows = [make_row("AAA", None), make_row("BBB", -5.0), make_row("CCC", None)]
    figures = RunStatistics().add(rows)
    assert figures.best is figures.worst is rows[1]


def test_of_equal_results_the_first_is_best_and_worst() -> None:
    rows = [make_row("AAA", 3.0), make_row("BBB", 3.0)]
    figures = RunStatistics().add(rows)
    assert figures.best is figures.worst is rows[0]


def test_no_change_is_no_gain_and_a_tie_does_not_beat_buy_and_hold() -> None:
    figures = RunStatistics().add([make_row("AAA", 0.0, 0.0), make_row("BBB", 5.0, 5.0)])
    assert (figures.n_positive, figures.n_beats_hold) == (1, 0)
    assert figures.market_wide()["losers"] == 0


def test_results_that_land_one_by_one_count_as_those_that_land_together() -> None:
    together = RunStatistics().add(ROWS)
    for order in permutations(ROWS):
        apart = RunStatistics()
        for row in order:
            assert apart.add([row]) is apart
        assert apart.market_wide() == together.market_wide()
        assert (apart.best, apart.worst) == (together.best, together.worst)


def many(n_rows: int) -> list[ResultRow]:
    random = np.random.default_rng(7)
    # Few different values, so that many are equal; every fifth symbol failed, every third was cached.
    values = random.integers(-30, 60, n_rows).tolist()
    return [
        make_row(
            f"T{number}",
            None if number % 5 == 0 else float(values[number]),
            float(values[-1 - number]),
            elapsed_us=values[number] % 17,
            is_cached=number % 3 == 0,
            curve=b"" if number % 5 == 0 else random.random(60).astype("<f4").tobytes(),
        )
        for number in range(n_rows)
    ]


@pytest.mark.parametrize("n_at_once", [1, 7, 400])
def test_leaders_are_the_first_of_all_rows_in_order_however_they_came(n_at_once: int) -> None:
    rows, figures = many(400), RunStatistics()
    for first in range(0, 400, n_at_once):
        figures.add(rows[first : first + n_at_once])
    good = [row for row in rows if row.return_pct is not None]
    assert figures.top == sorted(good, key=lambda row: -(row.return_pct or 0.0))[:LEADERS]
    assert figures.bottom == sorted(good, key=lambda row: row.return_pct or 0.0)[:LEADERS]
    computed = [row for row in rows if not row.is_cached and row.elapsed_us]
    assert figures.slowest == sorted(computed, key=lambda row: -row.elapsed_us)[:SLOWEST]
    assert list(figures.latest) == rows[-LATEST:]
    assert figures.n_cached == 134


@pytest.mark.parametrize("n_at_once", [1, 7, 400])
def test_figures_asked_for_in_between_are_those_of_all_at_once(n_at_once: int) -> None:
    rows, figures = many(400), RunStatistics()
    for first in range(0, 400, n_at_once):
        figures.add(rows[first : first + n_at_once])
        values = [row.return_pct for row in rows[: first + n_at_once] if row.return_pct is not None]
        assert figures.median_return_pct == (statistics.median(values) if values else None)
        assert figures.sorted_returns == sorted(values)
    together = RunStatistics().add(rows)
    assert figures.market_wide() == together.market_wide()
    assert figures.average_curve is not None
    assert together.average_curve is not None
    assert figures.average_curve.tolist() == together.average_curve.tolist()


def test_the_average_curve_is_that_of_every_whole_curve() -> None:
    ramp, flat = np.linspace(1, 2, 60).astype("<f4"), np.ones(60, dtype="<f4")
    rows = [
        make_row("AAA", 100.0, curve=ramp.tobytes(), hold_curve=flat.tobytes()),
        make_row("BBB", 0.0, curve=flat.tobytes(), hold_curve=flat.tobytes()),
        make_row("CCC", None),
    ]
    figures = RunStatistics().add(rows)
    assert figures.average_curve == pytest.approx((ramp + flat) / 2)
    assert figures.average_hold_curve == pytest.approx(flat)
    assert figures.add([make_row("OLD", 0.0, curve=flat.tobytes())]).average_hold_curve is None


def test_the_average_does_not_lose_small_returns_beside_a_large_one() -> None:
    figures = RunStatistics().add([make_row(return_pct=value) for value in (1e16, 1.0, -1e16, 1.0)])
    assert figures.average_return_pct == 0.5


SORTABLE = [
    make_row("AAA", 10.0, trades=4, sharpe=None),
    make_row("BBB", -5.0, trades=2, sharpe=1.5),
    make_row("CCC", None),
    make_row("DDD", 10.0, trades=9, sharpe=-0.5),
]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("return_pct", "BBB AAA DDD CCC"),
        ("-return_pct", "AAA DDD BBB CCC"),
        ("trades", "BBB AAA DDD CCC"),
        ("-trades", "DDD AAA BBB CCC"),
        ("sharpe", "DDD BBB AAA CCC"),
        ("-sharpe", "BBB DDD AAA CCC"),
        ("", "AAA BBB CCC DDD"),
        ("-", "AAA BBB CCC DDD"),
        ("ticker", "AAA BBB CCC DDD"),
        ("--return_pct", "AAA BBB CCC DDD"),
        ("__class__", "AAA BBB CCC DDD"),
    ],
)
def test_rows_are_sorted_by_a_figure_and_those_without_it_come_last(sort: str, expected: str) -> None:
    assert tickers(sorted_rows(SORTABLE, sort)) == expected


@pytest.mark.parametrize("key", FIGURE_KEYS)
def test_every_figure_sorts_both_ways(key: str) -> None:
    rows = [
        make_row(name, **({"return_pct": 0.0} | {key: value})) for name, value in (("AAA", 2), ("BBB", 1), ("CCC", 3))
    ]
    assert tickers(sorted_rows(rows, key)) == "BBB AAA CCC"
    assert tickers(sorted_rows(rows, f"-{key}")) == "CCC AAA BBB"


def test_sorting_leaves_the_rows_that_it_was_given() -> None:
    rows = list(SORTABLE)
    sorted_rows(rows, "-return_pct")
    assert rows == SORTABLE


def test_a_row_has_a_field_for_each_column_and_each_figure_is_one() -> None:
    fields = list(ResultRow._fields)
    assert [column.removeprefix("symbol__") for column in COLUMNS] == fields
    assert set(FIGURE_KEYS) <= set(fields)
    own = {column for column in COLUMNS if not column.startswith("symbol__")}
    assert own <= {field.name for field in Result._meta.get_fields()}


@pytest.mark.parametrize("trials", [1, 2, 3, 10, 37, 500, 5000])
def test_the_p_value_is_that_of_exact_fractions(trials: int) -> None:
    for successes in {0, 1, trials // 3, trials // 2, trials // 2 + 1, trials - 1, trials}:
        heads = sum(math.comb(trials, k) for k in range(successes, trials + 1))
        exact = float(Fraction(heads, 2**trials))
        assert binomial_p_value(successes, trials) == pytest.approx(exact, rel=1e-9, abs=1e-300), successes


def test_the_p_value_by_hand() -> None:
    assert binomial_p_value(0, 10) == pytest.approx(1.0)
    assert binomial_p_value(10, 10) == pytest.approx(1 / 1024)
    assert binomial_p_value(9, 10) == pytest.approx(11 / 1024)
    assert binomial_p_value(1, 1) == pytest.approx(0.5)


def test_the_p_value_falls_with_every_success_and_is_a_probability() -> None:
    values = [binomial_p_value(successes, 200) or 0.0 for successes in range(201)]
    assert all(0.0 < value <= 1.0 for value in values)
    assert values == sorted(values, reverse=True)


def test_without_trials_there_is_no_p_value() -> None:
    assert binomial_p_value(0, 0) is None
