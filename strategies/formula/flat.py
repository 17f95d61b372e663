"""Bars of several symbols, one behind the other: a computation bar by bar then takes one call for all of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from strategies.bars import Bars, BoolArray, FloatArray, IntArray
from strategies.formula.program import DAY_S, OuterInterval

# So many bars of a few columns stay in a processor's cache from one step to the next.
BARS_AT_ONCE = 40_000
COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a symbol besides its bars. ``market`` is ``stocks``, ``crypto`` or empty."""

    ticker: str = ""
    sector: str = ""
    market: str = ""


@dataclass(eq=False)
class Flat:
    """The bars of several symbols as single columns, as :class:`strategies.bars.Bars` has them: without unknown values.

    Attributes
    ----------
    time : int64, shape (n,)
        Start of each bar in seconds since 1970-01-01 UTC, rising within a symbol.
    columns : dict of str to float64, shape (n,)
        Those of open, high, low, close and volume that are needed.
    edges : int64, shape (n_symbols + 1,)
        Where each symbol begins, and the end of the last one.
    facts : sequence of Facts
        One for each symbol.
    interval_s : int
        How long a bar is, in seconds.
    """

    time: IntArray
    columns: Mapping[str, FloatArray]
    edges: IntArray
    facts: Sequence[Facts]
    interval_s: int = DAY_S
    _outer: dict[str, tuple[Flat, IntArray]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        bars: Sequence[Bars],
        facts: Sequence[Facts] | None = None,
        *,
        interval_s: int = DAY_S,
        columns: Sequence[str] = COLUMNS,
    ) -> Flat:
        """Return the bars of symbols as columns; without facts nothing is known of them."""
        edges = np.concatenate(([0], np.cumsum([len(each) for each in bars], dtype=np.int64)))
        return cls(
            time=_joined([each.time for each in bars]),
            columns={name: _joined([getattr(each, name) for each in bars]) for name in columns},
            edges=edges,
            facts=facts if facts is not None else [Facts()] * len(bars),
            interval_s=interval_s,
        )

    def __len__(self) -> int:
        return len(self.time)

    @property
    def n_symbols(self) -> int:
        return len(self.edges) - 1

    @cached_property
    def place(self) -> IntArray:
        """How many bars of the same symbol stand before each one; int64, shape (n,)."""
        place: IntArray = np.arange(len(self.time)) - self.of_symbols(self.edges[:-1])
        return place

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """The first bar of each symbol and the one behind its last, of those that have bars."""
        pairs = zip(self.edges[:-1].tolist(), self.edges[1:].tolist(), strict=True)
        return [(first, end) for first, end in pairs if first < end]

    @cached_property
    def pieces(self) -> list[Flat]:
        """The same symbols, a few at a time: whole ones of about 40,000 bars together, without copies."""
        symbols = [0]
        for number in range(1, self.n_symbols):
            if self.edges[number + 1] - self.edges[symbols[-1]] > BARS_AT_ONCE:
                symbols.append(number)
        return [self._of_symbols(*pair) for pair in itertools.pairwise([*symbols, self.n_symbols])]

    def _of_symbols(self, first: int, end: int) -> Flat:
        part = slice(int(self.edges[first]), int(self.edges[end]))
        return Flat(
            time=self.time[part],
            columns={name: column[part] for name, column in self.columns.items()},
            edges=self.edges[first : end + 1] - self.edges[first],
            facts=self.facts[first:end],
            interval_s=self.interval_s,
        )

    @cached_property
    def nowhere(self) -> BoolArray:
        """No bar at all; bool, shape (n,)."""
        return np.zeros(len(self.time), dtype=np.bool_)

    def of_symbols(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return one value of each symbol as one of each bar."""
        return np.repeat(values, np.diff(self.edges))

    def outer(self, interval: OuterInterval) -> tuple[Flat, IntArray]:
        """Return the weekly or monthly bars, and for each bar which of them is the last that is over by its end.

        That one is −1 as long as there is none.
        """
        if interval not in self._outer:
            self._outer[interval] = _outer_bars(self, interval)
        return self._outer[interval]


def _joined(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.empty(0)


def _outer_bars(flat: Flat, interval: OuterInterval) -> tuple[Flat, IntArray]:
    keys = _keys(_trading_day(flat, flat.time), interval)
    begins = np.ones(len(flat), dtype=np.bool_)
    begins[1:] = keys[1:] != keys[:-1]
    begins[flat.edges[:-1][np.diff(flat.edges) > 0]] = True
    first = np.flatnonzero(begins)
    number = np.cumsum(begins) - 1
    before = np.concatenate(([0], np.cumsum(begins)))
    outer = Flat(
        time=flat.time[first],
        columns={name: _gathered(name, column, first) for name, column in flat.columns.items()},
        edges=before[flat.edges],
        facts=flat.facts,
        interval_s=flat.interval_s,
    )
    return outer, np.where(
        _is_over(flat, keys, interval), number, np.where(number > flat.of_symbols(outer.edges[:-1]), number - 1, -1)
    )


def _gathered(name: str, column: FloatArray, first: IntArray) -> FloatArray:
    if len(first) == 0:
        return column[:0]
    if name == "open":
        gathered: FloatArray = column[first]
    elif name == "close":
        gathered = column[np.concatenate((first[1:], [len(column)])) - 1]
    else:
        gathered = {"high": np.maximum, "low": np.minimum, "volume": np.add}[name].reduceat(column, first)
    return gathered


def _is_over(flat: Flat, keys: IntArray, interval: OuterInterval) -> BoolArray:
    """Return whether a bar is the last that its week or month can have, as far as its own time and its market tell.

    Whether another bar follows is not looked at: that is the future.
    """
    follows = flat.time + flat.interval_s
    is_over: BoolArray = _keys(_trading_day(flat, follows), interval) != keys
    # Of an exchange it is only known on which days it trades; of an unknown market nothing.
    is_told = [
        facts.market == "crypto" or (facts.market == "stocks" and flat.interval_s == DAY_S) for facts in flat.facts
    ]
    is_over &= flat.of_symbols(np.array(is_told, dtype=np.bool_))
    return is_over


def _trading_day(flat: Flat, time: IntArray) -> IntArray:
    """Return the day that a bar is of, counted from 1970-01-01; a weekend's is the next Monday but for crypto."""
    day = time // DAY_S
    weekday = (day + 3) % 7
    rests = flat.of_symbols(np.array([facts.market != "crypto" for facts in flat.facts], dtype=np.bool_))
    moved: IntArray = day + np.where(rests & (weekday > 4), 7 - weekday, 0)
    return moved


def _keys(day: IntArray, interval: OuterInterval) -> IntArray:
    if interval == "weekly":
        week: IntArray = (day + 3) // 7
        return week
    month: IntArray = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return month
