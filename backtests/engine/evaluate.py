"""Simulation and metrics in one step: what a scan does with every symbol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from backtests.engine.coded import CODED_IN, coded
from backtests.engine.errors import EngineError
from backtests.engine.metrics import _measure
from backtests.engine.rules import Rules
from backtests.engine.simulate import (
    SERIES,
    Series,
    _simulate,
    check_annual_factor,
    check_kind,
    most_trades,
    outcome_of,
    series_of,
    too_large,
)
from backtests.engine.table import METRICS
from backtests.engine.trades import TRADE, TRADES_OUT, Outcome
from strategies.bars import Bars, FloatArray, Signals
from strategies.indicators.kernel import BOOL, BOOLS, F64, FLOATS_OUT, I64, INTS_OUT, TABLE_OUT, kernel
from strategies.together import TOGETHER, filled, many

# So many bars of equity stay in memory that is used again. More are asked of the system and returned each time, which
# made a scan of hourly bars half as long again.
MOST_BARS = 65_536

Evaluated = tuple[Outcome, FloatArray]


def evaluate(bars: Bars, signals: Signals, rules: Rules, *, bars_per_year: float) -> Evaluated:
    """Return what ``simulate`` returns, and what ``measure`` returns of it; parameters and errors are theirs."""
    check_annual_factor(bars_per_year)
    series = series_of(bars, signals, rules)
    trades, equity = np.empty(most_trades(series, rules), dtype=TRADE), np.empty(len(bars))
    values = np.empty(len(METRICS))
    known = coded(rules)
    n_trades = _evaluate(*series, known.record, known.is_plain, bars_per_year, trades, equity, values)
    return outcome_of(trades[:n_trades], equity), values


def evaluate_all(
    bars: Sequence[Bars], signals: Sequence[Signals], rules: Rules, *, bars_per_year: float
) -> Iterator[Evaluated]:
    """Yield what ``evaluate`` returns for every symbol, in order.

    One call of a kernel does up to 16 symbols: a call costs as much as some hundred bars in it, and two threads would
    wait for each other between calls. Whoever drops a result before asking for the next one keeps memory small.

    Parameters
    ----------
    bars : sequence of k Bars
    signals : sequence of k Signals, each for its bars
    rules, bars_per_year
        As in ``evaluate``.

    Raises
    ------
    EngineError, StrategyError
        At once, what ``evaluate`` raises of the first symbol whose input it refuses. Later, if the equity of a symbol
        grows beyond any number: then there is no result of those that its call of the kernel did beside it, nor of
        later ones.
    """
    check_annual_factor(bars_per_year)
    check_kind("rules", rules, Rules)
    check_kind("bars", bars, Sequence)
    check_kind("signals", signals, Sequence)
    if len(bars) != len(signals):
        raise EngineError(f"signals must be as many as bars, {len(bars)}; there are {len(signals)}")
    series = [series_of(each, wanted, rules) for each, wanted in zip(bars, signals, strict=True)]
    return (
        evaluated for together in _grouped(series) for evaluated in _evaluate_together(together, rules, bars_per_year)
    )


def _grouped(series: Sequence[Series]) -> Iterator[list[Series]]:
    group: list[Series] = []
    n_bars = 0
    for each in series:
        if group and (len(group) == TOGETHER or n_bars + len(each[0]) > MOST_BARS):
            yield group
            group, n_bars = [], 0
        group.append(each)
        n_bars += len(each[0])
    if group:
        yield group


def _evaluate_together(series: Sequence[Series], rules: Rules, bars_per_year: float) -> list[Evaluated]:
    n_symbols = len(series)
    columns = tuple(zip(*filled(series), strict=True))
    n_entries, n_bars = _count_entries(n_symbols, columns[5])
    if rules.direction != "long":
        n_entries += _count_entries(n_symbols, columns[7])[0]
    trades, equity, values = np.empty(n_entries, dtype=TRADE), np.empty(n_bars), np.empty((n_symbols, len(METRICS)))
    trade_ends, bar_ends = np.zeros(n_symbols + 1, dtype=np.int64), np.zeros(n_symbols + 1, dtype=np.int64)
    outputs = (trades, trade_ends, equity, bar_ends, values)
    known = coded(rules)
    _evaluate_many(n_symbols, *columns, known.record, known.is_plain, bars_per_year, *outputs)
    if not np.isfinite(equity[bar_ends[1:] - 1]).all():
        raise too_large()
    places = zip(pairwise(trade_ends.tolist()), pairwise(bar_ends.tolist()), values, strict=True)
    return [(Outcome(trades[first:last], equity[begin:end]), own) for (first, last), (begin, end), own in places]


@kernel((I64, many(BOOLS)), borrows=True)
def _count_entries(n_symbols, entries):  # type: ignore[no-untyped-def]
    """Return how many entries there are, each of which can make one trade, and how many bars."""
    n_entries = n_bars = 0
    for i in range(n_symbols):
        entry = entries[i]
        n_bars += len(entry)
        for t in range(len(entry)):
            n_entries += entry[t]
    return n_entries, n_bars


@kernel((*SERIES, CODED_IN, BOOL, F64, TRADES_OUT, FLOATS_OUT, FLOATS_OUT), borrows=True)
def _evaluate(  # type: ignore[no-untyped-def]
    time, open_, high, low, close, entry, exit_, short_entry, short_exit, stops, targets, ranges, rules, is_plain,
    bars_a_year, trades, equity, values,
):  # fmt: skip
    n_trades = _simulate(
        time, open_, high, low, close, entry, exit_, short_entry, short_exit, stops, targets, ranges, rules, is_plain,
        bars_a_year, trades, equity,
    )  # fmt: skip
    _measure(time, close, equity, trades[:n_trades], rules, bars_a_year, values)
    return n_trades


@kernel(
    (
        *(I64, *(many(kind) for kind in SERIES), CODED_IN, BOOL, F64),
        *(TRADES_OUT, INTS_OUT, FLOATS_OUT, INTS_OUT, TABLE_OUT),
    ),
    borrows=True,
)
def _evaluate_many(  # type: ignore[no-untyped-def]
    n_symbols, time, open_, high, low, close, entry, exit_, short_entry, short_exit, stops, targets, ranges, rules,
    is_plain, bars_a_year, trades, trade_ends, equity, bar_ends, values,
):  # fmt: skip
    """Fill trades and equity of one symbol behind those of another; the ends tell where each has its own."""
    for i in range(n_symbols):
        bar_ends[i + 1] = bar_ends[i] + len(close[i])
        trade_ends[i + 1] = trade_ends[i] + _evaluate(
            time[i], open_[i], high[i], low[i], close[i], entry[i], exit_[i], short_entry[i], short_exit[i], stops[i],
            targets[i], ranges[i], rules, is_plain, bars_a_year, trades[trade_ends[i] :],
            equity[bar_ends[i] : bar_ends[i + 1]], values[i],
        )  # fmt: skip
