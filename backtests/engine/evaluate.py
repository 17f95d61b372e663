"""Simulation and metrics in one step: what a scan does with every symbol."""

from __future__ import annotations

import numpy as np

from backtests.engine.coded import CODED_IN
from backtests.engine.metrics import _measure
from backtests.engine.plain import _simulate_plain
from backtests.engine.rules import Rules
from backtests.engine.simulate import check_annual_factor, outcome_of, prepared
from backtests.engine.table import METRICS
from backtests.engine.trades import TRADES_OUT, Outcome
from strategies.bars import Bars, FloatArray, Signals
from strategies.indicators.kernel import BOOLS, F64, FLOATS, FLOATS_OUT, INTS, kernel


def evaluate(bars: Bars, signals: Signals, rules: Rules, *, bars_per_year: float) -> tuple[Outcome, FloatArray]:
    """Return what ``simulate`` returns, and what ``measure`` returns of it; parameters and errors are theirs.

    Under plain rules both are one call of a kernel, since a call costs as much as some hundred bars in it.
    """
    check_annual_factor(bars_per_year)
    simulation, inputs, trades, equity = prepared(bars, signals, rules, bars_per_year)
    values = np.empty(len(METRICS))
    if simulation is _simulate_plain:
        n_trades = _evaluate_plain(*inputs, bars_per_year, trades, equity, values)
        return outcome_of(trades[:n_trades], equity), values
    n_trades = simulation(*inputs, trades, equity)
    outcome = outcome_of(trades[:n_trades], equity)
    _measure(bars.time, bars.close, equity, outcome.trades, inputs[-2], bars_per_year, values)
    return outcome, values


@kernel((INTS, FLOATS, FLOATS, FLOATS, FLOATS, BOOLS, BOOLS, CODED_IN, F64, TRADES_OUT, FLOATS_OUT, FLOATS_OUT))
def _evaluate_plain(  # type: ignore[no-untyped-def]
    time, open_, high, low, close, entry, exit_, rules, bars_a_year, trades, equity, values
):
    n_trades = _simulate_plain(time, open_, high, low, close, entry, exit_, rules, trades, equity)
    _measure(time, close, equity, trades[:n_trades], rules, bars_a_year, values)
    return n_trades
