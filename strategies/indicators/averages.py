"""Averages of prices."""

from __future__ import annotations

import numpy as np

from strategies.bars import FloatArray
from strategies.indicators.kernel import FLOATS, FLOATS_OUT, I64, checked_series, kernel


def sma(series: FloatArray, period: int) -> FloatArray:
    """Simple moving average: the mean of the last ``period`` values.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit.
    period : int
        Bars in the window, at least 1.

    Returns
    -------
    float64, shape (n,)
        In the unit of ``series``; NaN before index ``period - 1``.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 1.

    Notes
    -----
    The sum slides along the series and is taken afresh every 512 bars, and at once when it has shrunk ten-thousandfold,
    so that rounding neither accumulates nor survives a spike. Equal to TA-Lib's SMA to 1e-9.
    """
    array = checked_series("sma", series, period)
    average = np.empty(len(array))
    _sma(array, period, average)
    return average


@kernel((FLOATS, I64, FLOATS_OUT))
def _sma(series, period, average):  # type: ignore[no-untyped-def]
    n = len(series)
    average[: min(period - 1, n)] = np.nan
    total = 0.0
    largest = 0.0
    size = 0.0
    age = 512
    share = 1.0 / period
    for t in range(period - 1, n):
        if age < 512:
            total += series[t] - series[t - period]
            size = abs(total)
            if size > largest:
                largest = size
            age += 1
        if age >= 512 or size < 1e-4 * largest:
            total = 0.0
            for i in range(t - period + 1, t + 1):
                total += series[i]
            largest = abs(total)
            age = 0
        average[t] = total * share
