"""The trades of a run's result, as they are drawn and listed on its symbol's page."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from backtests.engine.trades import EXIT_REASONS, OPEN, TRADE
from backtests.models import Result
from backtests.screens.charting import moment_of
from backtests.screens.table import number
from backtests.streams import figures

# The page has room for so many, the newest ones.
MOST_ROWS = 200


def trades_of(result: Result) -> npt.NDArray[np.void]:
    """Return the trades of a result; none of one that another version of the engine has laid out differently."""
    try:
        return np.frombuffer(result.trade_list, dtype=TRADE)
    except ValueError:
        return np.empty(0, dtype=TRADE)


def trade_rows(trades: npt.NDArray[np.void], interval_s: int) -> list[dict[str, Any]]:
    """Return trades as they are shown, the newest first."""
    return [
        {
            "side": "long" if trade["side"] > 0 else "short",
            "entry": moment_of(int(trade["entry_time"]), interval_s),
            "exit": moment_of(int(trade["exit_time"]), interval_s) if trade["exit_reason"] != OPEN else "still open",
            "why": EXIT_REASONS[trade["exit_reason"]],
            "bars": f"{trade['bars_held']:,}",
            "entry_price": number(float(trade["entry_price"])),
            "exit_price": number(float(trade["exit_price"])),
            "return": figures.signed_pct(float(trade["return_pct"]), 2),
            "tone": figures.tone(float(trade["return_pct"])),
        }
        for trade in trades[::-1][:MOST_ROWS]
    ]
