from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.errors import ParameterError
from strategies.indicators import crossed_above, crossed_below, sma
from strategies.params import Int


class TripleAverage(Strategy):
    """Buy when three averages line up, fast above medium above slow, sell when the fast one falls below the medium one.

    Source: R. C. Allen, How to Use the 4-Day, 9-Day and 18-Day Moving Averages to Earn Larger Profits from Commodities,
    1974; J. J. Murphy, Technical Analysis of the Financial Markets, 1999, chapter 9, triple crossover method.
    """

    key = "triple-average"
    label = "Triple moving average"

    fast = Int(4, low=2, high=200, help="Bars in the fast average")
    medium = Int(9, low=3, high=300, help="Bars in the medium average")
    slow = Int(18, low=4, high=400, help="Bars in the slow average")

    def check(self) -> None:
        if self.fast >= self.medium:
            raise ParameterError("fast", f"must be smaller than medium; {self.fast} is not below {self.medium}")
        if self.medium >= self.slow:
            raise ParameterError("medium", f"must be smaller than slow; {self.medium} is not below {self.slow}")

    @property
    def warmup(self) -> int:
        return self.slow - 1

    def signals(self, bars: Bars) -> Signals:
        fast, medium, slow = (sma(bars.close, period) for period in (self.fast, self.medium, self.slow))
        fast_joins = crossed_above(fast, medium) & (medium > slow)
        medium_joins = crossed_above(medium, slow) & (fast > medium)
        leave = crossed_below(fast, medium)
        leave[: self.warmup] = False
        return Signals(entry=fast_joins | medium_joins, exit=leave)
