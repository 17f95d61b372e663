from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.indicators import crossed_above, crossed_below, supertrend
from strategies.params import Float, Int


class Supertrend(Strategy):
    """Buy when the Supertrend turns upwards, sell when it turns downwards.

    Source: O. Seban, Tout le monde mérite d'être riche, the book of the indicator's author.
    """

    key = "supertrend"
    label = "Supertrend"

    period = Int(10, low=2, high=200, label="ATR period", help="Period of the average true range")
    width = Float(3.0, low=0.1, high=20.0, help="Average true ranges between the middle of a bar and the line")

    @property
    def warmup(self) -> int:
        return self.period + 1

    def signals(self, bars: Bars) -> Signals:
        _, direction = supertrend(bars.high, bars.low, bars.close, self.period, self.width)
        return Signals(entry=crossed_above(direction, 0.0), exit=crossed_below(direction, 0.0))
