"""A series as it stood some bars before: how a rule looks at earlier bars without its own."""

from __future__ import annotations

import numpy as np

from strategies.bars import FloatArray
from strategies.errors import IndicatorError
from strategies.indicators.arguments import checked_period, padded


def shifted(series: FloatArray, period: int) -> FloatArray:
    """Return the value of ``period`` bars before: ``shifted[t] = series[t - period]``.

    Parameters
    ----------
    series : float64, shape (n,)
        In any unit; NaN anywhere stays NaN.
    period : int
        Bars, at least 0.

    Returns
    -------
    float64, shape (n,)
        In the unit of ``series``; NaN before index ``period``.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 0, or the series has more than one dimension.
    """
    period = checked_period("shifted", period, low=0)
    array = np.array(series, dtype=np.float64)
    if array.ndim != 1:
        raise IndicatorError(f"shifted: the series must have one dimension; it has {array.ndim}")
    return padded(array[: max(len(array) - period, 0)], len(array))
