"""Where a metric has no value: for the reason that it tells, and where there is nothing but rounding."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import NamedTuple

import pytest

from backtests.engine.table import METRICS, SHARPE, Metric
from tests.backtests.engine.accounts import CASH, account, compounding, earning, following, idle, measured, ruined
from tests.backtests.engine.metric_references import Account, referenced
from tests.backtests.engine.references import random_signals, signals_on
from tests.builders import DAY_S, MONDAY_S, make_bars

PARTS = ", or "

# What has no value


class Case(NamedTuple):
    """An account to which a reason applies, and one to which it does not."""

    without: Account
    near: Account


def two_points() -> list[float]:
    """Returns whose skew and Sharpe ratio have a product of 2: nothing is left under the root."""
    low = 4 / 3 * 0.4 * math.sqrt(5 / 4) - 0.2
    return [low, low, low + 1.0, low, low]


FALLING = [100.0, 90.0, 95.0]
RISING = [100.0, 110.0, 130.0]
THIRTIETH = MONDAY_S + 29 * DAY_S
EVE = MONDAY_S - 2 * DAY_S

REASONS: dict[str, Callable[[str], Case]] = {
    "fewer than two bar returns": lambda sharpe: Case(
        following([100, 90], sharpe=sharpe), following(FALLING, sharpe=sharpe)
    ),
    "returns that do not vary (no trade)": lambda sharpe: Case(idle(sharpe=sharpe), following(FALLING, sharpe=sharpe)),
    "no bar with a negative return": lambda _: Case(following(RISING), following(FALLING)),
    "equity is never below its peak": lambda _: Case(following(RISING), following(FALLING)),
    "no CAGR": lambda _: Case(ruined(), following(FALLING)),
    "nothing is left of the account": lambda sharpe: Case(ruined(sharpe=sharpe), following(FALLING, sharpe=sharpe)),
    "so short a time that the growth of a year is beyond any number": lambda _: Case(
        following([10, 1000], bars_a_year=525_600), following([10, 1000], bars_a_year=100)
    ),
    "the growth of a year or its spread is beyond any number": lambda sharpe: Case(
        following([10, 100, 1000], bars_a_year=525_600, sharpe=sharpe),
        following([10, 100, 900], bars_a_year=100, sharpe=sharpe),
    ),
    "the ratio is beyond any number": lambda _: Case(
        compounding([-1e-9, 9.0], bars_a_year=610), compounding([-1e-9, 9.0], bars_a_year=500)
    ),
    "no closed trade": lambda _: Case(following(FALLING), earning([10])),
    "no closed trade with a loss": lambda _: Case(earning([10, 0]), earning([10, -5])),
    "no closed trade with a profit": lambda _: Case(earning([-10, 0]), earning([10, -5])),
    "none with a loss": lambda _: Case(earning([10, 0]), earning([10, -5])),
    "fewer than two closed trades": lambda _: Case(earning([10]), earning([10, 20])),
    "all with the same profit": lambda _: Case(earning([10, 10]), earning([10, 10, 20])),
    "mean equity is not positive": lambda _: Case(
        account(make_bars([10.0, 10.0, 50.0, 50.0]), signals_on(4, exit=[0]), direction="short", fill="same_close"),
        ruined(),
    ),
    "nothing positive is under the root": lambda _: Case(compounding(two_points()), compounding([*two_points(), 0.1])),
    "fewer than two months": lambda sharpe: Case(
        following(FALLING, sharpe=sharpe), following(FALLING, start_s=THIRTIETH, sharpe=sharpe)
    ),
    "fewer than two years": lambda sharpe: Case(
        following(FALLING, sharpe=sharpe), following(FALLING, start_s=EVE, sharpe=sharpe)
    ),
    "months whose returns do not vary (no trade)": lambda sharpe: Case(
        following([100, 120, 144], start_s=THIRTIETH, sharpe=sharpe),
        following([100, 120, 145], start_s=THIRTIETH, sharpe=sharpe),
    ),
    "years whose returns do not vary (no trade)": lambda sharpe: Case(
        following([100, 120, 144], start_s=EVE, sharpe=sharpe), following([100, 120, 145], start_s=EVE, sharpe=sharpe)
    ),
}
TOLD = [
    *(
        (metric.key, "bar", reason)
        for metric in METRICS
        if metric.undefined
        for reason in metric.undefined.split(PARTS)
    ),
    *(("sharpe", choice, reason) for choice in SHARPE if choice != "bar" for reason in SHARPE[choice][1].split(PARTS)),
]


def test_every_reason_is_told_somewhere() -> None:
    assert set(REASONS) == {reason for _, _, reason in TOLD}


@pytest.mark.parametrize(("key", "sharpe", "reason"), TOLD)
def test_a_metric_has_no_value_for_the_reason_that_it_tells(key: str, sharpe: str, reason: str) -> None:
    case = REASONS[reason](sharpe)
    assert math.isnan(measured(case.without)[key])
    assert math.isfinite(measured(case.near)[key])


@pytest.mark.parametrize("metric", [metric for metric in METRICS if not metric.undefined], ids=lambda item: item.key)
def test_a_metric_without_a_reason_always_has_a_value(metric: Metric) -> None:
    for item in (idle(2), idle(), following([100, 90]), ruined(), earning([0]), following([1e-6, 1e9])):
        assert math.isfinite(measured(item)[metric.key])


def test_without_a_trade_what_is_counted_is_zero() -> None:
    found = measured(idle(bars_a_year=365))
    zero = {key for key, value in found.items() if value == 0.0}
    assert zero == {
        "exposure_pct", "net_profit", "return_pct", "buy_hold_return_pct", "excess_return_pct", "cagr_pct",
        "volatility_pct", "max_drawdown_pct", "longest_drawdown_bars", "trades", "open_trades", "fees_paid",
        "slippage_paid", "borrow_paid", "turnover", "longest_win_streak", "longest_loss_streak", "var_95_pct",
        "cvar_95_pct", "ulcer_index",
    }  # fmt: skip
    assert {key for key, value in found.items() if math.isnan(value)} == set(found) - zero - {
        "start", "end", "bars", "final_equity", "peak_equity",
    }  # fmt: skip


# Rounding is no result


@pytest.mark.parametrize("direction", ["long", "short", "both"])
@pytest.mark.parametrize("fill", ["next_open", "same_close", "next_close"])
def test_an_account_that_only_rounds_neither_wins_nor_loses(direction: str, fill: str) -> None:
    rounds = 0
    for number in range(1, 60):
        bars = make_bars([number / 7.0] * 40)
        item = account(bars, random_signals(number, 40, 0.3), direction=direction, fill=fill)
        rounds += any(value != CASH for value in item.equity)
        found = measured(item)
        assert found["win_rate_pct"] == 0 or not found["trades"]
        assert found["longest_win_streak"] == found["longest_loss_streak"] == found["longest_drawdown_bars"] == 0
        ratios = ("sharpe", "sortino", "omega", "calmar", "profit_factor", "payoff_ratio", "kelly_pct", "sqn")
        assert [found[key] for key in ratios] == pytest.approx([math.nan] * len(ratios), nan_ok=True)
    assert rounds > 5


def test_returns_that_differ_by_rounding_alone_have_no_sharpe() -> None:
    """They are all one percent; what is left of their deviation would make a Sharpe ratio of billions."""
    found = measured(following([100 * 1.01**t for t in range(200)]))
    assert [found[key] for key in ("sharpe", "skew", "kurtosis")] == pytest.approx([math.nan] * 3, nan_ok=True)
    assert 0.0 < found["volatility_pct"] < 1e-9


@pytest.mark.parametrize("closes", [[10, 100, 1000], [100, 10, 100], [1000, 100, 10]], ids=["up", "level", "down"])
def test_a_year_of_wild_returns_has_no_geometric_sharpe_ratio(closes: list[float]) -> None:
    """Its growth or its spread is infinite, or its growth is nothing: a ratio of them would be 0 or infinite."""
    assert math.isnan(measured(following(closes, bars_a_year=525_600, sharpe="geometric"))["sharpe"])


def test_rounding_is_measured_by_the_peak_not_by_the_starting_cash() -> None:
    found = measured(following([1.0, 1e9, 1e9 * (1 - 5e-13), 1e9 * (1 - 5e-13)]))
    assert (found["max_drawdown_pct"], found["longest_drawdown_bars"]) == (0, 0)
    found = measured(following([1.0, 1e9, 1e9 * (1 - 5e-12), 1e9 * (1 - 5e-12)]))
    assert found["longest_drawdown_bars"] == 2


@pytest.mark.parametrize("times", range(1, 9))
def test_nothing_under_the_root_is_nothing_however_it_is_rounded(times: int) -> None:
    n = 5 * times
    low = 4 / 3 * 0.4 * math.sqrt(n / (n - 1)) - 0.2
    found = measured(compounding([low + (number % 5 == 2) for number in range(n)]))
    assert math.isnan(found["probabilistic_sharpe_pct"])
    assert math.isfinite(found["skew"])


def test_omega_does_not_lose_a_small_loss_in_large_gains() -> None:
    item = compounding([1000.0, -1e-9, 1000.0, 0.5])
    assert measured(item)["omega"] == pytest.approx(referenced(item)["omega"], rel=1e-6)
    assert measured(item)["omega"] == pytest.approx(2000.5e9, rel=1e-6)


def test_the_geometric_sharpe_ratio_of_calm_returns_is_exact() -> None:
    # With so small a deviation both are excess growth over it, up to the root of the year.
    changes = [1e-7, -2e-7, 3e-7, 1e-7, -1e-7]
    calm = measured(compounding(changes, sharpe="geometric", bars_a_year=5))["sharpe"]
    assert calm == pytest.approx(2e-7 / (statistics.stdev(changes) * math.sqrt(5)), rel=1e-5)
