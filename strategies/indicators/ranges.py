"""Parts of a bar that several indicators are made of."""

from __future__ import annotations

import numpy as np

from strategies.bars import FloatArray
from strategies.indicators.averages import wilder
from strategies.indicators.windows import window_highs, window_lows


def typical_price(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    """Return ``(high + low + close) / 3`` of each bar."""
    return (high + low + close) / 3.0


def ranges_of(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    """Return the true range of each bar but the first: ``max(high, close before) - min(low, close before)``."""
    before = close[:-1]
    return np.maximum(high[1:], before) - np.minimum(low[1:], before)


def average_range(high: FloatArray, low: FloatArray, close: FloatArray, period: int) -> FloatArray:
    """Return Wilder's average of the true range, for each bar but the first; NaN before index ``period - 1`` of it."""
    return wilder(ranges_of(high, low, close), period)


def middle_of(high: FloatArray, low: FloatArray, period: int) -> FloatArray:
    """Return the middle between highest high and lowest low; NaN before index ``period - 1``."""
    return (window_highs(high, period) + window_lows(low, period)) / 2.0
