from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.indicators import crossed_below, rolling_max, shifted, sma
from strategies.params import Int


class YearHigh(Strategy):
    """Buy on a close above the highest high of the year before, sell when the close falls below its average.

    Source: T. J. George and C.-Y. Hwang, The 52-Week High and Momentum Investing, Journal of Finance 59, 2004.
    """

    key = "year-high"
    label = "52-week-high breakout"

    lookback = Int(252, low=2, high=1000, help="Earlier bars whose highest high a close must exceed; 252 are a year")
    average = Int(50, low=2, high=400, label="Exit average", help="Bars in the average below which a close ends it")

    @property
    def warmup(self) -> int:
        return self.lookback

    def signals(self, bars: Bars) -> Signals:
        highest = shifted(rolling_max(bars.high, self.lookback), 1)
        leave = crossed_below(bars.close, sma(bars.close, self.average))
        leave[: self.warmup] = False
        return Signals(entry=bars.close > highest, exit=leave)
