"""Where one series crosses another."""

from __future__ import annotations

import math

import numpy as np

from strategies.bars import BoolArray, FloatArray
from strategies.errors import IndicatorError
from strategies.indicators.kernel import BOOLS_OUT, F64, FLOATS, kernel

# Two values that differ by less than this share of the second one are equal but for rounding: averages of prices meet
# exactly now and then, and a sliding sum that is off by its last digit would make a cross of it.
TIE = 1e-12


def crossed_above(series: FloatArray, other: FloatArray | float) -> BoolArray:
    """Return True where ``series`` is above ``other`` and on the bar before it was not.

    ``above[t] = series[t] > other[t] and series[t-1] <= other[t-1]``, all four defined; False on the first bar.
    Values within a millionth of a millionth of each other (``TIE``) are equal: one is not above the other.

    Parameters
    ----------
    series : float64, shape (n,)
    other : float64, shape (n,), or a number
        In the unit of ``series``; a number must be finite.

    Returns
    -------
    bool, shape (n,)

    Raises
    ------
    IndicatorError
        If the lengths differ, a series has more than one dimension, or ``other`` is neither series nor finite number.
    """
    return _crossed(series, other, 1.0)


def crossed_below(series: FloatArray, other: FloatArray | float) -> BoolArray:
    """Return True where ``series`` is below ``other`` and on the bar before it was not.

    ``below[t] = series[t] < other[t] and series[t-1] >= other[t-1]``, all four defined; False on the first bar.

    Parameters, returned array and errors are those of :func:`crossed_above`.
    """
    return _crossed(series, other, -1.0)


def crosses(series: FloatArray, other: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Return both :func:`crossed_above` and :func:`crossed_below` of two series, in one pass over them."""
    first, second = (np.ascontiguousarray(each, dtype=np.float64) for each in (series, other))
    if first.ndim != 1 or first.shape != second.shape:
        raise IndicatorError(f"a cross needs two series of one length; they have {first.shape} and {second.shape}")
    above, below = np.empty(len(first), dtype=np.bool_), np.empty(len(first), dtype=np.bool_)
    _cross_both(first, second, above, below)
    return above, below


def _crossed(series: FloatArray, other: FloatArray | float, sign: float) -> BoolArray:
    array = np.ascontiguousarray(series, dtype=np.float64)
    if array.ndim != 1:
        raise IndicatorError(f"a cross needs series of one dimension; it has {array.ndim}")
    crossed = np.empty(len(array), dtype=np.bool_)
    if isinstance(other, np.ndarray):
        if other.shape != array.shape:
            raise IndicatorError(f"a cross needs two series of one length; they have {array.shape} and {other.shape}")
        _cross_series(array, np.ascontiguousarray(other, dtype=np.float64), sign, crossed)
    elif type(other) is float or isinstance(other, int | float | np.integer | np.floating):
        level = float(other)
        if not math.isfinite(level):
            raise IndicatorError(f"a cross needs a level that is finite; it is {level}")
        _cross_level(array, level, sign, crossed)
    else:
        raise IndicatorError(f"a cross needs a series or a number; it got {other!r}")
    return crossed


@kernel((FLOATS, FLOATS, F64, BOOLS_OUT), borrows=True)
def _cross_series(series, other, sign, crossed):  # type: ignore[no-untyped-def]
    if len(series) > 0:
        crossed[0] = False
    for t in range(1, len(series)):
        # A comparison with NaN is false, so that an undefined value never crosses.
        is_beyond = sign * (series[t] - other[t]) > TIE * abs(other[t])
        crossed[t] = is_beyond & (sign * (series[t - 1] - other[t - 1]) <= TIE * abs(other[t - 1]))


@kernel((FLOATS, FLOATS, BOOLS_OUT, BOOLS_OUT), borrows=True)
def _cross_both(series, other, above, below):  # type: ignore[no-untyped-def]
    if len(series) > 0:
        above[0] = below[0] = False
    for t in range(1, len(series)):
        before = series[t - 1] - other[t - 1]
        now = series[t] - other[t]
        tie_before = TIE * abs(other[t - 1])
        tie = TIE * abs(other[t])
        above[t] = (now > tie) & (before <= tie_before)
        below[t] = (now < -tie) & (before >= -tie_before)


@kernel((FLOATS, F64, F64, BOOLS_OUT), borrows=True)
def _cross_level(series, level, sign, crossed):  # type: ignore[no-untyped-def]
    if len(series) > 0:
        crossed[0] = False
    bound = sign * level + TIE * abs(level)
    for t in range(1, len(series)):
        crossed[t] = (sign * series[t] > bound) & (sign * series[t - 1] <= bound)
