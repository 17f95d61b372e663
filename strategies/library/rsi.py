from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.errors import ParameterError
from strategies.indicators import crossed_above, crossed_below, rsi
from strategies.params import Float, Int


class Rsi(Strategy):
    """Buy when the relative strength index falls into oversold territory, sell when it climbs into overbought.

    Source: J. Welles Wilder, New Concepts in Technical Trading Systems, 1978, section VI.
    """

    key = "rsi"
    label = "RSI reversion"

    period = Int(14, low=2, high=200, help="Bars in Wilder's average of gains and losses")
    low = Float(30.0, low=1.0, high=99.0, label="Oversold", help="Enter when the RSI crosses below this")
    high = Float(70.0, low=1.0, high=99.0, label="Overbought", help="Exit when the RSI crosses above this")

    def check(self) -> None:
        if self.low >= self.high:
            raise ParameterError("low", f"must be smaller than high; {self.low:g} is not below {self.high:g}")

    @property
    def warmup(self) -> int:
        return self.period + 1

    def signals(self, bars: Bars) -> Signals:
        strength = rsi(bars.close, self.period)
        return Signals(entry=crossed_below(strength, self.low), exit=crossed_above(strength, self.high))
