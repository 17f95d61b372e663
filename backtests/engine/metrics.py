"""The table of metrics, and the kernel that computes them.

``METRICS`` is the one place where a metric is declared: the model's columns, the page, the exports and the docs
follow it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import from_dtype

from backtests.engine.errors import EngineError
from backtests.engine.simulate import TRADE, Outcome
from strategies.bars import Bars, FloatArray
from strategies.indicators.kernel import F64, FLOATS, FLOATS_OUT, I64, kernel

Unit = Literal["time", "count", "%", "money", "ratio"]
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


METRICS = (
    Metric("start", "Start", "time", "neither", "start of the first bar"),
    Metric("end", "End", "time", "neither", "start of the last bar"),
    Metric("bars", "Bars", "count", "neither", "number of bars tested"),
    Metric("exposure_pct", "Exposure", "%", "neither", "100 × bars on whose close a position is held ÷ bars"),
    Metric("final_equity", "Final equity", "money", "higher", "equity at the last close"),
    Metric("peak_equity", "Peak equity", "money", "higher", "highest equity at a close"),
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
        "too short a time to make annual: the growth is beyond any number",
    ),
    Metric(
        "volatility_pct",
        "Volatility",
        "%",
        "lower",
        "100 × standard deviation (n − 1) of bar returns × √(bars a year)",
        "fewer than two bar returns",
    ),
    Metric(
        "sharpe",
        "Sharpe",
        "ratio",
        "higher",
        "mean ÷ standard deviation (n − 1) of bar returns × √(bars a year), risk-free rate 0",
        "fewer than two bar returns, or returns that do not vary (no trade)",
    ),
    Metric(
        "max_drawdown_pct",
        "Max drawdown",
        "%",
        "higher",
        "100 × the lowest (equity ÷ highest equity so far − 1); zero or negative",
    ),
    Metric("trades", "Trades", "count", "neither", "closed trades"),
    Metric("open_trades", "Open trades", "count", "neither", "positions still held at the last close"),
    Metric(
        "win_rate_pct",
        "Win rate",
        "%",
        "higher",
        "100 × closed trades with a profit after costs ÷ closed trades",
        "no closed trade",
    ),
)
METRICS_BY_KEY = {metric.key: metric for metric in METRICS}
INDEX = {metric.key: index for index, metric in enumerate(METRICS)}


def measure(bars: Bars, outcome: Outcome, *, cash: float, bars_per_year: float) -> FloatArray:
    """Return the value of every metric.

    Parameters
    ----------
    bars : Bars, n of them, at least 2
    outcome : Outcome of a simulation on these bars
    cash : float
        Starting equity, positive.
    bars_per_year : float
        The annual factor of the market and interval, positive.

    Returns
    -------
    float64, shape (len(METRICS),)
        In the order of METRICS; NaN where a metric is undefined. Times are seconds since 1970 UTC.

    Raises
    ------
    EngineError
        If bars and outcome differ in length, or cash or the annual factor is not positive.
    """
    if len(bars) != len(outcome.equity) or len(bars) < 2:
        raise EngineError(f"metrics need 2 bars or more and their equity; got {len(bars)} and {len(outcome.equity)}")
    if not (cash > 0 and bars_per_year > 0):
        raise EngineError(f"cash and bars_per_year must be positive; they are {cash!r} and {bars_per_year!r}")
    values = np.empty(len(METRICS))
    values[0], values[1] = bars.time[0], bars.time[-1]
    _measure(bars.close, outcome.equity, outcome.trades, cash, bars_per_year, values)
    return values


@kernel((FLOATS, F64, I64))
def _total(series, center, power):  # type: ignore[no-untyped-def]
    """Sum (series - center) ** power for power 1 or 2, in four lanes: one would wait for its own last addition."""
    n = len(series)
    a = b = c = d = 0.0
    for i in range(0, n - 3, 4):
        p, q, r, s = series[i] - center, series[i + 1] - center, series[i + 2] - center, series[i + 3] - center
        if power == 2:
            p, q, r, s = p * p, q * q, r * r, s * s
        a += p
        b += q
        c += r
        d += s
    for i in range(n - n % 4, n):
        p = series[i] - center
        a += p * p if power == 2 else p
    return (a + b) + (c + d)


@kernel((FLOATS, FLOATS, from_dtype(TRADE)[::1], F64, F64, FLOATS_OUT))
def _measure(close, equity, trades, cash, bars_per_year, values):  # type: ignore[no-untyped-def]
    n = len(equity)
    returns = np.empty(n - 1)
    moving = 0
    peak = equity[0]
    lowest = 1.0
    held = 0
    wins = 0
    still_open = 0
    # Equity moves only from the bar of an entry to that of its exit; every other bar returns nothing and is left out.
    for i in range(len(trades)):
        first = trades[i].entry_bar
        last = trades[i].exit_bar
        part = equity[first - 1 : last + 1]
        gained = returns[moving : moving + last + 1 - first]
        moving += len(gained)
        for t in range(len(gained)):
            gained[t] = part[t + 1] / part[t] - 1.0
        for t in range(len(part)):
            if part[t] > peak:
                peak = part[t]
            elif part[t] < lowest * peak:
                lowest = part[t] / peak
        if trades[i].is_open:
            still_open += 1
            held += n - first
        else:
            held += last - first
            wins += trades[i].pnl > 0.0
    mean = _total(returns[:moving], 0.0, 1) / (n - 1)
    squares = _total(returns[:moving], mean, 2) + (n - 1 - moving) * mean * mean
    closed = len(trades) - still_open

    growth = equity[n - 1] / cash
    hold = 100.0 * (close[n - 1] / close[0] - 1.0)
    deviation = np.sqrt(squares / (n - 2)) if n > 2 else np.nan
    annual = growth ** (bars_per_year / (n - 1.0))
    values[2] = n
    values[3] = 100.0 * held / n
    values[4] = equity[n - 1]
    values[5] = peak
    values[6] = equity[n - 1] - cash
    values[7] = 100.0 * (growth - 1.0)
    values[8] = hold
    values[9] = values[7] - hold
    values[10] = 100.0 * (annual - 1.0) if np.isfinite(annual) else np.nan
    values[11] = 100.0 * deviation * np.sqrt(bars_per_year)
    # Below a millionth of a millionth the deviation is rounding, and the ratio would be an invention.
    values[12] = mean / deviation * np.sqrt(bars_per_year) if deviation > 1e-12 else np.nan
    values[13] = 100.0 * (lowest - 1.0)
    values[14] = closed
    values[15] = still_open
    values[16] = 100.0 * wins / closed if closed > 0 else np.nan
