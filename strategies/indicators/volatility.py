"""Bands and measures of how much a price moves."""

from __future__ import annotations

import math

import numpy as np

from strategies.bars import FloatArray
from strategies.errors import IndicatorError
from strategies.indicators.kernel import F64, FLOATS, FLOATS_OUT, I64, checked_series, kernel


def bollinger(series: FloatArray, period: int, width: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Bollinger bands: a simple average, and lines ``width`` population standard deviations above and below it.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit.
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
        If the period is not a whole number of at least 2 or the width is not a positive number.

    Notes
    -----
    Mean and squared deviations slide along the series (Welford's update in both directions) and are taken afresh every
    512 bars, and at once when they have shrunk ten-thousandfold, so that rounding neither accumulates nor survives a
    spike. Equal to TA-Lib's BBANDS to 1e-9.

    References
    ----------
    J. Bollinger, Bollinger on Bollinger Bands, 2001.
    """
    array = checked_series("bollinger", series, period, low=2)
    is_number = isinstance(width, int | float | np.floating) and not isinstance(width, bool)
    if not (is_number and math.isfinite(width) and width > 0):
        raise IndicatorError(f"bollinger: width must be a positive number; it is {width!r}")
    upper, middle, lower = np.empty(len(array)), np.empty(len(array)), np.empty(len(array))
    _bollinger(array, period, width, upper, middle, lower)
    return upper, middle, lower


@kernel((FLOATS, I64, F64, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT))
def _bollinger(series, period, width, upper, middle, lower):  # type: ignore[no-untyped-def]
    n = len(series)
    undefined = min(period - 1, n)
    upper[:undefined] = np.nan
    middle[:undefined] = np.nan
    lower[:undefined] = np.nan
    mean = 0.0
    squares = 0.0
    largest = 0.0
    age = 512
    share = 1.0 / period
    for t in range(period - 1, n):
        if age < 512:
            new = series[t]
            old = series[t - period]
            before = mean
            mean += (new - old) * share
            squares += (new - old) * (new - mean + old - before)
            if squares > largest:
                largest = squares
            age += 1
        if age >= 512 or squares < 1e-4 * largest:
            mean = 0.0
            for i in range(t - period + 1, t + 1):
                mean += series[i]
            mean *= share
            squares = 0.0
            for i in range(t - period + 1, t + 1):
                squares += (series[i] - mean) ** 2
            largest = squares
            age = 0
        middle[t] = mean
        upper[t] = squares if squares > 0.0 else 0.0
    # The roots apart from the sums: this loop has no memory, so the processor takes several bars at a time.
    for t in range(undefined, n):
        reach = width * np.sqrt(upper[t] * share)
        upper[t] = middle[t] + reach
        lower[t] = middle[t] - reach
