from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.indicators import crossed_above, crossed_below, keltner
from strategies.params import Float, Int


class KeltnerBreakout(Strategy):
    """Buy when the close breaks out of the top of the Keltner channel, sell when it falls back below the middle line.

    Source: C. W. Keltner, How to Make Money in Commodities, 1960, ten-day moving average rule, with the exponential
    average and the average true range of L. B. Raschke.
    """

    key = "keltner-breakout"
    label = "Keltner breakout"

    period = Int(20, low=2, high=400, help="Period of the middle line, an exponential average of typical prices")
    atr_period = Int(10, low=1, high=200, label="ATR period", help="Period of the average true range")
    width = Float(2.0, low=0.1, high=10.0, help="Distance of the outer lines in average true ranges")

    @property
    def warmup(self) -> int:
        return max(self.period, self.atr_period + 1)

    def signals(self, bars: Bars) -> Signals:
        upper, middle, _ = keltner(bars.high, bars.low, bars.close, self.period, self.atr_period, self.width)
        leave = crossed_below(bars.close, middle)
        leave[: self.warmup] = False
        return Signals(entry=crossed_above(bars.close, upper), exit=leave)
