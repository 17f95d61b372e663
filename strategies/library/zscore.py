from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.errors import ParameterError
from strategies.indicators import crossed_above, crossed_below, zscore
from strategies.params import Float, Int


class Zscore(Strategy):
    """Buy when the close is unusually far below its mean, measured in standard deviations, sell when it is back there.

    Source: E. P. Chan, Algorithmic Trading: Winning Strategies and Their Rationale, 2013, chapter 3, which enters at
    one deviation and leaves at the mean. With an entry at -2 this is the Bollinger reversion.
    """

    key = "zscore"
    label = "Z-score reversion"

    period = Int(20, low=3, high=400, help="Bars in the mean and in the deviation")
    low = Float(-1.0, low=-10.0, high=10.0, label="Entry", help="Enter when the z-score crosses below this")
    high = Float(0.0, low=-10.0, high=10.0, label="Exit", help="Exit when the z-score crosses above this")

    def check(self) -> None:
        if self.low >= self.high:
            raise ParameterError("low", f"must be smaller than high; {self.low:g} is not below {self.high:g}")

    @property
    def warmup(self) -> int:
        return self.period

    def signals(self, bars: Bars) -> Signals:
        score = zscore(bars.close, self.period)
        return Signals(entry=crossed_below(score, self.low), exit=crossed_above(score, self.high))
