"""Simulation and metrics in one step: what a scan does with every symbol."""

from __future__ import annotations

import numpy as np
from numba import from_dtype

from backtests.engine.errors import EngineError
from backtests.engine.metrics import METRICS, _measure
from backtests.engine.rules import Rules
from backtests.engine.simulate import TRADE, Outcome, _simulate, prepared
from strategies.bars import Bars, FloatArray, Signals
from strategies.indicators.kernel import BOOLS, F64, FLOATS, FLOATS_OUT, INTS, kernel


def evaluate(bars: Bars, signals: Signals, rules: Rules, *, bars_per_year: float) -> tuple[Outcome, FloatArray]:
    """Return what ``simulate`` returns, and what ``measure`` returns of it, in a third less time than both take.

    Parameters and errors are those of :func:`simulate` and :func:`measure`. Each call of a kernel costs as much as
    300 bars in it, so that one call instead of two is worth having where a market is scanned.
    """
    if not bars_per_year > 0:
        raise EngineError(f"bars_per_year must be positive; it is {bars_per_year!r}")
    inputs, trades, equity = prepared(bars, signals, rules)
    values = np.empty(len(METRICS))
    n_trades = _evaluate(*inputs, bars_per_year, trades, equity, values)
    return Outcome(trades=trades[:n_trades], equity=equity), values


@kernel((INTS, FLOATS, FLOATS, BOOLS, BOOLS, F64, F64, F64, F64, from_dtype(TRADE)[::1], FLOATS_OUT, FLOATS_OUT))
def _evaluate(time, open_, close, entry, exit_, cash, fee, slippage, bars_per_year, trades, equity, values):  # type: ignore[no-untyped-def]
    n_trades = _simulate(time, open_, close, entry, exit_, cash, fee, slippage, trades, equity)
    values[0] = time[0]
    values[1] = time[len(time) - 1]
    _measure(close, equity, trades[:n_trades], cash, bars_per_year, values)
    return n_trades
