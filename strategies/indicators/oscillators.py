"""Oscillators: momentum on a bounded scale."""

from __future__ import annotations

import numpy as np

from strategies.bars import FloatArray
from strategies.indicators.kernel import FLOATS, FLOATS_OUT, I64, checked_series, kernel


def rsi(series: FloatArray, period: int) -> FloatArray:
    """Relative strength index after Wilder: ``100 * gain / (gain + loss)`` of smoothed changes.

    The first averages are the means of the first ``period`` changes; afterwards each is
    ``(previous * (period - 1) + change) / period``.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit.
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
        If the period is not a whole number of at least 2.

    References
    ----------
    J. Welles Wilder, New Concepts in Technical Trading Systems, 1978, section VI.
    """
    array = checked_series("rsi", series, period, low=2)
    strength = np.empty(len(array))
    _rsi(array, period, strength)
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
