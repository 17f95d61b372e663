"""Statistics of a sliding window."""

from __future__ import annotations

import numpy as np

from strategies.bars import FloatArray
from strategies.indicators.arguments import (
    checked_inputs,
    checked_period,
    checked_positive,
    checked_series,
    checked_share,
    padded,
    ratio,
)
from strategies.indicators.kernel import F64, FLOATS, FLOATS_OUT, kernel
from strategies.indicators.windows import (
    window_high_ages,
    window_highs,
    window_lines,
    window_low_ages,
    window_lows,
    window_moments,
    window_products,
    window_ranks,
)


def rolling_min(series: FloatArray, period: int) -> FloatArray:
    """Lowest of the last ``period`` values.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    period : int
        Bars in the window, at least 1.

    Returns
    -------
    float64, shape (n,)
        In the unit of ``series``; NaN before index ``period - 1``.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 1, or the series is not one of finite numbers.

    References
    ----------
    The minimum; the queue is that of D. Lemire, Streaming Maximum-Minimum Filter, 2006. Equal to TA-Lib's MIN.
    """
    period = checked_period("rolling_min", period)
    n, values = checked_series("rolling_min", series)
    return padded(window_lows(values, period), n)


def rolling_max(series: FloatArray, period: int) -> FloatArray:
    """Highest of the last ``period`` values.

    Parameters, returned array, errors and source are those of :func:`rolling_min`. Equal to TA-Lib's MAX.
    """
    period = checked_period("rolling_max", period)
    n, values = checked_series("rolling_max", series)
    return padded(window_highs(values, period), n)


def rolling_argmin(series: FloatArray, period: int) -> FloatArray:
    """How many bars ago the lowest of the last ``period`` values was, 0 for this bar; the latest of equal ones.

    Parameters, errors and source are those of :func:`rolling_min`.

    Returns
    -------
    float64, shape (n,)
        In bars, from 0 to ``period - 1``; NaN before index ``period - 1``. TA-Lib's MININDEX counts from the first bar:
        it is the bar's index minus this.
    """
    period = checked_period("rolling_argmin", period)
    n, values = checked_series("rolling_argmin", series)
    return padded(window_low_ages(values, period), n)


def rolling_argmax(series: FloatArray, period: int) -> FloatArray:
    """How many bars ago the highest of the last ``period`` values was, 0 for this bar; the latest of equal ones.

    Parameters, returned array, errors and source are those of :func:`rolling_argmin`; TA-Lib's is MAXINDEX.
    """
    period = checked_period("rolling_argmax", period)
    n, values = checked_series("rolling_argmax", series)
    return padded(window_high_ages(values, period), n)


def rolling_median(series: FloatArray, period: int) -> FloatArray:
    """Median of the last ``period`` values, the mean of the middle two of an even number.

    Parameters and errors are those of :func:`rolling_min`, and so is the returned array.

    References
    ----------
    The median. Equal to TA-Lib's PERCENTILE at 50 for odd periods.
    """
    period = checked_period("rolling_median", period)
    n, values = checked_series("rolling_median", series)
    return padded(window_ranks(values, period, 0.5)[0], n)


def rolling_quantile(series: FloatArray, period: int, fraction: float) -> FloatArray:
    """Quantile of the last ``period`` values, between two of them in proportion, as NumPy and R (type 7) have it.

    Parameters
    ----------
    series, period
        As for :func:`rolling_min`.
    fraction : float
        From 0, the lowest value, to 1, the highest.

    Returns
    -------
    float64, shape (n,)
        In the unit of ``series``; NaN before index ``period - 1``.

    Raises
    ------
    IndicatorError
        If the fraction is not a number from 0 to 1, and as :func:`rolling_min`.

    References
    ----------
    R. J. Hyndman and Y. Fan, Sample Quantiles in Statistical Packages, American Statistician 50, 1996. TA-Lib's
    PERCENTILE takes the nearest value instead, and is equal where ``fraction * (period - 1)`` is whole.
    """
    period = checked_period("rolling_quantile", period)
    fraction = checked_share("rolling_quantile", "fraction", fraction)
    n, values = checked_series("rolling_quantile", series)
    return padded(window_ranks(values, period, fraction)[0], n)


def rolling_rank(series: FloatArray, period: int) -> FloatArray:
    """Percent rank: how many of the ``period`` values before this one are below it, in %.

    Parameters and errors are those of :func:`rolling_min`.

    Returns
    -------
    float64, shape (n,)
        From 0 to 100; NaN before index ``period``. Equal values are not below, so that a flat series gives 0.

    References
    ----------
    The percentile rank. Equal to TA-Lib's PERCENTRANK to 1e-9.
    """
    period = checked_period("rolling_rank", period)
    n, values = checked_series("rolling_rank", series)
    return padded(100.0 * window_ranks(values, period + 1, 0.0)[1] / period, n)


def correlation(series: FloatArray, other: FloatArray, period: int) -> FloatArray:
    """Correlation of the last ``period`` values of two series: ``sum(da * db) / sqrt(sum(da ** 2) * sum(db ** 2))``.

    Parameters
    ----------
    series, other : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    period : int
        Bars in the window, at least 2.

    Returns
    -------
    float64, shape (n,)
        From -1 to 1; NaN before index ``period - 1``. A window in which one of them is flat gives 0.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 2, an input is not one of finite numbers, or their lengths
        differ.

    References
    ----------
    K. Pearson, Regression, Heredity, and Panmixia, 1896. Equal to TA-Lib's CORREL to 1e-9.
    """
    period = checked_period("correlation", period, low=2)
    n, (values, others) = checked_inputs("correlation", series=series, other=other)
    squares, other_squares, products = window_products(values, others, period)
    # The roots apart: the product of two squares may be too large or too small for a number.
    together = ratio(products, np.sqrt(squares) * np.sqrt(other_squares))
    return padded(np.clip(together, -1.0, 1.0), n)


def beta(series: FloatArray, other: FloatArray, period: int) -> FloatArray:
    """Beta of a price against another: covariance of their last ``period`` returns by the variance of the other's.

    Parameters
    ----------
    series, other : float64, shape (n,)
        Prices above zero, after any number of leading NaN; ``other`` is the market.
    period : int
        Returns in the window, at least 2.

    Returns
    -------
    float64, shape (n,)
        NaN before index ``period``. A window in which the other's returns are all the same gives 0.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 2, an input is not one of finite numbers above zero, or their
        lengths differ.

    References
    ----------
    W. F. Sharpe, Capital Asset Prices, Journal of Finance 19, 1964. Equal to TA-Lib's BETA, which takes the market
    first, to 1e-9.
    """
    period = checked_period("beta", period, low=2)
    n, (values, others) = checked_inputs("beta", series=series, other=other)
    checked_positive("beta", n, series=values, other=others)
    returns, other_returns = np.diff(values) / values[:-1], np.diff(others) / others[:-1]
    _, other_squares, products = window_products(returns, other_returns, period)
    return padded(ratio(products, other_squares), n)


def linear_regression(series: FloatArray, period: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Least-squares line through the last ``period`` values: its last value, its slope and its first value.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    period : int
        Bars in the window, at least 2.

    Returns
    -------
    value, slope, intercept : float64, shape (n,) each
        In the unit of ``series``, the slope per bar; NaN before index ``period - 1``.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 2, or the series is not one of finite numbers.

    References
    ----------
    A.-M. Legendre, 1805. Equal to TA-Lib's LINEARREG, LINEARREG_SLOPE and LINEARREG_INTERCEPT to 1e-9.
    """
    period = checked_period("linear_regression", period, low=2)
    n, values = checked_series("linear_regression", series)
    average, slope = window_lines(values, period)
    reach = slope * ((period - 1) / 2.0)
    return padded(average + reach, n), padded(slope, n), padded(average - reach, n)


def zscore(series: FloatArray, period: int) -> FloatArray:
    """Z-score: distance from the mean of the last ``period`` values in their population deviations (ddof 0).

    Parameters and errors are those of :func:`linear_regression`.

    Returns
    -------
    float64, shape (n,)
        At most ``sqrt(period - 1)`` from 0; NaN before index ``period - 1``. A flat window gives 0.

    References
    ----------
    The standard score. Equal to ``(x - SMA) / STDDEV`` of TA-Lib to 1e-9.
    """
    period = checked_period("zscore", period, low=2)
    n, values = checked_series("zscore", series)
    mean, squares = window_moments(values, period)
    _set_scores(values, mean, float(period), squares)
    return padded(squares, n)


@kernel((FLOATS, FLOATS, F64, FLOATS_OUT))
def _set_scores(series, mean, period, squares):  # type: ignore[no-untyped-def]
    """Set the z-scores where the squared deviations stand."""
    for t in range(len(series)):
        deviation = np.sqrt(squares[t] / period)
        squares[t] = (series[t] - mean[t]) / deviation if deviation != 0.0 else 0.0
