"""Prices drawn anew: levels to watch, and candles that hide the noise."""

from __future__ import annotations

import numpy as np

from strategies.bars import FloatArray
from strategies.indicators.arguments import checked_inputs, checked_period, padded
from strategies.indicators.kernel import F64, FLOATS, FLOATS_OUT, kernel
from strategies.indicators.ranges import middle_of, typical_price
from strategies.indicators.windows import window_highs, window_lows


def ichimoku(
    high: FloatArray, low: FloatArray, conversion: int, base: int, span: int, shift: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Ichimoku: middles between highest high and lowest low of three windows, two of them drawn ahead as the cloud.

    Parameters
    ----------
    high, low : float64, shape (n,)
        Prices, ``low <= high``.
    conversion, base, span : int
        Bars in the windows of conversion line, base line and leading span B, at least 1.
    shift : int
        Bars that the cloud is drawn ahead, at least 1.

    Returns
    -------
    conversion, base, span_a, span_b : float64, shape (n,) each
        In the unit of the prices. The spans are those that stand over this bar, computed ``shift`` bars before: span A
        is the mean of conversion and base line. NaN before index ``conversion - 1``, ``base - 1``,
        ``max(conversion, base) - 1 + shift`` and ``span - 1 + shift``. The lagging line is the close drawn back in
        time: as a value of this bar it would know the future, and is left out.

    Raises
    ------
    IndicatorError
        If a period is not a whole number of at least 1, an input is not one of finite numbers, their lengths differ, or
        a low is above its high.

    References
    ----------
    G. Hosoda, Ichimoku Kinko Hyo, 1969.
    """
    named = {"conversion": conversion, "base": base, "span": span, "shift": shift}
    conversion, base, span, shift = (checked_period("ichimoku", bars, argument=name) for name, bars in named.items())
    n, (high, low) = checked_inputs("ichimoku", high=high, low=low)
    fast, slow, wide = (middle_of(high, low, period) for period in (conversion, base, span))
    kept = max(len(high) - shift, 0)
    ahead = ((fast + slow) / 2.0)[:kept], wide[:kept]
    return padded(fast, n), padded(slow, n), padded(ahead[0], n), padded(ahead[1], n)


def heikin_ashi(
    open: FloatArray,  # noqa: A002 - the trade's own word
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Heikin-ashi candles: the close is the mean of the bar, the open the middle of the candle before.

    Parameters
    ----------
    open, high, low, close : float64, shape (n,)
        Prices, ``low <= high``.

    Returns
    -------
    open, high, low, close : float64, shape (n,) each
        In the unit of the prices, defined from the first bar, whose open is the middle of its open and close. High and
        low reach at least as far as the candle's own open and close.

    Raises
    ------
    IndicatorError
        If an input is not one of finite numbers, their lengths differ, or a low is above its high.

    References
    ----------
    D. Valcu, Using the Heikin-Ashi Technique, Stocks & Commodities 22, 2004. Equal to TA-Lib's HA to 1e-9.
    """
    n, (opens, highs, lows, closes) = checked_inputs("heikin_ashi", open=open, high=high, low=low, close=close)
    middle = (opens + highs + lows + closes) / 4.0
    candle = np.empty(len(closes))
    if len(closes):
        _candle_opens(middle, (opens[0] + closes[0]) / 2.0, candle)
    top = np.maximum(highs, np.maximum(candle, middle))
    bottom = np.minimum(lows, np.minimum(candle, middle))
    return padded(candle, n), padded(top, n), padded(bottom, n), padded(middle, n)


def pivots(high: FloatArray, low: FloatArray, close: FloatArray, period: int) -> tuple[FloatArray, ...]:
    """Floor traders' pivots: levels from high, low and close of the ``period`` bars before this one.

    With H, L and C the highest high, the lowest low and the last close of those bars: ``pivot = (H + L + C) / 3``,
    ``r1 = 2 * pivot - L``, ``s1 = 2 * pivot - H``, ``r2 = pivot + H - L``, ``s2 = pivot - H + L``,
    ``r3 = H + 2 * (pivot - L)``, ``s3 = L - 2 * (H - pivot)``.

    Parameters
    ----------
    high, low, close : float64, shape (n,)
        Prices, ``low <= high``.
    period : int
        Bars before this one, at least 1.

    Returns
    -------
    pivot, r1, s1, r2, s2, r3, s3 : float64, shape (n,) each
        In the unit of the prices; NaN before index ``period``.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 1, an input is not one of finite numbers, their lengths differ,
        or a low is above its high.

    References
    ----------
    J. L. Person, A Complete Guide to Technical Trading Tactics, 2004.
    """
    period = checked_period("pivots", period)
    n, (high, low, close) = checked_inputs("pivots", high=high, low=low, close=close)
    top, bottom = window_highs(high, period)[:-1], window_lows(low, period)[:-1]
    pivot = typical_price(top, bottom, close[:-1])
    levels = (
        pivot,
        2.0 * pivot - bottom,
        2.0 * pivot - top,
        pivot + (top - bottom),
        pivot - (top - bottom),
        top + 2.0 * (pivot - bottom),
        bottom - 2.0 * (top - pivot),
    )
    return tuple(padded(level, n) for level in levels)


@kernel((FLOATS, F64, FLOATS_OUT))
def _candle_opens(middle, first, opens):  # type: ignore[no-untyped-def]
    opens[0] = first
    for t in range(1, len(middle)):
        opens[t] = (opens[t - 1] + middle[t - 1]) / 2.0
