"""The checks of arguments that every indicator shares, and the way back to the length of what was given.

An input may start with NaN, as the result of another indicator does: such bars are cut off before the computation and
put back, as NaN, in front of its result. Anything else that is not finite is refused.
"""

from __future__ import annotations

import math

import numpy as np

from strategies.bars import FloatArray
from strategies.errors import IndicatorError
from strategies.indicators.kernel import F64, FLOATS, kernel

# Beyond any history; a larger one is a slip, and must not wait for the kernel to overflow.
LONGEST_PERIOD = 10_000_000

# Products of two values that are larger would leave what a float can hold, and so would sums of their squares.
LARGEST_VALUE = 1e100

FLOAT64 = np.dtype(np.float64)


def checked_period(name: str, period: int, *, low: int = 1, argument: str = "period") -> int:
    """Return ``period`` as an int, or raise IndicatorError, which names the indicator and the argument."""
    if type(period) is int and low <= period <= LONGEST_PERIOD:
        return period
    if isinstance(period, bool) or not isinstance(period, int | np.integer) or period < low:
        raise IndicatorError(f"{name}: {argument} must be a whole number of at least {low}; it is {period!r}")
    if period > LONGEST_PERIOD:
        raise IndicatorError(f"{name}: {argument} must be at most {LONGEST_PERIOD:,}; it is {period!r}")
    return int(period)


def checked_factor(name: str, argument: str, value: float) -> float:
    """Return ``value`` as a positive, finite float, or raise IndicatorError."""
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not (is_number and math.isfinite(value) and value > 0):
        raise IndicatorError(f"{name}: {argument} must be a positive number; it is {value!r}")
    return float(value)


def checked_share(name: str, argument: str, value: float) -> float:
    """Return ``value`` as a float from 0 to 1, or raise IndicatorError."""
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not (is_number and 0 <= value <= 1):
        raise IndicatorError(f"{name}: {argument} must be a number from 0 to 1; it is {value!r}")
    return float(value)


def checked_inputs(name: str, **inputs: FloatArray) -> tuple[int, list[FloatArray]]:
    """Return the length of the inputs, and the inputs from the first bar on which all of them are defined.

    Parameters
    ----------
    name : str
        The indicator, for messages.
    **inputs : float64, shape (n,) each
        Finite values, up to 1e100 in size, after any number of leading NaN. ``low`` must not be above ``high``, nor
        ``volume`` negative.

    Returns
    -------
    n : int
    inputs : list of float64, shape (m,) each, m <= n
        C-contiguous views or copies, in the given order.

    Raises
    ------
    IndicatorError
        If an input holds no numbers, has more than one dimension or another length, or if one of its values is none
        that it can have. The message names the input.
    """
    columns = [_column(name, argument, values) for argument, values in inputs.items()]
    n = len(columns[0])
    for column in columns:
        if len(column) != n:
            told = ", ".join(f"{argument} {len(values)}" for argument, values in zip(inputs, columns, strict=True))
            raise IndicatorError(f"{name}: the inputs must have one length; they have {told}")
    first = max([_first_defined(name, argument, column) for argument, column in zip(inputs, columns, strict=True)])
    if first:
        columns = [column[first:] for column in columns]
    cut = dict(zip(inputs, columns, strict=True))
    if "low" in cut and "high" in cut:
        _refuse(name, "low", "must not be above high", cut["low"] > cut["high"], first)
    if "volume" in cut:
        _refuse(name, "volume", "must not be negative", cut["volume"] < 0, first)
    return n, columns


def checked_series(name: str, series: FloatArray) -> tuple[int, FloatArray]:
    """Return the length of the one input, and the input from its first defined bar, as :func:`checked_inputs` does."""
    column = _column(name, "series", series)
    first = _first_defined(name, "series", column)
    return len(column), column[first:] if first else column


def checked_positive(name: str, n: int, **inputs: FloatArray) -> None:
    """Raise IndicatorError if a value of an input, as ``checked_inputs`` returned it, is not above zero."""
    for argument, values in inputs.items():
        _refuse(name, argument, "must be above zero", values <= 0, n - len(values))


def padded(values: FloatArray, n: int) -> FloatArray:
    """Return ``values`` behind as many NaN as make n of them all."""
    if len(values) == n:
        return values
    whole = np.empty(n)
    whole[: n - len(values)] = np.nan
    whole[n - len(values) :] = values
    return whole


def ratio(part: FloatArray, whole: FloatArray, otherwise: float = 0.0) -> FloatArray:
    """Return ``part / whole``, and ``otherwise`` where the whole is zero; NaN stays NaN."""
    quotient = np.full(len(whole), otherwise)
    # NaN is not equal to zero, so that what is undefined is divided and stays so.
    np.divide(part, whole, out=quotient, where=whole != 0)
    return quotient


def _column(name: str, argument: str, values: FloatArray) -> FloatArray:
    if type(values) is np.ndarray and values.dtype is FLOAT64 and values.ndim == 1 and values.flags.c_contiguous:
        return values
    if type(values) is not np.ndarray or values.dtype != FLOAT64:
        try:
            given = np.asarray(values)
        except ValueError as error:
            raise IndicatorError(f"{name}: {_called(argument)} must hold numbers: {error}") from error
        # Of none, NumPy makes floats; of words, dates and anything else it would make numbers that mean nothing.
        if given.dtype.kind not in "iuf":
            raise IndicatorError(f"{name}: {_called(argument)} must hold numbers; it holds {given.dtype}")
        values = given.astype(np.float64)
    if values.ndim != 1:
        raise IndicatorError(f"{name}: {_called(argument)} must have one dimension; it has {values.ndim}")
    return np.ascontiguousarray(values)


def _called(argument: str) -> str:
    return "the series" if argument == "series" else argument


def _first_defined(name: str, argument: str, column: FloatArray) -> int:
    if _count_unusable(column, LARGEST_VALUE) == 0:
        return 0
    is_missing = np.isnan(column)
    first = len(column) if is_missing.all() else int(np.argmin(is_missing))
    is_usable = np.abs(column[first:]) <= LARGEST_VALUE
    if not is_usable.all():
        bar = first + int(np.argmin(is_usable))
        rule = f"at most {LARGEST_VALUE:g} in size" if math.isfinite(column[bar]) else "finite"
        raise IndicatorError(f"{name}: {_called(argument)} must be {rule}; it is {column[bar]} on bar {bar}")
    return first


def _refuse(name: str, argument: str, rule: str, bad: np.ndarray, first: int) -> None:
    if np.count_nonzero(bad):
        raise IndicatorError(f"{name}: {_called(argument)} {rule}; bar {first + int(np.argmax(bad))} breaks this")


@kernel((FLOATS, F64))
def _count_unusable(series, largest):  # type: ignore[no-untyped-def]
    n_unusable = 0
    for t in range(len(series)):
        # Of NaN, too, it is not true that it is small enough.
        n_unusable += not abs(series[t]) <= largest
    return n_unusable
