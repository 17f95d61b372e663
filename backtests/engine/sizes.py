"""How many units a position has, and what it takes of the account."""

from __future__ import annotations

import numpy as np

from backtests.engine import coded as by
from backtests.engine.coded import CODED_IN
from strategies.indicators.kernel import F64, FLOATS, I64, kernel

RULES_IN = CODED_IN.dtype


@kernel((FLOATS, I64, I64), borrows=True)
def _volatility(close, last, n_returns):  # type: ignore[no-untyped-def]
    """Return the standard deviation (n - 1) of the returns up to ``last``; NaN if there are too few."""
    if last < n_returns:
        return np.nan
    mean = 0.0
    for t in range(last - n_returns + 1, last + 1):
        mean += close[t] / close[t - 1] - 1.0
    mean /= n_returns
    squares = 0.0
    for t in range(last - n_returns + 1, last + 1):
        squares += (close[t] / close[t - 1] - 1.0 - mean) ** 2
    return np.sqrt(squares / (n_returns - 1))


@kernel((RULES_IN, I64, F64, F64, F64, FLOATS, I64, F64), borrows=True)
def _sized(rule, side, worth, cash, price, close, decided, bars_a_year):  # type: ignore[no-untyped-def]
    """Return the units of a position that is filled near ``price``, 0 for none."""
    budget = worth
    if rule.sizing == by.EQUITY:
        budget = worth * rule.size_pct
    elif rule.sizing == by.CASH:
        budget = min(rule.size_cash, worth)
    elif rule.sizing == by.VOLATILITY:
        volatility = _volatility(close, decided, rule.volatility_bars) * np.sqrt(bars_a_year)
        if np.isnan(volatility):
            return 0.0
        budget = worth * (rule.volatility_pct / volatility if volatility > rule.volatility_pct else 1.0)
    sized_at = close[decided] if rule.size_price == 1 else price
    slipped = sized_at * (1.0 + side * rule.slippage_pct)
    if rule.size_costs == by.COSTS_INCLUDED:
        units = (budget - rule.fixed_fee) / (slipped * (1.0 + rule.fee_pct))
    elif rule.size_costs == by.COSTS_PER_UNIT:
        share = 1.0
        if rule.sizing == by.EQUITY:
            # All equity is a hair less than all of it.
            share = min(rule.size_pct, 1.0 - 2.0**-52)
            budget = worth * share
        unit = slipped + sized_at * rule.fee_pct + rule.fixed_fee / share
        # Rounded down to the last bit, without the allowance below.
        units = budget / unit
        if rule.whole_units:
            # Only next to a whole number can the rounding of the quotient matter, and the exact way takes its time.
            units = np.floor(units) if abs(units - np.round(units)) > 1e-9 * units else budget // unit
    else:
        units = budget / sized_at
    is_checked = rule.cash_check != by.CHECK_OFF and (rule.cash_check != by.CHECK_SIGNAL_AND_FILL or side > 0)
    if rule.sizing == by.UNITS:
        # What would cost too much is cut down to the account, unless it will be refused.
        is_cut = rule.size_costs == by.COSTS_INCLUDED or not is_checked
        units = min(units, rule.size_units) if is_cut else rule.size_units
    if rule.whole_units:
        # 99.9999999999 units for the price of 100 are rounding; of very many units a thousandth of one still is.
        units = np.floor(units + min(1e-12 * units, 1e-3))
    filled = price * (1.0 + side * rule.slippage_pct)
    dearest = filled if rule.cash_check != by.CHECK_SIGNAL_AND_FILL else max(filled, close[decided])
    needed = units * dearest
    if rule.cash_check != by.CHECK_VALUE:
        # A fee that the size takes of the price before slippage is checked as such: the size itself must pass.
        charged = units * price if rule.size_costs == by.COSTS_PER_UNIT else needed
        needed += charged * rule.fee_pct + rule.fixed_fee
    # More units than a number can hold are no purchase to refuse: the account has grown beyond any number, and says so.
    return 0.0 if is_checked and needed > cash * (1.0 + 1e-12) and units < np.inf else units


@kernel((RULES_IN, F64, F64, F64), borrows=True)
def _committed(rule, units, filled, cash):  # type: ignore[no-untyped-def]
    """Return what a position takes of the account, costs included; all of it if only rounding would be left."""
    needed = units * filled * (1.0 + rule.fee_pct) + rule.fixed_fee
    return cash if abs(needed - cash) <= 1e-12 * cash else needed
