from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.indicators import rolling_max, rolling_min, shifted
from strategies.params import Int


class Donchian(Strategy):
    """Buy on a close above the highest high of the bars before, sell on one below the lowest low of fewer bars before.

    Source: C. Faith, The Original Turtle Trading Rules, 2003, system 1, after R. Donchian's four-week rule of 1960.
    """

    key = "donchian"
    label = "Donchian channel (Turtle)"

    highs = Int(20, low=2, high=400, label="Entry channel", help="Earlier bars whose highest high a close must exceed")
    lows = Int(10, low=2, high=400, label="Exit channel", help="Earlier bars below whose lowest low a close ends it")

    @property
    def warmup(self) -> int:
        return self.highs

    def signals(self, bars: Bars) -> Signals:
        highest = shifted(rolling_max(bars.high, self.highs), 1)
        lowest = shifted(rolling_min(bars.low, self.lows), 1)
        leave = bars.close < lowest
        leave[: self.warmup] = False
        return Signals(entry=bars.close > highest, exit=leave)
