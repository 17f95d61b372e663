from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.indicators import bollinger, crossed_above, crossed_below
from strategies.params import Float, Int


class BollingerBreakout(Strategy):
    """Buy when the close breaks through the upper Bollinger band, sell when it falls back below the middle one.

    Source: C. Faith, Way of the Turtle, 2007, chapter 10, Bollinger breakout; it takes bands of 350 days and 2.5
    deviations, the defaults are those of J. Bollinger, Bollinger on Bollinger Bands, 2001.
    """

    key = "bollinger-breakout"
    label = "Bollinger breakout"

    period = Int(20, low=2, high=400, help="Bars in the middle band, a simple average of closes")
    width = Float(2.0, low=0.1, high=10.0, help="Distance of the outer bands in standard deviations")

    @property
    def warmup(self) -> int:
        return self.period

    def signals(self, bars: Bars) -> Signals:
        upper, middle, _ = bollinger(bars.close, self.period, self.width)
        return Signals(entry=crossed_above(bars.close, upper), exit=crossed_below(bars.close, middle))
