"""Many parameter sets of a strategy over one symbol, with what they share computed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np

from backtests.engine.coded import CODED_IN, coded
from backtests.engine.errors import EngineError, TooShort
from backtests.engine.evaluate import evaluate
from backtests.engine.metrics import _measure
from backtests.engine.plain import _find_trades
from backtests.engine.returns import ROUNDING
from backtests.engine.rules import Rules
from backtests.engine.simulate import MIN_BARS, _simulate, check_annual_factor, check_kind, too_large
from backtests.engine.table import INDEX, METRICS
from backtests.engine.trades import TRADE, TRADES_OUT
from strategies.bars import Bars, FloatArray
from strategies.base import Strategy
from strategies.indicators.crosses import _cross_both
from strategies.indicators.kernel import BOOLS_OUT, F64, FLOATS, FLOATS_OUT, INTS, TABLE, TABLE_OUT, kernel
from strategies.lines import Line, LineCross

# What a search over parameters looks at first; without the other metrics it takes less than half as long.
QUICK = ("return_pct", "max_drawdown_pct", "sharpe", "trades")
RETURN = QUICK.index("return_pct")
# How many times as large as those of the trades the squares of all returns may be for a difference of sums to be exact.
JUMP = 1e4
EVERY = tuple(metric.key for metric in METRICS)


class Sweep:
    """Many parameter sets over one symbol after another: what ``evaluate`` gives for each of them.

    Strategies that say which two lines cross (:class:`strategies.lines.LineCross`) share equal lines, and under plain
    rules one call of a kernel does them all. The metrics of ``QUICK`` alone are done without listing trades and equity.

    Parameters
    ----------
    strategies : sequence of k Strategy
    rules : Rules
    bars_per_year : float
        The annual factor of the market and interval, positive.
    keys : sequence of m str
        Which metrics, by key; by default all.

    Raises
    ------
    EngineError
        If a key is no metric's, or the annual factor is not a positive number.
    """

    def __init__(
        self, strategies: Sequence[Strategy], rules: Rules, *, bars_per_year: float, keys: Sequence[str] = EVERY
    ) -> None:
        check_kind("strategies", strategies, Sequence)
        for each in strategies:
            check_kind("strategies: each", each, Strategy)
        if isinstance(keys, str):
            raise EngineError(f"keys must be a sequence of metrics' keys; it is the text {keys!r}")
        if unknown := [key for key in keys if key not in INDEX]:
            raise EngineError(f"keys: {unknown[0]!r} is no metric; the metrics are: {', '.join(INDEX)}")
        check_annual_factor(bars_per_year)
        check_kind("rules", rules, Rules)
        self.strategies, self.rules, self.bars_per_year = strategies, rules, bars_per_year
        self._columns = [INDEX[key] for key in keys]
        is_quick = coded(rules).is_all_in and rules.sharpe == "bar" and set(keys) <= set(QUICK)
        self._quick = [QUICK.index(key) for key in keys] if is_quick else None
        crossing = [strategy for strategy in strategies if _says_its_lines(strategy)]
        self._says_lines = bool(crossing) and len(crossing) == len(strategies) and coded(rules).is_plain
        # Every line once, and for each strategy the places of its two.
        places: dict[Line, int] = {}
        pairs = [[places.setdefault(line, len(places)) for line in strategy.lines()] for strategy in crossing]
        self._lines = list(places)
        self._first, self._second = np.array(pairs, dtype=np.int64).reshape(len(pairs), 2).T.copy()

    def of(self, bars: Bars) -> FloatArray:
        """Return the metrics of every strategy on these bars.

        Parameters
        ----------
        bars : Bars, n of them, at least 2

        Returns
        -------
        float64, shape (k, m)
            NaN where a metric is undefined.

        Raises
        ------
        EngineError, StrategyError
            Whatever ``evaluate`` raises.
        """
        check_kind("bars", bars, Bars)
        if len(bars) < MIN_BARS:
            raise TooShort(f"a simulation needs at least {MIN_BARS} bars; there are {len(bars)}")
        if self._says_lines:
            return self._of_lines(bars)
        pairs = ((each.signals(bars), self.rules) for each in self.strategies)
        rows = [evaluate(bars, *pair, bars_per_year=self.bars_per_year)[1][self._columns] for pair in pairs]
        return np.array(rows).reshape(len(self.strategies), len(self._columns))

    def _of_lines(self, bars: Bars) -> FloatArray:
        n = len(bars)
        lines = np.empty((len(self._lines), n))
        for row, line in zip(lines, self._lines, strict=True):
            made = np.asarray(line.of(bars))
            if made.shape != row.shape:
                raise EngineError(f"strategies: a line must have one value a bar, {n}; its shape is {made.shape}")
            row[:] = made
        # A trade takes the bar of a signal to enter and that of one to leave.
        scratch = (np.empty(n, dtype=np.bool_), np.empty(n, dtype=np.bool_), np.empty(n // 2 + 1, dtype=TRADE))
        inputs = (lines, self._first, self._second, coded(self.rules).record, self.bars_per_year, *scratch)
        if self._quick is not None:
            quick = np.empty((len(self.strategies), len(QUICK)))
            _sweep_quick(bars.open, bars.close, *inputs, quick)
            return _finite(quick, RETURN)[:, self._quick]
        values = np.empty((len(self.strategies), len(METRICS)))
        _sweep_every(bars.time, bars.open, bars.high, bars.low, bars.close, *inputs, np.empty(n), values)
        return _finite(values, INDEX["final_equity"])[:, self._columns]


def _finite(values: FloatArray, column: int) -> FloatArray:
    """Return the values, or raise EngineError if equity has grown beyond what a number can hold."""
    if not np.isfinite(values[:, column]).all():
        raise too_large()
    return values


def _says_its_lines(strategy: Strategy) -> TypeGuard[LineCross]:
    """Return whether a strategy's signals are the crosses of its lines and nothing else."""
    return isinstance(strategy, LineCross) and type(strategy).signals is LineCross.signals


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
        n_trades = _simulate(
            time,
            open_,
            high,
            low,
            close,
            entry,
            exit_,
            exit_,
            entry,
            close[:0],
            close[:0],
            close,
            rules,
            True,
            bars_a_year,
            trades,
            equity,
        )
        _measure(time, close, equity, trades[:n_trades], rules, bars_a_year, values[i])


@kernel((FLOATS, FLOATS, FLOATS_OUT))
def _higher(one, other, highest):  # type: ignore[no-untyped-def]
    for t in range(len(highest)):
        highest[t] = one[t] if one[t] > other[t] else other[t]


@kernel((FLOATS, FLOATS, FLOATS_OUT))
def _lower(one, other, lowest):  # type: ignore[no-untyped-def]
    for t in range(len(lowest)):
        lowest[t] = one[t] if one[t] < other[t] else other[t]


@kernel((TABLE_OUT, TABLE_OUT))
def _reach(highest, lowest):  # type: ignore[no-untyped-def]
    """Fill tables whose first rows hold a series: row k gets the extremes of the 2^k values from each place on."""
    n = highest.shape[1]
    for k in range(1, len(highest)):
        half = 1 << (k - 1)
        _higher(highest[k - 1, : n - half], highest[k - 1, half:], highest[k, : n - half])
        _lower(lowest[k - 1, : n - half], lowest[k - 1, half:], lowest[k, : n - half])


@kernel((FLOATS, FLOATS, TRADES_OUT, F64, F64))
def _exact_sums(open_, close, trades, slippage, fee):  # type: ignore[no-untyped-def]
    """Return the sums of the bar returns of trades that take all equity, and of their squares, bar by bar."""
    total = total_squares = 0.0
    for i in range(len(trades)):
        first = trades[i].entry_bar
        last = trades[i].exit_bar
        change = close[first] / (open_[first] * (1.0 + slippage) * (1.0 + fee)) - 1.0
        total += change
        total_squares += change * change
        for t in range(first + 1, last):
            change = close[t] / close[t - 1] - 1.0
            total += change
            total_squares += change * change
        if last < len(close):
            change = open_[last] * (1.0 - slippage) * (1.0 - fee) / close[last - 1] - 1.0
            total += change
            total_squares += change * change
    return total, total_squares


@kernel((FLOATS, FLOATS, TRADES_OUT, CODED_IN, F64, FLOATS, FLOATS, TABLE, TABLE, INTS, FLOATS_OUT))
def _measure_quick(  # type: ignore[no-untyped-def]
    open_, close, trades, rules, bars_a_year, changes, squares, highs, lows, steps, values
):
    """Set the metrics of QUICK for trades of which only the bars are known.

    While all equity is in a position, it changes as the close does; only the bars of entry and exit differ by costs.
    ``changes`` and ``squares`` are the sums so far of the close's returns and of their squares; ``highs`` and ``lows``
    are the tables of ``_reach``, and ``steps`` says for every length which of their rows covers it twice.
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
        # The extremes of a trade are those of two overlapping parts, of which the tables have each.
        k = steps[last - first]
        second = last - (1 << k)
        highest = max(peak / units, highs[k, first], highs[k, second])
        if min(lows[k, first], lows[k, second]) < lowest * highest:
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
    # Beside a jump so large, even one without a position, differences of sums so far have lost their digits.
    if squares[n - 1] > JUMP * total_squares:
        total, total_squares = _exact_sums(open_, close, trades, rule.slippage_pct, rule.fee_pct)
    mean = total / (n - 1)
    # The mean of bar returns is so near to zero that hardly anything cancels here.
    variance = (total_squares - total * mean) / (n - 2) if n > 2 else 0.0
    deviation = np.sqrt(variance) if variance > 0.0 else 0.0
    free = (1.0 + rule.risk_free_pct) ** (1.0 / bars_a_year) - 1.0
    values[0] = 100.0 * (equity / rule.cash - 1.0)
    values[1] = 100.0 * (lowest - 1.0)
    values[2] = (mean - free) / deviation * np.sqrt(bars_a_year) if deviation > ROUNDING else np.nan
    values[3] = closed


@kernel((FLOATS, FLOATS, TABLE, INTS, INTS, CODED_IN, F64, BOOLS_OUT, BOOLS_OUT, TRADES_OUT, TABLE_OUT))
def _sweep_quick(  # type: ignore[no-untyped-def]
    open_, close, lines, first, second, rules, bars_a_year, entry, exit_, trades, values
):
    n = len(close)
    changes, squares = np.zeros(n), np.zeros(n)
    for t in range(1, n):
        change = close[t] / close[t - 1] - 1.0
        changes[t] = changes[t - 1] + change
        squares[t] = squares[t - 1] + change * change
    steps = np.zeros(n + 1, dtype=np.int64)
    for length in range(2, n + 1):
        steps[length] = steps[length // 2] + 1
    highs, lows = np.empty((steps[n] + 1, n)), np.empty((steps[n] + 1, n))
    highs[0] = close
    lows[0] = close
    _reach(highs, lows)
    for i in range(len(first)):
        _cross_both(lines[first[i]], lines[second[i]], entry, exit_)
        n_trades = _find_trades(entry, exit_, 0, trades)
        own = trades[:n_trades]
        _measure_quick(open_, close, own, rules, bars_a_year, changes, squares, highs, lows, steps, values[i])
