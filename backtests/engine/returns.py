"""Kernels over bar returns."""

from __future__ import annotations

import numpy as np

from backtests.engine import coded as by
from backtests.engine.coded import CODED_IN
from backtests.engine.scanning import _lowest
from strategies.indicators.kernel import F64, FLOATS, I64, INTS, kernel

# What a reduction lets the compiler assume: values are finite and may be taken in any order, many in one step. A sum
# may then differ in its last digit between two kinds of processors; trades and equity are made without any such sum.
ANY_ORDER = ("nnan", "nsz", "reassoc")
# A difference this small, of what it is a difference of, is rounding: a ratio to it would be an invention.
ROUNDING = 1e-12
# The share of bar returns that lies at or below the value at risk.
TAIL = 0.05
# So few values are quicker sorted than counted once more.
NEAR = 12
DAY_S = 86_400


@kernel((FLOATS,), fastmath=ANY_ORDER, borrows=True)
def _sums(returns):  # type: ignore[no-untyped-def]
    """Return the sum of the positive ones, the sum of the negative ones, and the sum of squares of the negative ones.

    Neither sum is the difference of others, of which nothing but rounding would be left where it is small.
    """
    gains = losses = squares = 0.0
    for i in range(len(returns)):
        gain = returns[i] if returns[i] > 0.0 else 0.0
        loss = returns[i] if returns[i] < 0.0 else 0.0
        gains += gain
        losses += loss
        squares += loss * loss
    return gains, losses, squares


@kernel((FLOATS, F64), fastmath=ANY_ORDER, borrows=True)
def _moments(returns, mean):  # type: ignore[no-untyped-def]
    """Return the sums of the second, third and fourth powers of the distances from the mean."""
    second = third = fourth = 0.0
    for i in range(len(returns)):
        distance = returns[i] - mean
        square = distance * distance
        second += square
        third += square * distance
        fourth += square * square
    return second, third, fourth


@kernel((FLOATS, F64), borrows=True)
def _count_below(returns, level):  # type: ignore[no-untyped-def]
    count = 0
    for i in range(len(returns)):
        count += returns[i] < level
    return count


@kernel((FLOATS, F64), fastmath=ANY_ORDER, borrows=True)
def _sum_below(returns, level):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(len(returns)):
        total += returns[i] if returns[i] < level else 0.0
    return total


@kernel((FLOATS, F64), borrows=True)
def _beside(returns, level):  # type: ignore[no-untyped-def]
    """Return the highest value below a level and the lowest one that is not."""
    below = -np.inf
    above = np.inf
    for i in range(len(returns)):
        value = returns[i]
        below = value if value < level and value > below else below
        above = value if value >= level and value < above else above
    return below, above


@kernel((FLOATS, F64, F64, I64))
def _between(returns, low, high, count):  # type: ignore[no-untyped-def]
    """Return the values from ``low`` to below ``high``, which are ``count``, sorted."""
    found = np.empty(count + 1)
    n_found = 0
    # Every value is written, and stays where the next one is not written over it: so there is nothing to foresee.
    for i in range(len(returns)):
        found[n_found] = returns[i]
        n_found += (low <= returns[i]) & (returns[i] < high)
    found = found[:count]
    if count > NEAR:
        found.sort()
        return found
    for i in range(1, count):
        value = found[i]
        place = i
        while place > 0 and found[place - 1] > value:
            found[place] = found[place - 1]
            place -= 1
        found[place] = value
    return found


@kernel((FLOATS, I64, F64))
def _tail(moved, n, losses):  # type: ignore[no-untyped-def]
    """Return the value at risk and the mean of the worst twentieth, of ``moved`` and zeros that make n of them.

    ``losses`` is the sum of the negative ones without its sign. Two levels close in on the quantile by counting what
    lies below them, which is far quicker than sorting; only what is left between them is sorted.
    """
    position = TAIL * (n - 1)
    lower = int(position)
    part = position - lower
    n_zero = n - len(moved)
    n_negative = _count_below(moved, 0.0)
    if n_negative <= lower and n_negative + n_zero >= lower + 2:
        return 0.0, -losses / (lower + 1)
    if n_negative <= lower + 1 or losses <= 0.0:
        every = np.zeros(n)
        every[: len(moved)] = moved
        every.sort()
        upper = min(lower + 1, n - 1)
        return every[lower] + part * (every[upper] - every[lower]), every[: lower + 1].sum() / (lower + 1)
    low, n_low = _lowest(moved), 0
    high, n_high = 0.0, n_negative
    wanted = lower + 1.5
    slope = losses / n_negative
    for _ in range(64):
        if n_high - n_low <= NEAR:
            break
        # The number of losses beyond a level falls about as quickly as that of an exponential distribution.
        if n_low > 0:
            slope = (high - low) / np.log(n_high / n_low)
        # A level that is near enough stays; the other one is then brought as near, from its own side.
        aim = wanted
        if n_high - wanted < NEAR / 2:
            aim = max(wanted - NEAR / 3, 0.5)
        elif wanted - n_low < NEAR / 2:
            aim = wanted + NEAR / 3
        level = high - slope * np.log(n_high / aim)
        margin = 0.02 * (high - low)
        level = min(max(level, low + margin), high - margin)
        count = _count_below(moved, level)
        if count > lower + 1:
            high, n_high = level, count
        elif count <= lower:
            low, n_low = level, count
        else:
            # As many as are wanted lie below the level, and the quantile on both sides of it.
            below, above = _beside(moved, level)
            return below + part * (above - below), _sum_below(moved, level) / (lower + 1)
    near = _between(moved, low, high, n_high - n_low)
    place = lower - n_low
    quantile = near[place] + part * (near[place + 1] - near[place])
    return quantile, (_sum_below(moved, low) + near[: place + 1].sum()) / (lower + 1)


@kernel((I64,))
def _month(seconds):  # type: ignore[no-untyped-def]
    """Return a number of the calendar month (UTC), and the second until which it lasts: 28 days from its first or more.

    Days are counted from a first of March, so that leap days come last.
    """
    days = seconds // DAY_S + 719_468
    era_day = days % 146_097
    year = (era_day - era_day // 1_460 + era_day // 36_524 - era_day // 146_096) // 365
    year_day = era_day - (365 * year + year // 4 - year // 100)
    month = (5 * year_day + 2) // 153
    first_day = seconds // DAY_S - (year_day - (153 * month + 2) // 5)
    return (days // 146_097 * 400 + year) * 12 + month + 2, (first_day + 28) * DAY_S


@kernel((INTS, FLOATS, F64, F64, I64))
def _calendar_sharpe(time, equity, cash, risk_free, n_months):  # type: ignore[no-untyped-def]
    """Return mean over deviation (n) of the returns of calendar months or years; NaN if they do not vary."""
    returns = np.empty(len(equity))
    count = 0
    before = cash
    month, until = _month(time[0])
    for t in range(len(equity)):
        is_last = t == len(equity) - 1
        if not is_last:
            # Most bars are in a month that cannot be over yet.
            if time[t + 1] < until:
                continue
            following, until = _month(time[t + 1])
            if following // n_months == month // n_months:
                continue
            month = following
        if before > 0.0:
            returns[count] = equity[t] / before - 1.0
            count += 1
        before = equity[t]
    if count < 2:
        return np.nan
    mean = returns[:count].sum() / count
    deviation = np.sqrt(((returns[:count] - mean) ** 2).sum() / count)
    return (mean - risk_free) / deviation if deviation > ROUNDING else np.nan


@kernel((INTS, FLOATS, CODED_IN, F64, F64, F64))
def _sharpe(time, equity, rules, bars_a_year, mean, deviation):  # type: ignore[no-untyped-def]
    rule = rules[0]
    if rule.sharpe == by.SHARPE_MONTHLY:
        return _calendar_sharpe(time, equity, rule.cash, rule.risk_free_pct / 12.0, 1)
    if rule.sharpe == by.SHARPE_YEARLY:
        return _calendar_sharpe(time, equity, rule.cash, rule.risk_free_pct, 12)
    if rule.sharpe == by.SHARPE_GEOMETRIC:
        n = len(equity) - 1
        grown = equity[n] / equity[0]
        if grown <= 0.0 or not deviation > ROUNDING:
            return np.nan
        gained = np.expm1(bars_a_year / n * np.log(grown))
        growth = grown ** (1.0 / n)
        # (deviation² + growth²)^bars − growth^(2 × bars), which are too much alike to be subtracted.
        spread = (1.0 + gained) * np.sqrt(np.expm1(bars_a_year * np.log1p((deviation / growth) ** 2)))
        return (gained - rule.risk_free_pct) / spread if 0.0 < spread < np.inf else np.nan
    if rule.sharpe == by.SHARPE_BAR_FROM_CASH:
        n = len(equity) - 1
        first = equity[0] / rule.cash - 1.0
        deviation = deviation if n > 1 else 0.0
        whole = (mean * n + first) / (n + 1)
        # Sums of squares about one mean are moved to another.
        squares = deviation * deviation * (n - 1) + n * (mean - whole) ** 2 + (first - whole) ** 2
        mean, deviation = whole, np.sqrt(squares / n)
    if not deviation > ROUNDING:
        return np.nan
    free = (1.0 + rule.risk_free_pct) ** (1.0 / bars_a_year) - 1.0
    return (mean - free) / deviation * np.sqrt(bars_a_year)
