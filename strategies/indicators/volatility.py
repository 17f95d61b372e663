"""Bands and measures of how much a price moves."""

from __future__ import annotations

import math

import numpy as np

from strategies.bars import FloatArray
from strategies.indicators.arguments import (
    checked_factor,
    checked_inputs,
    checked_period,
    checked_positive,
    checked_series,
    padded,
)
from strategies.indicators.averages import REFRESH, exponential
from strategies.indicators.kernel import F64, FLOATS, FLOATS_OUT, I64, kernel
from strategies.indicators.ranges import average_range, ranges_of, typical_price
from strategies.indicators.windows import window_highs, window_lows, window_moments, window_sums


def bollinger(series: FloatArray, period: int, width: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Bollinger bands: a simple average, and lines ``width`` population standard deviations above and below it.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    period : int
        Bars in the window, at least 2.
    width : float
        Positive and finite; standard deviations (ddof 0) between the middle and an outer band.

    Returns
    -------
    upper, middle, lower : float64, shape (n,) each
        In the unit of ``series``; NaN before index ``period - 1``.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 2, the width is not a positive number, or the series is not one
        of finite numbers.

    Notes
    -----
    Mean and squared deviations slide along the series (Welford's update in both directions) and are taken afresh every
    512 bars, and at once when they have shrunk ten-thousandfold, so that rounding neither accumulates nor survives a
    spike. Equal to TA-Lib's BBANDS to 1e-9.

    References
    ----------
    J. Bollinger, Bollinger on Bollinger Bands, 2001.
    """
    period = checked_period("bollinger", period, low=2)
    width = checked_factor("bollinger", "width", width)
    n, values = checked_series("bollinger", series)
    upper, middle, lower = np.empty(len(values)), np.empty(len(values)), np.empty(len(values))
    _bollinger(values, period, width, upper, middle, lower)
    return padded(upper, n), padded(middle, n), padded(lower, n)


def true_range(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    """True range: ``max(high, close before) - min(low, close before)``, the range with any gap.

    Parameters
    ----------
    high, low, close : float64, shape (n,)
        Prices, ``low <= high``.

    Returns
    -------
    float64, shape (n,)
        In the unit of the prices, zero or more; NaN before index 1.

    Raises
    ------
    IndicatorError
        If an input is not one of finite numbers, their lengths differ, or a low is above its high.

    References
    ----------
    J. Welles Wilder, New Concepts in Technical Trading Systems, 1978, section III. Equal to TA-Lib's TRANGE to 1e-9.
    """
    n, (high, low, close) = checked_inputs("true_range", high=high, low=low, close=close)
    return padded(ranges_of(high, low, close), n)


def atr(high: FloatArray, low: FloatArray, close: FloatArray, period: int) -> FloatArray:
    """Average true range: Wilder's average of :func:`true_range`, from the mean of the first ``period`` of them.

    Parameters
    ----------
    high, low, close : float64, shape (n,)
        Prices, ``low <= high``.
    period : int
        At least 1.

    Returns
    -------
    float64, shape (n,)
        In the unit of the prices; NaN before index ``period``.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 1, and as :func:`true_range`.

    References
    ----------
    J. Welles Wilder, New Concepts in Technical Trading Systems, 1978, section III. Equal to TA-Lib's ATR to 1e-9.
    """
    period = checked_period("atr", period)
    n, (high, low, close) = checked_inputs("atr", high=high, low=low, close=close)
    return padded(average_range(high, low, close, period), n)


def natr(high: FloatArray, low: FloatArray, close: FloatArray, period: int) -> FloatArray:
    """Normalised average true range: ``100 * atr / close``.

    Parameters and errors are those of :func:`atr`; closes must be above zero.

    Returns
    -------
    float64, shape (n,)
        In %; NaN before index ``period``.

    References
    ----------
    J. Forman, Cross-Market Evaluations with Normalized Average True Range, Stocks & Commodities 24, 2006. Equal to
    TA-Lib's NATR to 1e-9.
    """
    period = checked_period("natr", period)
    n, (high, low, close) = checked_inputs("natr", high=high, low=low, close=close)
    checked_positive("natr", n, close=close)
    return padded(100.0 * average_range(high, low, close, period) / close[1:], n)


def keltner(
    high: FloatArray, low: FloatArray, close: FloatArray, period: int, atr_period: int, width: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Keltner channel: an exponential average of typical prices, and lines ``width`` average true ranges from it.

    Parameters
    ----------
    high, low, close : float64, shape (n,)
        Prices, ``low <= high``.
    period, atr_period : int
        Periods of the average and of :func:`atr`, at least 1.
    width : float
        Positive and finite; average true ranges between the middle and an outer line.

    Returns
    -------
    upper, middle, lower : float64, shape (n,) each
        In the unit of the prices; the middle is NaN before index ``period - 1``, the outer lines before
        ``max(period - 1, atr_period)``.

    Raises
    ------
    IndicatorError
        If the width is not a positive number, and as :func:`atr`.

    References
    ----------
    C. W. Keltner, How to Make Money in Commodities, 1960, with the averages of L. B. Raschke. Equal to TA-Lib's KC to
    1e-9.
    """
    period = checked_period("keltner", period)
    atr_period = checked_period("keltner", atr_period, argument="atr_period")
    width = checked_factor("keltner", "width", width)
    n, (high, low, close) = checked_inputs("keltner", high=high, low=low, close=close)
    middle = exponential(typical_price(high, low, close), period)
    reach = width * padded(average_range(high, low, close, atr_period), len(close))
    return padded(middle + reach, n), padded(middle, n), padded(middle - reach, n)


def donchian(high: FloatArray, low: FloatArray, period: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Donchian channel: the highest high, the lowest low and their middle, of the last ``period`` bars with this one.

    Parameters
    ----------
    high, low : float64, shape (n,)
        Prices, ``low <= high``.
    period : int
        Bars in the window, at least 1.

    Returns
    -------
    upper, middle, lower : float64, shape (n,) each
        In the unit of the prices; NaN before index ``period - 1``.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 1, and as :func:`true_range`.

    References
    ----------
    R. Donchian's four-week rule. Equal to TA-Lib's DONCHIAN.
    """
    period = checked_period("donchian", period)
    n, (high, low) = checked_inputs("donchian", high=high, low=low)
    upper, lower = window_highs(high, period), window_lows(low, period)
    return padded(upper, n), padded((upper + lower) / 2.0, n), padded(lower, n)


def rolling_deviation(series: FloatArray, period: int) -> FloatArray:
    """Population standard deviation (ddof 0) of the last ``period`` values.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    period : int
        Bars in the window, at least 2.

    Returns
    -------
    float64, shape (n,)
        In the unit of ``series``; NaN before index ``period - 1``. A flat window gives exactly 0.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 2, or the series is not one of finite numbers.

    References
    ----------
    K. Pearson, 1894. Equal to TA-Lib's STDDEV to 1e-9.
    """
    period = checked_period("rolling_deviation", period, low=2)
    n, values = checked_series("rolling_deviation", series)
    return padded(np.sqrt(window_moments(values, period)[1] / period), n)


def historical_volatility(series: FloatArray, period: int, bars_per_year: float) -> FloatArray:
    """Historical volatility: the sample deviation (ddof 1) of the last ``period`` log returns, made annual.

    Parameters
    ----------
    series : float64, shape (n,)
        Prices above zero, after any number of leading NaN.
    period : int
        Returns in the window, at least 2.
    bars_per_year : float
        The annual factor of the market and interval: 252 for stocks by day.

    Returns
    -------
    float64, shape (n,)
        ``100 * deviation * sqrt(bars_per_year)``, in % a year; NaN before index ``period``.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 2, the factor is not a positive number, or the series is not one
        of finite numbers above zero.

    References
    ----------
    J. C. Hull, Options, Futures, and Other Derivatives, chapter Estimating Volatility.
    """
    period = checked_period("historical_volatility", period, low=2)
    factor = checked_factor("historical_volatility", "bars_per_year", bars_per_year)
    n, values = checked_series("historical_volatility", series)
    checked_positive("historical_volatility", n, series=values)
    returns = np.log(values[1:] / values[:-1])
    squares = window_moments(returns, period)[1]
    return padded(100.0 * np.sqrt(squares * (factor / (period - 1))), n)


def parkinson(high: FloatArray, low: FloatArray, period: int, bars_per_year: float) -> FloatArray:
    """Parkinson's volatility: from the range of each bar instead of its close, made annual.

    Parameters
    ----------
    high, low : float64, shape (n,)
        Prices above zero, ``low <= high``.
    period : int
        Bars in the window, at least 1.
    bars_per_year : float
        The annual factor of the market and interval: 252 for stocks by day.

    Returns
    -------
    float64, shape (n,)
        ``100 * sqrt(bars_per_year * sum(log(high / low) ** 2) / (4 * log(2) * period))``, in % a year; NaN before index
        ``period - 1``.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 1, the factor is not a positive number, an input is not one of
        finite numbers above zero, their lengths differ, or a low is above its high.

    References
    ----------
    M. Parkinson, The Extreme Value Method for Estimating the Variance of the Rate of Return, Journal of Business 53,
    1980.
    """
    period = checked_period("parkinson", period)
    factor = checked_factor("parkinson", "bars_per_year", bars_per_year)
    n, (high, low) = checked_inputs("parkinson", high=high, low=low)
    checked_positive("parkinson", n, low=low)
    total = window_sums(np.log(high / low) ** 2, period)
    return padded(100.0 * np.sqrt(total * (factor / (4.0 * math.log(2.0) * period))), n)


@kernel((FLOATS, FLOATS, F64, F64, F64, FLOATS_OUT, FLOATS_OUT))
def _slide_moments(new, old, share, mean, squares, middle, spread):  # type: ignore[no-untyped-def]
    """Slide mean and squared deviations on; return at how many bars these have shrunk so far that rounding shows."""
    largest = squares
    for i in range(len(new)):
        before = mean
        change = new[i] - old[i]
        mean += change * share
        squares += change * ((new[i] + old[i]) - (mean + before))
        largest = squares if squares > largest else largest
        if squares < 1e-4 * largest:
            return i
        middle[i] = mean
        spread[i] = squares
    return len(new)


@kernel((F64, F64, FLOATS, FLOATS_OUT, FLOATS_OUT))
def _set_bands(width, share, middle, upper, lower):  # type: ignore[no-untyped-def]
    """Set the bands where ``upper`` holds the squared deviations. Apart from sums, roots go several in one step."""
    for t in range(len(middle)):
        reach = width * np.sqrt(max(upper[t], 0.0) * share)
        upper[t] = middle[t] + reach
        lower[t] = middle[t] - reach


@kernel((FLOATS, I64, F64, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT))
def _bollinger(series, period, width, upper, middle, lower):  # type: ignore[no-untyped-def]
    n = len(series)
    undefined = min(period - 1, n)
    upper[:undefined] = middle[:undefined] = lower[:undefined] = np.nan
    share = 1.0 / period
    start = period - 1
    while start < n:
        mean = 0.0
        for i in range(start - period + 1, start + 1):
            mean += series[i]
        mean *= share
        squares = 0.0
        for i in range(start - period + 1, start + 1):
            squares += (series[i] - mean) ** 2
        middle[start] = mean
        upper[start] = squares
        start += 1
        end = min(start + REFRESH - 1, n)
        old = series[start - period : end - period]
        start += _slide_moments(series[start:end], old, share, mean, squares, middle[start:end], upper[start:end])
    _set_bands(width, share, middle[undefined:], upper[undefined:], lower[undefined:])
