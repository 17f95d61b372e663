"""How signals become trades."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from backtests.engine.errors import RulesError

# Beyond these, equity would run out of digits or of numbers.
LEAST_CASH, MOST_CASH = 0.01, 1e12


@dataclass(frozen=True, slots=True)
class Rules:
    """Money and costs of a simulation: long only, one position, all cash, fractional units, fills at the next open.

    Attributes
    ----------
    cash : float
        Starting equity in the quote currency, from 0.01 to 1e12.
    fee : float
        Share of the traded value that each side costs, from 0 up to 0.5 (0.001 is 0.1 %).
    slippage : float
        Share by which each fill is worse than the open, from 0 up to 0.5.

    Raises
    ------
    RulesError
        If a value is outside its range or not a number; it names the rule.
    """

    cash: float = 10_000.0
    fee: float = 0.001
    slippage: float = 0.0005

    def __post_init__(self) -> None:
        for name in ("cash", "fee", "slippage"):
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            # A whole number beyond every float is no error of math.isfinite, which would raise its own.
            if not (is_number and abs(value) <= sys.float_info.max):
                raise RulesError(name, f"must be a number; it is {value!r}")
        if not LEAST_CASH <= self.cash <= MOST_CASH:
            raise RulesError("cash", f"must be from {LEAST_CASH:g} to {MOST_CASH:,.0f}; it is {self.cash:g}")
        for name in ("fee", "slippage"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise RulesError(name, f"must be from 0 to 0.5 (50 %); it is {getattr(self, name):g}")
