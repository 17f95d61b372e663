from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.indicators import bollinger, crossed_above, crossed_below, rolling_argmin
from strategies.params import Float, Int


class Squeeze(Strategy):
    """Buy when the close breaks through the upper Bollinger band soon after the bands were narrowest, sell below the
    middle one.

    Source: J. Bollinger, Bollinger on Bollinger Bands, 2001, the Squeeze and method I, volatility breakout.
    """

    key = "squeeze"
    label = "Squeeze breakout"

    period = Int(20, low=2, high=400, help="Bars in the middle band, a simple average of closes")
    width = Float(2.0, low=0.1, high=10.0, help="Distance of the outer bands in standard deviations")
    lookback = Int(125, low=2, high=500, help="Bars of which one had the narrowest bands; 125 are half a year")
    within = Int(10, low=1, high=100, help="Bars after the narrowest bands in which a breakout counts")

    @property
    def warmup(self) -> int:
        return self.period + self.lookback - 2

    def signals(self, bars: Bars) -> Signals:
        upper, middle, lower = bollinger(bars.close, self.period, self.width)
        bars_since_narrowest = rolling_argmin((upper - lower) / middle, self.lookback)
        breaks_out = crossed_above(bars.close, upper)
        leave = crossed_below(bars.close, middle)
        leave[: self.warmup] = False
        return Signals(entry=breaks_out & (bars_since_narrowest <= self.within), exit=leave)
