import numpy as np

from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.indicators import rolling_min, shifted
from strategies.params import Int


class NarrowRange(Strategy):
    """Buy on a close above the bar before if it has the narrowest range of seven, NR7, sell on one below such a bar.

    Source: T. Crabel, Day Trading with Short Term Price Patterns and Opening Range Breakout, 1990.
    """

    key = "narrow-range"
    label = "Narrow-range breakout (NR7)"

    period = Int(7, low=2, high=100, help="Bars of which the one to break out of has the narrowest range")

    @property
    def warmup(self) -> int:
        return self.period

    def signals(self, bars: Bars) -> Signals:
        ranges = bars.high - bars.low
        is_narrow = ranges <= rolling_min(ranges, self.period)
        ceiling = shifted(np.where(is_narrow, bars.high, np.nan), 1)
        floor = shifted(np.where(is_narrow, bars.low, np.nan), 1)
        return Signals(entry=bars.close > ceiling, exit=bars.close < floor)
