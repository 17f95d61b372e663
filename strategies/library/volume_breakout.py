from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.indicators import rolling_max, rolling_min, shifted, sma
from strategies.params import Float, Int


class VolumeBreakout(Strategy):
    """Buy on a close above the highest high of the bars before on unusual volume, sell on one below their lowest low.

    Source: W. J. O'Neil, How to Make Money in Stocks, 1988: a new high on volume half as large again as the average.
    """

    key = "volume-breakout"
    label = "Volume breakout"

    highs = Int(20, low=2, high=400, label="Entry channel", help="Earlier bars whose highest high a close must exceed")
    lows = Int(10, low=2, high=400, label="Exit channel", help="Earlier bars below whose lowest low a close ends it")
    average = Int(50, low=2, high=400, label="Volume average", help="Earlier bars in the average of volume")
    factor = Float(1.5, low=0.1, high=20.0, label="Volume factor", help="Averages of volume that a breakout exceeds")

    @property
    def warmup(self) -> int:
        return max(self.highs, self.average)

    def signals(self, bars: Bars) -> Signals:
        breaks_out = bars.close > shifted(rolling_max(bars.high, self.highs), 1)
        is_crowded = bars.volume > self.factor * shifted(sma(bars.volume, self.average), 1)
        leave = bars.close < shifted(rolling_min(bars.low, self.lows), 1)
        leave[: self.warmup] = False
        return Signals(entry=breaks_out & is_crowded, exit=leave)
