"""Rules as the kernels read them: one record of numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import from_dtype

from backtests.engine.rules import RULES, Rules

# Choices are numbers in the order in which the table names them; a rule that is off is zero, which none of them can be.
CODED = np.dtype([(rule.key, np.int64 if rule.kind in {"choice", "whole", "switch"} else np.float64) for rule in RULES])
CODED_IN = from_dtype(CODED)[::1]

NEXT_OPEN, SAME_CLOSE, NEXT_CLOSE = range(3)
LONG, SHORT, BOTH = range(3)
EQUITY, CASH, UNITS, VOLATILITY = range(4)
SHARPE_BAR, SHARPE_BAR_FROM_CASH, SHARPE_GEOMETRIC, SHARPE_MONTHLY, SHARPE_YEARLY = range(5)
BASE_FILL, BASE_ENTRY_CLOSE, BASE_SIGNAL_CLOSE = range(3)
STOP_FIRST, STOP_ALWAYS, NEARER_EXTREME = range(3)
COSTS_INCLUDED, COSTS_ON_TOP, COSTS_PER_UNIT = range(3)
CHECK_FILL, CHECK_SIGNAL_AND_FILL, CHECK_VALUE, CHECK_OFF = range(4)
TRAIL_EXTREME, TRAIL_CLOSE, TRAIL_ENTRY_BAR_CLOSE, TRAIL_BAR = range(4)
MARK, CLOSE, LAST_OPEN = range(3)

# What the plain kernel takes for granted: it goes from trade to trade, where the general one goes from bar to bar.
PLAIN = {
    "fill": "next_open",
    "direction": "long",
    "collision": "exit",
    "reentry_delay": 0,
    "stop_loss_pct": None,
    "take_profit_pct": None,
    "trailing_stop_pct": None,
    "trailing_atr": None,
    "time_stop_bars": None,
    "at_end": "mark",
}

# Beyond that: every position takes all of the account, and every signal is heard.
ALL_IN = {
    "fixed_fee": 0.0,
    "slippage_on": "both",
    "skip_bars": 0,
    "sizing": "equity",
    "size_pct": 100.0,
    "whole_units": False,
    "size_price": "fill",
    "size_costs": "included",
    "cash_check": "fill",
}


class Coded(NamedTuple):
    """Rules for the kernels: an array of one CODED record, and which of them give what the rules say."""

    record: npt.NDArray[np.void]
    is_plain: bool
    is_all_in: bool


def coded(rules: Rules) -> Coded:
    """Return the rules as the kernels read them: percentages as shares, choices as their place in the table."""
    known = rules.__dict__.get("_coded")
    if isinstance(known, Coded):
        return known
    record = np.zeros(1, dtype=CODED)
    for rule in RULES:
        value = getattr(rules, rule.key)
        if rule.kind == "choice":
            record[rule.key] = list(rule.choices).index(value)
        elif value is not None:
            record[rule.key] = value / 100.0 if rule.unit == "%" else value
    is_plain, is_all_in = (all(getattr(rules, key) == value for key, value in each.items()) for each in (PLAIN, ALL_IN))
    made = Coded(record, is_plain, is_plain and is_all_in)
    # A scan asks for it with every symbol.
    object.__setattr__(rules, "_coded", made)
    return made
