"""Every metric: by hand on a few bars, against numpy on seeded markets, and where it has no value."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from django.db import models
from hypothesis import given

from backtests.engine.errors import EngineError
from backtests.engine.metrics import INDEX, METRICS, METRICS_BY_KEY, measure
from backtests.engine.rules import Rules
from backtests.engine.simulate import Outcome, simulate
from backtests.models import Result
from strategies.bars import Bars, FloatArray, Signals
from tests.backtests.engine.references import all_rules, examples, markets, random_signals, signals_on
from tests.builders import DAY_S, MONDAY_S, SHAPES, make_bars, make_market

Account = tuple[Bars, Outcome, float, float]

CASH = 1000.0
FREE = Rules(cash=CASH, fee=0.0, slippage=0.0)
COSTLY = Rules(cash=CASH, fee=0.25, slippage=0.25)

# Bought at 125 and sold at 150, both with a quarter of costs: 6.4 units, of which 720 are left (see test_simulate.py).
OPENS = [90.0, 100.0, 120.0, 200.0, 300.0]
CLOSES = [100.0, 110.0, 150.0, 250.0, 280.0]
EQUITY = [1000.0, 704.0, 960.0, 720.0, 720.0]


def measured(bars: Bars, signals: Signals, rules: Rules = FREE, bars_per_year: float = 252) -> dict[str, float]:
    values = measure(bars, simulate(bars, signals, rules), cash=rules.cash, bars_per_year=bars_per_year)
    return dict(zip(METRICS_BY_KEY, values.tolist(), strict=True))


def is_held(bars: Bars, outcome: Outcome) -> FloatArray:
    """1 on each bar on whose close a position is held."""
    held = np.zeros(len(bars))
    for trade in outcome.trades:
        held[trade["entry_bar"] : None if trade["is_open"] else trade["exit_bar"]] = 1.0
    return held


def bar_returns(account: Account) -> FloatArray:
    equity = account[1].equity
    returns: FloatArray = np.diff(equity) / equity[:-1]
    return returns


def closed_pnl(account: Account) -> FloatArray:
    trades = account[1].trades
    pnl: FloatArray = trades["pnl"][trades["is_open"] == 0]
    return pnl


def volatility(account: Account) -> float:
    returns = bar_returns(account)
    return float(np.std(returns, ddof=1) * np.sqrt(account[3])) if len(returns) > 1 else math.nan


def sharpe(account: Account) -> float:
    deviation = volatility(account)
    return float(np.mean(bar_returns(account))) * account[3] / deviation if deviation > 1e-9 else math.nan


# Each metric once more, from the account: bars, outcome, starting cash, bars a year.
REFERENCES: dict[str, Callable[[Account], float]] = {
    "start": lambda account: account[0].time[0],
    "end": lambda account: account[0].time[-1],
    "bars": lambda account: len(account[0]),
    "exposure_pct": lambda account: 100.0 * is_held(account[0], account[1]).mean(),
    "final_equity": lambda account: account[1].equity[-1],
    "peak_equity": lambda account: account[1].equity.max(),
    "net_profit": lambda account: account[1].equity[-1] - account[2],
    "return_pct": lambda account: 100.0 * (account[1].equity[-1] / account[2] - 1.0),
    "buy_hold_return_pct": lambda account: 100.0 * (account[0].close[-1] / account[0].close[0] - 1.0),
    "excess_return_pct": lambda account: (
        100.0 * (account[1].equity[-1] / account[2] - account[0].close[-1] / account[0].close[0])
    ),
    "cagr_pct": lambda account: (
        100.0 * np.expm1(np.log(account[1].equity[-1] / account[2]) * account[3] / (len(account[0]) - 1))
    ),
    "volatility_pct": lambda account: 100.0 * volatility(account),
    "sharpe": sharpe,
    "max_drawdown_pct": lambda account: (
        100.0 * np.min(account[1].equity / np.maximum.accumulate(account[1].equity) - 1.0)
    ),
    "trades": lambda account: len(closed_pnl(account)),
    "open_trades": lambda account: len(account[1].trades) - len(closed_pnl(account)),
    "win_rate_pct": lambda account: 100.0 * (closed_pnl(account) > 0).mean() if len(closed_pnl(account)) else math.nan,
}


def test_the_table_is_complete() -> None:
    assert len({metric.key for metric in METRICS}) == len(METRICS) == len(METRICS_BY_KEY) == len(INDEX)
    assert list(METRICS_BY_KEY) == list(INDEX) == [metric.key for metric in METRICS]
    assert [METRICS[index].key for index in INDEX.values()] == list(INDEX)
    assert list(REFERENCES) == list(INDEX)
    for metric in METRICS:
        assert metric.key.isidentifier(), metric
        assert metric.label, metric
        assert metric.formula, metric
        assert metric.unit in {"time", "count", "%", "money", "ratio"}
        assert metric.better in {"higher", "lower", "neither"}
        assert (metric.unit == "%") == metric.key.endswith("_pct")
    assert len({metric.label for metric in METRICS}) == len(METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=INDEX)
def test_a_result_has_a_column_for_the_metric(metric: Any) -> None:
    column = Result._meta.get_field(metric.key)
    kinds = {"time": models.DateTimeField, "count": models.PositiveIntegerField}
    assert isinstance(column, kinds.get(metric.unit, models.FloatField))
    assert column.null


def test_a_losing_trade_by_hand() -> None:
    bars = make_bars(CLOSES, opens=OPENS)
    values = measured(bars, signals_on(5, entry=[0], exit=[2]), COSTLY, bars_per_year=8)
    returns = [-0.296, 4 / 11, -0.25, 0.0]
    assert [round(new / old - 1, 12) for old, new in pairwise(EQUITY)] == [round(change, 12) for change in returns]
    expected = {
        "start": MONDAY_S,
        "end": MONDAY_S + 4 * DAY_S,
        "bars": 5,
        "exposure_pct": 40.0,  # bars 1 and 2 of five
        "final_equity": 720.0,
        "peak_equity": 1000.0,
        "net_profit": -280.0,
        "return_pct": -28.0,
        "buy_hold_return_pct": 180.0,  # from 100 to 280
        "excess_return_pct": -208.0,
        "cagr_pct": 100 * (0.72**2 - 1),  # four bars are half a year
        "volatility_pct": 100 * statistics.stdev(returns) * math.sqrt(8),
        "sharpe": statistics.mean(returns) / statistics.stdev(returns) * math.sqrt(8),
        "max_drawdown_pct": -29.6,  # from 1000 to 704
        "trades": 1,
        "open_trades": 0,
        "win_rate_pct": 0.0,
    }
    assert values == pytest.approx(expected, rel=1e-12)
    assert list(expected) == list(values)


def test_a_win_a_loss_and_a_position_by_hand() -> None:
    # In at 10, out at 20; in at 20, out at 10; in at 10, still held at 15.
    bars = make_bars([10, 10, 20, 20, 10, 10, 15], opens=[10, 10, 20, 20, 10, 10, 10])
    values = measured(bars, signals_on(7, entry=[0, 2, 4], exit=[1, 3]), bars_per_year=6)
    expected = {
        "bars": 7,
        "exposure_pct": 100 * 4 / 7,  # bars 1, 3, 5 and 6
        "final_equity": 1500.0,
        "peak_equity": 2000.0,
        "net_profit": 500.0,
        "return_pct": 50.0,
        "buy_hold_return_pct": 50.0,
        "excess_return_pct": 0.0,
        "cagr_pct": 50.0,  # six bars are a year
        "max_drawdown_pct": -50.0,
        "trades": 2,
        "open_trades": 1,
        "win_rate_pct": 50.0,
    }
    assert {key: values[key] for key in expected} == pytest.approx(expected, rel=1e-12)


def test_a_drawdown_is_counted_from_the_highest_equity_so_far() -> None:
    bars = make_bars([10, 10, 30, 15, 40, 30, 41])
    values = measured(bars, signals_on(7, entry=[0]))
    assert values["max_drawdown_pct"] == pytest.approx(-50.0)
    assert values["peak_equity"] == pytest.approx(CASH * 4.1)


def test_an_account_that_only_grows_has_no_drawdown() -> None:
    values = measured(make_bars([10, 11, 12, 13]), signals_on(4, entry=[0]))
    assert values["max_drawdown_pct"] == 0.0
    assert values["peak_equity"] == values["final_equity"]


def test_a_trade_that_returns_its_costs_and_no_more_is_no_win() -> None:
    values = measured(make_bars([10, 10, 10, 10]), signals_on(4, entry=[0], exit=[1]))
    assert (values["trades"], values["win_rate_pct"]) == (1, 0.0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bars_per_year", [52, 252, 365 * 1440])
def test_every_metric_is_that_of_numpy_on_seeded_markets(shape: Any, bars_per_year: float) -> None:
    for number, bars in enumerate(make_market(21, n_symbols=5, n_bars=403, shape=shape).values()):
        for share in (0.0, 0.05, 0.5):
            outcome = simulate(bars, random_signals(number, 403, share), Rules())
            values = measure(bars, outcome, cash=10_000.0, bars_per_year=bars_per_year)
            account = bars, outcome, 10_000.0, bars_per_year
            for metric, value in zip(METRICS, values, strict=True):
                with np.errstate(over="ignore"):
                    expected = REFERENCES[metric.key](account)
                expected = expected if math.isfinite(expected) else math.nan
                scale = 1e-9 if metric.unit in {"%", "ratio"} else 0.0
                assert value == pytest.approx(expected, rel=1e-9, abs=scale, nan_ok=True), metric.key


@examples
@given(market=markets(), rules=all_rules)
def test_no_metric_is_infinite_and_only_those_that_say_so_are_undefined(
    market: tuple[Bars, Signals], rules: Rules
) -> None:
    values = measured(*market, rules)
    assert not any(math.isinf(value) for value in values.values())
    undefined = {key for key, value in values.items() if math.isnan(value)}
    assert undefined <= {metric.key for metric in METRICS if metric.undefined}


def test_two_bars_have_one_return_and_no_volatility() -> None:
    values = measured(make_bars([10, 12], opens=[10, 10]), signals_on(2, entry=[0]))
    assert math.isnan(values["volatility_pct"])
    assert math.isnan(values["sharpe"])
    assert values["return_pct"] == pytest.approx(20.0)


def test_without_a_trade_there_is_no_win_rate_and_no_sharpe() -> None:
    values = measured(make_bars(CLOSES), signals_on(5))
    undefined = {key for key, value in values.items() if math.isnan(value)}
    assert undefined == {"win_rate_pct", "sharpe"}
    assert (values["trades"], values["exposure_pct"], values["return_pct"], values["volatility_pct"]) == (0, 0, 0, 0)


def test_returns_that_differ_by_rounding_alone_have_no_sharpe() -> None:
    """They are all one percent; what is left of their deviation would make a Sharpe ratio of billions."""
    values = measured(make_bars([100 * 1.01**t for t in range(200)]), signals_on(200, entry=[0]))
    assert math.isnan(values["sharpe"])
    assert 0.0 < values["volatility_pct"] < 1e-9


def test_an_open_position_alone_has_no_win_rate() -> None:
    values = measured(make_bars(CLOSES), signals_on(5, entry=[0]))
    assert math.isnan(values["win_rate_pct"])
    assert (values["trades"], values["open_trades"]) == (0, 1)


def test_growth_too_fast_to_be_annual_has_no_value() -> None:
    values = measured(make_bars([10, 10, 1000]), signals_on(3, entry=[0]), bars_per_year=525_600)
    assert math.isnan(values["cagr_pct"])
    assert values["return_pct"] == pytest.approx(9900.0)


def test_every_metric_that_may_be_undefined_is_so_somewhere() -> None:
    cases = [
        measured(make_bars(CLOSES), signals_on(5)),
        measured(make_bars([10, 12]), signals_on(2)),
        measured(make_bars([10, 10, 1000]), signals_on(3, entry=[0]), bars_per_year=525_600),
    ]
    undefined = {key for values in cases for key, value in values.items() if math.isnan(value)}
    assert undefined == {metric.key for metric in METRICS if metric.undefined}


def test_bars_and_outcome_of_other_lengths_are_refused() -> None:
    outcome = simulate(make_bars(CLOSES), signals_on(5), FREE)
    with pytest.raises(EngineError, match="got 4 and 5"):
        measure(make_bars(CLOSES[:4]), outcome, cash=CASH, bars_per_year=252)


@pytest.mark.parametrize(
    "changed", [{"cash": 0.0}, {"cash": -1.0}, {"cash": math.nan}, {"bars_per_year": 0}, {"bars_per_year": math.nan}]
)
def test_cash_and_the_annual_factor_must_be_positive(changed: dict[str, float]) -> None:
    outcome = simulate(make_bars(CLOSES), signals_on(5), FREE)
    with pytest.raises(EngineError, match="cash and bars_per_year must be positive"):
        measure(make_bars(CLOSES), outcome, **({"cash": CASH, "bars_per_year": 252.0} | changed))


def test_the_same_outcome_has_the_same_metrics() -> None:
    bars = make_market(5, n_symbols=1)["S0"]
    outcome = simulate(bars, random_signals(5, 300), Rules())
    first = measure(bars, outcome, cash=10_000.0, bars_per_year=252)
    assert first.tobytes() == measure(bars, outcome, cash=10_000.0, bars_per_year=252).tobytes()
    assert first.dtype == np.float64
    assert first.shape == (len(METRICS),)
