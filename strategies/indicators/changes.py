"""How fast a series moves: changes over time, and distances between its averages."""

from __future__ import annotations

import numpy as np

from strategies.bars import FloatArray
from strategies.indicators.arguments import checked_period, checked_series, padded, ratio
from strategies.indicators.averages import again, exponential


def momentum(series: FloatArray, period: int) -> FloatArray:
    """Momentum: the change over the last ``period`` bars.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    period : int
        Bars, at least 1.

    Returns
    -------
    float64, shape (n,)
        In the unit of ``series``; NaN before index ``period``.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 1, or the series is not one of finite numbers.

    References
    ----------
    J. J. Murphy, Technical Analysis of the Financial Markets, 1999, chapter 10. Equal to TA-Lib's MOM.
    """
    period = checked_period("momentum", period)
    n, values = checked_series("momentum", series)
    return padded(values[period:] - values[:-period], n)


def roc(series: FloatArray, period: int) -> FloatArray:
    """Rate of change: ``100 * (value / value period bars before - 1)``.

    Parameters and errors are those of :func:`momentum`.

    Returns
    -------
    float64, shape (n,)
        In %; NaN before index ``period``. After a value of zero it is 0.

    References
    ----------
    J. J. Murphy, Technical Analysis of the Financial Markets, 1999, chapter 10. Equal to TA-Lib's ROC to 1e-9.
    """
    period = checked_period("roc", period)
    n, values = checked_series("roc", series)
    return padded(100.0 * ratio(values[period:] - values[:-period], values[:-period]), n)


def macd(series: FloatArray, fast: int, slow: int, signal: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Moving average convergence/divergence: ``ema(fast) - ema(slow)``, its average, and the distance of the two.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    fast, slow : int
        Periods of the two exponential averages, at least 1; with fast above slow the line has the other sign.
    signal : int
        Period of the exponential average of the line, at least 1.

    Returns
    -------
    macd, signal, histogram : float64, shape (n,) each
        In the unit of ``series``; the line is NaN before index ``max(fast, slow) - 1``, the others for
        ``signal - 1`` bars more.

    Raises
    ------
    IndicatorError
        If a period is not a whole number of at least 1, or the series is not one of finite numbers.

    Notes
    -----
    Both averages start from their own first values, as :func:`ema` does. TA-Lib's MACD starts the fast one later, so
    that it agrees to 1e-9 only some 15 slow periods after the first value.

    References
    ----------
    G. Appel, The Moving Average Convergence-Divergence Trading Method, 1979.
    """
    fast, slow, signal = _checked_periods("macd", fast, slow, signal)
    n, values = checked_series("macd", series)
    line = exponential(values, fast) - exponential(values, slow)
    average = again(line, signal)
    return padded(line, n), padded(average, n), padded(line - average, n)


def ppo(series: FloatArray, fast: int, slow: int, signal: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Percentage price oscillator: ``100 * (ema(fast) - ema(slow)) / ema(slow)``, its average, and their distance.

    Parameters and errors are those of :func:`macd`.

    Returns
    -------
    ppo, signal, histogram : float64, shape (n,) each
        In %; NaN as for :func:`macd`. Where the slow average is zero the line is 0.

    References
    ----------
    G. Appel, Technical Analysis: Power Tools for Active Investors, 2005. Equal to TA-Lib's PPO of exponential averages
    to 1e-9.
    """
    fast, slow, signal = _checked_periods("ppo", fast, slow, signal)
    n, values = checked_series("ppo", series)
    slower = exponential(values, slow)
    line = 100.0 * ratio(exponential(values, fast) - slower, slower)
    average = again(line, signal)
    return padded(line, n), padded(average, n), padded(line - average, n)


def trix(series: FloatArray, period: int) -> FloatArray:
    """TRIX: rate of change over one bar of a series smoothed by three exponential averages.

    Parameters and errors are those of :func:`momentum`.

    Returns
    -------
    float64, shape (n,)
        In %; NaN before index ``3 * (period - 1) + 1``. After an average of zero it is 0.

    References
    ----------
    J. K. Hutson, Good TRIX, Stocks & Commodities 1, 1983. Equal to TA-Lib's TRIX to 1e-9.
    """
    period = checked_period("trix", period)
    n, values = checked_series("trix", series)
    smooth = again(again(exponential(values, period), period), period)
    return padded(100.0 * ratio(np.diff(smooth), smooth[:-1]), n)


def _checked_periods(name: str, fast: int, slow: int, signal: int) -> tuple[int, int, int]:
    return (
        checked_period(name, fast, argument="fast"),
        checked_period(name, slow, argument="slow"),
        checked_period(name, signal, argument="signal"),
    )
