"""Averages of prices."""

from __future__ import annotations

import math

import numpy as np

from strategies.bars import FloatArray
from strategies.indicators.arguments import checked_inputs, checked_period, checked_series, padded, ratio
from strategies.indicators.kernel import F64, FLOATS, FLOATS_OUT, I64, kernel
from strategies.indicators.windows import window_lines, window_sums

# Bars after which a sliding sum is taken afresh: rounding has no time to add up.
REFRESH = 512


def sma(series: FloatArray, period: int) -> FloatArray:
    """Simple moving average: the mean of the last ``period`` values.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    period : int
        Bars in the window, at least 1.

    Returns
    -------
    float64, shape (n,)
        In the unit of ``series``; NaN before index ``period - 1``, counted from the first value that is defined.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 1, or the series is not one of finite numbers.

    Notes
    -----
    The sum slides along the series and is taken afresh every 512 bars, and at once when it has shrunk ten-thousandfold,
    so that rounding neither accumulates nor survives a spike. Equal to TA-Lib's SMA to 1e-9.
    """
    period = checked_period("sma", period)
    n, values = checked_series("sma", series)
    return padded(mean_of(values, period), n)


def ema(series: FloatArray, period: int) -> FloatArray:
    """Exponential moving average: each value moves the average by ``2 / (period + 1)`` of its distance.

    The first average is the mean of the first ``period`` values.

    Parameters, returned array and errors are those of :func:`sma`.

    References
    ----------
    P. N. Haurlan, Measuring Trend Values, 1968. Equal to TA-Lib's EMA to 1e-9.
    """
    period = checked_period("ema", period)
    n, values = checked_series("ema", series)
    return padded(exponential(values, period), n)


def rma(series: FloatArray, period: int) -> FloatArray:
    """Wilder's smoothed average: each value moves the average by ``1 / period`` of its distance.

    The first average is the mean of the first ``period`` values.

    Parameters, returned array and errors are those of :func:`sma`.

    References
    ----------
    J. Welles Wilder, New Concepts in Technical Trading Systems, 1978. Equal to TA-Lib's RMA to 1e-9.
    """
    period = checked_period("rma", period)
    n, values = checked_series("rma", series)
    return padded(wilder(values, period), n)


def wma(series: FloatArray, period: int) -> FloatArray:
    """Weighted moving average: weights 1, 2 and so on up to ``period`` for the last value.

    Parameters, returned array and errors are those of :func:`sma`.

    References
    ----------
    J. J. Murphy, Technical Analysis of the Financial Markets, 1999, chapter 9. Equal to TA-Lib's WMA to 1e-9.
    """
    period = checked_period("wma", period)
    n, values = checked_series("wma", series)
    return padded(weighted(values, period), n)


def dema(series: FloatArray, period: int) -> FloatArray:
    """Double exponential moving average: ``2 * ema - ema of ema``, which lags less than either.

    Parameters, returned array and errors are those of :func:`sma`, but NaN before index ``2 * (period - 1)``.

    References
    ----------
    P. G. Mulloy, Smoothing Data with Faster Moving Averages, Stocks & Commodities 12, 1994. Equal to TA-Lib's DEMA to
    1e-9.
    """
    period = checked_period("dema", period)
    n, values = checked_series("dema", series)
    once = exponential(values, period)
    twice = again(once, period)
    return padded(2.0 * once - twice, n)


def tema(series: FloatArray, period: int) -> FloatArray:
    """Triple exponential moving average: ``3 * ema - 3 * ema of ema + ema of that``.

    Parameters, returned array and errors are those of :func:`sma`, but NaN before index ``3 * (period - 1)``.

    References
    ----------
    P. G. Mulloy, Smoothing Data with Less Lag, Stocks & Commodities 12, 1994. Equal to TA-Lib's TEMA to 1e-9.
    """
    period = checked_period("tema", period)
    n, values = checked_series("tema", series)
    once = exponential(values, period)
    twice = again(once, period)
    return padded(3.0 * once - 3.0 * twice + again(twice, period), n)


def hma(series: FloatArray, period: int) -> FloatArray:
    """Hull moving average: ``wma(2 * wma(half of period) - wma(period), root of period)``, both rounded down.

    Parameters, returned array and errors are those of :func:`sma`, but the period is at least 2 and NaN stands before
    index ``period + isqrt(period) - 2``.

    References
    ----------
    A. Hull, How to reduce lag in a moving average, 2005. Equal to TA-Lib's HMA to 1e-9.
    """
    period = checked_period("hma", period, low=2)
    n, values = checked_series("hma", series)
    ahead = 2.0 * weighted(values, period // 2) - weighted(values, period)
    return padded(weighted(ahead[period - 1 :], math.isqrt(period)), n)


def kama(series: FloatArray, period: int, fast: int, slow: int) -> FloatArray:
    """Kaufman's adaptive moving average: fast in a trend, slow in noise.

    The efficiency of a move is ``|change over period| / sum of |changes|``, and each value moves the average by
    ``(efficiency * (a - b) + b) ** 2`` of its distance, with ``a = 2 / (fast + 1)`` and ``b = 2 / (slow + 1)``.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    period : int
        Changes that the efficiency looks at, at least 2.
    fast, slow : int
        Periods of the exponential averages that it becomes in a clean trend and in pure noise, at least 1.

    Returns
    -------
    float64, shape (n,)
        In the unit of ``series``; NaN before index ``period``. The average starts from the value before that. A window
        that has not moved counts as efficient, which moves nothing.

    Raises
    ------
    IndicatorError
        If a period is not a whole number of at least its least, or the series is not one of finite numbers.

    References
    ----------
    P. J. Kaufman, Trading Systems and Methods, 1998. Equal to TA-Lib's KAMA, which has fast 2 and slow 30, to 1e-9.
    """
    period = checked_period("kama", period, low=2)
    fast, slow = checked_period("kama", fast, argument="fast"), checked_period("kama", slow, argument="slow")
    n, values = checked_series("kama", series)
    if len(values) <= period:
        return np.full(n, np.nan)
    moved = np.abs(values[period:] - values[:-period])
    walked = window_sums(np.abs(np.diff(values)), period)[period - 1 :]
    # Rounding may make the walk a hair shorter than the way.
    efficiency = np.minimum(ratio(moved, walked, 1.0), 1.0)
    most, least = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0)
    average = np.empty(len(moved))
    _follow(values[period:], (efficiency * (most - least) + least) ** 2, values[period - 1], average)
    return padded(average, n)


def vwma(series: FloatArray, volume: FloatArray, period: int) -> FloatArray:
    """Volume-weighted moving average: ``sum(series * volume) / sum(volume)`` of the last ``period`` bars.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    volume : float64, shape (n,)
        Zero or more.
    period : int
        Bars in the window, at least 1.

    Returns
    -------
    float64, shape (n,)
        In the unit of ``series``; NaN before index ``period - 1``. A window without any volume gives its plain mean
        (TA-Lib gives NaN there).

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 1, an input is not one of finite numbers, their lengths differ,
        or a volume is negative.

    References
    ----------
    B. Dormeier, Buff Up Your Moving Averages, Stocks & Commodities 19, 2001. Equal to TA-Lib's VWMA to 1e-9.
    """
    period = checked_period("vwma", period)
    n, (values, volumes) = checked_inputs("vwma", series=series, volume=volume)
    return padded(weighted_by_volume(values, volumes, period), n)


def rolling_vwap(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, period: int) -> FloatArray:
    """Volume-weighted average price: :func:`vwma` of the typical price ``(high + low + close) / 3``.

    Parameters
    ----------
    high, low, close : float64, shape (n,)
        Prices, ``low <= high``.
    volume, period
        As for :func:`vwma`, and so are the returned array and the errors.

    References
    ----------
    S. A. Berkowitz, D. E. Logue and E. A. Noser, The Total Cost of Transactions on the NYSE, Journal of Finance 43,
    1988, over the last ``period`` bars instead of one day. Equal to TA-Lib's VWMA of its TYPPRICE to 1e-9.
    """
    period = checked_period("rolling_vwap", period)
    n, (high, low, close, volume) = checked_inputs("rolling_vwap", high=high, low=low, close=close, volume=volume)
    return padded(weighted_by_volume((high + low + close) / 3.0, volume, period), n)


def mean_of(values: FloatArray, period: int) -> FloatArray:
    """Return the simple average of checked values; NaN before index ``period - 1``."""
    average = np.empty(len(values))
    _sma(values, period, average)
    return average


def exponential(values: FloatArray, period: int) -> FloatArray:
    """Return the exponential average of checked values; NaN before index ``period - 1``."""
    average = np.empty(len(values))
    _smooth(values, period, 2.0 / (period + 1.0), average)
    return average


def wilder(values: FloatArray, period: int) -> FloatArray:
    """Return Wilder's average of checked values; NaN before index ``period - 1``."""
    average = np.empty(len(values))
    _smooth(values, period, 1.0 / period, average)
    return average


def again(once: FloatArray, period: int) -> FloatArray:
    """Return the exponential average of what starts with NaN, as an average does; NaN for ``period - 1`` bars more."""
    first = int(np.isnan(once).sum())
    return padded(exponential(once[first:], period), len(once))


def weighted(values: FloatArray, period: int) -> FloatArray:
    """Return the linearly weighted average of checked values; NaN before index ``period - 1``."""
    average, slope = window_lines(values, period)
    return average + slope * ((period - 1.0) / 6.0)


def weighted_by_volume(values: FloatArray, volume: FloatArray, period: int) -> FloatArray:
    """Return the average of checked values weighted by checked volumes; NaN before index ``period - 1``."""
    traded = window_sums(volume, period)
    average = ratio(window_sums(values * volume, period), traded)
    return np.where(traded == 0, mean_of(values, period), average)


@kernel((FLOATS, FLOATS, F64, F64, FLOATS_OUT))
def _slide(new, old, total, share, average):  # type: ignore[no-untyped-def]
    """Slide a sum on; return at how many bars it has shrunk so far that its rounding would show."""
    largest = abs(total)
    for i in range(len(new)):
        total += new[i] - old[i]
        size = abs(total)
        largest = size if size > largest else largest
        if size < 1e-4 * largest:
            return i
        average[i] = total * share
    return len(new)


@kernel((FLOATS, I64, FLOATS_OUT))
def _sma(series, period, average):  # type: ignore[no-untyped-def]
    n = len(series)
    average[: min(period - 1, n)] = np.nan
    share = 1.0 / period
    start = period - 1
    while start < n:
        total = 0.0
        for i in range(start - period + 1, start + 1):
            total += series[i]
        average[start] = total * share
        start += 1
        end = min(start + REFRESH - 1, n)
        start += _slide(series[start:end], series[start - period : end - period], total, share, average[start:end])


@kernel((FLOATS, I64, F64, FLOATS_OUT))
def _smooth(series, period, share, average):  # type: ignore[no-untyped-def]
    n = len(series)
    average[: min(period - 1, n)] = np.nan
    if period > n:
        return
    level = 0.0
    for i in range(period):
        level += series[i]
    level /= period
    average[period - 1] = level
    for t in range(period, n):
        level += share * (series[t] - level)
        average[t] = level


@kernel((FLOATS, FLOATS, F64, FLOATS_OUT))
def _follow(series, shares, level, average):  # type: ignore[no-untyped-def]
    for t in range(len(series)):
        level += shares[t] * (series[t] - level)
        average[t] = level
