"""What a simulation gives: trades and equity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import from_dtype

from strategies.bars import FloatArray

TRADE = np.dtype(
    [
        ("entry_bar", np.int64),
        ("exit_bar", np.int64),
        ("entry_time", np.int64),
        ("exit_time", np.int64),
        ("bars_held", np.int64),
        ("side", np.int64),
        ("exit_reason", np.int64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("units", np.float64),
        ("fees", np.float64),
        ("slippage", np.float64),
        ("borrow", np.float64),
        ("pnl", np.float64),
        ("return_pct", np.float64),
        ("mae_pct", np.float64),
        ("mfe_pct", np.float64),
    ]
)
TRADES_OUT = from_dtype(TRADE)[::1]

# Why a position was left; a trade's exit_reason is an index into this.
EXIT_REASONS = ("open", "signal", "stop", "target", "trail", "time", "end", "ruin")
OPEN, SIGNAL, STOP, TARGET, TRAIL, TIME, END, RUIN = range(len(EXIT_REASONS))

TradeArray = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a simulation gives.

    Attributes
    ----------
    trades : TRADE, shape (k,)
        In order of entry. Bars are indexes into the simulated bars and times their starts in seconds UTC. ``side`` is 1
        for bought and -1 for sold units, which are positive either way. Prices include slippage; ``fees``,
        ``slippage``, ``borrow`` and ``pnl`` are in the quote currency; ``return_pct`` is relative to what the position
        took of the account. ``mae_pct`` and ``mfe_pct`` are the furthest that the price went against and for the
        position, zero or beyond, in percent of the entry price. A position held at the end has the exit reason "open"
        and is marked to the last close without the costs of leaving.
    equity : float64, shape (n,)
        Cash plus position at the close of every bar, in the quote currency.
    """

    trades: TradeArray
    equity: FloatArray
