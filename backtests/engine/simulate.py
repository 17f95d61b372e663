"""The simulation: one pass over the bars turns signals into trades and equity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import from_dtype

from backtests.engine.errors import TooShort
from backtests.engine.rules import Rules
from strategies.bars import Bars, FloatArray, Signals
from strategies.indicators.kernel import BOOLS, F64, FLOATS, FLOATS_OUT, INTS, kernel

TRADE = np.dtype(
    [
        ("entry_bar", np.int64),
        ("exit_bar", np.int64),
        ("entry_time", np.int64),
        ("exit_time", np.int64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("units", np.float64),
        ("fees", np.float64),
        ("slippage", np.float64),
        ("pnl", np.float64),
        ("return_pct", np.float64),
        ("is_open", np.int64),
    ]
)
MIN_BARS = 2

TradeArray = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a simulation gives.

    Attributes
    ----------
    trades : TRADE, shape (k,)
        In order of entry. Bars are indexes into the simulated bars, times the start of the bar of the fill in seconds
        UTC, prices include slippage, ``fees``, ``slippage`` and ``pnl`` are in the quote currency and ``return_pct`` is
        relative to what the trade cost. A position held at the end has ``is_open`` 1 and is marked to the last close
        without exit costs.
    equity : float64, shape (n,)
        Cash plus position at the close of every bar, in the quote currency.
    """

    trades: TradeArray
    equity: FloatArray


def prepared(bars: Bars, signals: Signals, rules: Rules) -> tuple[tuple[Any, ...], TradeArray, FloatArray]:
    """Return the checked inputs of the simulation kernel, and empty arrays for its trades and its equity."""
    n = len(bars.time)
    if n < MIN_BARS:
        raise TooShort(f"a simulation needs at least {MIN_BARS} bars; there are {n}")
    signals.checked(bars)
    entry, exit_ = np.ascontiguousarray(signals.entry), np.ascontiguousarray(signals.exit)
    inputs = (bars.time, bars.open, bars.close, entry, exit_, rules.cash, rules.fee, rules.slippage)
    # Every trade needs an entry signal of its own, and so small an array costs nothing to allocate.
    return inputs, np.empty(int(np.count_nonzero(entry)), dtype=TRADE), np.empty(n)


def simulate(bars: Bars, signals: Signals, rules: Rules) -> Outcome:
    """Trade the signals on the bars under the rules.

    A signal on the close of bar t fills at the open of bar t + 1, so that one on the last bar fills nothing. When both
    signals stand on one bar, the exit wins while a position is held and nothing happens while none is.

    * buy price = open * (1 + slippage); units = cash / (buy price * (1 + fee))
    * proceeds = units * open * (1 - slippage) * (1 - fee)

    Parameters
    ----------
    bars : Bars, n of them
    signals : Signals for these bars
    rules : Rules

    Raises
    ------
    TooShort
        If there are fewer than two bars: nothing could fill.
    SignalsError
        If the signals are not boolean arrays of the bars' length.
    """
    inputs, trades, equity = prepared(bars, signals, rules)
    n_trades = _simulate(*inputs, trades, equity)
    return Outcome(trades=trades[:n_trades], equity=equity)


@kernel((INTS, FLOATS, FLOATS, BOOLS, BOOLS, F64, F64, F64, from_dtype(TRADE)[::1], FLOATS_OUT))
def _simulate(time, open_, close, entry, exit_, cash, fee, slippage, trades, equity):  # type: ignore[no-untyped-def]
    n = len(close)
    units = 0.0
    spent = 0.0
    n_trades = 0
    equity[0] = cash
    for t in range(1, n):
        if units > 0.0:
            if exit_[t - 1]:
                price = open_[t] * (1.0 - slippage)
                value = units * price
                cash = value * (1.0 - fee)
                trade = trades[n_trades]
                trade.exit_bar = t
                trade.exit_time = time[t]
                trade.exit_price = price
                trade.fees += value * fee
                trade.slippage += units * open_[t] * slippage
                trade.pnl = cash - spent
                trade.return_pct = 100.0 * (cash - spent) / spent
                trade.is_open = 0
                n_trades += 1
                units = 0.0
        elif entry[t - 1] and not exit_[t - 1]:
            price = open_[t] * (1.0 + slippage)
            units = cash / (price * (1.0 + fee))
            spent = cash
            cash = 0.0
            trade = trades[n_trades]
            trade.entry_bar = t
            trade.entry_time = time[t]
            trade.entry_price = price
            trade.units = units
            trade.fees = units * price * fee
            trade.slippage = units * open_[t] * slippage
        equity[t] = cash + units * close[t]
    if units > 0.0:
        value = units * close[n - 1]
        trade = trades[n_trades]
        trade.exit_bar = n - 1
        trade.exit_time = time[n - 1]
        trade.exit_price = close[n - 1]
        trade.pnl = value - spent
        trade.return_pct = 100.0 * (value - spent) / spent
        trade.is_open = 1
        n_trades += 1
    return n_trades
