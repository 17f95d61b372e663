"""Small loops over parts of a series that the simulations share, written so that one step takes many bars."""

from __future__ import annotations

import numpy as np

from backtests.engine.trades import TRADES_OUT
from strategies.indicators.kernel import BOOLS, BOOLS_OUT, F64, FLOATS, FLOATS_OUT, I64, INTS, U64, kernel

# Bytes of a word, and values in one line of the processor's cache.
BYTES = LINE = 8

ONE, SEVEN, LAST_BYTE = np.uint64(1), np.uint64(7), np.uint64(56)
HIGHEST_BITS, EVERY_BYTE = np.uint64(0x8080808080808080), np.uint64(0x0101010101010101)


@kernel((U64,))
def _first_byte(word):  # type: ignore[no-untyped-def]
    """Return which byte of a word that is not zero is the first one set: so many highest bits lie below its lowest."""
    below = (word & (~word + ONE)) - ONE
    return np.int64(((below & HIGHEST_BITS) >> SEVEN) * EVERY_BYTE >> LAST_BYTE)


@kernel((BOOLS, I64), borrows=True)
def _next_true(flags, t):  # type: ignore[no-untyped-def]
    """Return the first index from ``t`` on whose flag is true, or the length. Eight flags are looked at in one step."""
    n = len(flags)
    words = flags[: n - n % BYTES].view(np.uint64)
    place = t // BYTES
    if place < len(words):
        word = words[place] >> np.uint64(BYTES * (t % BYTES))
        if word != 0:
            return t + _first_byte(word)
        place += 1
        while place < len(words) and words[place] == 0:
            place += 1
        if place < len(words):
            return BYTES * place + _first_byte(words[place])
        t = BYTES * place
    while t < n and not flags[t]:
        t += 1
    return min(t, n)


@kernel((TRADES_OUT, INTS, FLOATS, FLOATS, FLOATS), borrows=True)
def _fetch(trades, time, open_, high, low):  # type: ignore[no-untyped-def]
    """Read what trades of known bars need of four columns, and return something above zero that depends on all of it.

    The simulation reads it again, place by place, and would wait for the memory at each on its own.
    """
    last_bar = len(time) - 1
    prices = 0.0
    seconds = 0
    for i in range(len(trades)):
        first = trades[i].entry_bar
        last = min(trades[i].exit_bar, last_bar)
        prices += open_[first] + open_[last] + high[last] + low[last]
        seconds += time[first] + time[last]
        for t in range(first, last, LINE):
            prices += high[t] + low[t]
    # A number that is never negative, whenever the times are.
    return prices + float(seconds & 1)


@kernel((FLOATS,), borrows=True)
def _lowest(series):  # type: ignore[no-untyped-def]
    """Return the lowest value; infinity of nothing. In four lanes, as one would wait for itself."""
    rest = len(series) - len(series) % 4
    a = b = c = d = np.inf
    for i in range(0, rest, 4):
        p, q, r, s = series[i], series[i + 1], series[i + 2], series[i + 3]
        a = p if p < a else a
        b = q if q < b else b
        c = r if r < c else c
        d = s if s < d else d
    for i in range(rest, len(series)):
        a = min(a, series[i])
    return min(a, b, c, d)


@kernel((FLOATS,), borrows=True)
def _highest(series):  # type: ignore[no-untyped-def]
    """Return the highest value; minus infinity of nothing. In four lanes, as one would wait for itself."""
    rest = len(series) - len(series) % 4
    a = b = c = d = -np.inf
    for i in range(0, rest, 4):
        p, q, r, s = series[i], series[i + 1], series[i + 2], series[i + 3]
        a = p if p > a else a
        b = q if q > b else b
        c = r if r > c else c
        d = s if s > d else d
    for i in range(rest, len(series)):
        a = max(a, series[i])
    return max(a, b, c, d)


@kernel((F64, FLOATS_OUT), borrows=True)
def _fill(value, series):  # type: ignore[no-untyped-def]
    for t in range(len(series)):
        series[t] = value


@kernel((FLOATS,), borrows=True)
def _fetch_all(series):  # type: ignore[no-untyped-def]
    """Read every line of prices, and return something above zero that depends on all of it."""
    total = 0.0
    for t in range(0, len(series), LINE):
        total += series[t]
    return total


@kernel((BOOLS, BOOLS, BOOLS_OUT), borrows=True)
def _either(one, other, either):  # type: ignore[no-untyped-def]
    for t in range(len(either)):
        either[t] = one[t] | other[t]


@kernel((F64, F64, FLOATS, FLOATS_OUT), borrows=True)
def _hold(cash, units, close, equity):  # type: ignore[no-untyped-def]
    """Set equity to cash and the worth of the units."""
    for t in range(len(close)):
        equity[t] = cash + units * close[t]
