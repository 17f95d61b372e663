"""Many parameter sets of a strategy over one symbol, with what they share computed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np
import numpy.typing as npt

from backtests.engine.coded import CODED_IN, coded
from backtests.engine.errors import EngineError, TooShort
from backtests.engine.evaluate import evaluate
from backtests.engine.metrics import _measure
from backtests.engine.plain import _find_trades, _simulate_plain
from backtests.engine.returns import ROUNDING
from backtests.engine.rules import Rules
from backtests.engine.scanning import _highest, _lowest
from backtests.engine.simulate import MIN_BARS, check_annual_factor
from backtests.engine.table import INDEX, METRICS
from backtests.engine.trades import TRADE, TRADES_OUT
from strategies.bars import Bars, FloatArray
from strategies.base import Strategy
from strategies.indicators.crosses import _cross_both
from strategies.indicators.kernel import BOOLS_OUT, F64, FLOATS, FLOATS_OUT, INTS, TABLE, TABLE_OUT, kernel
from strategies.lines import Line, LineCross

# What a search over parameters looks at first; without the other metrics it takes less than half as long.
QUICK = ("return_pct", "max_drawdown_pct", "sharpe", "trades")
EVERY = tuple(metric.key for metric in METRICS)


def sweep(
    bars: Bars,
    strategies: Sequence[Strategy],
    rules: Rules,
    *,
    bars_per_year: float,
    keys: Sequence[str] = EVERY,
) -> FloatArray:
    """Return metrics of every strategy on the same bars: what ``evaluate`` gives for each of them.

    Strategies that say which two lines cross (:class:`strategies.lines.LineCross`) share equal lines, and under plain
    rules one call of a kernel does them all. The metrics of ``QUICK`` alone are done without listing trades and equity.

    Parameters
    ----------
    bars : Bars, n of them, at least 2
    strategies : sequence of k Strategy
    rules : Rules
    bars_per_year : float
        The annual factor of the market and interval, positive.
    keys : sequence of m str
        Which metrics, by key; by default all.

    Returns
    -------
    float64, shape (k, m)
        NaN where a metric is undefined.

    Raises
    ------
    EngineError
        If a key is no metric's, or the annual factor is not a positive number; and whatever ``evaluate`` raises.
    """
    if unknown := [key for key in keys if key not in INDEX]:
        raise EngineError(f"keys: {unknown[0]!r} is no metric; the metrics are: {', '.join(INDEX)}")
    check_annual_factor(bars_per_year)
    if len(bars) < MIN_BARS:
        raise TooShort(f"a simulation needs at least {MIN_BARS} bars; there are {len(bars)}")
    crossing = [strategy for strategy in strategies if _says_its_lines(strategy)]
    if crossing and len(crossing) == len(strategies) and coded(rules).is_plain and rules.sharpe == "bar":
        return _sweep_lines(bars, crossing, rules, bars_per_year, keys)
    columns = [INDEX[key] for key in keys]
    rows = [evaluate(bars, each.signals(bars), rules, bars_per_year=bars_per_year)[1][columns] for each in strategies]
    return np.array(rows).reshape(len(strategies), len(columns))


def _says_its_lines(strategy: Strategy) -> TypeGuard[LineCross]:
    """Return whether a strategy's signals are the crosses of its lines and nothing else."""
    return isinstance(strategy, LineCross) and type(strategy).signals is LineCross.signals


def _sweep_lines(
    bars: Bars, strategies: Sequence[LineCross], rules: Rules, bars_per_year: float, keys: Sequence[str]
) -> FloatArray:
    places: dict[Line, int] = {}
    pairs = np.array([[places.setdefault(line, len(places)) for line in each.lines()] for each in strategies])
    lines = np.ascontiguousarray([line.of(bars) for line in places], dtype=np.float64)
    first, second = (np.ascontiguousarray(column) for column in pairs.T.astype(np.int64))
    n = len(bars)
    scratch = _scratch(n)
    record = coded(rules).record
    if set(keys) <= set(QUICK):
        quick = np.empty((len(strategies), len(QUICK)))
        _sweep_quick(bars.open, bars.close, lines, first, second, record, bars_per_year, *scratch, quick)
        return quick[:, [QUICK.index(key) for key in keys]]
    values = np.empty((len(strategies), len(METRICS)))
    prices = (bars.time, bars.open, bars.high, bars.low, bars.close)
    _sweep_every(*prices, lines, first, second, record, bars_per_year, *scratch, values)
    return values[:, [INDEX[key] for key in keys]]


def _scratch(n: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.void], FloatArray]:
    """Return arrays for entries, exits, trades and equity or returns: one set for all parameter sets."""
    # Between two crosses in one direction lies one in the other: there are no more than one entry in two bars.
    return np.empty(n, dtype=np.bool_), np.empty(n, dtype=np.bool_), np.empty(n // 2 + 1, dtype=TRADE), np.empty(n)


@kernel(
    (
        INTS, FLOATS, FLOATS, FLOATS, FLOATS, TABLE, INTS, INTS, CODED_IN, F64,
        BOOLS_OUT, BOOLS_OUT, TRADES_OUT, FLOATS_OUT, TABLE_OUT,
    )
)  # fmt: skip
def _sweep_every(  # type: ignore[no-untyped-def]
    time, open_, high, low, close, lines, first, second, rules, bars_a_year, entry, exit_, trades, equity, values
):
    for i in range(len(first)):
        _cross_both(lines[first[i]], lines[second[i]], entry, exit_)
        n_trades = _simulate_plain(time, open_, high, low, close, entry, exit_, rules, trades, equity)
        _measure(time, close, equity, trades[:n_trades], rules, bars_a_year, values[i])


@kernel((FLOATS, FLOATS, TRADES_OUT, CODED_IN, F64, FLOATS, FLOATS, FLOATS_OUT))
def _measure_quick(  # type: ignore[no-untyped-def]
    open_, close, trades, rules, bars_a_year, changes, squares, values
):
    """Set the metrics of QUICK for trades of which only the bars are known.

    While all equity is in a position, it changes as the close does; only the bars of entry and exit differ by costs.
    ``changes`` and ``squares`` are the sums so far of the close's returns and of their squares.
    """
    n = len(close)
    rule = rules[0]
    equity = peak = rule.cash
    lowest = 1.0
    total = total_squares = 0.0
    closed = 0
    for i in range(len(trades)):
        first = trades[i].entry_bar
        last = trades[i].exit_bar
        units = equity / (open_[first] * (1.0 + rule.slippage_pct) * (1.0 + rule.fee_pct))
        change = units * close[first] / equity - 1.0
        total += change + changes[last - 1] - changes[first]
        total_squares += change * change + squares[last - 1] - squares[first]
        highest = max(peak / units, _highest(close[first:last]))
        if _lowest(close[first:last]) < lowest * highest:
            # Only a bar so low can be a new lowest point, and it is one only if the highest came before it.
            highest = peak / units
            for t in range(first, last):
                if close[t] > highest:
                    highest = close[t]
                elif close[t] < lowest * highest:
                    lowest = close[t] / highest
        peak = units * highest
        equity = units * close[last - 1]
        if last < n:
            closed += 1
            after = units * open_[last] * (1.0 - rule.slippage_pct) * (1.0 - rule.fee_pct)
            change = after / equity - 1.0
            total += change
            total_squares += change * change
            equity = after
            peak = max(peak, equity)
            lowest = min(lowest, equity / peak)
    mean = total / (n - 1)
    # The mean of bar returns is so near to zero that hardly anything cancels here.
    variance = (total_squares - total * mean) / (n - 2) if n > 2 else 0.0
    deviation = np.sqrt(variance) if variance > 0.0 else 0.0
    free = (1.0 + rule.risk_free_pct) ** (1.0 / bars_a_year) - 1.0
    values[0] = 100.0 * (equity / rule.cash - 1.0)
    values[1] = 100.0 * (lowest - 1.0)
    values[2] = (mean - free) / deviation * np.sqrt(bars_a_year) if deviation > ROUNDING else np.nan
    values[3] = closed


@kernel((FLOATS, FLOATS, TABLE, INTS, INTS, CODED_IN, F64, BOOLS_OUT, BOOLS_OUT, TRADES_OUT, FLOATS_OUT, TABLE_OUT))
def _sweep_quick(  # type: ignore[no-untyped-def]
    open_, close, lines, first, second, rules, bars_a_year, entry, exit_, trades, changes, values
):
    squares = np.empty(len(close))
    changes[0] = squares[0] = 0.0
    for t in range(1, len(close)):
        change = close[t] / close[t - 1] - 1.0
        changes[t] = changes[t - 1] + change
        squares[t] = squares[t - 1] + change * change
    for i in range(len(first)):
        _cross_both(lines[first[i]], lines[second[i]], entry, exit_)
        n_trades = _find_trades(entry, exit_, trades)
        _measure_quick(open_, close, trades[:n_trades], rules, bars_a_year, changes, squares, values[i])
