"""The rules that a row must meet to become a bar, applied to all rows of a file at once.

1. ``judge`` finds duplicates, wrong order and values that no bar can have, and says which rows remain.
2. ``series_of`` cuts the remaining rows into each symbol's bars.
What can only be seen by comparing bars with each other is in history.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtests.prices.findings import Action, Finding, found, number_text
from strategies.bars import (
    LARGEST_PRICE,
    LARGEST_VOLUME,
    LEAST_PRICE,
    PRICE_FIELDS,
    Bars,
    BoolArray,
    FloatArray,
    IntArray,
)

VALUES = (*PRICE_FIELDS, "volume")
BAD_TICK = 0.2  # an open or close this far outside the bar's range is no rounding


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A file's rows as columns, sorted by symbol and time; rows of the same time stay as they were in the file.

    Attributes
    ----------
    tickers : tuple of str
        All symbols, sorted.
    code : int64, shape (n,)
        Index of each row's symbol in ``tickers``.
    time : int64, shape (n,)
        Seconds since 1970-01-01 UTC.
    values : dict of float64, shape (n,)
        open, high, low, close and volume; NaN where missing.
    is_late : bool, shape (n,)
        True for rows that stood in the file behind a later row of their symbol.
    """

    tickers: tuple[str, ...]
    code: npt.NDArray[np.int64]
    time: IntArray
    values: dict[str, FloatArray]
    is_late: BoolArray

    def __len__(self) -> int:
        return len(self.time)

    def where(self, keep: BoolArray) -> Rows:
        """Return the rows that are kept."""
        values = {name: column[keep] for name, column in self.values.items()}
        return Rows(self.tickers, self.code[keep], self.time[keep], values, self.is_late[keep])

    def ticker(self, row: int) -> str:
        return self.tickers[int(self.code[row])]

    def edges(self) -> IntArray:
        """Return where each symbol's rows begin, and the number of rows; shape (number of symbols + 1,)."""
        return np.searchsorted(self.code, np.arange(len(self.tickers) + 1)).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """Which rows remain, how many were dropped, merged and sorted, and why."""

    is_kept: BoolArray
    findings: tuple[Finding, ...]
    n_dropped: int
    n_merged: int
    n_sorted: int


def judge(rows: Rows) -> Verdict:
    """Apply every rule that looks at one row, or at rows of the same symbol and time."""
    is_copy, is_conflicting = _duplicates(rows)
    broken = {"duplicate-conflict": is_conflicting, **_broken_rules(rows)}
    is_dropped = np.logical_or.reduce(list(broken.values()))
    is_copy &= ~is_dropped
    findings: list[Finding] = []
    for kind, is_broken in broken.items():
        detail = DETAILS[kind]
        for row in np.flatnonzero(is_broken).tolist():
            findings.append(found(kind, symbol=rows.ticker(row), time=int(rows.time[row]), detail=detail(rows, row)))
    findings += _copies(rows, is_copy)
    findings += _late(rows, rows.is_late & ~is_dropped & ~is_copy)
    findings += _zero_volumes(rows, is_dropped, (rows.values["volume"] == 0) & ~is_copy)
    findings += _empty(rows, is_dropped)
    n_sorted = int((rows.is_late & ~is_dropped & ~is_copy).sum())
    return Verdict(~is_dropped & ~is_copy, tuple(findings), int(is_dropped.sum()), int(is_copy.sum()), n_sorted)


def series_of(rows: Rows) -> Iterator[tuple[str, Bars]]:
    """Yield each symbol that has rows, with its bars, which ``Bars.of`` checks once more."""
    edges = rows.edges().tolist()
    for ticker, first, last in zip(rows.tickers, edges, edges[1:], strict=False):
        if first < last:
            part = {name: column[first:last] for name, column in rows.values.items()}
            yield ticker, Bars.of(time=rows.time[first:last], **part)


def _duplicates(rows: Rows) -> tuple[BoolArray, BoolArray]:
    """Return which rows repeat the row before them exactly, and which share a time but not their values."""
    is_again = np.zeros(len(rows), bool)
    is_again[1:] = (rows.code[1:] == rows.code[:-1]) & (rows.time[1:] == rows.time[:-1])
    if not is_again.any():
        return is_again, is_again.copy()
    differs = np.zeros(len(rows), bool)
    for column in rows.values.values():
        same = (column[1:] == column[:-1]) | (np.isnan(column[1:]) & np.isnan(column[:-1]))
        differs[1:] |= ~same
    group = np.cumsum(~is_again) - 1
    has_conflict = np.bincount(group, weights=is_again & differs) > 0
    is_conflicting = has_conflict[group]
    return is_again & ~is_conflicting, is_conflicting


def _broken_rules(rows: Rows) -> dict[str, BoolArray]:
    prices = [rows.values[name] for name in PRICE_FIELDS]
    open_, high, low, close = prices
    # Comparing with a missing value is False: such a row is only "missing", and not outside of anything.
    return {
        "value-missing": ~np.logical_and.reduce([np.isfinite(column) for column in rows.values.values()]),
        "price-not-positive": np.logical_or.reduce([column <= 0 for column in prices]),
        "volume-negative": rows.values["volume"] < 0,
        "value-absurd": np.logical_or.reduce([_is_absurd(rows, name) for name in VALUES]),
        "high-below-low": high < low,
        "open-outside": (open_ < low) | (open_ > high),
        "close-outside": (close < low) | (close > high),
    }


def _is_absurd(rows: Rows, name: str) -> BoolArray:
    """Return where a value is finite, and positive as it must be, but beyond what ``Bars`` takes."""
    column = rows.values[name]
    if name == "volume":
        return (column > LARGEST_VOLUME) & np.isfinite(column)
    return (column > 0) & ((column < LEAST_PRICE) | (column > LARGEST_PRICE)) & np.isfinite(column)


def _text(rows: Rows, row: int, *names: str) -> str:
    return ", ".join(f"{name} {number_text(rows.values[name][row])}" for name in names)


def _outside(name: str) -> Callable[[Rows, int], str]:
    def detail(rows: Rows, row: int) -> str:
        value, low, high = (float(rows.values[column][row]) for column in (name, "low", "high"))
        text = f"{name} {number_text(value)} outside {number_text(low)} to {number_text(high)}"
        bound, word = (low, "below the low") if value < low else (high, "above the high")
        far = abs(value / bound - 1) if bound > 0 else 0.0
        return f"{text}: {far:.0%} {word}, a bad tick" if far > BAD_TICK else text

    return detail


DETAILS: dict[str, Callable[[Rows, int], str]] = {
    "duplicate-conflict": lambda rows, row: _text(rows, row, *VALUES),
    "value-missing": lambda rows, row: (
        "no " + ", ".join(name for name in VALUES if not np.isfinite(rows.values[name][row]))
    ),
    "price-not-positive": lambda rows, row: _text(rows, row, *(n for n in PRICE_FIELDS if rows.values[n][row] <= 0)),
    "volume-negative": lambda rows, row: _text(rows, row, "volume"),
    "value-absurd": lambda rows, row: _text(rows, row, *(name for name in VALUES if _is_absurd(rows, name)[row])),
    "high-below-low": lambda rows, row: _text(rows, row, "high", "low"),
    "open-outside": _outside("open"),
    "close-outside": _outside("close"),
}


def _copies(rows: Rows, is_copy: BoolArray) -> list[Finding]:
    return [
        found("duplicate-exact", symbol=rows.ticker(row), time=int(rows.time[row]), detail="merged with its original")
        for row in np.flatnonzero(is_copy).tolist()
    ]


def _late(rows: Rows, is_late: BoolArray) -> list[Finding]:
    codes, counts = np.unique(rows.code[is_late], return_counts=True)
    return [
        found("out-of-order", symbol=rows.tickers[code], detail=f"{count:,} rows stood behind later ones", n_rows=count)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
    ]


def _zero_volumes(rows: Rows, is_dropped: BoolArray, is_zero: BoolArray) -> Iterator[Finding]:
    for row in np.flatnonzero(is_zero).tolist():
        action: Action = "dropped" if is_dropped[row] else "noted"
        detail = "dropped for another reason" if is_dropped[row] else ""
        yield Finding("volume-zero", action, rows.ticker(row), int(rows.time[row]), detail)


def _empty(rows: Rows, is_dropped: BoolArray) -> list[Finding]:
    lengths = np.bincount(rows.code[~is_dropped], minlength=len(rows.tickers))
    return [found("symbol-empty", symbol=rows.tickers[code], n_rows=0) for code in np.flatnonzero(lengths == 0)]
