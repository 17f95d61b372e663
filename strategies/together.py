"""Signals of many symbols in one call of a kernel.

A call from Python takes about as long as a kernel needs for a few hundred bars, and two threads get in each other's way
at every one. A strategy of closes may say what it does a second time, as a kernel, and its ``signals_all`` then takes
the symbols 16 at a time. ``signals`` stays the definition: the conformance suite compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numba import types

from strategies.bars import Bars, Signals
from strategies.indicators.kernel import BOOLS_OUT, F64, FLOATS, I64, Kernel

TOGETHER = 16

Item = TypeVar("Item")


def many(kind: Any) -> Any:
    """Return the type of 16 arrays of a kind, one of each symbol."""
    return types.UniTuple(kind, TOGETHER)  # type: ignore[no-untyped-call]


def of_closes(n_numbers: int) -> tuple[Any, ...]:
    """Return the signature of a kernel for :func:`signals_together` that takes so many numbers."""
    return (I64, many(FLOATS), *(F64,) * n_numbers, BOOLS_OUT, BOOLS_OUT)


def filled(items: Sequence[Item]) -> tuple[Item, ...]:
    """Return up to 16 items as exactly 16: the first one stands for what is missing, and nothing looks at it."""
    return (*items, *(items[0],) * (TOGETHER - len(items)))


def signals_together(of_all: Kernel, bars: Sequence[Bars], numbers: tuple[float, ...]) -> list[Signals]:
    """Return the signals of every symbol.

    Parameters
    ----------
    of_all : kernel ``(n_symbols, closes, *numbers, entry, exit)``
        Sets every flag of the first ``n_symbols`` of 16 symbols, whose flags lie one behind the other.
    bars : sequence of Bars
    numbers : tuple of float
        What the kernel needs of the strategy's parameters.
    """
    made: list[Signals] = []
    for first in range(0, len(bars), TOGETHER):
        closes = [each.close for each in bars[first : first + TOGETHER]]
        ends = np.cumsum([len(close) for close in closes]).tolist()
        entry, exit_ = np.empty(ends[-1], dtype=np.bool_), np.empty(ends[-1], dtype=np.bool_)
        of_all(len(closes), filled(closes), *numbers, entry, exit_)
        start = 0
        for end in ends:
            made.append(Signals(entry[start:end], exit_[start:end]))
            start = end
    return made
