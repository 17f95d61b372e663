"""Whether there is a trend, which way it goes, and where it ends."""

from __future__ import annotations

import numpy as np

from strategies.bars import FloatArray
from strategies.indicators.arguments import checked_factor, checked_inputs, checked_period, padded
from strategies.indicators.averages import wilder
from strategies.indicators.kernel import F64, FLOATS, FLOATS_OUT, I64, kernel
from strategies.indicators.ranges import average_range
from strategies.indicators.windows import window_high_ages, window_low_ages


def adx(high: FloatArray, low: FloatArray, close: FloatArray, period: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Average directional index with +DI and -DI: how strong the trend is, and which side has the moves.

    ``+DM`` is the rise of the high where it is positive and larger than the fall of the low, ``-DM`` mirrored. Their
    sums and that of the true range lose ``1 / period`` of themselves with each bar that they gain. ``DI = 100 * DM /
    range``, ``DX = 100 * |+DI - -DI| / (+DI + -DI)``, and the index is Wilder's average of DX.

    Parameters
    ----------
    high, low, close : float64, shape (n,)
        Prices, ``low <= high``.
    period : int
        At least 2.

    Returns
    -------
    adx, plus_di, minus_di : float64, shape (n,) each
        From 0 to 100; NaN before index ``2 * period - 1`` and, for both DI, ``period``. Without any move they are 0.
        The sums start from the ``period - 1`` bars after the first, and the average from the mean of ``period`` DX.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 2, an input is not one of finite numbers, their lengths differ,
        or a low is above its high.

    References
    ----------
    J. Welles Wilder, New Concepts in Technical Trading Systems, 1978, section IV. Equal to TA-Lib's ADX, PLUS_DI and
    MINUS_DI to 1e-9.
    """
    period = checked_period("adx", period, low=2)
    n, (high, low, close) = checked_inputs("adx", high=high, low=low, close=close)
    plus, minus, strength = (np.empty(len(close)) for _ in range(3))
    _directions(high, low, close, period, plus, minus, strength)
    return padded(wilder(strength[period:], period), n), padded(plus, n), padded(minus, n)


def aroon(high: FloatArray, low: FloatArray, period: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Aroon: how recent the highest high and the lowest low are, ``100 * (period - bars since then) / period``.

    Parameters
    ----------
    high, low : float64, shape (n,)
        Prices, ``low <= high``.
    period : int
        Bars back to look, at least 2; the window is this bar and those.

    Returns
    -------
    up, down, oscillator : float64, shape (n,) each
        From 0 to 100, and up minus down; NaN before index ``period``. Of equal prices the latest counts.

    Raises
    ------
    IndicatorError
        As :func:`adx`.

    References
    ----------
    T. S. Chande, A Time Price Oscillator, Stocks & Commodities 13, 1995. Equal to TA-Lib's AROON and AROONOSC to 1e-9.
    """
    period = checked_period("aroon", period, low=2)
    n, (high, low) = checked_inputs("aroon", high=high, low=low)
    up = 100.0 * (period - window_high_ages(high, period + 1)) / period
    down = 100.0 * (period - window_low_ages(low, period + 1)) / period
    return padded(up, n), padded(down, n), padded(up - down, n)


def supertrend(
    high: FloatArray, low: FloatArray, close: FloatArray, period: int, width: float
) -> tuple[FloatArray, FloatArray]:
    """Supertrend: a stop ``width`` average true ranges from the middle of the bar, which only moves with the trend.

    The line below rises with ``(high + low) / 2 - width * atr`` and never falls while closes stay above it; the line
    above mirrored. A close beyond the line in force turns the trend.

    Parameters
    ----------
    high, low, close : float64, shape (n,)
        Prices, ``low <= high``.
    period : int
        Period of :func:`atr`, at least 2.
    width : float
        Positive and finite; average true ranges between the middle and the line.

    Returns
    -------
    line, direction : float64, shape (n,) each
        The line in force, and 1 for a rising trend or -1 for a falling one; NaN before index ``period``, on
        which the trend rises.

    Raises
    ------
    IndicatorError
        If the width is not a positive number, and as :func:`adx`.

    References
    ----------
    O. Seban, Tout le monde mérite d'être riche. Equal to TA-Lib's SUPERTREND to 1e-9.
    """
    period, width = checked_period("supertrend", period, low=2), checked_factor("supertrend", "width", width)
    n, (high, low, close) = checked_inputs("supertrend", high=high, low=low, close=close)
    reach = width * padded(average_range(high, low, close, period), len(close))
    line, direction = np.empty(len(close)), np.empty(len(close))
    _supertrend((high + low) / 2.0, close, reach, period, line, direction)
    return padded(line, n), padded(direction, n)


def parabolic_sar(high: FloatArray, low: FloatArray, step: float, maximum: float) -> FloatArray:
    """Parabolic stop and reverse: a stop that runs after the extreme of the trend, faster with each new extreme.

    ``next = stop + speed * (extreme - stop)``, never beyond the last two bars; the speed grows by ``step`` with each
    new extreme, up to ``maximum``. A bar that touches the stop turns the trend, and the stop jumps to the extreme.

    Parameters
    ----------
    high, low : float64, shape (n,)
        Prices, ``low <= high``.
    step, maximum : float
        Positive and finite; a step above the maximum counts as the maximum.

    Returns
    -------
    float64, shape (n,)
        In the unit of the prices; NaN before index 1. The first trend falls if the second low is further below the
        first than the second high is above the first, and else rises; the first stop is the first bar's other end.

    Raises
    ------
    IndicatorError
        If a factor is not a positive number, an input is not one of finite numbers, their lengths differ, or a low is
        above its high.

    References
    ----------
    J. Welles Wilder, New Concepts in Technical Trading Systems, 1978, section II. Equal to TA-Lib's SAR to 1e-9.
    """
    step, maximum = checked_factor("parabolic_sar", "step", step), checked_factor("parabolic_sar", "maximum", maximum)
    n, (high, low) = checked_inputs("parabolic_sar", high=high, low=low)
    stops = np.empty(len(high))
    _parabolic_sar(high, low, min(step, maximum), maximum, stops)
    return padded(stops, n)


@kernel((FLOATS_OUT, FLOATS_OUT, FLOATS_OUT))
def _set_directions(plus, minus, strength):  # type: ignore[no-untyped-def]
    """Set both DI and DX where rises, falls and ranges stand. Apart from sums, divisions go several in one step."""
    for t in range(len(plus)):
        rises = plus[t]
        falls = minus[t]
        ranges = strength[t]
        plus[t] = 100.0 * rises / ranges
        minus[t] = 100.0 * falls / ranges
        moved = rises + falls
        strength[t] = 100.0 * abs(rises - falls) / moved if moved > 0.0 else 0.0


@kernel((FLOATS, FLOATS, FLOATS, I64, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT))
def _directions(high, low, close, period, plus, minus, strength):  # type: ignore[no-untyped-def]
    n = len(close)
    plus[: min(period, n)] = np.nan
    minus[: min(period, n)] = np.nan
    strength[: min(period, n)] = np.nan
    rises = falls = ranges = 0.0
    least = np.inf
    for t in range(1, n):
        up = high[t] - high[t - 1]
        down = low[t - 1] - low[t]
        keep = (period - 1.0) / period if t >= period else 1.0
        # Chosen and not branched to: which of the two it is, the processor could only guess.
        rises = rises * keep + (up if (up > down) & (up > 0.0) else 0.0)
        falls = falls * keep + (down if (down > up) & (down > 0.0) else 0.0)
        ranges = ranges * keep + (max(high[t], close[t - 1]) - min(low[t], close[t - 1]))
        if t >= period:
            plus[t] = rises
            minus[t] = falls
            strength[t] = ranges
            least = min(least, ranges)
    # Prices at rest keep their values: so near to zero the sums lose their digits.
    if least > 1e-290:
        _set_directions(plus[period:], minus[period:], strength[period:])
        return
    plus_di = minus_di = dx = 0.0
    for t in range(period, n):
        if strength[t] > 1e-290:
            _set_directions(plus[t : t + 1], minus[t : t + 1], strength[t : t + 1])
            plus_di = plus[t]
            minus_di = minus[t]
            dx = strength[t]
        plus[t] = plus_di
        minus[t] = minus_di
        strength[t] = dx


@kernel((FLOATS, FLOATS, FLOATS, I64, FLOATS_OUT, FLOATS_OUT))
def _supertrend(middle, close, reach, first, line, direction):  # type: ignore[no-untyped-def]
    n = len(close)
    line[: min(first, n)] = np.nan
    direction[: min(first, n)] = np.nan
    if first >= n:
        return
    above = middle[first] + reach[first]
    below = middle[first] - reach[first]
    side = 1.0
    for t in range(first, n):
        if t > first:
            if middle[t] + reach[t] < above or close[t - 1] > above:
                above = middle[t] + reach[t]
            if middle[t] - reach[t] > below or close[t - 1] < below:
                below = middle[t] - reach[t]
            if side > 0.0 and close[t] < below:
                side = -1.0
            elif side < 0.0 and close[t] > above:
                side = 1.0
        line[t] = below if side > 0.0 else above
        direction[t] = side


@kernel((FLOATS, FLOATS, F64, F64, FLOATS_OUT))
def _parabolic_sar(high, low, step, maximum, stops):  # type: ignore[no-untyped-def]
    """A falling trend is a rising one of negated prices, so that one rule serves both."""
    n = len(high)
    stops[: min(1, n)] = np.nan
    if n < 2:
        return
    fall = low[0] - low[1]
    side = -1.0 if fall > 0.0 and fall > high[1] - high[0] else 1.0
    stop = low[0] if side > 0.0 else -high[0]
    extreme = high[1] if side > 0.0 else -low[1]
    speed = step
    for t in range(1, n):
        # The second bar has none before it that belongs to the trend.
        before = max(t - 1, 1)
        near = low[t] if side > 0.0 else -high[t]
        far = high[t] if side > 0.0 else -low[t]
        if near <= stop:
            side = -side
            stop = -extreme
            extreme = -near
            near = -far
            speed = step
            limit = min(near, low[before] if side > 0.0 else -high[before])
            stop = min(stop, limit)
            stops[t] = side * stop
        else:
            stops[t] = side * stop
            limit = min(near, low[before] if side > 0.0 else -high[before])
            if far > extreme:
                extreme = far
                speed = min(speed + step, maximum)
        stop = min(stop + speed * (extreme - stop), limit)
