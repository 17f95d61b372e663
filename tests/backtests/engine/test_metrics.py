"""Every metric by hand, with round numbers."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from django.db import models

from backtests.engine import RULES_BY_KEY, evaluate, measure
from backtests.engine.errors import EngineError
from backtests.engine.table import INDEX, METRICS, METRICS_BY_KEY, SHARPE, TERMS, Metric, metrics_under
from backtests.models import Result
from strategies.bars import Bars
from tests.backtests.engine.accounts import account, assert_values, compounding, earning, following, idle, measured
from tests.backtests.engine.metric_references import REFERENCES, SHARPES, referenced
from tests.backtests.engine.references import random_signals, signals_on
from tests.builders import DAY_S, MONDAY_S, make_bars, make_market

# The table


def test_the_table_is_complete() -> None:
    assert len(METRICS) == 47
    assert len(METRICS_BY_KEY) == len(INDEX) == len(METRICS)
    assert list(METRICS_BY_KEY) == list(INDEX) == [metric.key for metric in METRICS] == list(REFERENCES)
    assert list(INDEX.values()) == list(range(len(METRICS)))
    assert len({metric.label for metric in METRICS}) == len(METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=INDEX)
def test_a_metric_is_declared_whole(metric: Metric) -> None:
    assert metric.key.isidentifier()
    assert metric.label
    assert metric.formula
    assert metric.unit in {"time", "count", "bars", "%", "money", "ratio"}
    assert metric.better in {"higher", "lower", "neither"}
    assert (metric.unit == "%") == (metric.key.endswith("_pct") or metric.key == "ulcer_index")
    assert (metric.unit == "bars") == metric.key.endswith("_bars")


def test_every_term_is_used() -> None:
    text = " ".join(f"{metric.formula} {metric.undefined}" for metric in METRICS)
    assert [term for term in TERMS if term not in text] == ["rounding"]


@pytest.mark.parametrize("metric", METRICS, ids=INDEX)
def test_a_result_has_a_column_for_the_metric(metric: Metric) -> None:
    column = Result._meta.get_field(metric.key)
    kinds: dict[str, type[models.Field[Any, Any]]] = {
        "time": models.DateTimeField,
        "count": models.PositiveIntegerField,
    }
    assert isinstance(column, kinds.get(metric.unit, models.FloatField))
    assert column.null


def test_the_sharpe_ratio_is_explained_as_the_rule_has_it() -> None:
    assert list(SHARPE) == list(RULES_BY_KEY["sharpe"].choices) == list(SHARPES)
    assert metrics_under("bar") == METRICS
    for choice, (formula, undefined) in SHARPE.items():
        changed = [metric for metric, plain in zip(metrics_under(choice), METRICS, strict=True) if metric != plain]
        assert [metric.key for metric in changed] == ["sharpe"] * (choice != "bar")
        assert all((metric.formula, metric.undefined) == (formula, undefined) for metric in changed)


# By hand


def test_times_and_money_by_hand() -> None:
    # In at 10, out at 20; in at 20, out at 10; in at 10, still held at 15: six bars are a year.
    bars = make_bars([10, 10, 20, 20, 10, 10, 15], opens=[10, 10, 20, 20, 10, 10, 10])
    item = account(bars, signals_on(7, entry=[0, 2, 4], exit=[1, 3]), bars_a_year=6)
    assert_values(
        item,
        start=MONDAY_S,
        end=MONDAY_S + 6 * DAY_S,
        bars=7,
        exposure_pct=100 * 4 / 7,  # on the closes of bars 1, 3, 5 and 6
        final_equity=1500,
        peak_equity=2000,
        net_profit=500,
        return_pct=50,
        buy_hold_return_pct=50,
        excess_return_pct=0,
        cagr_pct=50,
        calmar=1,
        trades=2,
        open_trades=1,
        win_rate_pct=50,
    )


def test_growth_is_that_of_a_year() -> None:
    assert_values(following([100, 110, 144], bars_a_year=1), return_pct=44, cagr_pct=20)
    assert_values(following([100, 110], bars_a_year=2), cagr_pct=21)


def test_growth_that_is_a_number_but_no_percentage_has_no_value() -> None:
    assert_values(following([10, 100], bars_a_year=307), cagr_pct=math.nan)  # 10^307, and 100 times as much
    assert_values(following([10, 100], bars_a_year=305), cagr_pct=1e307)


def test_the_excess_is_what_the_market_did_not_give() -> None:
    bars = make_bars([100, 100, 150, 200], opens=[100, 100, 100, 150])
    item = account(bars, signals_on(4, entry=[0], exit=[2]))
    assert_values(item, return_pct=50, buy_hold_return_pct=100, excess_return_pct=-50)


def test_volatility_and_sharpe_by_hand() -> None:
    # Mean 0.2, deviation (n - 1) 0.2, and the root of four bars a year is 2.
    item = compounding([0.0, 0.2, 0.4], bars_a_year=4)
    assert_values(item, volatility_pct=40, sharpe=2)


def test_the_risk_free_rate_of_a_bar_compounds_to_that_of_the_year() -> None:
    assert_values(compounding([0.0, 0.2, 0.4], bars_a_year=4, risk_free_pct=46.41), sharpe=1)  # 10 % a bar


def test_the_first_bar_has_a_return_of_its_own_from_cash() -> None:
    # 1000 buy units worth 800 at once: returns of -0.2, 0.2 and 0.6.
    costly: dict[str, Any] = {"fee_pct": 25, "bars_a_year": 4}
    assert_values(following([100, 120, 192], sharpe="bar_from_cash", **costly), sharpe=1)
    assert_values(following([100, 120, 192], **costly), sharpe=0.4 / math.sqrt(0.08) * 2)
    assert_values(following([100, 120], sharpe="bar_from_cash", **costly), sharpe=0)
    # 0.4641 a year are 0.1 a bar.
    assert_values(following([100, 120, 192], sharpe="bar_from_cash", risk_free_pct=46.41, **costly), sharpe=0.5)


def test_the_geometric_sharpe_ratio_by_hand() -> None:
    # Sixteenfold in four bars is twofold a bar; 0, 1, 1 and 3 have a variance (n - 1) of 19/12.
    closes = [100, 100, 200, 400, 1600]
    assert_values(following(closes, bars_a_year=1, sharpe="geometric"), sharpe=math.sqrt(12 / 19))
    half = following(closes, bars_a_year=1, sharpe="geometric", risk_free_pct=50)
    assert_values(half, sharpe=math.sqrt(12 / 19) / 2)
    # (19/12 + 4)² − 16 = 2185/144
    assert_values(following(closes, bars_a_year=2, sharpe="geometric"), sharpe=3 / math.sqrt(2185 / 144))


def test_months_and_years_end_at_their_last_bar() -> None:
    # Two days of one month (or year) and one of the next: 0.2 and 0.4, whose mean is 0.3 and deviation (n) 0.1.
    thirtieth = MONDAY_S + 29 * DAY_S  # of January
    item = following([100, 120, 168], start_s=thirtieth, sharpe="monthly", risk_free_pct=12)
    assert_values(item, sharpe=2.9)
    item = following([100, 120, 168], start_s=MONDAY_S - 2 * DAY_S, sharpe="yearly", risk_free_pct=10)
    assert_values(item, sharpe=2)


def test_the_calendar_knows_leap_years_and_the_last_second_of_a_month() -> None:
    for year_s in (951_782_400, 1_709_164_800, 4_107_456_000, 7_263_216_000):  # 29 February, and 1 March 2100, 2200
        for offset in (-DAY_S, -1, 0, 1, DAY_S, 365 * DAY_S):
            item = following([100, 120, 90, 130], start_s=year_s + offset, sharpe="monthly")
            assert measured(item)["sharpe"] == pytest.approx(referenced(item)["sharpe"], rel=1e-12, nan_ok=True)


def test_months_and_years_of_a_long_time_are_those_of_the_calendar() -> None:
    bars = make_market(3, n_symbols=1, n_bars=2000)["S0"]
    spread = Bars.of(
        **{name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")},
        time=bars.time[0] - 10_000 * DAY_S + np.arange(2000) * 1_000_003,
    )
    for sharpe in ("monthly", "yearly"):
        item = account(spread, random_signals(3, 2000, 0.2), sharpe=sharpe)
        assert measured(item)["sharpe"] == pytest.approx(referenced(item)["sharpe"], rel=1e-12)


def test_the_moments_by_hand() -> None:
    # Mean 0.1, deviation (n - 1) 0.2; distances 0.1 three times and -0.3.
    item = compounding([0.2, -0.2, 0.2, 0.2], bars_a_year=4)
    skew, kurtosis = -2 / math.sqrt(3), -2 / 3
    spread = 1 - skew / 2 + (kurtosis + 2) / 4 / 4
    assert_values(
        item,
        sharpe=1,
        sortino=2,  # 0.1 ÷ √(0.04 ÷ 4) × 2
        omega=3,  # 0.6 ÷ 0.2
        skew=skew,
        kurtosis=kurtosis,
        probabilistic_sharpe_pct=100 * statistics.NormalDist().cdf(0.5 * math.sqrt(3) / math.sqrt(spread)),
        cagr_pct=38.24,
        max_drawdown_pct=-20,
        calmar=1.912,
    )


def test_the_risk_free_rate_is_of_the_sharpe_ratio_alone() -> None:
    plain, other = (measured(compounding([0.2, -0.2, 0.2, 0.2], risk_free_pct=rate)) for rate in (0, 10))
    assert [key for key in plain if plain[key] != pytest.approx(other[key], rel=0, nan_ok=True)] == ["sharpe"]


def test_the_worst_twentieth_by_hand() -> None:
    # Of 21 returns the second is at the quantile; of eleven it is half-way between the first and the second.
    assert_values(compounding([0.0, -0.5, -0.25, *[0.0] * 18]), var_95_pct=-25, cvar_95_pct=-37.5)
    assert_values(compounding([-0.25, *[0.1] * 9, -0.5]), var_95_pct=-37.5, cvar_95_pct=-50)
    assert_values(compounding([0.25, 0.5]), var_95_pct=26.25, cvar_95_pct=25)


def test_drawdowns_by_hand() -> None:
    item = following([100, 50, 100, 80, 90, 100, 120, 90])
    assert_values(
        item,
        max_drawdown_pct=-50,
        average_drawdown_pct=-(50 + 20 + 25) / 3,
        longest_drawdown_bars=2,
        average_drawdown_bars=4 / 3,
        ulcer_index=math.sqrt((50**2 + 20**2 + 10**2 + 25**2) / 8),
    )


def test_a_drawdown_goes_on_while_nothing_is_held() -> None:
    bars = make_bars([10, 10, 5, 5, 5, 5, 10], opens=[10, 10, 10, 5, 5, 5, 5])
    item = account(bars, signals_on(7, entry=[0, 4], exit=[2]))
    assert_values(item, longest_drawdown_bars=4, average_drawdown_bars=4, max_drawdown_pct=-50, final_equity=1000)
    assert_values(item, ulcer_index=100 * math.sqrt(4 * 0.25 / 7), peak_equity=1000)


def test_costs_of_the_first_bar_are_a_drawdown_from_the_starting_cash() -> None:
    item = following([100, 110, 130], fee_pct=25)
    assert_values(item, max_drawdown_pct=-20, longest_drawdown_bars=2, average_drawdown_bars=2, peak_equity=1040)


def test_an_account_that_only_grows_has_no_drawdown() -> None:
    found = measured(following([10, 11, 12, 13]))
    assert str(found["max_drawdown_pct"]) == "0.0"
    assert (found["longest_drawdown_bars"], found["ulcer_index"]) == (0, 0)
    assert found["peak_equity"] == found["final_equity"]


def test_trades_by_hand() -> None:
    # Bought at 100 each, so that a profit is a percentage too.
    assert_values(
        earning([100, 50, -50, 0, -25]),
        trades=5,
        open_trades=0,
        win_rate_pct=40,
        best_trade_pct=100,
        worst_trade_pct=-50,
        average_trade_pct=15,
        profit_factor=2,  # 150 ÷ 75
        expectancy=15,
        payoff_ratio=2,  # 75 ÷ 37.5
        kelly_pct=10,  # 0.4 − 0.6 ÷ 2
        sqn=math.sqrt(5) * 15 / math.sqrt((85**2 + 35**2 + 65**2 + 15**2 + 40**2) / 4),
        longest_win_streak=2,
        longest_loss_streak=1,
        longest_trade_bars=1,
        average_trade_bars=1,
        exposure_pct=100 * 5 / 11,
    )


def test_what_neither_wins_nor_loses_ends_a_streak() -> None:
    assert_values(earning([10, 0, 10, 10, 20, -5, -5, 0, -5]), longest_win_streak=3, longest_loss_streak=2)


def test_one_trade_is_best_and_worst() -> None:
    assert_values(earning([-30]), best_trade_pct=-30, worst_trade_pct=-30, average_trade_pct=-30, expectancy=-30)
    assert_values(earning([30]), best_trade_pct=30, worst_trade_pct=30, win_rate_pct=100, expectancy=30)


def test_durations_are_counted_in_bars() -> None:
    item = account(make_bars([10.0] * 9), signals_on(9, entry=[0, 3, 7], exit=[2, 4]))
    # From bar 1 to 3 and from 4 to 5; the open one since bar 8 is none of them, but exposure.
    assert_values(item, longest_trade_bars=2, average_trade_bars=1.5, exposure_pct=100 * (2 + 1 + 1) / 9)


def test_what_costs_took_by_hand() -> None:
    # Bought at 125 and sold at 150, both with a quarter of slippage and fee: 6.4 units, of which 720 are left.
    opens, closes = [90.0, 100.0, 120.0, 200.0, 300.0], [100.0, 110.0, 150.0, 250.0, 280.0]
    item = account(
        make_bars(closes, opens=opens), signals_on(5, entry=[0], exit=[2]), fee_pct=25, slippage_pct=25, bars_a_year=8
    )
    assert item.equity == [1000.0, 704.0, 960.0, 720.0, 720.0]
    returns = [-0.296, 4 / 11, -0.25, 0.0]
    assert [new / old - 1 for old, new in pairwise(item.equity)] == pytest.approx(returns)
    assert_values(
        item,
        fees_paid=200 + 240,
        slippage_paid=160 + 320,
        borrow_paid=0,
        turnover=(800 + 960) / 2 / (4104 / 5) / (5 / 8),
        return_pct=-28,
        cagr_pct=100 * (0.72**2 - 1),
        expectancy=-280,
        win_rate_pct=0,
    )


def test_costs_of_an_open_trade_count() -> None:
    item = following([100, 100, 100], fee_pct=25)
    assert_values(item, fees_paid=200, trades=0, open_trades=1)
    short = account(
        make_bars([100, 100, 100]), signals_on(3, exit=[0]), direction="short", borrow_pct=100, bars_a_year=10
    )
    assert_values(short, borrow_paid=200, open_trades=1)  # a tenth of 1000 on two closes


def test_the_account_is_turned_over_once_when_all_of_it_is_bought_and_sold() -> None:
    for bars_a_year, times in ((4, 1), (8, 2)):
        item = account(make_bars([10.0] * 4), signals_on(4, entry=[0], exit=[1]), bars_a_year=bars_a_year)
        assert_values(item, turnover=times)
    assert_values(account(make_bars([10.0] * 4), signals_on(4, entry=[0]), bars_a_year=4), turnover=0.5)


def test_excursions_are_averaged_over_closed_trades() -> None:
    bars = make_bars([100, 110, 80, 100, 100, 150, 100, 30], opens=[100, 100, 110, 80, 100, 100, 150, 100])
    item = account(bars, signals_on(8, entry=[0, 3, 6], exit=[2, 5]))
    # From 100 up to 110 and down to 80; from 100 up to 150.
    assert_values(item, average_mae_pct=-10, average_mfe_pct=30, open_trades=1)


# What measure takes


def test_bars_and_outcome_of_other_lengths_are_refused() -> None:
    item = idle(5)
    with pytest.raises(EngineError, match="got 4 and 5"):
        measure(make_bars([10.0] * 4), item.outcome, item.rules, bars_per_year=252)


@pytest.mark.parametrize("bars_a_year", [0, -1.0, math.nan, math.inf])
def test_the_annual_factor_must_be_a_positive_number(bars_a_year: float) -> None:
    item = idle()
    with pytest.raises(EngineError, match="bars_per_year must be a positive number"):
        measure(item.bars, item.outcome, item.rules, bars_per_year=bars_a_year)


@pytest.mark.parametrize("rules", [{}, {"direction": "both", "fill": "same_close"}], ids=["plain", "general"])
def test_the_same_outcome_has_the_same_metrics(rules: dict[str, Any]) -> None:
    bars = make_market(5, n_symbols=1)["S0"]
    item = account(bars, random_signals(5, 300), **rules)
    first, second = (measure(bars, item.outcome, item.rules, bars_per_year=252) for _ in range(2))
    _, third = evaluate(bars, random_signals(5, 300), item.rules, bars_per_year=252)
    assert first.tobytes() == second.tobytes() == third.tobytes()
    assert first.dtype == np.float64
    assert first.shape == (len(METRICS),)
