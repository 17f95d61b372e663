from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.errors import ParameterError
from strategies.indicators import crossed_above, crossed_below, macd
from strategies.params import Int


class Macd(Strategy):
    """Buy when the MACD line crosses above its signal line, sell when it crosses below.

    Source: G. Appel, The Moving Average Convergence-Divergence Trading Method, 1979.
    """

    key = "macd"
    label = "MACD cross"

    fast = Int(12, low=2, high=200, help="Period of the fast exponential average")
    slow = Int(26, low=3, high=400, help="Period of the slow exponential average")
    signal = Int(9, low=2, high=200, help="Period of the exponential average of the line")

    def check(self) -> None:
        if self.fast >= self.slow:
            raise ParameterError("fast", f"must be smaller than slow; {self.fast} is not below {self.slow}")

    @property
    def warmup(self) -> int:
        return self.slow + self.signal - 1

    def signals(self, bars: Bars) -> Signals:
        line, signal, _ = macd(bars.close, self.fast, self.slow, self.signal)
        return Signals(entry=crossed_above(line, signal), exit=crossed_below(line, signal))
