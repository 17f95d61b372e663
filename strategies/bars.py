"""Bars in, signals out: the two values that every strategy works with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from strategies.errors import BarsError, SignalsError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Scalar = TypeVar("Scalar", bound=np.generic)

BOOL, FLOAT = np.dtype(np.bool_), np.dtype(np.float64)
PRICE_FIELDS = ("open", "high", "low", "close")
# Beyond these no figure of money has a finite square, and one absurd price would make a market's average infinite.
LEAST_PRICE, LARGEST_PRICE = 1e-30, 1e30
LARGEST_VOLUME = 1e30


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """One symbol's bars, oldest first. All arrays are one-dimensional, C-contiguous, read-only and of one length.

    Build it with :meth:`Bars.of`, which checks; the constructor itself trusts its caller.

    Attributes
    ----------
    time : int64, shape (n,)
        Start of each bar in seconds since 1970-01-01 UTC, strictly increasing.
    open, high, low, close : float64, shape (n,)
        Prices in the quote currency, from 1e-30 to 1e30, ``low <= open, close <= high``.
    volume : float64, shape (n,)
        Units traded, from 0 to 1e30.
    """

    time: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    @classmethod
    def of(
        cls,
        *,
        time: Sequence[int] | IntArray,
        open: Sequence[float] | FloatArray,  # noqa: A002 - the trade's own word
        high: Sequence[float] | FloatArray,
        low: Sequence[float] | FloatArray,
        close: Sequence[float] | FloatArray,
        volume: Sequence[float] | FloatArray,
    ) -> Bars:
        """Copy the arrays, check them and return bars.

        Raises
        ------
        BarsError
            If lengths differ, times do not strictly increase or are no whole numbers, a value is missing or infinite, a
            price is not from 1e-30 to 1e30, a volume not from 0 to 1e30, or open or close lie outside ``[low, high]``.
            The message names the field and the bar.
        """
        columns = {"open": open, "high": high, "low": low, "close": close, "volume": volume}
        bars = cls(_column("time", time, np.int64), *(_column(name, columns[name], np.float64) for name in columns))
        _check(bars)
        return bars

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, part: slice) -> Bars:
        """Return the bars of a slice with step 1, without a copy."""
        if not isinstance(part, slice) or part.step not in {None, 1}:
            raise BarsError(f"bars are cut by a slice of step 1, not by {part!r}")
        return Bars(*(getattr(self, field.name)[part] for field in fields(self)))

    def between(self, start_s: int | None, end_s: int | None) -> Bars:
        """Return the bars that start at or after ``start_s`` and before ``end_s`` (seconds, UTC; None is no bound)."""
        if start_s is None and end_s is None:
            return self
        first = 0 if start_s is None else int(np.searchsorted(self.time, start_s, side="left"))
        last = len(self) if end_s is None else int(np.searchsorted(self.time, end_s, side="left"))
        return self[first : max(first, last)]


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """When a strategy wants in and out, decided on the close of each bar.

    Attributes
    ----------
    entry, exit : bool, shape (n,)
        True on the bars on whose close the rule says to enter or to leave.
    short_entry, short_exit : bool, shape (n,), or None
        The same for a short position. None mirrors the long side: a short position is entered where a long one would be
        left, and left where a long one would be entered.
    stop, target : float64, shape (n,), or None
        Prices, as of the close of each bar. The ones of the bar whose signal a position is entered on are its own until
        it is left: at the stop or worse, at the target or better. NaN is none.
    """

    entry: BoolArray
    exit: BoolArray
    short_entry: BoolArray | None = None
    short_exit: BoolArray | None = None
    stop: FloatArray | None = None
    target: FloatArray | None = None

    def __getitem__(self, part: slice) -> Signals:
        """Return the signals of a slice of the bars, without a copy."""
        own = (getattr(self, field.name) for field in fields(self))
        return Signals(*(None if array is None else array[part] for array in own))  # type: ignore[arg-type]

    def checked(self, bars: Bars) -> Signals:
        """Return these signals, or raise SignalsError if they do not fit the bars."""
        wanted = (len(bars.time),)
        _fits("entry", self.entry, wanted)
        _fits("exit", self.exit, wanted)
        if self.short_entry is not None:
            _fits("short_entry", self.short_entry, wanted)
        if self.short_exit is not None:
            _fits("short_exit", self.short_exit, wanted)
        if self.stop is not None:
            _fits("stop", self.stop, wanted, FLOAT)
        if self.target is not None:
            _fits("target", self.target, wanted, FLOAT)
        return self


def _fits(name: str, array: object, wanted: tuple[int], kind: np.dtype[Any] = BOOL) -> None:
    if type(array) is not np.ndarray or array.dtype is not kind or array.shape != wanted:
        shape = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise SignalsError(f"{name} must be {kind} of shape ({wanted[0]},); the strategy returned {shape}")


def _column(name: str, values: object, dtype: type[Scalar]) -> npt.NDArray[Scalar]:
    # A plain cast would cut fractions of a second, and take a date's own unit, such as nanoseconds, for seconds.
    is_time = dtype is np.int64
    try:
        given = np.asarray(values)
        casting: Literal["same_kind", "unsafe"] = "same_kind" if is_time and given.size else "unsafe"
        column: npt.NDArray[Scalar] = given.astype(dtype, order="C", casting=casting)
    except (TypeError, ValueError, OverflowError) as error:
        raise BarsError(f"{name} must hold {'whole ' if is_time else ''}numbers: {error}") from error
    if column.ndim != 1:
        raise BarsError(f"{name} must have one dimension; it has {column.ndim}")
    column.flags.writeable = False
    return column


def _check(bars: Bars) -> None:
    for name in (*PRICE_FIELDS, "volume"):
        column: FloatArray = getattr(bars, name)
        if len(column) != len(bars.time):
            raise BarsError(f"{name} has {len(column)} values, time has {len(bars.time)}")
        _refuse(~np.isfinite(column), name, "must be finite")
        least, largest = (0.0, LARGEST_VOLUME) if name == "volume" else (LEAST_PRICE, LARGEST_PRICE)
        _refuse((column < least) | (column > largest), name, f"must be from {least:g} to {largest:g}")
    _refuse(np.concatenate(([False], np.diff(bars.time) <= 0)) if len(bars) else np.zeros(0, bool), "time", "must rise")
    _refuse(bars.low > bars.high, "low", "must not be above high")
    for name in ("open", "close"):
        column = getattr(bars, name)
        _refuse((column < bars.low) | (column > bars.high), name, "must lie between low and high")


def _refuse(bad: BoolArray, name: str, rule: str) -> None:
    if bad.any():
        raise BarsError(f"{name} {rule}; bar {int(np.argmax(bad))} breaks this ({int(bad.sum())} of {len(bad)} bars)")
