from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.errors import ParameterError
from strategies.indicators import crossed_above, crossed_below, sma
from strategies.params import Int


class SmaCross(Strategy):
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

    def signals(self, bars: Bars) -> Signals:
        fast, slow = sma(bars.close, self.fast), sma(bars.close, self.slow)
        return Signals(entry=crossed_above(fast, slow), exit=crossed_below(fast, slow))
