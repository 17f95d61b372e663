from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.indicators import bollinger, crossed_above, crossed_below
from strategies.params import Float, Int


class Bollinger(Strategy):
    """Buy when the close falls through the lower Bollinger band, sell when it is back above the middle one.

    Source: J. Bollinger, Bollinger on Bollinger Bands, 2001.
    """

    key = "bollinger"
    label = "Bollinger reversion"

    period = Int(20, low=2, high=400, help="Bars in the middle band, a simple average of closes")
    width = Float(2.0, low=0.1, high=10.0, help="Distance of the outer bands in standard deviations")

    @property
    def warmup(self) -> int:
        return self.period

    def signals(self, bars: Bars) -> Signals:
        _, middle, lower = bollinger(bars.close, self.period, self.width)
        return Signals(entry=crossed_below(bars.close, lower), exit=crossed_above(bars.close, middle))
