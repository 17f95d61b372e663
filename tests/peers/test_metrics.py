"""The metrics are those of quantstats, vectorbt and backtesting.py; where one means another thing, how both relate."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest
import quantstats.stats
import vectorbt.returns.metrics

from backtests.engine import METRICS_BY_KEY, Outcome, Rules, evaluate
from backtests.engine.presets import PRESETS
from strategies.bars import Bars, FloatArray
from tests.builders import SHAPES, make_market
from tests.peers.backtesting_runner import stats_of
from tests.peers.markets import Case, random_markets, random_signals
from tests.peers.vectorbt_runner import portfolio_of

BARS_PER_YEAR = 365
BELL = NormalDist()
CLOSE: dict[str, Any] = {"rel": 1e-8, "abs": 1e-10}


@dataclass(frozen=True)
class Measured:
    """An account, its metrics by key, and its bar returns as the peers take them."""

    bars: Bars
    outcome: Outcome
    metrics: dict[str, float]

    @property
    def changes(self) -> FloatArray:
        changes: FloatArray = np.diff(self.outcome.equity) / self.outcome.equity[:-1]
        return changes

    @property
    def returns(self) -> pd.Series:
        return pd.Series(self.changes, index=pd.to_datetime(self.bars.time[1:], unit="s"))

    @property
    def n(self) -> int:
        """The number of returns."""
        return len(self.bars) - 1

    @property
    def vectorbt(self) -> Any:
        return self.returns.vbt.returns(freq="1D", year_freq=f"{BARS_PER_YEAR} days")

    @property
    def vectorbt_from_start(self) -> Any:
        """The same with a return of 0 for the first bar: vectorbt knows no peak before the first return."""
        changes = pd.Series([0.0, *self.changes], index=pd.to_datetime(self.bars.time, unit="s"))
        return changes.vbt.returns(freq="1D", year_freq=f"{BARS_PER_YEAR} days")


def measured(case: Case, rules: Rules) -> Measured:
    outcome, values = evaluate(case.bars, case.signals, rules, bars_per_year=BARS_PER_YEAR)
    return Measured(case.bars, outcome, dict(zip(METRICS_BY_KEY, values.tolist(), strict=True)))


def accounts() -> list[Any]:
    """An account on every shape of market that moves: long, sold short, and both in turn."""
    found = []
    for number, shape in enumerate(shape for shape in SHAPES if shape != "flat"):
        for direction in ("long", "short", "both"):
            bars = make_market(31 + number, n_symbols=1, n_bars=250 + 10 * number, shape=shape)["S0"]
            case = Case(shape, bars, random_signals(len(bars), 0.15, seed=number))
            account = measured(case, Rules(direction=direction, risk_free_pct=2.0))
            found.append(pytest.param(account, id=f"{shape}, {direction}"))
    return found


ACCOUNTS = accounts()
every_account = pytest.mark.parametrize("account", ACCOUNTS)


@every_account
def test_ratios_of_bar_returns_are_those_of_quantstats(account: Measured) -> None:
    ours, returns, stats = account.metrics, account.returns, quantstats.stats
    assert {key: ours[key] for key in ("sharpe", "sortino", "omega", "calmar", "cagr_pct", "volatility_pct")} == (
        pytest.approx(
            {
                "sharpe": stats.sharpe(returns, rf=0.02, periods=BARS_PER_YEAR),
                "sortino": stats.sortino(returns, periods=BARS_PER_YEAR),
                "omega": stats.omega(returns, periods=BARS_PER_YEAR),
                "calmar": stats.calmar(returns, periods=BARS_PER_YEAR),
                "cagr_pct": 100 * stats.cagr(returns, periods=BARS_PER_YEAR),
                "volatility_pct": 100 * stats.volatility(returns, periods=BARS_PER_YEAR),
            },
            **CLOSE,
        )
    )
    assert ours["max_drawdown_pct"] == pytest.approx(100 * stats.max_drawdown(returns), **CLOSE)


@every_account
def test_ratios_of_bar_returns_are_those_of_vectorbt(account: Measured) -> None:
    ours, theirs = account.metrics, account.vectorbt
    # Its risk-free rate is one of a bar, and not made from that of a year.
    free = 1.02 ** (1 / BARS_PER_YEAR) - 1
    assert {key: ours[key] for key in ("sharpe", "sortino", "omega", "cagr_pct", "volatility_pct")} == (
        pytest.approx(
            {
                "sharpe": theirs.sharpe_ratio(risk_free=free),
                "sortino": theirs.sortino_ratio(),
                "omega": theirs.omega_ratio(),
                "cagr_pct": 100 * theirs.annualized(),
                "volatility_pct": 100 * theirs.annualized_volatility(),
            },
            **CLOSE,
        )
    )
    assert ours["var_95_pct"] == pytest.approx(100 * theirs.value_at_risk(), **CLOSE)
    deepest = account.vectorbt_from_start.max_drawdown()
    assert ours["max_drawdown_pct"] == pytest.approx(100 * deepest, **CLOSE)
    assert ours["calmar"] == pytest.approx(theirs.annualized() / -deepest, **CLOSE)


@every_account
def test_the_ulcer_index_is_a_mean_over_bars_and_that_of_quantstats_over_returns(account: Measured) -> None:
    """The first bar has no return and counts here; quantstats divides by one less than the number of returns."""
    n, ours = account.n, account.metrics["ulcer_index"]
    assert ours == pytest.approx(100 * account.vectorbt_from_start.ulcer_index(), **CLOSE)
    theirs = quantstats.stats.ulcer_index(account.returns)
    assert ours == pytest.approx(100 * theirs * math.sqrt((n - 1) / (n + 1)), **CLOSE)


@every_account
def test_skew_and_kurtosis_are_of_the_returns_and_theirs_of_what_they_are_drawn_from(account: Measured) -> None:
    """quantstats (pandas) estimates those of a larger population, of which the returns are a sample."""
    n, skew, kurtosis = account.n, account.metrics["skew"], account.metrics["kurtosis"]
    theirs = quantstats.stats.skew(account.returns)
    assert theirs == pytest.approx(skew * math.sqrt(n * (n - 1)) / (n - 2), **CLOSE)
    theirs = quantstats.stats.kurtosis(account.returns)
    assert theirs == pytest.approx((n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * kurtosis + 6), **CLOSE)


@every_account
def test_the_probabilistic_sharpe_ratio_is_that_of_vectorbt_with_one_trial(account: Measured) -> None:
    returns = account.changes
    theirs = vectorbt.returns.metrics.deflated_sharpe_ratio(
        est_sharpe=returns.mean() / returns.std(ddof=1),
        var_sharpe=0.0,  # of trials that do not differ the best is as good as any
        nb_trials=2,
        backtest_horizon=account.n,
        skew=account.metrics["skew"],
        kurtosis=account.metrics["kurtosis"] + 3,
    )
    assert account.metrics["probabilistic_sharpe_pct"] == pytest.approx(100 * theirs, **CLOSE)


@every_account
def test_the_probabilistic_sharpe_ratio_is_that_of_quantstats_but_for_its_moments(account: Measured) -> None:
    """quantstats puts its estimates of skew and kurtosis in; with ours in their place both are the same."""
    ratio = account.changes.mean() / account.changes.std(ddof=1)

    def probability(skew: float, kurtosis: float) -> float:
        spread = 1 - skew * ratio + (kurtosis + 2) / 4 * ratio**2
        return 100 * BELL.cdf(ratio * math.sqrt(account.n - 1) / math.sqrt(spread))

    theirs = 100 * quantstats.stats.probabilistic_sharpe_ratio(account.returns)
    estimates = quantstats.stats.skew(account.returns), quantstats.stats.kurtosis(account.returns)
    assert theirs == pytest.approx(probability(*estimates), **CLOSE)
    ours = account.metrics["probabilistic_sharpe_pct"]
    assert ours == pytest.approx(probability(account.metrics["skew"], account.metrics["kurtosis"]), **CLOSE)
    assert ours == pytest.approx(theirs, abs=0.5)


@every_account
def test_value_at_risk_is_of_the_returns_and_that_of_quantstats_of_a_normal_distribution(account: Measured) -> None:
    changes = account.changes
    bell = 100 * (changes.mean() + BELL.inv_cdf(0.05) * changes.std(ddof=1))
    assert 100 * quantstats.stats.value_at_risk(account.returns) == pytest.approx(bell, **CLOSE)
    assert account.metrics["var_95_pct"] == pytest.approx(100 * account.returns.quantile(0.05), **CLOSE)


@every_account
def test_what_lies_beyond_the_value_at_risk_is_what_quantstats_calls_historical(account: Measured) -> None:
    """It takes all returns up to the quantile, so that zeros that go on beyond it all count."""
    ours, stats = account.metrics["cvar_95_pct"], quantstats.stats
    if np.sort(account.changes)[int(0.05 * (account.n - 1))] < 0:
        assert ours == pytest.approx(100 * stats.cvar(account.returns, method="historical"), **CLOSE)
    changes = account.changes
    bell = changes.mean() - changes.std(ddof=1) * BELL.pdf(BELL.inv_cdf(0.05)) / 0.05
    assert stats.cvar(account.returns) == pytest.approx(bell, **CLOSE)


@every_account
def test_what_lies_beyond_the_value_at_risk_is_a_twentieth_by_number_in_vectorbt(account: Measured) -> None:
    worst = np.sort(account.changes)[: int(0.05 * (account.n - 1)) + 1]
    assert account.vectorbt.cond_value_at_risk() == pytest.approx(worst.mean(), **CLOSE)
    assert account.metrics["cvar_95_pct"] == pytest.approx(100 * worst.mean(), **CLOSE)


@every_account
def test_drawdowns_are_those_of_vectorbt(account: Measured) -> None:
    drawdowns = pd.Series(account.outcome.equity, index=pd.to_datetime(account.bars.time, unit="s")).vbt.drawdowns
    records: Any = drawdowns.values
    # They end on the bar that is back at the peak, which is not below it; or they have not ended.
    below = records["end_idx"] - records["peak_idx"] - (records["status"] == 1)
    ours = account.metrics
    assert ours["average_drawdown_pct"] == pytest.approx(100 * drawdowns.avg_drawdown(), **CLOSE)
    assert (ours["longest_drawdown_bars"], ours["average_drawdown_bars"]) == pytest.approx((below.max(), below.mean()))


# Trades


def of_trades(account: Measured) -> pd.Series:
    """Returns of closed trades, for quantstats to take for those of days: it knows no trades."""
    closed = account.outcome.trades[account.outcome.trades["exit_reason"] != 0]
    return pd.Series(closed["return_pct"] / 100, index=pd.date_range("2024-01-01", periods=len(closed)))


@pytest.mark.parametrize(
    "case",
    [case for case in random_markets() if "often" in case.name and "flat" not in case.name],
    ids=lambda case: case.name,
)
def test_trades_of_one_size_are_to_quantstats_what_bars_are(case: Case) -> None:
    """With as much money in each trade its profits are to each other as their returns are."""
    account = measured(case, Rules(sizing="cash", size_cash=500.0))
    ours, trades, stats = account.metrics, of_trades(account), quantstats.stats
    assert {
        "win_rate_pct": 100 * stats.win_rate(trades),
        "profit_factor": stats.profit_factor(trades),
        "payoff_ratio": stats.payoff_ratio(trades),
        "kelly_pct": 100 * stats.kelly_criterion(trades),
        "best_trade_pct": 100 * stats.best(trades),
        "worst_trade_pct": 100 * stats.worst(trades),
        "average_trade_pct": 100 * stats.avg_return(trades),
        "longest_win_streak": stats.consecutive_wins(trades),
        "longest_loss_streak": stats.consecutive_losses(trades),
    } == pytest.approx({key: ours[key] for key in _TRADE_KEYS}, **CLOSE)


_TRADE_KEYS = (
    "win_rate_pct", "profit_factor", "payoff_ratio", "kelly_pct", "best_trade_pct", "worst_trade_pct",
    "average_trade_pct", "longest_win_streak", "longest_loss_streak",
)  # fmt: skip


MOVING = [case for case in random_markets() if "flat" not in case.name]


@pytest.mark.parametrize("case", MOVING, ids=lambda case: case.name)
@pytest.mark.parametrize("direction", ["long", "short", "both"])
def test_metrics_of_trades_are_those_of_vectorbt(case: Case, direction: Any) -> None:
    rules = replace(PRESETS["vectorbt"].rules, direction=direction)
    ours = measured(case, rules).metrics
    portfolio = portfolio_of(case.bars, case.signals, rules)
    closed = portfolio.trades.closed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it divides by what may be zero
        theirs = {
            "sharpe": portfolio.sharpe_ratio(),
            "exposure_pct": 100 * portfolio.position_coverage(),
            "trades": closed.count(),
            "open_trades": portfolio.trades.open.count(),
            "win_rate_pct": 100 * closed.win_rate(),
            "profit_factor": closed.profit_factor(),
            "expectancy": closed.expectancy(),
            "sqn": closed.sqn(),
            # A return is of the value without the fee there, and of all that the trade took here.
            "best_trade_pct": 100 * closed.returns.max() / (1 + rules.fee_pct / 100),
            "worst_trade_pct": 100 * closed.returns.min() / (1 + rules.fee_pct / 100),
            "longest_trade_bars": closed.duration.max(),
            "average_trade_bars": closed.duration.mean(),
            "longest_win_streak": closed.winning_streak.max(),
            "longest_loss_streak": closed.losing_streak.max(),
            "fees_paid": portfolio.trades.entry_fees.sum() + closed.exit_fees.sum(),
        }
    for key, value in theirs.items():
        told = value if np.isfinite(value) else math.nan
        assert ours[key] == pytest.approx(told, **CLOSE, nan_ok=True), key


@pytest.mark.parametrize("case", MOVING, ids=lambda case: case.name)
def test_metrics_are_those_of_backtesting(case: Case) -> None:
    free: dict[str, Any] = {"fee_pct": 0.0, "slippage_pct": 0.0}
    rules = replace(PRESETS["backtesting.py"].rules, sizing="units", size_units=7.0, **free)
    account = measured(case, rules)
    ours, stats = account.metrics, stats_of(case.bars, case.signals, rules)
    closed = account.outcome.trades[account.outcome.trades["exit_reason"] != 0]
    returns = closed["return_pct"] / 100
    theirs = {
        "buy_hold_return_pct": stats["Buy & Hold Return [%]"],
        "sharpe": stats["Sharpe Ratio"],
        "sqn": stats["SQN"],
        "kelly_pct": 100 * stats["Kelly Criterion"],
        "win_rate_pct": stats["Win Rate [%]"],
        "best_trade_pct": stats["Best Trade [%]"],
        "worst_trade_pct": stats["Worst Trade [%]"],
        "average_trade_pct": stats["Expectancy [%]"],  # what it calls expectancy is a percentage
    }
    for key, value in theirs.items():
        assert ours[key] == pytest.approx(value, **CLOSE, nan_ok=True), key
    # A year is 365.25 days of the calendar there, and bars here.
    years = account.n / 365.25
    growth = 1 + ours["return_pct"] / 100
    assert stats["CAGR [%]"] == pytest.approx(100 * (growth ** (1 / years) - 1), **CLOSE)
    # Its Calmar is ours, since its annual return grows from bar to bar; its Sortino is not the mean return's.
    assert ours["calmar"] == pytest.approx(stats["Calmar Ratio"], **CLOSE, nan_ok=True)
    mean = account.changes.mean() * BARS_PER_YEAR
    if math.isfinite(ours["sortino"]):
        assert stats["Sortino Ratio"] == pytest.approx(ours["sortino"] / mean * ours["cagr_pct"] / 100, **CLOSE)
    if len(returns) and (returns < 0).any():
        # Its profit factor is one of percentages, its average trade a geometric mean.
        factor = returns[returns > 0].sum() / -returns[returns < 0].sum()
        assert stats["Profit Factor"] == pytest.approx(factor, **CLOSE)
        geometric = math.exp(np.log1p(returns).mean()) - 1
        assert stats["Avg. Trade [%]"] == pytest.approx(100 * geometric, **CLOSE)
        # It counts the bar of the exit as exposed.
        held = {bar for trade in closed for bar in range(trade["entry_bar"], trade["exit_bar"] + 1)}
        assert stats["Exposure Time [%]"] == pytest.approx(100 * len(held) / len(case.bars), **CLOSE)
