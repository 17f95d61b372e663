"""Simulation and metrics in one step: what a scan does with every symbol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backtests.engine.coded import CODED_IN, coded
from backtests.engine.metrics import _measure
from backtests.engine.plain import _simulate_plain
from backtests.engine.rules import Rules
from backtests.engine.simulate import check_annual_factor, check_inputs, outcome_of, prepared
from backtests.engine.table import METRICS
from backtests.engine.trades import TRADE, TRADES_OUT, Outcome
from strategies.bars import Bars, FloatArray, Signals
from strategies.indicators.kernel import BOOLS, F64, FLOATS, FLOATS_OUT, I64, INTS, INTS_OUT, TABLE_OUT, kernel
from strategies.together import TOGETHER, filled, many

Evaluated = tuple[Outcome, FloatArray]


def evaluate(bars: Bars, signals: Signals, rules: Rules, *, bars_per_year: float) -> Evaluated:
    """Return what ``simulate`` returns, and what ``measure`` returns of it; parameters and errors are theirs."""
    check_annual_factor(bars_per_year)
    simulation, inputs, trades, equity = prepared(bars, signals, rules, bars_per_year)
    values = np.empty(len(METRICS))
    n_trades = simulation(*inputs, trades, equity)
    outcome = outcome_of(trades[:n_trades], equity)
    _measure(bars.time, bars.close, equity, outcome.trades, coded(rules).record, bars_per_year, values)
    return outcome, values


def evaluate_all(
    bars: Sequence[Bars], signals: Sequence[Signals], rules: Rules, *, bars_per_year: float
) -> list[Evaluated]:
    """Return what ``evaluate`` returns for every symbol, in order.

    Under plain rules 16 symbols are one call of a kernel: a call costs as much as some hundred bars in it, and two
    threads would wait for each other between calls.

    Parameters
    ----------
    bars : sequence of k Bars
    signals : sequence of k Signals, each for its bars
    rules, bars_per_year
        As in ``evaluate``.

    Raises
    ------
    EngineError, StrategyError
        What ``evaluate`` raises of the first symbol that it refuses; then there is no result of any.
    """
    check_annual_factor(bars_per_year)
    pairs = list(zip(bars, signals, strict=True))
    if not (isinstance(rules, Rules) and coded(rules).is_plain):
        return [evaluate(each, wanted, rules, bars_per_year=bars_per_year) for each, wanted in pairs]
    for each, wanted in pairs:
        check_inputs(each, wanted, rules)
    evaluated: list[Evaluated] = []
    for first in range(0, len(pairs), TOGETHER):
        last = first + TOGETHER
        evaluated += _evaluate_together(bars[first:last], signals[first:last], rules, bars_per_year)
    return evaluated


def _evaluate_together(
    bars: Sequence[Bars], signals: Sequence[Signals], rules: Rules, bars_per_year: float
) -> list[Evaluated]:
    n_symbols = len(bars)
    entries = filled([np.ascontiguousarray(each.entry) for each in signals])
    # Every trade needs an entry signal of its own.
    n_entries, n_bars = _count_entries(n_symbols, entries)
    trades, equity, values = np.empty(n_entries, dtype=TRADE), np.empty(n_bars), np.empty((n_symbols, len(METRICS)))
    trade_ends, bar_ends = np.zeros(n_symbols + 1, dtype=np.int64), np.zeros(n_symbols + 1, dtype=np.int64)
    _evaluate_plain(
        n_symbols,
        filled([each.time for each in bars]),
        filled([each.open for each in bars]),
        filled([each.high for each in bars]),
        filled([each.low for each in bars]),
        filled([each.close for each in bars]),
        entries,
        filled([np.ascontiguousarray(each.exit) for each in signals]),
        coded(rules).record,
        bars_per_year,
        *(trades, trade_ends, equity, bar_ends, values),
    )
    trade, bar = trade_ends.tolist(), bar_ends.tolist()
    return [
        (outcome_of(trades[trade[i] : trade[i + 1]], equity[bar[i] : bar[i + 1]]), values[i]) for i in range(n_symbols)
    ]


@kernel((I64, many(BOOLS)))
def _count_entries(n_symbols, entries):  # type: ignore[no-untyped-def]
    """Return how many entries and how many bars there are."""
    n_entries = n_bars = 0
    for i in range(n_symbols):
        entry = entries[i]
        n_bars += len(entry)
        for t in range(len(entry)):
            n_entries += entry[t]
    return n_entries, n_bars


_PRICES = (many(INTS), many(FLOATS), many(FLOATS), many(FLOATS), many(FLOATS))
_RESULTS = (TRADES_OUT, INTS_OUT, FLOATS_OUT, INTS_OUT, TABLE_OUT)


@kernel((I64, *_PRICES, many(BOOLS), many(BOOLS), CODED_IN, F64, *_RESULTS))
def _evaluate_plain(  # type: ignore[no-untyped-def]
    n_symbols, time, open_, high, low, close, entry, exit_, rules, bars_a_year, trades, trade_ends, equity, bar_ends,
    values,
):  # fmt: skip
    """Fill trades and equity of one symbol behind those of another; the ends tell where each has its own."""
    trade = bar = 0
    for i in range(n_symbols):
        own_trades = trades[trade:]
        own_equity = equity[bar : bar + len(close[i])]
        n_trades = _simulate_plain(
            time[i], open_[i], high[i], low[i], close[i], entry[i], exit_[i], rules, own_trades, own_equity
        )
        _measure(time[i], close[i], own_equity, own_trades[:n_trades], rules, bars_a_year, values[i])
        trade += n_trades
        bar += len(own_equity)
        trade_ends[i + 1] = trade
        bar_ends[i + 1] = bar
