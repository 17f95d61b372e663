from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.indicators import adx, crossed_above, crossed_below
from strategies.params import Float, Int


class AdxTrend(Strategy):
    """Buy when +DI is above -DI and the ADX says that the trend is strong, sell when +DI falls below -DI.

    Source: J. Welles Wilder, New Concepts in Technical Trading Systems, 1978, section IV.
    """

    key = "adx-trend"
    label = "ADX trend"

    period = Int(14, low=2, high=200, help="Bars in each of Wilder's averages")
    strength = Float(25.0, low=0.0, high=90.0, help="Enter only while the ADX is above this")

    @property
    def warmup(self) -> int:
        return 2 * self.period - 1

    def signals(self, bars: Bars) -> Signals:
        strength, plus_di, minus_di = adx(bars.high, bars.low, bars.close, self.period)
        turns_up = crossed_above(plus_di, minus_di) & (strength > self.strength)
        grows_strong = crossed_above(strength, self.strength) & (plus_di > minus_di)
        leave = crossed_below(plus_di, minus_di)
        leave[: self.warmup] = False
        return Signals(entry=turns_up | grows_strong, exit=leave)
