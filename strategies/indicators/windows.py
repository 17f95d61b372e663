"""Kernels over sliding windows, shared by the indicators.

A sum that slides by adding the new value and subtracting the old one keeps the rounding of every step and of every
spike. These kernels subtract nothing: the bars are cut into blocks of one period, and a window is the end of one block
and the start of the next, each summed afresh. The error is that of adding one window's values, however long the series
and whatever came before, and the cost is the same for each period.

Where squares or slopes are needed, values are taken relative to the last value of the first of the two blocks. It lies
in every window that uses it, so that the squares are at most ``period + 1`` times the squared deviations: hardly
anything cancels, and a flat window gives exactly zero.
"""

from __future__ import annotations

import numpy as np

from strategies.bars import FloatArray
from strategies.indicators.kernel import F64, FLOATS, FLOATS_OUT, I64, kernel


def window_sums(series: FloatArray, period: int) -> FloatArray:
    """Return the sum of the last ``period`` values; NaN before index ``period - 1``."""
    total = np.empty(len(series))
    _window_sums(series, period, total)
    return total


def window_lines(series: FloatArray, period: int) -> tuple[FloatArray, FloatArray]:
    """Return mean and least-squares slope per bar of the last ``period`` values; NaN before index ``period - 1``."""
    average, slope = np.empty(len(series)), np.empty(len(series))
    _window_lines(series, period, average, slope)
    return average, slope


def window_moments(series: FloatArray, period: int) -> tuple[FloatArray, FloatArray]:
    """Return mean and sum of squared deviations of the last ``period`` values; NaN before index ``period - 1``."""
    mean, squares = np.empty(len(series)), np.empty(len(series))
    _window_moments(series, period, mean, squares)
    return mean, squares


def window_products(series: FloatArray, other: FloatArray, period: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the sums of squared deviations of both series and of their products; NaN before index ``period - 1``."""
    squares, other_squares, products = (np.empty(len(series)) for _ in range(3))
    _window_products(series, other, period, squares, other_squares, products)
    return squares, other_squares, products


def window_highs(series: FloatArray, period: int) -> FloatArray:
    """Return the highest of the last ``period`` values, the latest of equal ones; NaN before index ``period - 1``."""
    highest = np.empty(len(series))
    _window_extremes(series, period, 1.0, highest)
    return highest


def window_lows(series: FloatArray, period: int) -> FloatArray:
    """Return the lowest of the last ``period`` values, the latest of equal ones; NaN before index ``period - 1``."""
    lowest = np.empty(len(series))
    _window_extremes(series, period, -1.0, lowest)
    return lowest


def window_high_ages(series: FloatArray, period: int) -> FloatArray:
    """Return how many bars ago the highest of the last ``period`` values was, the latest of equal ones."""
    age = np.empty(len(series))
    _window_ages(series, period, 1.0, age)
    return age


def window_low_ages(series: FloatArray, period: int) -> FloatArray:
    """Return how many bars ago the lowest of the last ``period`` values was, the latest of equal ones."""
    age = np.empty(len(series))
    _window_ages(series, period, -1.0, age)
    return age


def window_ranks(series: FloatArray, period: int, fraction: float) -> tuple[FloatArray, FloatArray]:
    """Return the quantile of the last ``period`` values, and how many of them are below the last one."""
    quantile, below = np.empty(len(series)), np.empty(len(series))
    _window_ranks(series, period, fraction, quantile, below)
    return quantile, below


@kernel((FLOATS, I64, FLOATS_OUT))
def _window_sums(series, period, total):  # type: ignore[no-untyped-def]
    n = len(series)
    total[: min(period - 1, n)] = np.nan
    if period > n:
        return
    tail = np.empty(period)
    for start in range(0, n - period + 1, period):
        last = start + period - 1
        head = 0.0
        for i in range(period - 1, -1, -1):
            head += series[start + i]
            tail[i] = head
        total[last] = tail[0]
        head = 0.0
        for i in range(1, min(period, n - last)):
            head += series[last + i]
            total[last + i] = tail[i] + head


@kernel((FLOATS, I64, FLOATS_OUT, FLOATS_OUT))
def _window_lines(series, period, average, slope):  # type: ignore[no-untyped-def]
    n = len(series)
    average[: min(period - 1, n)] = np.nan
    slope[: min(period - 1, n)] = np.nan
    if period > n:
        return
    tail = np.empty(period)
    # Each value of the tail times its place in the window, 1 for the first.
    placed = np.empty(period)
    middle = 0.5 * (period + 1.0)
    scale = 12.0 / (period * (period * float(period) - 1.0)) if period > 1 else 0.0
    for start in range(0, n - period + 1, period):
        last = start + period - 1
        base = series[last]
        head = 0.0
        head_placed = 0.0
        for i in range(period - 1, -1, -1):
            head += series[start + i] - base
            head_placed += head
            tail[i] = head
            placed[i] = head_placed
        head = 0.0
        head_placed = 0.0
        for i in range(min(period, n - last)):
            if i > 0:
                value = series[last + i] - base
                head += value
                head_placed += i * value
            total = tail[i] + head
            average[last + i] = base + total / period
            slope[last + i] = (placed[i] + (period - i) * head + head_placed - total * middle) * scale


@kernel((FLOATS, I64, FLOATS_OUT, FLOATS_OUT))
def _window_moments(series, period, mean, squares):  # type: ignore[no-untyped-def]
    n = len(series)
    mean[: min(period - 1, n)] = np.nan
    squares[: min(period - 1, n)] = np.nan
    if period > n:
        return
    tail = np.empty(period)
    tail_squares = np.empty(period)
    share = 1.0 / period
    for start in range(0, n - period + 1, period):
        last = start + period - 1
        base = series[last]
        head = 0.0
        head_squares = 0.0
        for i in range(period - 1, -1, -1):
            value = series[start + i] - base
            head += value
            head_squares += value * value
            tail[i] = head
            tail_squares[i] = head_squares
        head = 0.0
        head_squares = 0.0
        for i in range(min(period, n - last)):
            if i > 0:
                value = series[last + i] - base
                head += value
                head_squares += value * value
            total = tail[i] + head
            mean[last + i] = base + total * share
            squares[last + i] = max(tail_squares[i] + head_squares - total * total * share, 0.0)


@kernel((FLOATS, FLOATS, I64, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT))
def _window_products(series, other, period, squares, other_squares, products):  # type: ignore[no-untyped-def]
    n = len(series)
    squares[: min(period - 1, n)] = np.nan
    other_squares[: min(period - 1, n)] = np.nan
    products[: min(period - 1, n)] = np.nan
    if period > n:
        return
    tail = np.empty((5, period))
    share = 1.0 / period
    for start in range(0, n - period + 1, period):
        last = start + period - 1
        base = series[last]
        other_base = other[last]
        a = b = aa = bb = ab = 0.0
        for i in range(period - 1, -1, -1):
            p = series[start + i] - base
            q = other[start + i] - other_base
            a += p
            b += q
            aa += p * p
            bb += q * q
            ab += p * q
            tail[0, i] = a
            tail[1, i] = b
            tail[2, i] = aa
            tail[3, i] = bb
            tail[4, i] = ab
        a = b = aa = bb = ab = 0.0
        for i in range(min(period, n - last)):
            if i > 0:
                p = series[last + i] - base
                q = other[last + i] - other_base
                a += p
                b += q
                aa += p * p
                bb += q * q
                ab += p * q
            total = tail[0, i] + a
            other_total = tail[1, i] + b
            squares[last + i] = max(tail[2, i] + aa - total * total * share, 0.0)
            other_squares[last + i] = max(tail[3, i] + bb - other_total * other_total * share, 0.0)
            products[last + i] = tail[4, i] + ab - total * other_total * share


@kernel((FLOATS, I64, F64, FLOATS_OUT))
def _window_extremes(series, period, sign, extreme):  # type: ignore[no-untyped-def]
    """The highest for sign 1, the lowest for -1: that of the end of one block and of the start of the next.

    Nothing here depends on a comparison that the processor would have to guess, as a queue of bars does.
    """
    n = len(series)
    extreme[: min(period - 1, n)] = np.nan
    if period > n:
        return
    tail = np.empty(period)
    for start in range(0, n - period + 1, period):
        last = start + period - 1
        best = -np.inf
        for i in range(period - 1, -1, -1):
            value = sign * series[start + i]
            best = value if value > best else best
            tail[i] = best
        extreme[last] = sign * tail[0]
        best = -np.inf
        for i in range(1, min(period, n - last)):
            value = sign * series[last + i]
            best = best if best > value else value
            extreme[last + i] = sign * (tail[i] if tail[i] > best else best)


@kernel((FLOATS, I64, F64, FLOATS_OUT))
def _window_ages(series, period, sign, age):  # type: ignore[no-untyped-def]
    """Bars since the highest for sign 1, the lowest for -1, from a queue of bars that a later one has not passed."""
    n = len(series)
    age[: min(period - 1, n)] = np.nan
    queue = np.empty(n, dtype=np.int64)
    front = 0
    back = 0
    for t in range(n):
        while back > front and sign * series[queue[back - 1]] <= sign * series[t]:
            back -= 1
        queue[back] = t
        back += 1
        if queue[front] <= t - period:
            front += 1
        if t >= period - 1:
            age[t] = t - queue[front]


@kernel((FLOATS, I64, F64, FLOATS_OUT, FLOATS_OUT))
def _window_ranks(series, period, fraction, quantile, below):  # type: ignore[no-untyped-def]
    """A sorted copy of the window, in which the oldest value makes room for the newest."""
    n = len(series)
    quantile[: min(period - 1, n)] = np.nan
    below[: min(period - 1, n)] = np.nan
    if period > n:
        return
    window = np.sort(series[:period])
    position = fraction * (period - 1)
    lower = min(int(position), period - 1)
    upper = min(lower + 1, period - 1)
    part = position - lower
    for t in range(period - 1, n):
        new = series[t]
        if t >= period:
            place = np.searchsorted(window, series[t - period])
            while place > 0 and window[place - 1] > new:
                window[place] = window[place - 1]
                place -= 1
            while place < period - 1 and window[place + 1] < new:
                window[place] = window[place + 1]
                place += 1
            window[place] = new
        quantile[t] = window[lower] + part * (window[upper] - window[lower])
        below[t] = np.searchsorted(window, new)
