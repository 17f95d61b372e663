"""How signals become trades."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from backtests.engine.errors import RulesError


@dataclass(frozen=True, slots=True)
class Rules:
    """Money and costs of a simulation: long only, one position, all cash, fractional units, fills at the next open.

    Attributes
    ----------
    cash : float
        Starting equity in the quote currency, positive.
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
        if self.cash <= 0:
            raise RulesError("cash", f"must be positive; it is {self.cash:g}")
        for name in ("fee", "slippage"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise RulesError(name, f"must be from 0 to 0.5 (50 %); it is {getattr(self, name):g}")
