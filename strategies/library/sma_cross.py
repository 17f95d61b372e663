from collections.abc import Sequence

import numpy as np

from strategies.bars import Bars, Signals
from strategies.errors import ParameterError
from strategies.indicators import sma
from strategies.indicators.averages import _sma
from strategies.indicators.crosses import _cross_both
from strategies.indicators.kernel import kernel
from strategies.lines import Line, LineCross
from strategies.params import Int
from strategies.together import of_closes, signals_together


class SmaCross(LineCross):
    """Hold while the fast moving average is above the slow one: enter on the cross up, exit on the cross down.

    Source: the two-average system of R. Donchian's trend letters; W. Brock, J. Lakonishok and B. LeBaron,
    Simple Technical Trading Rules and the Stochastic Properties of Stock Returns, Journal of Finance 47, 1992.
    """

    key = "sma-cross"
    label = "Moving-average cross"

    fast = Int(20, low=2, high=200, help="Bars in the fast average")
    slow = Int(50, low=3, high=400, help="Bars in the slow average")

    def check(self) -> None:
        if self.fast >= self.slow:
            raise ParameterError("fast", f"must be smaller than slow; {self.fast} is not below {self.slow}")

    @property
    def warmup(self) -> int:
        return self.slow

    def lines(self) -> tuple[Line, Line]:
        return Line(sma, "close", (self.fast,)), Line(sma, "close", (self.slow,))

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        return signals_together(_average_crosses, bars, (self.fast, self.slow))


@kernel(of_closes(2))
def _average_crosses(n_symbols, closes, fast, slow, entry, exit_):  # type: ignore[no-untyped-def]
    start = 0
    for i in range(n_symbols):
        close = closes[i]
        end = start + len(close)
        first, second = np.empty(len(close)), np.empty(len(close))
        _sma(close, int(fast), first)
        _sma(close, int(slow), second)
        _cross_both(first, second, entry[start:end], exit_[start:end])
        start = end
