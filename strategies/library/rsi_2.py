from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.indicators import rsi, sma
from strategies.params import Float, Int


class ConnorsRsi2(Strategy):
    """Buy a short dip in a long rise: close above its long average and RSI(2) oversold; sell above the short average.

    Source: L. Connors and C. Alvarez, Short Term Trading Strategies That Work, 2008, chapter on the 2-period RSI.
    """

    key = "rsi-2"
    label = "Connors RSI-2"

    period = Int(2, low=2, high=50, help="Bars in Wilder's average of gains and losses")
    low = Float(10.0, low=1.0, high=99.0, label="Oversold", help="Enter while the RSI is below this")
    trend = Int(200, low=2, high=400, label="Trend average", help="Bars in the average that the close must be above")
    average = Int(5, low=2, high=100, label="Exit average", help="Bars in the average above which a close ends it")

    @property
    def warmup(self) -> int:
        return max(self.period, self.trend - 1)

    def signals(self, bars: Bars) -> Signals:
        is_rising = bars.close > sma(bars.close, self.trend)
        is_oversold = rsi(bars.close, self.period) < self.low
        leave = bars.close > sma(bars.close, self.average)
        leave[: self.warmup] = False
        return Signals(entry=is_rising & is_oversold, exit=leave)
