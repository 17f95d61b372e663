"""Oscillators: momentum on a bounded scale.

Where nothing has moved there is nothing to measure, and an oscillator stands in the middle of its scale: it calls a
dead market neither overbought nor oversold. TA-Lib gives 0 there, which reads as oversold.
"""

from __future__ import annotations

import numpy as np

from strategies.bars import FloatArray
from strategies.indicators.arguments import checked_inputs, checked_period, checked_series, padded, ratio
from strategies.indicators.averages import mean_of
from strategies.indicators.kernel import FLOATS, FLOATS_OUT, I64, kernel
from strategies.indicators.ranges import ranges_of, typical_price
from strategies.indicators.windows import window_highs, window_lows, window_sums


def rsi(series: FloatArray, period: int) -> FloatArray:
    """Relative strength index after Wilder: ``100 * gain / (gain + loss)`` of smoothed changes.

    The first averages are the means of the first ``period`` changes; afterwards each is
    ``(previous * (period - 1) + change) / period``.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    period : int
        At least 2.

    Returns
    -------
    float64, shape (n,)
        From 0 to 100; NaN before index ``period``. A series that has not moved at all gives 50: it is neither strong
        nor weak (TA-Lib gives 0 there).

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 2, or the series is not one of finite numbers.

    References
    ----------
    J. Welles Wilder, New Concepts in Technical Trading Systems, 1978, section VI.
    """
    period = checked_period("rsi", period, low=2)
    n, values = checked_series("rsi", series)
    return padded(strength_of(values, period), n)


def cutler_rsi(series: FloatArray, period: int) -> FloatArray:
    """Relative strength index after Cutler: ``100 * rises / (rises + falls)``, sums over the last ``period`` changes.

    Unlike Wilder's it does not depend on where the series starts.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    period : int
        Changes in the window, at least 2.

    Returns
    -------
    float64, shape (n,)
        From 0 to 100; NaN before index ``period``. A window that has not moved gives 50.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 2, or the series is not one of finite numbers.

    References
    ----------
    D. Cutler's variant of Wilder's index.
    """
    period = checked_period("cutler_rsi", period, low=2)
    n, values = checked_series("cutler_rsi", series)
    changes = np.diff(values)
    rises = window_sums(np.maximum(changes, 0.0), period)
    falls = window_sums(np.maximum(-changes, 0.0), period)
    return padded(ratio(100.0 * rises, rises + falls, 50.0), n)


def stochastic(
    high: FloatArray, low: FloatArray, close: FloatArray, period: int, smooth: int, signal: int
) -> tuple[FloatArray, FloatArray]:
    """Stochastic: where the close stands between the lowest low (0) and the highest high (100) of a window.

    Parameters
    ----------
    high, low, close : float64, shape (n,)
        Prices, ``low <= high``.
    period : int
        Bars in the window, at least 1.
    smooth : int
        Bars of the simple average that makes %K; 1 gives the fast stochastic.
    signal : int
        Bars of the simple average of %K that makes %D, at least 1.

    Returns
    -------
    k, d : float64, shape (n,) each
        From 0 to 100; NaN before index ``period + smooth - 2`` and ``period + smooth + signal - 3``. A window whose
        high and low are one price counts as 50.

    Raises
    ------
    IndicatorError
        If a period is not a whole number of at least 1, an input is not one of finite numbers, their lengths differ, or
        a low is above its high.

    References
    ----------
    G. C. Lane, Lane's Stochastics, Stocks & Commodities 2, 1984. Equal to TA-Lib's STOCH with simple averages to 1e-9.
    """
    period = checked_period("stochastic", period)
    smooth = checked_period("stochastic", smooth, argument="smooth")
    signal = checked_period("stochastic", signal, argument="signal")
    n, (high, low, close) = checked_inputs("stochastic", high=high, low=low, close=close)
    fast = place_of(high, low, close, period)[period - 1 :]
    k = mean_of(fast, smooth)[smooth - 1 :]
    return padded(k, n), padded(mean_of(k, signal), n)


def stochastic_rsi(series: FloatArray, period: int, window: int, signal: int) -> tuple[FloatArray, FloatArray]:
    """Stochastic of the RSI: where the index stands between its own lowest and highest value of a window.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    period : int
        Period of :func:`rsi`, at least 2.
    window : int
        Values of the index in the window, at least 1.
    signal : int
        Bars of the simple average of %K that makes %D, at least 1.

    Returns
    -------
    k, d : float64, shape (n,) each
        From 0 to 100; NaN before index ``period + window - 1`` and ``period + window + signal - 2``. A window in which
        the index has moved by less than a billionth of a point counts as 50.

    Raises
    ------
    IndicatorError
        If a period is not a whole number of at least its least, or the series is not one of finite numbers.

    References
    ----------
    T. S. Chande and S. Kroll, The New Technical Trader, 1994. Equal to TA-Lib's STOCHRSI to 1e-9.
    """
    period = checked_period("stochastic_rsi", period, low=2)
    window = checked_period("stochastic_rsi", window, argument="window")
    signal = checked_period("stochastic_rsi", signal, argument="signal")
    n, values = checked_series("stochastic_rsi", series)
    strength = strength_of(values, period)[period:]
    k = place_of(strength, strength, strength, window, least=1e-9)[window - 1 :]
    return padded(k, n), padded(mean_of(k, signal), n)


def williams_r(high: FloatArray, low: FloatArray, close: FloatArray, period: int) -> FloatArray:
    """Williams %R: ``-100 * (highest high - close) / (highest high - lowest low)``.

    Parameters
    ----------
    high, low, close : float64, shape (n,)
        Prices, ``low <= high``.
    period : int
        Bars in the window, at least 2.

    Returns
    -------
    float64, shape (n,)
        From -100 to 0; NaN before index ``period - 1``. A window whose high and low are one price gives -50.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 2, an input is not one of finite numbers, their lengths differ,
        or a low is above its high.

    References
    ----------
    L. Williams, How I Made One Million Dollars Last Year Trading Commodities, 1973. Equal to TA-Lib's WILLR to 1e-9.
    """
    period = checked_period("williams_r", period, low=2)
    n, (high, low, close) = checked_inputs("williams_r", high=high, low=low, close=close)
    highest, lowest = window_highs(high, period), window_lows(low, period)
    return padded(ratio(-100.0 * (highest - close), highest - lowest, -50.0), n)


def cci(high: FloatArray, low: FloatArray, close: FloatArray, period: int) -> FloatArray:
    """Commodity channel index: distance of the typical price from its mean, in mean absolute deviations times 0.015.

    Parameters
    ----------
    high, low, close : float64, shape (n,)
        Prices, ``low <= high``.
    period : int
        Bars in the window, at least 2.

    Returns
    -------
    float64, shape (n,)
        Unbounded, mostly between -100 and 100; NaN before index ``period - 1``. A window of one typical price gives 0.

    Raises
    ------
    IndicatorError
        As :func:`williams_r`.

    References
    ----------
    D. R. Lambert, Commodity Channel Index, Commodities, October 1980. Equal to TA-Lib's CCI to 1e-9.
    """
    period = checked_period("cci", period, low=2)
    n, (high, low, close) = checked_inputs("cci", high=high, low=low, close=close)
    index = np.empty(len(close))
    _cci(typical_price(high, low, close), period, index)
    return padded(index, n)


def ultimate(high: FloatArray, low: FloatArray, close: FloatArray, fast: int, medium: int, slow: int) -> FloatArray:
    """Ultimate oscillator: buying pressure as a share of true range over three windows, weighted 4, 2 and 1.

    Buying pressure is ``close - min(low, close before)``.

    Parameters
    ----------
    high, low, close : float64, shape (n,)
        Prices, ``low <= high``.
    fast, medium, slow : int
        Bars in the windows with weight 4, 2 and 1, at least 1.

    Returns
    -------
    float64, shape (n,)
        From 0 to 100; NaN before index ``max(fast, medium, slow)``. A window without any range counts as 50.

    Raises
    ------
    IndicatorError
        If a period is not a whole number of at least 1, an input is not one of finite numbers, their lengths differ, or
        a low is above its high.

    References
    ----------
    L. Williams, The Ultimate Oscillator, Stocks & Commodities 3, 1985. Equal to TA-Lib's ULTOSC to 1e-9.
    """
    named = {"fast": fast, "medium": medium, "slow": slow}
    fast, medium, slow = (checked_period("ultimate", period, argument=name) for name, period in named.items())
    n, (high, low, close) = checked_inputs("ultimate", high=high, low=low, close=close)
    ranges = ranges_of(high, low, close)
    pressure = close[1:] - np.minimum(low[1:], close[:-1])
    shares = [ratio(window_sums(pressure, period), window_sums(ranges, period), 0.5) for period in (fast, medium, slow)]
    return padded(100.0 * (4.0 * shares[0] + 2.0 * shares[1] + shares[2]) / 7.0, n)


def place_of(high: FloatArray, low: FloatArray, close: FloatArray, period: int, *, least: float = 0.0) -> FloatArray:
    """Return where checked closes stand in their window, 0 to 100; 50 where it spans ``least`` or less."""
    highest, lowest = window_highs(high, period), window_lows(low, period)
    span = highest - lowest
    return np.where(span <= least, 50.0, ratio(100.0 * (close - lowest), span, 50.0))


def strength_of(values: FloatArray, period: int) -> FloatArray:
    """Return Wilder's index of checked values; NaN before index ``period``."""
    strength = np.empty(len(values))
    _rsi(values, period, strength)
    return strength


@kernel((FLOATS, I64, FLOATS_OUT))
def _rsi(series, period, strength):  # type: ignore[no-untyped-def]
    n = len(series)
    strength[: min(period, n)] = np.nan
    if n <= period:
        return
    gain = 0.0
    loss = 0.0
    for t in range(1, period + 1):
        change = series[t] - series[t - 1]
        gain += max(change, 0.0)
        loss += max(-change, 0.0)
    gain /= period
    loss /= period
    keep = (period - 1.0) / period
    half_share = 0.5 / period
    strength[period] = 100.0 * gain / (gain + loss) if gain + loss > 0.0 else 50.0
    for t in range(period + 1, n):
        change = series[t] - series[t - 1]
        # Half of |change| + change is the rise and of |change| - change the fall, exactly and without a branch that
        # the processor would guess wrong every other bar.
        size = abs(change)
        gain = gain * keep + (size + change) * half_share
        loss = loss * keep + (size - change) * half_share
        moved = gain + loss
        # A series at rest keeps its value: so near to zero the averages lose their digits and would drift to 50.
        strength[t] = 100.0 * gain / moved if moved > 1e-290 else strength[t - 1]


@kernel((FLOATS, I64, FLOATS_OUT))
def _cci(series, period, index):  # type: ignore[no-untyped-def]
    n = len(series)
    index[: min(period - 1, n)] = np.nan
    for t in range(period - 1, n):
        # Relative to the last value: a flat window then deviates by exactly nothing.
        last = series[t]
        mean = 0.0
        for i in range(t - period + 1, t):
            mean += series[i] - last
        mean /= period
        deviation = abs(mean)
        for i in range(t - period + 1, t):
            deviation += abs(series[i] - last - mean)
        deviation /= period
        index[t] = -mean / (0.015 * deviation) if deviation > 0.0 else 0.0
