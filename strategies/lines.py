"""Strategies that hold while one line is above another: they say only which two lines."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from strategies.bars import Bars, FloatArray, Signals
from strategies.base import Strategy
from strategies.indicators import crosses


@dataclass(frozen=True, slots=True)
class Line:
    """An indicator of one column of bars with its arguments, before there are bars.

    Two equal lines are one and the same on every symbol: many parameter sets of a strategy need few different lines.
    """

    indicator: Callable[..., FloatArray]
    column: Literal["open", "high", "low", "close", "volume"]
    arguments: tuple[int | float, ...]

    def of(self, bars: Bars) -> FloatArray:
        """Return the line on these bars."""
        return self.indicator(getattr(bars, self.column), *self.arguments)


class LineCross(Strategy):
    """Enter when the first of two lines crosses above the second, leave when it crosses below."""

    @abstractmethod
    def lines(self) -> tuple[Line, Line]:
        """Return the two lines."""

    def signals(self, bars: Bars) -> Signals:
        first, second = self.lines()
        above, below = crosses(first.of(bars), second.of(bars))
        return Signals(entry=above, exit=below)
