"""Every metric is that of its reference, on markets and under rules of all kinds."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.engine import simulate
from backtests.engine.table import INDEX, METRICS, SHARPE, metrics_under
from strategies.bars import FloatArray
from tests.backtests.engine.accounts import CASH, account, assert_values, compounding, following, measured, ruined
from tests.backtests.engine.metric_references import Account, referenced
from tests.backtests.engine.references import any_markets, any_rules, examples, random_signals, signals_on
from tests.builders import DAY_S, SHAPES, make_bars, make_market

# Against the reference


def assert_as_referenced(item: Account) -> None:
    """Every metric is that of the reference, has no value exactly where that has none, and is never infinite."""
    found, expected = measured(item), referenced(item)
    for metric in METRICS:
        value, wanted = found[metric.key], expected[metric.key]
        assert not math.isinf(value), metric.key
        assert not math.isnan(value) or metrics_under(item.rules.sharpe)[INDEX[metric.key]].undefined, metric.key
        scale = item.rules.cash if metric.unit == "money" else 1.0
        assert value == pytest.approx(wanted, rel=1e-8, abs=1e-9 * scale, nan_ok=True), metric.key


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """Any rules on any market, at any time of the calendar."""
    bars, signals = draw(any_markets())
    start_s, step_s = draw(st.integers(0, 4_000_000_000)), draw(st.sampled_from([60, DAY_S, 7 * DAY_S, 90 * DAY_S]))
    moved = replace(bars, time=start_s + step_s * np.arange(len(bars)))
    bars_a_year = draw(st.sampled_from([4.0, 52.0, 252.0, 98_280.0, 525_600.0]))
    sharpe, risk_free_pct = draw(st.sampled_from(list(SHARPE))), draw(st.sampled_from([0.0, 2.0, -5.0]))
    rules = draw(any_rules(sharpe=sharpe, risk_free_pct=risk_free_pct))
    outcome = simulate(moved, signals, rules, bars_per_year=bars_a_year)
    return Account(moved, outcome, rules, bars_a_year)


@examples
@given(item=accounts())
def test_every_metric_is_that_of_the_reference(item: Account) -> None:
    assert_as_referenced(item)


VARIED: dict[str, dict[str, Any]] = {
    "plain": {},
    "short": {"direction": "short", "borrow_pct": 5.0},
    "both at the same close": {"direction": "both", "fill": "same_close", "sharpe": "bar_from_cash"},
    "both with stops": {"direction": "both", "stop_loss_pct": 1.0, "take_profit_pct": 2.0, "sharpe": "geometric"},
    "trailing at the close": {"fill": "next_close", "trailing_stop_pct": 2.0, "sharpe": "monthly"},
    "half, closed at the end": {"size_pct": 50.0, "at_end": "close", "sharpe": "yearly", "risk_free_pct": 2.0},
}


@pytest.mark.parametrize("rules", VARIED.values(), ids=VARIED)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_metric_is_that_of_the_reference_on_shaped_markets(shape: Any, rules: dict[str, Any]) -> None:
    for number, price in enumerate((100.0, 1e-6, 1e9)):
        bars = make_market(21 + number, n_symbols=1, n_bars=403, shape=shape, price=price)["S0"]
        for share in (0.0, 0.02, 0.4):
            for bars_a_year in (52, 365 * 1440):
                signals = random_signals(number, 403, share)
                assert_as_referenced(
                    account(bars, signals, bars_a_year=bars_a_year, fee_pct=0.1, slippage_pct=0.05, **rules)
                )


def test_a_bar_may_be_shared_by_trades() -> None:
    # Reversed at the open of bar 2; stopped out within bar 1 and in again at its close, twice.
    reversal = account(
        make_bars([10, 11, 12, 9, 8]), signals_on(5, entry=[0, 3], exit=[1]), direction="both", bars_a_year=5
    )
    bars = make_bars([100, 90, 80, 88, 99], opens=[100, 100, 90, 80, 88])
    again = account(
        bars, signals_on(5, entry=[0, 1, 2]), fill="same_close", stop_loss_pct=5, stops_from="next_bar", fee_pct=1
    )
    for item in (reversal, again):
        assert any(new["entry_bar"] == old["exit_bar"] for old, new in pairwise(item.trades))
        assert_as_referenced(item)
    assert len(again.trades) == 3


def test_a_position_may_be_entered_and_left_within_one_bar() -> None:
    bars = make_bars([100, 90, 95, 80], opens=[100, 100, 95, 95])
    item = account(bars, signals_on(4, entry=[0, 2]), stop_loss_pct=5)
    assert [trade["bars_held"] for trade in item.trades] == [0, 0]
    assert_values(item, exposure_pct=0, longest_trade_bars=0, average_trade_bars=0, final_equity=902.5, win_rate_pct=0)
    assert_as_referenced(item)


def test_a_position_may_be_entered_on_the_first_bar() -> None:
    item = following([100, 120, 90], fee_pct=1)
    assert item.trades[0]["entry_bar"] == 0
    assert item.equity[0] < CASH
    assert_as_referenced(item)


@pytest.mark.parametrize("sharpe", SHARPE)
def test_a_ruined_account_is_measured_to_the_end(sharpe: str) -> None:
    item = ruined(sharpe=sharpe)
    assert item.equity == [1000, 1000, -500, -500]
    assert_values(
        item, return_pct=-150, max_drawdown_pct=-150, longest_drawdown_bars=2, var_95_pct=-135, cvar_95_pct=-150
    )
    assert_as_referenced(item)


def test_every_metric_that_may_be_undefined_is_so_on_random_markets_too() -> None:
    """So that the comparison above has met each of them with a value and without."""
    met: dict[str, set[bool]] = {metric.key: set() for metric in METRICS if metric.undefined}
    for number in range(60):
        bars = make_market(number, n_symbols=1, n_bars=2 + number % 30)["S0"]
        for item in (account(bars, random_signals(number, len(bars), 0.1 * (number % 4))), ruined()):
            found = measured(item)
            for key, kinds in met.items():
                kinds.add(math.isnan(found[key]))
    assert {key for key, kinds in met.items() if len(kinds) < 2} <= {"turnover"}


# The quantile and the moments, as NumPy has them


def numpy_tail(item: Account) -> tuple[float, float]:
    returns = np.array(item.returns)
    limit = np.quantile(returns, 0.05)
    return 100.0 * float(limit), 100.0 * float(np.sort(returns)[: (len(returns) - 1) // 20 + 1].mean())


def with_losses(n_returns: int, n_losses: int, *, seed: int, ties: bool = False) -> FloatArray:
    random = np.random.default_rng(seed)
    found = 0.001 + 0.02 * random.random(n_returns)
    found[:n_losses] *= -1.0
    found = np.round(found, 2 if ties else 12)
    return random.permutation(found)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n_returns", [2, 3, 19, 20, 21, 22, 40, 41, 42, 100, 101, 400, 1001])
def test_value_at_risk_is_the_quantile_however_many_returns_are_negative(n_returns: int, ties: bool) -> None:
    before = int(0.05 * (n_returns - 1))
    for n_losses in {0, 1, before, before + 1, before + 2, before + 3, n_returns // 2, n_returns - 1, n_returns}:
        for seed in range(3):
            losses = min(n_losses, n_returns)
            item = compounding(with_losses(n_returns, losses, seed=seed, ties=ties).tolist())
            found = measured(item)
            if not ties:
                assert (found["var_95_pct"], found["cvar_95_pct"]) == pytest.approx(
                    numpy_tail(item), rel=1e-9, abs=1e-12
                )
            assert_as_referenced(item)


def test_value_at_risk_of_few_bars_in_a_position_counts_the_others_as_zero() -> None:
    for n_losses in range(1, 12):
        bars = make_bars([*(100.0 * 0.99**t for t in range(n_losses + 1)), *[50.0] * (120 - n_losses)])
        item = account(bars, signals_on(len(bars), entry=[0], exit=[n_losses - 1]), fill="same_close")
        assert sum(value != 0.0 for value in item.returns) == max(n_losses - 1, 0)
        assert_as_referenced(item)
        found = measured(item)
        assert (found["var_95_pct"], found["cvar_95_pct"]) == pytest.approx(numpy_tail(item), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("shape", ["walk", "rising", "falling", "gaps"])
def test_moments_are_those_of_numpy(shape: Any) -> None:
    bars = make_market(8, n_symbols=1, n_bars=500, shape=shape)["S0"]
    item = account(bars, random_signals(8, 500, 0.1))
    returns = np.diff(item.outcome.equity) / item.outcome.equity[:-1]
    distances = returns - returns.mean()
    spread = returns.std()
    assert_values(
        item,
        volatility_pct=100 * returns.std(ddof=1) * math.sqrt(252),
        sharpe=returns.mean() / returns.std(ddof=1) * math.sqrt(252),
        sortino=returns.mean() / math.sqrt(np.mean(np.minimum(returns, 0.0) ** 2)) * math.sqrt(252),
        omega=returns[returns > 0].sum() / -returns[returns < 0].sum(),
        skew=np.mean(distances**3) / spread**3,
        kurtosis=np.mean(distances**4) / spread**4 - 3,
        var_95_pct=100 * np.quantile(returns, 0.05),
    )
