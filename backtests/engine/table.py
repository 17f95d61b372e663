"""The table of metrics: the one place where a metric is declared. Columns, pages, exports and docs follow it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Unit = Literal["time", "count", "bars", "%", "money", "ratio"]
Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a result.

    ``formula`` is what the tooltip and the docs show; ``undefined`` says when there is no value, and is empty for a
    metric that always has one.
    """

    key: str
    label: str
    unit: Unit
    better: Better
    formula: str
    undefined: str = ""


# The words of the formulas.
TERMS = {
    "equity": "cash and position at the close of a bar",
    "peak": "the highest of starting cash and equity so far",
    "drawdown": "all bars in a row on which equity is below its peak",
    "bar return": "equity ÷ equity one bar before − 1, of every bar but the first; 0 where both are the same",
    "profit": "what a trade adds to the account after all costs; a loss where that is negative",
    "return of a closed trade": "100 × profit ÷ what the position took of the account at its entry, costs included",
    "bars a year": "the annual factor of market and interval",
    "rounding": "a difference below 1e-12 of what it is a difference of; it counts as none",
}

_FEW_RETURNS = "fewer than two bar returns"
_STILL = f"{_FEW_RETURNS}, or returns that do not vary (no trade)"
_NO_FALL = "no bar with a negative return"
_NO_DRAWDOWN = "equity is never below its peak"
_NO_TRADE = "no closed trade"
_NO_LOSS = "no closed trade with a loss"
_ONE_SIDED = "no closed trade with a profit, or none with a loss"
_CALENDAR = (
    "(mean of the returns of calendar {0}s (UTC) − {1}) ÷ standard deviation (n) of them; a {0}'s return is equity at "
    "its last close ÷ that of the {0} before, at first starting cash, − 1; a {0} that begins with nothing has none"
)
_FEW_PERIODS = "fewer than two {0}s, or {0}s whose returns do not vary (no trade)"

# What the Sharpe ratio is, and when there is none, under each choice of the rule.
SHARPE = {
    "bar": (
        "(mean of bar returns − risk-free rate of a bar) ÷ standard deviation (n − 1) of bar returns × √(bars a year); "
        "the rate of a bar is (1 + rate)^(1 ÷ bars a year) − 1",
        _STILL,
    ),
    "bar_from_cash": (
        "(mean of bar returns − risk-free rate of a bar) ÷ standard deviation (n − 1) of bar returns × √(bars a year); "
        "the rate of a bar is (1 + rate)^(1 ÷ bars a year) − 1; the first bar has a return too, from starting cash",
        "returns that do not vary (no trade)",
    ),
    "geometric": (
        "(growth^(bars a year) − 1 − risk-free rate) "
        "÷ √((deviation² + growth²)^(bars a year) − growth^(2 × bars a year)); "
        "growth is (last equity ÷ first equity)^(1 ÷ n), deviation (n − 1) that of the n bar returns",
        f"{_STILL}, or nothing is left of the account, or the growth of a year or its spread is beyond any number",
    ),
    "monthly": (_CALENDAR.format("month", "risk-free rate ÷ 12"), _FEW_PERIODS.format("month")),
    "yearly": (_CALENDAR.format("year", "risk-free rate"), _FEW_PERIODS.format("year")),
}

METRICS = (
    Metric("start", "Start", "time", "neither", "start of the first bar"),
    Metric("end", "End", "time", "neither", "start of the last bar"),
    Metric("bars", "Bars", "count", "neither", "number of bars tested"),
    Metric("exposure_pct", "Exposure", "%", "neither", "100 × bars on whose close a position is held ÷ bars"),
    Metric("final_equity", "Final equity", "money", "higher", "equity at the last close"),
    Metric("peak_equity", "Peak equity", "money", "higher", "highest of starting cash and equity at a close"),
    Metric("net_profit", "Net profit", "money", "higher", "final equity − starting cash"),
    Metric("return_pct", "Return", "%", "higher", "100 × net profit ÷ starting cash"),
    Metric(
        "buy_hold_return_pct", "Buy and hold", "%", "neither", "100 × (last close ÷ first close − 1), without costs"
    ),
    Metric("excess_return_pct", "Excess return", "%", "higher", "return − buy and hold, in percentage points"),
    Metric(
        "cagr_pct",
        "CAGR",
        "%",
        "higher",
        "100 × ((final equity ÷ starting cash)^(bars a year ÷ (bars − 1)) − 1)",
        "nothing is left of the account, or so short a time that the growth of a year is beyond any number",
    ),
    Metric(
        "volatility_pct",
        "Volatility",
        "%",
        "lower",
        "100 × standard deviation (n − 1) of bar returns × √(bars a year)",
        _FEW_RETURNS,
    ),
    Metric(
        "sharpe",
        "Sharpe",
        "ratio",
        "higher",
        *SHARPE["bar"],
    ),
    Metric(
        "sortino",
        "Sortino",
        "ratio",
        "higher",
        "mean of bar returns ÷ √(sum of squares of the negative ones ÷ number of all) × √(bars a year)",
        _NO_FALL,
    ),
    Metric(
        "calmar",
        "Calmar",
        "ratio",
        "higher",
        "CAGR ÷ −max drawdown",
        f"{_NO_DRAWDOWN}, or no CAGR, or the ratio is beyond any number",
    ),
    Metric(
        "omega",
        "Omega",
        "ratio",
        "higher",
        "sum of positive bar returns ÷ −(sum of negative ones)",
        _NO_FALL,
    ),
    Metric(
        "max_drawdown_pct",
        "Max drawdown",
        "%",
        "higher",
        "100 × the lowest (equity ÷ peak − 1); zero or negative",
    ),
    Metric(
        "average_drawdown_pct",
        "Average drawdown",
        "%",
        "higher",
        "100 × mean of the lowest (equity ÷ peak − 1) of every drawdown",
        _NO_DRAWDOWN,
    ),
    Metric("longest_drawdown_bars", "Longest drawdown", "bars", "lower", "most bars of a drawdown, 0 without one"),
    Metric(
        "average_drawdown_bars",
        "Average drawdown duration",
        "bars",
        "lower",
        "bars with equity below its peak ÷ number of drawdowns",
        _NO_DRAWDOWN,
    ),
    Metric("trades", "Trades", "count", "neither", "closed trades"),
    Metric("open_trades", "Open trades", "count", "neither", "positions still held at the last close"),
    Metric(
        "win_rate_pct",
        "Win rate",
        "%",
        "higher",
        "100 × closed trades with a profit ÷ closed trades",
        _NO_TRADE,
    ),
    Metric("best_trade_pct", "Best trade", "%", "higher", "highest return of a closed trade", _NO_TRADE),
    Metric("worst_trade_pct", "Worst trade", "%", "higher", "lowest return of a closed trade", _NO_TRADE),
    Metric("average_trade_pct", "Average trade", "%", "higher", "mean return of closed trades", _NO_TRADE),
    Metric(
        "longest_trade_bars",
        "Longest trade",
        "bars",
        "neither",
        "most bars from entry to exit, closed trades; 0 within one bar",
        _NO_TRADE,
    ),
    Metric(
        "average_trade_bars",
        "Average trade duration",
        "bars",
        "neither",
        "mean of bars from entry to exit, closed trades",
        _NO_TRADE,
    ),
    Metric(
        "profit_factor",
        "Profit factor",
        "ratio",
        "higher",
        "sum of profits ÷ −(sum of losses), closed trades",
        _NO_LOSS,
    ),
    Metric("expectancy", "Expectancy", "money", "higher", "mean profit or loss of closed trades", _NO_TRADE),
    Metric(
        "sqn",
        "SQN",
        "ratio",
        "higher",
        "√(closed trades) × mean of their profits and losses ÷ standard deviation (n − 1) of these",
        "fewer than two closed trades, or all with the same profit",
    ),
    Metric(
        "kelly_pct",
        "Kelly",
        "%",
        "higher",
        "100 × (win rate − (1 − win rate) ÷ payoff ratio), the win rate as a share",
        _ONE_SIDED,
    ),
    Metric(
        "payoff_ratio",
        "Payoff ratio",
        "ratio",
        "higher",
        "mean profit of closed trades with a profit ÷ −(mean of those with a loss)",
        _ONE_SIDED,
    ),
    Metric("fees_paid", "Fees paid", "money", "lower", "sum of fees, open trades included"),
    Metric("slippage_paid", "Slippage paid", "money", "lower", "sum of slippage, open trades included"),
    Metric("borrow_paid", "Borrow cost paid", "money", "lower", "sum of borrow costs, open trades included"),
    Metric(
        "turnover",
        "Turnover",
        "ratio",
        "neither",
        "sum of units × price of all entries and exits ÷ 2 ÷ mean equity of all bars ÷ (bars ÷ bars a year)",
        "mean equity is not positive",
    ),
    Metric("longest_win_streak", "Longest win streak", "count", "higher", "most closed trades with a profit in a row"),
    Metric("longest_loss_streak", "Longest loss streak", "count", "lower", "most closed trades with a loss in a row"),
    Metric(
        "var_95_pct",
        "VaR 95 %",
        "%",
        "higher",
        "100 × the 5 % quantile of the n bar returns: in order and counted from 0 the one at 0.05 × (n − 1), "
        "interpolated between the two around it",
        _FEW_RETURNS,
    ),
    Metric(
        "cvar_95_pct",
        "CVaR 95 %",
        "%",
        "higher",
        "100 × mean of the worst twentieth of bar returns: the ⌊0.05 × (n − 1)⌋ + 1 lowest of n",
        _FEW_RETURNS,
    ),
    Metric(
        "skew",
        "Skew",
        "ratio",
        "higher",
        "mean of (bar return − their mean)³ ÷ (mean of (bar return − their mean)²)^1.5",
        _STILL,
    ),
    Metric(
        "kurtosis",
        "Kurtosis",
        "ratio",
        "lower",
        "mean of (bar return − their mean)⁴ ÷ (mean of (bar return − their mean)²)² − 3; 0 for a normal distribution",
        _STILL,
    ),
    Metric("ulcer_index", "Ulcer index", "%", "lower", "100 × √(mean of (equity ÷ peak − 1)² over all bars)"),
    Metric(
        "average_mae_pct",
        "Average MAE",
        "%",
        "higher",
        "mean of how far the price went against each closed trade, in percent of its entry price; zero or negative",
        _NO_TRADE,
    ),
    Metric(
        "average_mfe_pct",
        "Average MFE",
        "%",
        "higher",
        "mean of how far the price went for each closed trade, in percent of its entry price; zero or positive",
        _NO_TRADE,
    ),
    Metric(
        "probabilistic_sharpe_pct",
        "Probabilistic Sharpe",
        "%",
        "higher",
        "100 × Φ(s × √(n − 1) ÷ √(1 − skew × s + (kurtosis + 2) ÷ 4 × s²)); s is mean ÷ standard deviation (n − 1) of "
        "the n bar returns, Φ the normal distribution",
        f"{_STILL}, or nothing positive is under the root",
    ),
)
METRICS_BY_KEY = {metric.key: metric for metric in METRICS}
INDEX = {metric.key: index for index, metric in enumerate(METRICS)}


def metrics_under(sharpe: str | None) -> tuple[Metric, ...]:
    """Return METRICS with the formula that the Sharpe ratio has under this choice of the rule, if it is one."""
    formula, undefined = SHARPE.get(sharpe or "", SHARPE["bar"])
    return tuple(
        replace(metric, formula=formula, undefined=undefined) if metric.key == "sharpe" else metric
        for metric in METRICS
    )
